"""The data dictionary: what each column of a table means, and which values it may hold.

A table is only offered with its dictionary, and only loaded when every cell conforms to it. The rules here are pure;
the adapters that read tables check whole files by the same rules in SQL. A finding names row, column and reason
and never quotes the cell: findings reach logs, and a cell may hold personal data.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal

import msgspec

from medspace.core.canonical import LARGEST_INTEGER, JsonObject
from medspace.core.errors import InvalidInputError
from medspace.core.hashing import digest
from medspace.core.misfits import MisfitError
from medspace.core.text import Fact, Text, msgid
from medspace.core.toml import read_toml
from medspace.core.writing import EARLIEST, LATEST, LIMITS, PADDED, date_writing, is_number_writing

LONGEST_CELL = 128  # characters; codes, numbers and dates are short, and free text does not belong in a table
NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
INTEGER = r"[+-]?[0-9]{1,16}(\.0*)?"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
CONTROL = r"[\x00-\x1f\x7f]"
FORMULA = r"[=+@-]"  # what makes a spreadsheet run a cell (CWE-1236)
FLAGS = {"true": True, "1": True, "false": False, "0": False}
EPOCH = date(1970, 1, 1).toordinal()
OUTCOME = re.compile(r"(?P<column>[^<>=]+?)\s*(?P<comparison>>=|<=|==|>|<)\s*(?P<value>" + NUMBER + ")")
MOST_OUTCOMES = 100


class ColumnType(StrEnum):
    """What the cells of a column are."""

    NUMBER = "number"  # a finite decimal fraction, written 1.5 or 1.5e3
    INTEGER = "integer"  # between -(2**53 - 1) and 2**53 - 1
    CODE = "code"  # a short word of a coding system or of a list
    FLAG = "flag"  # true or false, 1 or 0
    DATE = "date"  # ISO 8601, such as 2026-01-31


class Reason(StrEnum):
    """Why a cell was refused."""

    REQUIRED = "required"
    LONG = "long"
    CONTROL = "control"
    FORMULA = "formula"
    NUMBER = "number"
    INTEGER = "integer"
    FLAG = "flag"
    DATE = "date"
    CODE = "code"
    BELOW = "below"
    ABOVE = "above"


SENTENCES: Mapping[Reason, str] = {
    Reason.REQUIRED: msgid("the value is missing"),
    Reason.LONG: msgid("the cell is longer than {longest} characters"),
    Reason.CONTROL: msgid("the cell holds a control character"),
    Reason.FORMULA: msgid("the cell would run as a formula in a spreadsheet"),
    Reason.NUMBER: msgid("the cell is not a finite number (write 1234.5, without separators or units)"),
    Reason.INTEGER: msgid("the cell is not a whole number between -(2**53 - 1) and 2**53 - 1"),
    Reason.FLAG: msgid("the cell is not one of true, false, 1, 0"),
    Reason.DATE: msgid("the cell is not a date in the form 2026-01-31"),
    Reason.CODE: msgid("the code is not in the list of the data dictionary"),
    Reason.BELOW: msgid("the value is below the least allowed value, {minimum}"),
    Reason.ABOVE: msgid("the value is above the greatest allowed value, {maximum}"),
}


class DictionaryError(InvalidInputError):
    """The data dictionary itself is wrong."""

    code = "dictionary.invalid"
    sentence = msgid("The data dictionary cannot be used: {reason}.")
    next_step = msgid("Fix the dictionary; docs/data.md says what it may hold.")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    `unit` is a UCUM unit; `system` the URI of a coding system; `codes` the allowed codes with their meaning (none:
    any code); `minimum` and `maximum` include themselves; `missing` are texts that stand for "not measured",
    beside the empty cell (in a numeric column they are compared as numbers); `others` says that a code column may
    hold more codes than the listed ones: those are not named, since few persons have each of them.
    `written`, `century` and `limits` say how its cells are written in the file (`core.writing`).
    """

    name: str
    type: ColumnType
    description: str = ""
    unit: str = ""
    system: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)
    minimum: float | date | None = None
    maximum: float | date | None = None
    missing: tuple[str, ...] = ()
    required: bool = False
    others: bool = False
    written: str = ""
    century: int | None = None
    limits: str = ""

    @property
    def rewritten(self) -> bool:
        """Whether its cells are read in another way than as they stand."""
        return bool(self.written or self.limits)

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.type in (ColumnType.NUMBER, ColumnType.INTEGER)

    @property
    def span(self) -> tuple[float, float] | None:
        """The least and the greatest number that it may hold, as rows tell it; None where the range is not bounded.

        A flag is 0 or 1, a date the number of days since 1970-01-01.
        """
        if self.type is ColumnType.FLAG:
            return 0.0, 1.0
        if self.minimum is None or self.maximum is None:
            return None
        start = EPOCH if self.type is ColumnType.DATE else 0
        return float(_position(self.minimum) - start), float(_position(self.maximum) - start)

    @property
    def binary(self) -> bool:
        """Whether its numbers are 0 and 1 and nothing else."""
        return self.type is ColumnType.FLAG or (self.type is ColumnType.INTEGER and self.span == (0.0, 1.0))


