"""The left operands that can be enforced: their operators, values, first enforcement point, and wording.

To add an operand, add a row to `OPERANDS`; an operand without a row makes a policy unenforceable. `purpose`,
`dateTime`, `count`, `spatial` and `recipient` are ODRL's (ODRL Vocabulary 3.9.1); `assignee` is another name that
connectors use for `recipient`; `medspace:` terms are the profile of this data space.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from medspace.core.clock import instant
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_GROUPS, MASKED_SUMS, MASKED_WEIGHTS
from medspace.core.text import Fact, Text, msgid
from medspace.policy import budgets, credentials, gates, outputs, purposes, standing
from medspace.policy.model import PROTOCOL, Atomic, UseRequest, Value
from medspace.policy.operand import (
    LISTED,
    ORDER,
    Operand,
    Test,
    matching_any,
    member_of,
    one_of,
    opposite,
    read_number,
    terms,
)
from medspace.policy.points import Point
from medspace.policy.purposes import PURPOSES
from medspace.policy.regions import REGIONS, WORLD

# --- reading values -------------------------------------------------------------------------------------------

# xsd:dateTime with its time zone; seconds may be absent, as in the examples of the Dataspace Protocol. A time without
# a zone is ambiguous, so it is refused rather than guessed.
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_DID = re.compile(r"did:[a-z0-9]+:[A-Za-z0-9._%:-]+", re.ASCII)
_OUTPUT = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}", re.ASCII)


def _read_instant(text: str) -> datetime:
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return instant(text)


def _read_purpose(text: str) -> str:
    name = purposes.canonical(text)
    if name is None:
        raise ValueError(text)
    return name


# --- comparing ------------------------------------------------------------------------------------------------


# `eq` and `neq` on purposes compare the term itself, as in ODRL; matching a narrower purpose needs `isA` or
# `isAnyOf`.
_PURPOSE: Mapping[str, Test] = {
    "eq": PURPOSES.same,
    "neq": opposite(PURPOSES.same),
    "isA": PURPOSES.within,
    "isAnyOf": matching_any(PURPOSES.within),
    "isNoneOf": opposite(matching_any(PURPOSES.within)),
}

# A user is in a region when the user's own region lies within it: a country "equals" a union that it belongs to.
_PLACE = terms(REGIONS.within, isPartOf=REGIONS.within)


# --- saying ---------------------------------------------------------------------------------------------------

PROTECTIONS: Mapping[str, Text] = {
    COORDINATOR_SEES_SUMS: Text(msgid("the coordinator sees the sums of each data holder")),
    MASKED_SUMS: Text(
        msgid("only sums over all data holders taking part are opened, and only the data holders see these sums")
    ),
    MASKED_GROUPS: Text(
        msgid(
            "the data holders are in groups, only the sum over each whole group is opened, and only the data holders "
            "see these sums: each hides among fewer, so that the groups can be held against one another"
        )
    ),
    MASKED_WEIGHTS: Text(
        msgid(
            "nobody sees numbers of one data holder, only sums over all of them; but the coordinator could choose "
            "weights: it could change a large sum unseen, and so decide about which model the holders are asked next"
        )
    ),
}


# The kinds of result of a run under masks, by the end of their names (`runs.masked`); others are shown by name.
_PLACES = {
    "EU": Text(msgid("the European Union")),
    "EEA": Text(msgid("the European Economic Area")),
    WORLD: Text(msgid("any country")),
}


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(" ")[:-6] + " UTC"


_EITHER, _BOTH = msgid("{first} or {rest}"), msgid("{first} and {rest}")


def _joined(listed: tuple[Fact | Text, ...], by: str) -> Fact | Text:
    if len(listed) == 1:
        return listed[0]
    half = (
        len(listed) // 2
    )  # split in halves: input from outside may be long, and must not cause equally deep nesting
    return Text(by, {"first": _joined(listed[:half], by), "rest": _joined(listed[half:], by)})


def said(row: Operand, value: Value, comparison: str = "") -> Fact | Text:
    """A right operand in words; of several values of `isAllOf` each is demanded."""
    if isinstance(value, tuple):
        return _joined(tuple(row.show(item) for item in value), _BOTH if comparison == "isAllOf" else _EITHER)
    return row.show(value)


# --- the facts of a request -----------------------------------------------------------------------------------


def _time(request: UseRequest) -> datetime | None:
    aware = request.time is not None and request.time.tzinfo is not None
    return request.time if aware else None  # a time without a zone is ambiguous


def _this_use(request: UseRequest) -> int | None:
    return None if request.count is None else request.count + 1


def _stated_purpose(request: UseRequest) -> str | None:
    return None if request.purpose is None else (purposes.canonical(request.purpose) or request.purpose)


_BY = {
    "eq": msgid("by {value}"),
    "neq": msgid("by anyone but {value}"),
    "isAnyOf": msgid("by {value}"),
    "isNoneOf": msgid("by anyone but {value}"),
}


def _all_among(held: tuple[str, ...], listed: tuple[str, ...]) -> bool:
    """Whether every actual value is listed; with no other holders present, none of them is unlisted."""
    return set(held) <= set(listed)


def _party(name: str) -> Operand:
    return Operand(
        name=name,
        code="policy.recipient",
        since=Point.CATALOGUE,
        read=one_of(_DID),
        fact=lambda request: request.assignee,
        tests=terms(operator.eq),
        show=str,
        phrases=_BY,
        states=msgid("The user is {held}."),
        remedy=msgid("Ask the data holder for terms that name you."),
        unstated=msgid("Say who the user is: `medspace policy try` takes --as with a DID."),
    )


def _noise(name: str, read: Callable[[str], Value], phrase: str, show: Callable[[Any], Fact | Text] = str) -> Operand:
    """Whether answers are noisy. Only that is decided here; the budget enforces the amount of noise."""
    comparison = "eq" if name in (budgets.DELTA, budgets.UNIT) else "lteq"
    return Operand(
        name=name,
        code="policy.noise",
        since=Point.COMPUTE,
        read=read,
        fact=lambda request: request.noise,
        tests={comparison: lambda held, _: held == budgets.NOISY},
        show=lambda value: budgets.ANSWERS.get(value) or show(value),
        phrases={comparison: phrase},
        states=msgid("The answers to this task are {held}."),
        remedy=msgid("State a privacy budget in the task, so that its answers carry noise, or ask for other terms."),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What is said of a measure: how it is, what would help, and what helps where it is not known."""

    states: str
    remedy: str
    unstated: str


