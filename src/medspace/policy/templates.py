"""Policy templates: named contracts as data, filled with terms, written as ODRL.

Every template gives a policy that the enforcement points can enforce (a test builds each of them).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite

from medspace.core.canonical import JsonObject
from medspace.core.clock import stamp
from medspace.core.engine import MASKED_SUMS
from medspace.core.text import Text, msgid
from medspace.policy import budgets, odrl, purposes
from medspace.policy.actions import DOWNLOAD, PROFILE, USE
from medspace.policy.errors import InvalidTermsError, UnknownTemplateError
from medspace.policy.model import Atomic, Policy, PolicyKind, Rule
from medspace.policy.operands import UnreadableConstraintError, atomic

# What a term of a template may be given as.
Given = str | int | float | datetime | Iterable[str]


@dataclass(frozen=True, slots=True)
class Template:
    """A named contract: what it is for, the actions it permits and forbids, and what it sets when not told."""

    name: str
    title: str
    permits: tuple[str, ...]
    forbids: tuple[str, ...] = ()
    presets: Mapping[str, Given] | None = None


# What sites send is masked unless the contract says that the coordinator sees it.
_JOINT: Mapping[str, Given] = {"protection": MASKED_SUMS}

TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template("open-use", msgid("Any use, without conditions of its own."), permits=(USE,)),
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

# Each term: the operand, the operator, and whether it takes several values.
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
    "epsilon": (budgets.EPSILON, "lteq"),
    "epsilon_per_task": (budgets.PER_TASK, "lteq"),
    "delta": (budgets.DELTA, "eq"),
    "unit": (budgets.UNIT, "eq"),
}
NOISE = ("epsilon", "epsilon_per_task")  # either asks for noise; `delta` and `unit` say more of it


def build(name: str, *, offer_id: str | None = None, **terms: Given | None) -> JsonObject:
    """The catalogue offer of a template, as ODRL JSON.

    Terms: `purposes`, `regions` (country codes, EU, EEA), `recipients` and `holders` (DIDs) and `outputs` are
    lists; `not_before` and `until` are aware datetimes or RFC 3339 texts with a zone; `count`, `min_cohort`,
    `min_sites` and `colluders` are whole numbers; `protection` and `unit` are names; `epsilon`, `epsilon_per_task`
    and `delta` are numbers, or decimal texts. None leaves a term out, a preset too.

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
        raise InvalidTermsError(name=name, term=unknown, reason=Text(msgid("it is not one of its terms")))
    given = _with_delta(name, given)
    return odrl.write(_policy(template, offer_id or f"urn:medspace:template:{name}", given))


def _with_delta(name: str, given: dict[str, Given | None]) -> dict[str, Given | None]:
    """The terms with the delta that an epsilon is read at; what says more of noise needs one."""
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
    problem = _problem(given[term])
    if problem is not None:
        raise InvalidTermsError(name=template.name, term=term, reason=problem)
    try:
        return atomic(operand, comparison, _texts(term, given[term]), clause)
    except UnreadableConstraintError as error:
        raise InvalidTermsError(name=template.name, term=term, reason=error.reason) from error


def _problem(value: object) -> Text | None:
    """What is wrong with a value of a kind that no term has, such as a configuration file may hold."""
    if isinstance(value, datetime):
        return None if value.tzinfo else Text(msgid("it is a time without a zone: end it with Z, or with +01:00"))
    if isinstance(value, date | time):
        return Text(msgid("it must be a time with its zone, such as 2027-01-01T00:00:00Z"))
    items = value if isinstance(value, list | tuple) else (value,)
    odd = any(isinstance(one, Mapping | list | tuple | date | time) for one in items)
    return Text(msgid("it is of a kind that no term has")) if odd else None


def _texts(term: str, value: Given | None) -> tuple[str, ...]:
    if isinstance(value, datetime):
        return (stamp(value),)
    if isinstance(value, float):
        return (budgets.decimal(value) if isfinite(value) else str(value),)
    if isinstance(value, str | int) or value is None:
        value = (str(value),)
    return tuple(purposes.iri(str(item)) if term == "purposes" else str(item) for item in value)