Comparison = Literal[">", ">=", "<", "<=", "=="]


@dataclass(frozen=True, slots=True)
class OutcomeDefinition:
    """A yes/no outcome that the holder lets others ask about: how a number compares with a value."""

    column: str
    comparison: Comparison
    value: float

    def __str__(self) -> str:
        return f"{self.column} {self.comparison} {repr(self.value).removesuffix('.0')}"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The columns of a table, in order.

    `person` names the column with the pseudonym of the person, if there is one: it is counted and never released.
    `outcomes` are the thresholds on its numbers that may be asked about; freely chosen thresholds would reveal who
    lies between two of them.
    `left_out` are columns of the file that are neither loaded nor published: names, identifiers, free text.
    """

    title: str
    columns: tuple[Column, ...]
    description: str = ""
    person: str | None = None
    outcomes: tuple[OutcomeDefinition, ...] = ()
    left_out: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def digest(self) -> str:
        """`sha256:` and the hex digest of the dictionary's published form."""
        return digest(describe(self))


@dataclass(frozen=True, slots=True)
class TableFlaw:
    """What is wrong with a table: `row` counts as a spreadsheet does (the header is row 1); never the cell itself."""

    row: int
    column: str
    reason: Text


def describe(dictionary: Dictionary) -> JsonObject:
    """The published form, for catalogues and digests: JSON without fractions (bounds as text)."""
    described: JsonObject = {
        "title": dictionary.title,
        "description": dictionary.description,
        "person": dictionary.person,
        "columns": [_describe_column(column) for column in dictionary.columns],
    }
    if dictionary.outcomes:
        described["outcomes"] = [str(outcome) for outcome in dictionary.outcomes]
    return described


def _describe_column(column: Column) -> JsonObject:
    described: JsonObject = {
        "name": column.name,
        "type": column.type.value,
        "description": column.description,
        "unit": column.unit,
        "system": column.system,
        "codes": dict(column.codes),
        "minimum": _bound(column.minimum),
        "maximum": _bound(column.maximum),
        "missing": list(column.missing),
        "required": column.required,
        "others": column.others,
        "limits": column.limits,
    }
    return {name: value for name, value in described.items() if value not in ("", None, {}, [], False)}


def bound_shown(bound: object) -> str:
    """A published bound for people: a whole number without a fraction of 0."""
    return "" if bound is None else str(bound).removesuffix(".0")


def _bound(bound: float | date | None) -> str | None:
    if bound is None:
        return None
    return bound.isoformat() if isinstance(bound, date) else repr(float(bound))


def is_missing(column: Column, cell: str | None) -> bool:
    """Whether a cell says that nothing was measured."""
    if cell is None or cell == "" or cell in column.missing:
        return True
    return column.numeric and bool(re.fullmatch(NUMBER, cell)) and float(cell) in missing_numbers(column)


def missing_numbers(column: Column) -> list[float]:
    """The numbers that stand for "not measured" in a numeric column."""
    return [float(text) for text in column.missing if column.numeric and re.fullmatch(NUMBER, text)]