def _gate(name: str, measure: str, comparison: str, phrase: str, said: _Said) -> Operand:
    """What terms demand of a model (`gates`)."""
    return Operand(
        name=name,
        code="policy.gate",
        since=Point.RELEASE,
        read=budgets.share,
        fact=lambda request: gates.stated(request.measures, measure),
        tests={comparison: gates.compared(comparison)},
        show=gates.shown,
        phrases={comparison: phrase},
        states=said.states,
        remedy=said.remedy,
        unstated=said.unstated,
        line=msgid("A model leaves {phrase}."),
    )


_ROWS = (
    Operand(
        name="purpose",
        code="policy.purpose",
        since=Point.COMPUTE,
        read=_read_purpose,
        fact=_stated_purpose,
        tests=_PURPOSE,
        show=purposes.words,
        phrases={
            "eq": msgid("for exactly this purpose: {value}"),
            "neq": msgid("for any purpose but {value}"),
            "isA": msgid("for {value}"),
            "isAnyOf": msgid("for {value}"),
            "isNoneOf": msgid("for any purpose but {value}"),
        },
        states=msgid("The purpose is {held}."),
        remedy=msgid("State a purpose that the terms allow."),
    ),
    Operand(
        name="dateTime",
        code="policy.time",
        since=Point.TRANSFER,
        read=_read_instant,
        fact=_time,
        tests={"eq": operator.eq, "neq": operator.ne, **ORDER},
        show=_moment,
        phrases={
            "eq": msgid("exactly at {value}"),
            "neq": msgid("at any time but {value}"),
            "lt": msgid("before {value}"),
            "lteq": msgid("until {value}"),
            "gt": msgid("after {value}"),
            "gteq": msgid("from {value} on"),
        },
        states=msgid("It is {held}."),
        remedy=msgid("Ask the data holder for an agreement that covers this time."),
        drifts=True,
        unread=msgid("{value} is not an instant with its zone, such as 2026-12-31T12:00:00Z"),
        until=Point.AFTER,  # an agreement ends by itself
    ),
    *standing.ROWS,
    *credentials.ROWS,
    Operand(
        name="count",
        code="policy.count",
        since=Point.COMPUTE,
        read=read_number,
        fact=_this_use,
        tests=ORDER,
        show=int,
        phrases={
            "lt": msgid("before use number {value}"),
            "lteq": msgid("up to {value} times"),
            "gt": msgid("after use number {value}"),
            "gteq": msgid("from use number {value} on"),
        },
        single={"lteq": msgid("once")},
        states=msgid("This is use number {held}."),
        remedy=msgid("Ask the data holder for an agreement that covers more uses."),
        drifts=True,
    ),
    Operand(
        name="spatial",
        code="policy.region",
        since=Point.CATALOGUE,
        read=member_of(REGIONS.ancestors),
        fact=lambda request: request.region,
        tests=_PLACE,
        show=lambda place: _PLACES.get(place, place),
        phrases={
            "eq": msgid("by users in {value}"),
            "neq": msgid("by users outside {value}"),
            "isPartOf": msgid("by users in {value}"),
            "isAnyOf": msgid("by users in {value}"),
            "isNoneOf": msgid("by users outside {value}"),
        },
        states=msgid("The user is in {held}."),
        remedy=msgid("Ask the data holder for terms that name your place."),
        unstated=msgid(
            "Say where the user is: `medspace policy try` takes --place, or --as for a member whose region the "
            "authority has signed (`medspace admit --region`)."
        ),
    ),
    _party("recipient"),
    _party("assignee"),
    Operand(
        name="medspace:minCohort",
        code="policy.min_cohort",
        since=Point.RELEASE,
        read=read_number,
        fact=lambda request: request.cohort,
        tests={"gteq": operator.ge},
        show=int,
        phrases={"gteq": msgid("from the rows of at least {value} persons")},
        single={"gteq": msgid("from the rows of at least {value} person")},
        # the size itself is withheld: it would reveal something about the few persons behind the result
        states=msgid("The persons behind the result were counted."),
        remedy=msgid("Choose a task whose results have more persons behind them."),
    ),
    Operand(
        name="medspace:minSites",
        code="policy.min_sites",
        since=Point.COMPUTE,
        read=read_number,
        fact=lambda request: request.sites,
        tests={"gteq": operator.ge},
        show=int,
        phrases={"gteq": msgid("with at least {value} data holders taking part")},
        single={"gteq": msgid("with at least {value} data holder taking part")},
        states=msgid("The task goes on with as few as {held}."),
        remedy=msgid("Set `min_sites` of the task to that number at least, and run it over as many data holders."),
    ),
    Operand(
        name="medspace:colluders",
        code="policy.colluders",
        since=Point.COMPUTE,
        read=read_number,
        fact=lambda request: request.colluders,
        tests={"gteq": operator.ge},
        show=int,
        phrases={
            "gteq": msgid("under masks that hide each data holder even if {value} of the others tell what they see"),
        },
        single={
            "gteq": msgid("under masks that hide each data holder even if {value} of the others tells what it sees"),
        },
        states=msgid("The masks hide each data holder even if {held} of the others tell what they see."),
        remedy=msgid("Run the task over more data holders."),
    ),
    Operand(
        name="medspace:holders",
        code="policy.holders",
        since=Point.COMPUTE,
        read=one_of(_DID),
        fact=lambda request: request.holders,
        tests={"isAnyOf": _all_among},
        show=str,
        phrases={"isAnyOf": msgid("with no other data holders taking part than {value}")},
        states=msgid("The other data holders of the run: {held}."),
        remedy=msgid("Run the task over data holders that these terms name, or ask for terms that name the others."),
        line=msgid("Only together with data holders among these: {value}."),
    ),
    Operand(
        name="medspace:output",
        code="policy.output",
        since=Point.RELEASE,
        read=one_of(_OUTPUT),
        fact=lambda request: request.output,
        tests={"isAnyOf": lambda held, listed: held == PROTOCOL or matching_any(operator.eq)(held, listed)},
        show=outputs.words,
        phrases={"isAnyOf": msgid("with no other results leaving the data holder than {value}")},
        states=msgid("The result is {held}."),
        remedy=msgid("Ask for a kind of result that may leave."),
        line=msgid("Only these kinds of result leave the data holder: {value}."),
    ),
    Operand(
        name="medspace:protection",
        code="policy.protection",
        since=Point.COMPUTE,
        read=member_of(PROTECTIONS),
        fact=lambda request: request.protection,
        tests={"eq": operator.eq, "isAnyOf": matching_any(operator.eq)},
        show=lambda name: PROTECTIONS.get(name, name),
        phrases={"eq": msgid("knowing that {value}"), "isAnyOf": msgid("knowing that {value}")},
        states=msgid("The protection of this use: {held}."),
        remedy=msgid("Leave `protection` out of the task, or name the one that these terms name."),
        line=msgid("You agree that {value}."),
    ),
    _noise(budgets.EPSILON, budgets.number, msgid("with noise that holds all answers together to epsilon {value}")),
    _noise(
        budgets.PER_TASK, budgets.number, msgid("with noise that holds the answers to one task to epsilon {value}")
    ),
    _noise(budgets.DELTA, budgets.share, msgid("with noise that is counted at delta {value}")),
    Operand(
        name="medspace:judgedBy",
        code="policy.gate",
        since=Point.COMPUTE,
        read=gates.group,
        fact=lambda request: request.judged,
        tests={"isAllOf": lambda held, listed: set(listed) <= set(held)},
        show=str,
        phrases={"isAllOf": msgid("with models judged for each group of these columns: {value}")},
        states=msgid("The columns that the task judges its model by: {held}."),
        remedy=msgid(
            "Name these columns in `groups` of the task's `judge`, and number columns with exactly these bands."
        ),
        line=msgid("A model is judged for each group of these columns before it leaves: {value}."),
    ),
    _gate(
        "medspace:auc",
        gates.AUC,
        "gteq",
        msgid("with an AUC of at least {value} over all data holders"),
        _Said(
            states=msgid("The AUC over all data holders is {held}, at the lower end of its resolution."),
            remedy=msgid("Choose features that say more about the outcome, or more data holders."),
            unstated=msgid(
                "Train with the family binomial and masked sums, without noise, so that the AUC is known."
            ),
        ),
    ),
    _gate(
        "medspace:concordance",
        gates.CONCORDANCE,
        "gteq",
        msgid("with a concordance of at least {value} over all data holders"),
        _Said(
            states=msgid("The concordance over all data holders is {held}."),
            remedy=msgid("Choose features that say more of the risk, or more data holders."),
            unstated=msgid("Train a survival model (`cox`), whose concordance is known."),
        ),
    ),
    _gate(
        "medspace:ece",
        gates.ECE,
        "lteq",
        msgid("with an expected calibration error of at most {value} over all data holders"),
        _Said(
            states=msgid("The expected calibration error over all data holders is {held}."),
            remedy=msgid("Fit with less `l2`, or with features that differ between hospitals."),
            unstated=msgid("Count predicted probabilities in 10 bins or more: `bins` of the task's `evaluation`."),
        ),
    ),
    _gate(
        "medspace:groupAucGap",
        gates.GROUP_GAP,
        "lteq",
        msgid("with AUCs of two groups of a column at most {value} apart"),
        _Said(
            states=msgid("The AUCs of two groups are {held} apart."),
            remedy=msgid("Add features that matter to this group, or hospitals that have more persons of it."),
            unstated=msgid(
                "Name columns in `groups` of the task's `judge` of which two groups are large enough to show."
            ),
        ),
    ),
    _gate(
        "medspace:groupSensitivityGap",
        gates.SENSITIVITY_GAP,
        "lteq",
        msgid("with sensitivities of two groups of a column at most {value} apart"),
        _Said(
            states=msgid("The sensitivities of two groups are {held} apart."),
            remedy=msgid(
                'Give each group a threshold of its own: `equal = "sensitivity"` in `mitigate` of the task.'
            ),
            unstated=msgid(
                "Name 0.5 among the thresholds of the task's `judge`, and columns of which two groups are large "
                "enough to show."
            ),
        ),
    ),
    _gate(
        "medspace:siteAucBelow",
        gates.SITE_BELOW,
        "lteq",
        msgid("with an AUC at this data holder at most {value} below that over all"),
        # how far it is off is something about this holder alone
        _Said(
            states=msgid("The AUC at this data holder was compared with that over all."),
            remedy=msgid("Add features in which this data holder differs from the others, or train without it."),
            unstated=msgid(
                "Train with the family binomial and masked sums, without noise, so that the AUC is known."
            ),
        ),
    ),
    _gate(
        "medspace:heldOut",
        gates.HELD_OUT,
        "gteq",
        msgid("measured on persons who were kept out of the fit, a share of at least {value}"),
        _Said(
            states=msgid("The share of persons who were kept out of the fit is {held}."),
            remedy=msgid("Set `holdout` of the task's `evaluation` to that share at least."),
            unstated=msgid("Set `holdout` of the task's `evaluation` to that share at least."),
        ),
    ),
    _noise(
        budgets.UNIT,
        member_of(budgets.UNITS),
        msgid("with noise that protects {value}"),
        lambda unit: budgets.UNITS.get(unit, unit),
    ),
)

