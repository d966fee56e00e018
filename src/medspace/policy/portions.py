"""Labels on columns and rows of an asset: they only restrict what the label of the whole allows.

What no portion names is closed as soon as there is a portion of its kind, so that a new column, or a new value, is
never open by accident.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache

from medspace.core.canonical import Json, JsonObject
from medspace.core.clock import stamp
from medspace.core.decision import Decision, Premise, Verdict
from medspace.core.text import Text, msgid
from medspace.policy import laws, rules
from medspace.policy.actions import DOWNLOAD, USE
from medspace.policy.errors import InvalidLabelError
from medspace.policy.model import (
    Atomic,
    ColumnPortion,
    Label,
    Policy,
    PolicyKind,
    Portion,
    RowPortion,
    Rule,
    Sensitivity,
    UseRequest,
)
from medspace.policy.operands import UnreadableConstraintError, atomic
from medspace.policy.points import Point

REST = "*"
COLUMNS, ROWS = "label.columns", "label.rows"
CODES = frozenset({COLUMNS, ROWS})
MOST = 1_000  # portions of a label


@dataclass(frozen=True, slots=True)
class OpenRows:
    """The rows of a column that are open: those with one of these values, or, not `within`, with any other one."""

    column: str
    values: frozenset[str]
    within: bool


# --- columns ----------------------------------------------------------------------------------------------------


def decide_columns(label: Label, touched: Collection[str] | None, request: UseRequest, point: Point) -> Decision:
    """Whether the labels of the columns that a task touches allow it; `touched` None is every column."""
    if not label.columns:
        return Decision(Verdict.PERMIT, "label.permitted")
    if touched is None:  # whoever looks at all columns needs all of them open, those that nobody named too
        touched = sorted({name for part in label.columns for name in part.names} | {REST})
    for name in sorted(touched):
        decision = _column(label.columns, name, request, point)
        if not decision.permitted:
            return decision
    return Decision(Verdict.PERMIT, "label.permitted")


def _column(parts: Sequence[ColumnPortion], name: str, request: UseRequest, point: Point) -> Decision:
    found = column_portions(parts, name)
    if not found:
        held = Text(msgid("The label does not name the column {column}."), {"column": name})
        return _closed(COLUMNS, held)
    held = Text(msgid("The label of the column {column} does not allow this."), {"column": name})
    decisions = [decide(part, request, point) for part in found]
    denial = next((one for one in decisions if not one.permitted), None)
    return decisions[0] if denial is None else _closed(COLUMNS, held, denial)


def column_portions(parts: Sequence[ColumnPortion], name: str) -> list[ColumnPortion]:
    """The portions of a column, all of which must allow a use: those that name it, or else those of the rest."""
    return [part for part in parts if name in part.names] or [part for part in parts if REST in part.names]


# --- rows -------------------------------------------------------------------------------------------------------


def open_rows(label: Label, request: UseRequest, point: Point) -> tuple[OpenRows, ...]:
    """For each column that portions of rows are about, the rows that are open to this request."""
    return tuple(_open(column, parts, request, point) for column, parts in _by_column(label.rows))


def decide_rows(label: Label, request: UseRequest, point: Point) -> Decision:
    """Whether any rows at all are open."""
    for one in open_rows(label, request, point):
        if one.within and not one.values:
            held = Text(msgid("The labels of the rows allow it for no value of {column}."), {"column": one.column})
            return _closed(ROWS, held)
    return Decision(Verdict.PERMIT, "label.permitted")


def _by_column(parts: Sequence[RowPortion]) -> Iterator[tuple[str, list[RowPortion]]]:
    for column in dict.fromkeys(part.column for part in parts):
        yield column, [part for part in parts if part.column == column]


def _open(column: str, parts: Sequence[RowPortion], request: UseRequest, point: Point) -> OpenRows:
    named = [part for part in parts if not part.others]
    allowed = {value for part in named if decide(part, request, point).permitted for value in part.values}
    closed = {value for part in named if not decide(part, request, point).permitted for value in part.values}
    rest = [part for part in parts if part.others]
    if rest and all(decide(part, request, point).permitted for part in rest):
        return OpenRows(column, frozenset(closed), within=False)
    return OpenRows(column, frozenset(allowed - closed), within=True)


# --- one portion ------------------------------------------------------------------------------------------------


def decide(part: Portion, request: UseRequest, point: Point) -> Decision:
    """Whether a portion allows what is asked."""
    if part.purposes == () or part.regions == ():
        return _closed(COLUMNS, Text(msgid("The label allows nothing.")))
    decision = rules.decide(_policy(part), request, point)
    return laws.decide(part.laws, request, point) if decision.permitted else decision


@lru_cache(maxsize=1_024)
def _policy(part: Portion) -> Policy:
    constraints: list[Atomic] = []
    for name, operand, comparison, right in (
        ("purposes", "purpose", "isAnyOf", part.purposes),
        ("regions", "spatial", "isAnyOf", part.regions),
        ("valid_from", "dateTime", "gteq", part.valid_from and (stamp(part.valid_from),)),
        ("valid_until", "dateTime", "lteq", part.valid_until and (stamp(part.valid_until),)),
    ):
        if right:
            constraints.append(atomic(operand, comparison, right, f"label.{name}"))
    barred = (Rule(DOWNLOAD, "label.sensitivity"),) if part.sensitivity is Sensitivity.NON_PUBLIC else ()
    return Policy("label", PolicyKind.OFFER, (Rule(USE, "label", tuple(constraints)),), barred)


def _closed(code: str, held: Text, why: Decision | None = None) -> Decision:
    asked, remedy = Text(msgid("The labels of columns and rows allow it.")), Text(msgid("Leave that part out."))
    premise = Premise(code, asked, held, satisfied=False, remedy=remedy)
    return Decision(Verdict.DENY, code, (premise, *(why.failures if why is not None else ())))


def check(label: Label) -> None:
    """Refuse portions that cannot be checked, and packs of laws that do not exist.

    Raises:
        InvalidLabelError: with the place.
    """
    parts: tuple[Portion, ...] = (*label.columns, *label.rows)
    named = (*label.laws, *(name for part in parts for name in part.laws))
    unknown = [name for name in named if name not in laws.NAMES]
    if unknown:
        reason = Text(msgid("there is no rule pack named {name}"), {"name": unknown[0][:64]})
        raise InvalidLabelError(clause="laws", reason=reason)
    if len(label.columns) + len(label.rows) > MOST:
        raise InvalidLabelError(clause="columns", reason=Text(msgid("it has too many parts")))
    for part in parts:
        try:
            _policy(part)
        except UnreadableConstraintError as error:
            clause = "rows" if isinstance(part, RowPortion) else "columns"
            raise InvalidLabelError(clause=clause, reason=error.reason) from error


def write(parts: Sequence[Portion]) -> list[Json]:
    """Portions as JSON."""
    return [_written(part) for part in parts]


def _written(part: Portion) -> JsonObject:
    written: JsonObject = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if value is None or value is False or (value == () and field.name in ("laws", "values")):
            continue
        written[field.name] = stamp(value) if isinstance(value, datetime) else value
    return {name: list(value) if isinstance(value, tuple) else value for name, value in written.items()}