def check_cell(column: Column, cell: str | None, *, person: bool = False) -> Reason | None:
    """Why a cell is invalid in a column, or None. `person`: it is the column of the pseudonyms."""
    if is_missing(column, cell):
        return Reason.REQUIRED if column.required or person else None
    text = cell or ""
    if len(text) > LONGEST_CELL:
        return Reason.LONG
    return Reason.CONTROL if re.search(CONTROL, text) else CHECKS[column.type](column, text)


def _check_number(column: Column, text: str) -> Reason | None:
    if column.type is ColumnType.INTEGER and (not re.fullmatch(INTEGER, text) or abs(float(text)) > LARGEST_INTEGER):
        return Reason.INTEGER
    if not re.fullmatch(NUMBER, text) or not math.isfinite(float(text)):
        return Reason.NUMBER
    return _check_range(column, float(text))


def _check_flag(_column: Column, text: str) -> Reason | None:
    return None if text.lower() in FLAGS else Reason.FLAG


def _check_date(column: Column, text: str) -> Reason | None:
    if not re.fullmatch(DATE, text):
        return Reason.DATE
    try:
        value = date.fromisoformat(text)
    except ValueError:
        return Reason.DATE
    return _check_range(column, value)


def _check_range(column: Column, value: float | date) -> Reason | None:
    if column.minimum is not None and _position(value) < _position(column.minimum):
        return Reason.BELOW
    if column.maximum is not None and _position(value) > _position(column.maximum):
        return Reason.ABOVE
    return None


def _position(value: float | date) -> float:
    """The position of a value on its axis: of a date, its day."""
    return value.toordinal() if isinstance(value, date) else value


def _check_code(column: Column, text: str) -> Reason | None:
    if text in column.codes:
        return None
    if column.codes and not column.others:
        return Reason.CODE
    return Reason.FORMULA if re.match(FORMULA, text) else None


CHECKS: Mapping[ColumnType, Callable[[Column, str], Reason | None]] = {
    ColumnType.NUMBER: _check_number,
    ColumnType.INTEGER: _check_number,
    ColumnType.FLAG: _check_flag,
    ColumnType.DATE: _check_date,
    ColumnType.CODE: _check_code,
}


def explain(column: Column, reason: Reason) -> Text:
    """The sentence of a reason, with the bounds of the column."""
    facts: dict[str, Fact | Text] = {
        "longest": LONGEST_CELL,
        "minimum": _bound(column.minimum) or "",
        "maximum": _bound(column.maximum) or "",
    }
    return Text(SENTENCES[reason], facts)


class _ColumnForm(msgspec.Struct, forbid_unknown_fields=True):
    type: ColumnType
    description: str = ""
    unit: str = ""
    system: str = ""
    codes: dict[str, str] | list[str] = {}
    minimum: date | float | None = None
    maximum: date | float | None = None
    missing: list[str | int | float] = []
    required: bool = False
    others: bool = False
    written: str = ""
    century: int | None = None
    limits: str = ""