OPERANDS: Mapping[str, Operand] = {row.name: row for row in _ROWS}
CODES = frozenset(row.code for row in _ROWS)


def atomic(name: str, comparison: str, right: tuple[str, ...], clause: str) -> Atomic:
    """The constraint that these words express.

    Raises:
        UnreadableConstraintError: with the reason why it cannot be enforced.
    """
    row = OPERANDS.get(name)
    if row is None:
        raise UnreadableConstraintError(Text(msgid("the operand {name} is not known"), {"name": name}))
    if comparison not in row.tests:
        facts = {"name": name, "operator": comparison}
        raise UnreadableConstraintError(Text(msgid("{name} cannot be compared by {operator}"), facts))
    value = _value(row, comparison, right)
    phrase = row.single.get(comparison) if value == 1 else None
    asked = Text(phrase or row.phrases[comparison], {"value": said(row, value, comparison)})
    return Atomic(name, comparison, right, clause, value, asked)


def _value(row: Operand, comparison: str, right: tuple[str, ...]) -> Value:
    listed = comparison in LISTED
    if not right or (len(right) > 1 and not listed):
        facts = {"operator": comparison}
        raise UnreadableConstraintError(Text(msgid("{operator} has the wrong number of values"), facts))
    values: list[Any] = []
    for text in right:
        try:
            values.append(row.read(text))
        except ValueError as error:
            facts = {"name": row.name, "value": text}
            raise UnreadableConstraintError(Text(row.unread, facts)) from error
    return tuple(values) if listed else values[0]


class UnreadableConstraintError(ValueError):
    """A constraint without an enforceable meaning; `reason` says why. It becomes a flaw of its policy."""

    def __init__(self, reason: Text) -> None:
        super().__init__(str(reason))
        self.reason = reason
