"""Policy templates: named contracts as data, filled with terms, written as ODRL.

Every template gives a policy that the enforcement points can enforce (a test builds each of them).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.engine import MASKED_SUMS
from medspace.core.instants import BoundError, bound
from medspace.core.misfits import nearest
from medspace.core.text import Text, msgid
from medspace.policy import budgets, credentials, duties, odrl, purposes, standing
from medspace.policy.actions import DOWNLOAD, DUTIES, PROFILE, UNKEPT, USE, action_of, covers
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
    "not_purposes": ("purpose", "isNoneOf"),
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
    "gate_group_sensitivity_gap": ("medspace:groupSensitivityGap", "lteq"),
    "gate_site_auc_below": ("medspace:siteAucBelow", "lteq"),
    "gate_holdout": ("medspace:heldOut", "gteq"),
    "elapsed": (standing.ELAPSED, "lteq"),
    "roles": (standing.ROLE, "isAnyOf"),
    "security_level": (standing.LEVEL, "gteq"),
    "applications": (standing.APPLICATION, "isAnyOf"),
    "events": (standing.EVENT, "isAllOf"),
    "states": (standing.STATE, "isAnyOf"),
    "credentials": (credentials.CREDENTIAL, "isAllOf"),
    "route": (credentials.ROUTE, "eq"),
    "epsilon": (budgets.EPSILON, "lteq"),
    "epsilon_per_task": (budgets.PER_TASK, "lteq"),
    "delta": (budgets.DELTA, "eq"),
    "unit": (budgets.UNIT, "eq"),
}
# The duties of the user that `duties` may list, and within how many days of the end of each use they are fulfilled; a
# duty that only its days name is owed as well, and one without them within a day.
DUTY_TERMS: Mapping[str, str] = {
    "delete_within": duties.DELETE,
    "inform_within": duties.INFORM,
    "report_within": duties.REPORT,
    "attribute_within": duties.ATTRIBUTE,
}
_ENDS = frozenset({"until"})  # for an end, a day means its last instant; elsewhere, its first
WHOLE = frozenset(("count", "min_cohort", "min_sites", "colluders", *DUTY_TERMS))
DUTY = "duties"
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

    Terms: `purposes`, `not_purposes`, `regions` (country codes, EU, EEA), `recipients` and `holders` (DIDs) and
    `outputs` are lists; `not_before` and `until` are days or instants with their zone (`core.instants`); `count`,
    `min_cohort`, `min_sites` and `colluders` are whole numbers; `protection` and `unit` are names; `epsilon`,
    `epsilon_per_task` and `delta` are numbers, or decimal texts. `roles`, `applications`, `events` and `states` are
    lists of names, as are `duties`; `credentials` is a list of demands (`policy.credentials`), `route` a name;
    `elapsed` is a duration (P30D), `security_level` is base, trust or trust-plus. What begins with `gate_` is
    demanded of models: `gate_groups` is a list (`sex`, `age=50,65`), the others are numbers between 0 and 1. What
    ends with `_within` is a duty of the user, listed in `duties` or not, and a whole number of days after each use.
    None leaves a term out, even one that the template presets.

    Raises:
        UnknownTemplateError: there is no such template.
        InvalidTermsError: a term is unknown or its value has no meaning.
    """
    template = TEMPLATES.get(name)
    if template is None:
        raise UnknownTemplateError(name=name, known=", ".join(TEMPLATES))
    given = {**(template.presets or {}), **terms}
    listed = _duties(name, given.pop(DUTY, None))
    unknown = next((term for term in given if term not in TERMS and term not in DUTY_TERMS), None)
    if unknown is not None:
        near = nearest(unknown, [*TERMS, *DUTY_TERMS])
        reason = (
            Text(msgid("it is not one of its terms (did you mean {near}?)"), {"near": near})
            if near
            else Text(msgid("it is not one of its terms"))
        )
        raise InvalidTermsError(name=name, term=unknown, reason=reason)
    given = _with_delta(name, given)
    return odrl.write(_policy(template, offer_id or f"urn:medspace:template:{name}", given, listed))


def _duties(name: str, given: Given | None) -> tuple[str, ...]:
    """The duties that terms name, each one that may be kept.

    Raises:
        InvalidTermsError: nothing here knows one, or nothing could make the other side keep it.
    """
    if given is None:
        return ()
    listed = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(map(str, given))
    for duty in map(str, listed):
        if duty not in DUTIES:
            reason = UNKEPT.get(duty) or Text(msgid("the action {name} is not known"), {"name": duty})
            raise InvalidTermsError(name=name, term=DUTY, reason=reason)
    return tuple(dict.fromkeys(map(str, listed)))


def _with_delta(name: str, given: dict[str, Given | None]) -> dict[str, Given | None]:
    """The terms with the delta at which an epsilon is read; `delta` and `unit` need an epsilon."""
    if any(given.get(term) is not None for term in NOISE):
        return {**given, "delta": given.get("delta") or budgets.DEFAULT_DELTA}
    lost = next((term for term in ("delta", "unit") if given.get(term) is not None), None)
    if lost is not None:
        raise InvalidTermsError(name=name, term=lost, reason=Text(msgid("it goes with an epsilon")))
    return given


def _policy(template: Template, offer_id: str, given: Mapping[str, Given | None], listed: tuple[str, ...]) -> Policy:
    def permission(at: int, action: str) -> Rule:
        clause = f"/permission/{at}"
        set_terms = [term for term in TERMS if given.get(term) is not None]
        constraints = (
            _constraint(template, term, given, f"{clause}/constraint/{i}") for i, term in enumerate(set_terms)
        )
        own = [duty for duty in listed if duty not in duties.OWED]
        owed = tuple(Rule(duty, f"{clause}/duty/{i}") for i, duty in enumerate(own))
        return Rule(action, clause, tuple(constraints), duties=owed)

    return Policy(
        id=offer_id,
        kind=PolicyKind.OFFER,
        permissions=tuple(permission(at, action) for at, action in enumerate(template.permits)),
        prohibitions=tuple(Rule(action, f"/prohibition/{at}") for at, action in enumerate(template.forbids)),
        obligations=tuple(_obligations(template, given, listed)),
        profiles=(PROFILE,),
    )


def _obligations(template: Template, given: Mapping[str, Given | None], listed: tuple[str, ...]) -> Iterator[Rule]:
    """The duties of the user: each once, however it was named, for the whole contract."""
    wanted = [(t, action) for t, action in DUTY_TERMS.items() if given.get(t) is not None or action in listed]
    for at, (term, action) in enumerate(wanted):
        clause = f"/obligation/{at}"
        yield Rule(action, clause, _deadline(template, term, given, clause))


def _deadline(template: Template, term: str, given: Mapping[str, Given | None], clause: str) -> tuple[Atomic, ...]:
    if given.get(term) is None:
        return ()
    problem = _problem(term, given[term])
    if problem is not None:
        raise InvalidTermsError(name=template.name, term=term, reason=problem)
    right = tuple(f"P{days}D" for days in _texts(term, given[term]))
    try:
        found = duties.deadline(DUTY_TERMS[term], duties.ELAPSED, duties.WITHIN, right, f"{clause}/constraint/0")
    except duties.DeadlineError as error:
        raise InvalidTermsError(name=template.name, term=term, reason=error.reason) from error
    return (found,)


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
    return tuple(purposes.iri(str(item)) if TERMS.get(term, ("",))[0] == "purpose" else str(item) for item in value)