class _DictionaryForm(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    columns: dict[str, _ColumnForm]
    description: str = ""
    person: str | None = None
    outcomes: list[str] = []
    left_out: list[str] = []


def parse(text: str | bytes) -> Dictionary:
    """The dictionary that a TOML document describes; unknown names are refused, not ignored.

    Raises:
        DictionaryError: with what is wrong in it.
    """
    try:
        form = read_toml(text, _DictionaryForm)
    except MisfitError as error:
        raise DictionaryError(reason=error.reason) from error
    dictionary = Dictionary(
        title=form.title,
        description=form.description,
        person=form.person,
        left_out=tuple(form.left_out),
        columns=tuple(_column(name, column) for name, column in form.columns.items()),
        outcomes=tuple(map(outcome, form.outcomes)),
    )
    _check(dictionary)
    return dictionary


def outcome(text: str) -> OutcomeDefinition:
    """The outcome that a text such as `num > 0` declares.

    Raises:
        DictionaryError: it declares none.
    """
    found = OUTCOME.fullmatch(text.strip())
    if found is None or not math.isfinite(float(found["value"])):
        raise DictionaryError(reason=Text(msgid("an outcome must read like `num > 0`")))
    return OutcomeDefinition(
        found["column"], msgspec.convert(found["comparison"], Comparison), float(found["value"]) + 0.0
    )


def _column(name: str, form: _ColumnForm) -> Column:
    codes = form.codes if isinstance(form.codes, dict) else dict.fromkeys(form.codes, "")
    return Column(
        name=name,
        type=form.type,
        description=form.description,
        unit=form.unit,
        system=form.system,
        codes=codes,
        minimum=form.minimum,
        maximum=form.maximum,
        missing=tuple(str(text) for text in form.missing),
        required=form.required,
        others=form.others,
        written=form.written,
        century=form.century,
        limits=form.limits,
    )


def _check(dictionary: Dictionary) -> None:
    if not dictionary.columns:
        raise DictionaryError(reason=Text(msgid("it names no column")))
    names = {column.name for column in dictionary.columns}
    if dictionary.person is not None and dictionary.person not in names:
        raise DictionaryError(
            reason=Text(msgid("the person column {column} is not described"), {"column": dictionary.person})
        )
    for name in names & set(dictionary.left_out):
        raise DictionaryError(reason=Text(msgid("the column {column} is described and left out"), {"column": name}))
    for column in dictionary.columns:
        check_column(column)
    numeric = {column.name for column in dictionary.columns if column.numeric}
    if len(dictionary.outcomes) > MOST_OUTCOMES:
        raise DictionaryError(reason=Text(msgid("it declares more than {most} outcomes"), {"most": MOST_OUTCOMES}))
    for declared in dictionary.outcomes:
        if declared.column not in numeric:
            raise DictionaryError(
                reason=Text(msgid("an outcome needs a numeric column: {column}"), {"column": declared.column})
            )


def check_column(column: Column) -> None:
    """Refuse a column that cannot be as it is described.

    Raises:
        DictionaryError: with what is wrong in it.
    """
    for wrong, reason in (
        (not column.name or re.search(CONTROL, column.name), msgid("a column has no usable name")),
        (column.codes and column.type is not ColumnType.CODE, msgid("only a code column has codes: {column}")),
        (column.others and not column.codes, msgid("only a list of codes has others besides: {column}")),
        (column.unit and not column.numeric, msgid("only a numeric column has a unit: {column}")),
        (not _bounds_fit(column), msgid("the range does not fit the type: {column}")),
        (not _in_order(column), msgid("the range is empty: {column}")),
        (not _writing_fits(column), msgid("its cells cannot be written like that: {column}")),
        (not _century_fits(column), msgid("two-digit years need the century in which they begin: {column}")),
        (
            column.limits and not (column.numeric and column.limits in LIMITS),
            msgid("only numbers have limits of detection, which are `missing` or `value`: {column}"),
        ),
    ):
        if wrong:
            raise DictionaryError(reason=Text(reason, {"column": column.name}))


def _bounds_fit(column: Column) -> bool:
    bounds = [bound for bound in (column.minimum, column.maximum) if bound is not None]
    if column.numeric:
        return all(isinstance(bound, float | int) and math.isfinite(bound) for bound in bounds)
    if column.type is ColumnType.DATE:
        return all(isinstance(bound, date) for bound in bounds)
    return not bounds


def _writing_fits(column: Column) -> bool:
    if column.written in ("", PADDED):
        return True
    if column.numeric:
        return is_number_writing(column.written)
    return column.type is ColumnType.DATE and date_writing(column.written) is not None


def _century_fits(column: Column) -> bool:
    """Whether a century is said where years have two digits, and only there."""
    writing = date_writing(column.written) if column.type is ColumnType.DATE else None
    if writing is None or not writing.short:
        return column.century is None
    return column.century is not None and EARLIEST <= column.century <= LATEST


def _in_order(column: Column) -> bool:
    if column.minimum is None or column.maximum is None:
        return True
    return _position(column.minimum) <= _position(column.maximum)
