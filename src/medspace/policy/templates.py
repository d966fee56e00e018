"""Policy templates: named contracts as data, filled with terms, written as ODRL.

Every template gives a policy that the enforcement points can enforce (a test builds each of them).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.engine import MASKED_SUMS
from medspace.core.instants import BoundError, bound
from medspace.core.misfits import nearest
from medspace.core.text import Text, msgid
from medspace.policy import budgets, odrl, purposes
from medspace.policy.actions import DOWNLOAD, PROFILE, USE, action_of, covers
from medspace.policy.errors import InvalidTermsError, UnknownTemplateError, UnservedTemplateError
from medspace.policy.model import Atomic, Policy, PolicyKind, Rule
from medspace.policy.operands import UnreadableConstraintError, atomic

# The types in which the value of a term may be given.
Given = str | int | float | date | datetime | Iterable[str]


@dataclass(frozen=True, slots=True)
class Template:
    """A named contract: what it is for, the actions it permits and forbids, and its default terms."""

    name: str
    title: str
    permits: tuple[str, ...]
    forbids: tuple[str, ...] = ()
    presets: Mapping[str, Given] | None = None

    def served(self, kinds: Collection[str]) -> bool:
        """Whether each of its permissions covers at least one of these kinds of use (DSP formats)."""
        return all(any(covers(action, action_of(kind)) for kind in kinds) for action in self.permits)


# What sites send is masked unless the contract says that the coordinator sees it.
_JOINT: Mapping[str, Given] = {"protection": MASKED_SUMS}

TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(
            "open-use",
            msgid("Any use beside the data that the connector serves; no download."),
            permits=(USE,),
            forbids=(DOWNLOAD,),
            presets=_JOINT,
        ),
        Template(
            "train-only",
            msgid("Train models beside the data; no download."),
            permits=("medspace:train",),
            forbids=(DOWNLOAD,),
            presets=_JOINT,
        ),
        Template(
            "statistics-only",
            msgid("Compute statistics beside the data; no download."),
            permits=("medspace:statistics",),
            forbids=(DOWNLOAD,),
            presets=_JOINT,
        ),
        Template(
            "train-and-statistics",
            msgid("Train models and compute statistics beside the data; no download."),
            permits=("medspace:train", "medspace:statistics"),
            forbids=(DOWNLOAD,),
            presets=_JOINT,
        ),
        Template("download", msgid("Download the data."), permits=(DOWNLOAD,)),
    )
}

# For each term: its operand, its operator, and whether it takes several values.
TERMS: Mapping[str, tuple[str, str]] = {
    "purposes": ("purpose", "isAnyOf"),
    "not_before": ("dateTime", "gteq"),
    "until": ("dateTime", "lteq"),
    "regions": ("spatial", "isAnyOf"),
    "recipients": ("recipient", "isAnyOf"),
    "count": ("count", "lteq"),
    "min_cohort": ("medspace:minCohort", "gteq"),
    "min_sites": ("medspace:minSites", "gteq"),
    "holders": ("medspace:holders", "isAnyOf"),
    "outputs": ("medspace:output", "isAnyOf"),
    "protection": ("medspace:protection", "eq"),
    "colluders": ("medspace:colluders", "gteq"),
    "gate_groups": ("medspace:judgedBy", "isAllOf"),
    "gate_auc": ("medspace:auc", "gteq"),
    "gate_concordance": ("medspace:concordance", "gteq"),
    "gate_ece": ("medspace:ece", "lteq"),
    "gate_group_auc_gap": ("medspace:groupAucGap", "lteq"),
    "gate_site_auc_below": ("medspace:siteAucBelow", "lteq"),
    "gate_holdout": ("medspace:heldOut", "gteq"),
    "epsilon": (budgets.EPSILON, "lteq"),
    "epsilon_per_task": (budgets.PER_TASK, "lteq"),
    "delta": (budgets.DELTA, "eq"),
    "unit": (budgets.UNIT, "eq"),
}
_ENDS = frozenset({"until"})  # for an end, a day means its last instant; elsewhere, its first
WHOLE = frozenset(("count", "min_cohort", "min_sites", "colluders"))
NOISE = ("epsilon", "epsilon_per_task")  # either one asks for noise; `delta` and `unit` give the details


def offerable(kinds: Collection[str]) -> Mapping[str, Template]:
    """The templates, by name, whose contracts a connector that serves these kinds of use (DSP formats) can keep."""
    return {name: template for name, template in TEMPLATES.items() if template.served(kinds)}


def check_offerable(name: str, kinds: Collection[str]) -> None:
    """Refuse a template that permits a use that nothing here serves, since its contract could not be used.

    Raises:
        UnknownTemplateError: there is no such template.
        UnservedTemplateError: one of its permissions is for a use that is not served.
    """
    known = ", ".join(offerable(kinds)) or "-"
    template = TEMPLATES.get(name)
    if template is None:
        raise UnknownTemplateError(name=name, known=known)
    if not template.served(kinds):
        raise UnservedTemplateError(name=name, uses=", ".join(template.permits), known=known)


def build(name: str, *, offer_id: str | None = None, **terms: Given | None) -> JsonObject:
    """Build the catalogue offer of a template, as ODRL JSON; `build_from` with the terms as keywords."""
    return build_from(name, terms, offer_id)


def build_from(name: str, terms: Mapping[str, Given | None], offer_id: str | None = None) -> JsonObject:
    """Build the catalogue offer of a template with these terms, as ODRL JSON.

    Terms: `purposes`, `regions` (country codes, EU, EEA), `recipients` and `holders` (DIDs) and `outputs` are lists;
    `not_before` and `until` are days or instants with their zone (`core.instants`); `count`, `min_cohort`,
    `min_sites` and `colluders` are whole numbers; `protection` and `unit` are names; `epsilon`, `epsilon_per_task`
    and `delta` are numbers, or decimal texts. What begins with `gate_` is demanded of models: `gate_groups` is a list
    (`sex`, `age=50,65`), the others are numbers between 0 and 1. None leaves a term out, even one that the template
    presets.

    Raises:
        UnknownTemplateError: there is no such template.
        InvalidTermsError: a term is unknown or its value has no meaning.
    """
    template = TEMPLATES.get(name)
    if template is None:
        raise UnknownTemplateError(name=name, known=", ".join(TEMPLATES))
    given = {**(template.presets or {}), **terms}
    unknown = next((term for term in given if term not in TERMS), None)
    if unknown is not None:
        near = nearest(unknown, list(TERMS))
        reason = (
            Text(msgid("it is not one of its terms (did you mean {near}?)"), {"near": near})
            if near
            else Text(msgid("it is not one of its terms"))
        )
        raise InvalidTermsError(name=name, term=unknown, reason=reason)
    given = _with_delta(name, given)
    return odrl.write(_policy(template, offer_id or f"urn:medspace:template:{name}", given))


def _with_delta(name: str, given: dict[str, Given | None]) -> dict[str, Given | None]:
    """The terms with the delta at which an epsilon is read; `delta` and `unit` need an epsilon."""
    if any(given.get(term) is not None for term in NOISE):
        return {**given, "delta": given.get("delta") or budgets.DEFAULT_DELTA}
    lost = next((term for term in ("delta", "unit") if given.get(term) is not None), None)
    if lost is not None:
        raise InvalidTermsError(name=name, term=lost, reason=Text(msgid("it goes with an epsilon")))
    return given


def _policy(template: Template, offer_id: str, given: Mapping[str, Given | None]) -> Policy:
    def permission(at: int, action: str) -> Rule:
        clause = f"/permission/{at}"
        set_terms = [term for term in TERMS if given.get(term) is not None]
        constraints = (
            _constraint(template, term, given, f"{clause}/constraint/{i}") for i, term in enumerate(set_terms)
        )
        return Rule(action, clause, tuple(constraints))

    return Policy(
        id=offer_id,
        kind=PolicyKind.OFFER,
        permissions=tuple(permission(at, action) for at, action in enumerate(template.permits)),
        prohibitions=tuple(Rule(action, f"/prohibition/{at}") for at, action in enumerate(template.forbids)),
        profiles=(PROFILE,),
    )


def _constraint(template: Template, term: str, given: Mapping[str, Given | None], clause: str) -> Atomic:
    operand, comparison = TERMS[term]
    problem = None if operand == "dateTime" else _problem(term, given[term])
    if problem is not None:
        raise InvalidTermsError(name=template.name, term=term, reason=problem)
    try:
        texts = _instants(term, given[term]) if operand == "dateTime" else _texts(term, given[term])
        return atomic(operand, comparison, texts, clause)
    except (BoundError, UnreadableConstraintError) as error:
        raise InvalidTermsError(name=template.name, term=term, reason=error.reason) from error


def _instants(term: str, value: Given | None) -> tuple[str, ...]:
    """The instant that goes into the contract, so that the contract reads the same in every time zone."""
    return (stamp(bound(value, last=term in _ENDS)),)


def _problem(term: str, value: object) -> Text | None:
    """What is wrong with a value of a type that no term accepts; a configuration file may hold one."""
    if term in WHOLE and (isinstance(value, bool) or (isinstance(value, float) and not value.is_integer())):
        return Text(msgid("it must be a whole number, without a point"))
    items = value if isinstance(value, list | tuple) else (value,)
    odd = any(isinstance(one, Mapping | list | tuple | date | time) for one in items)
    return Text(msgid("it is of a kind that no term has")) if odd else None


def _texts(term: str, value: Given | None) -> tuple[str, ...]:
    if isinstance(value, float):
        return (budgets.decimal(value) if isfinite(value) else str(value),)
    if isinstance(value, str | int | date) or value is None:  # `_problem` has refused days before
        value = (str(value),)
    return tuple(purposes.iri(str(item)) if term == "purposes" else str(item) for item in value)
