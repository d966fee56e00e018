"""Which type the cells of a column have, and how they are written: tried with the rules by which the file is loaded.

A first look at some values says what is worth trying; each try is then held against all values in SQL.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from medspace.adapters.duckdb.checks import verdict
from medspace.adapters.duckdb.sql import Connection
from medspace.adapters.duckdb.writing import canonical_sql
from medspace.core.dictionary import Column, ColumnType, check_cell
from medspace.core.text import Text, msgid
from medspace.core.writing import LIMIT, NUMBERS, PADDED, PERCENT, canonical, is_day
from medspace.privacy.publication import MARKS, MISSING, MISSING_CODES

FEW = 300  # values of a column that are looked at first
SOME = 5  # different mistakes
ONE_IN = 20  # values that are of another kind, at most, where they are taken for mistakes
_DIGIT = re.compile("[0-9]")
_ZEROS = re.compile("0[0-9]+")  # 007 is a code: as a number it would lose its zeros
_DAYS = ("YYYY/MM/DD", "YYYY.MM.DD", "YYYY年MM月DD日", "DD.MM.YYYY", "DD-MON-YYYY", "DD MON YYYY", "DD/MON/YYYY")
_UNSURE = (("DD/MM/YYYY", "MM/DD/YYYY"), ("DD-MM-YYYY", "MM-DD-YYYY"))  # a day, or a month first
_SHORT = ("DD.MM.YY", "DD-MON-YY", "DD MON YY", "DD/MON/YY", "DD/MM/YY", "MM/DD/YY", "YY/MM/DD")
_FIRST, _LAST = "1800-01-01", "2100-12-31"  # days that eight digits may be
_MISSING = list(MISSING)
_NINES = [form for mark in MARKS for form in (f"{mark}", f"{mark}.0", f"{mark},0", f"{mark:,}", f"{mark}.00")]
_BARE = "trim(v, ' \t')"
_SHORT_MARK = f"length({_BARE}) <= {max(map(len, (*_MISSING, *_NINES)))}"
_FORMS = tuple(form for form in NUMBERS if form != "1234.5")
_PLAIN = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DATE, ColumnType.FLAG)
_WORDS = {
    ColumnType.INTEGER: msgid("whole numbers"),
    ColumnType.NUMBER: msgid("numbers"),
    ColumnType.DATE: msgid("days"),
    ColumnType.FLAG: msgid("yes or no"),
    ColumnType.CODE: msgid("codes"),
}


@dataclass(frozen=True, slots=True)
class Guess:
    """A column with type, writing and marks of missing values; or what a person has to say of it first.

    `nearly` says that few of its values are of another kind: mistakes, most likely. `forms` are the ways in which all
    of its days may be written, where only the century is not known, or which comes first.
    """

    column: Column
    nearly: bool = False
    unsure: Text | None = None
    choices: tuple[str, ...] = ()  # settings that would settle it
    forms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """The values of the column that was gathered (see `counting`), some of them here."""

    connection: Connection
    name: str
    some: tuple[str, ...]  # not missing
    marks: tuple[str, ...] = ()  # of missing values, that occur
    nines: bool = False  # it has numbers such as 9999
    padded: bool = False  # blanks stand around some
    common: tuple[str, ...] = ()  # of some, those that enough persons have: they are no mistakes

    @property
    def figures(self) -> bool:
        """Whether every value has a digit, as numbers and days have."""
        return all(_DIGIT.search(value) for value in self.some)

    def fits(self, column: Column) -> bool:
        """Whether all values keep to a column, but for marks of missing values."""
        if not all(_keeps(column, value) for value in self.some):
            return False
        count = self.connection.execute(f"SELECT count(*) FROM gathered WHERE {_wrong(column)}")  # noqa: S608 - ours
        return int(count.fetchone()[0]) == 0

    def nearly_fits(self, column: Column, least: int) -> bool:
        """Whether all values but one in twenty keep to a column, and few persons have each of the others."""
        if not all(_keeps(column, value) for value in self.common):
            return False
        if not _few(sum(not _keeps(column, value) for value in self.some), len(self.some)):
            return False
        counted = f"coalesce(sum(n) FILTER ({_wrong(column)}), 0), coalesce(max(n) FILTER ({_wrong(column)}), 0)"
        wrong, most, every = self.connection.execute(
            f"SELECT {counted}, sum(n) FROM gathered WHERE v <> '' AND NOT list_contains(?, {_BARE})",  # noqa: S608 - ours
            [_MISSING],
        ).fetchone()
        return ONE_IN * int(wrong) <= int(every) and int(most) < least


def _few(wrong: int, values: int) -> bool:
    """Whether so few of the values that are looked at first are of another kind that counting is worth it."""
    return 2 * wrong < values and wrong <= max(SOME, 2 * values // ONE_IN)


def _wrong(column: Column) -> str:
    """The condition that a value is neither of a column nor a mark of missing values."""
    cell = canonical_sql("v", column) if column.rewritten else "v"
    return f"{verdict(cell, replace(column, missing=MISSING))} IS NOT NULL"


def looked_at(connection: Connection, name: str, least: int) -> Tried:
    """A first look at the column that was gathered."""
    query = (
        f"SELECT v, {_SHORT_MARK} AND list_contains(?, {_BARE}) AS marked, "  # noqa: S608 - a number
        f"{_SHORT_MARK} AND list_contains(?, {_BARE}) AS nines, n "
        "FROM gathered WHERE v <> '' ORDER BY marked OR nines DESC, n DESC LIMIT ?"
    )
    rows = connection.execute(query, [_MISSING, _NINES, FEW]).fetchall()
    marks = {row[0].strip(" \t") for row in rows if row[1]}
    some = tuple(row[0] for row in rows if row[0].strip() not in _MISSING)
    padded = any(row[0] != row[0].strip(" \t") for row in rows)
    found = tuple(mark for mark in MISSING if mark in marks)
    common = tuple(row[0] for row in rows if row[3] >= least and row[0].strip() not in _MISSING)
    return Tried(connection, name, some, found, any(row[2] for row in rows), padded, common)


def settled(guessed: Guess, said: Mapping[str, str]) -> Guess:
    """The guess with what was said of it: a century settles it, where days can be written in one way only."""
    if guessed.unsure is None or "written" in said:
        return replace(guessed, unsure=None)
    kind = ColumnType.DATE if guessed.forms else ColumnType.NUMBER
    if said.get("type", kind) not in (kind, ColumnType.INTEGER if kind is ColumnType.NUMBER else kind):
        return replace(guessed, unsure=None)
    if "century" in said and len(guessed.forms) == 1:
        column = replace(guessed.column, type=ColumnType.DATE, written=guessed.forms[0])
        return Guess(column, forms=guessed.forms)
    return guessed


def guess(tried: Tried, decimal: str, least: int) -> Guess:
    """What the cells are; `decimal` is the mark that other columns of the file have before fractions, if known.

    A value that fewer than `least` persons have may be a mistake.
    """
    if not tried.some:
        return Guess(Column(tried.name, ColumnType.CODE, missing=tried.marks))
    fitting = next(filter(tried.fits, _plain(tried, decimal)), None)
    if fitting is None and tried.figures:
        unsure = _unsure(tried, decimal)
        if unsure is not None:
            return unsure
        fitting = next(filter(tried.fits, _written(tried, decimal)), None)
    near = None if fitting is not None else _nearly(tried, decimal, least)
    fitting = fitting or near
    if fitting is not None:
        unit = "%" if fitting.written.endswith(PERCENT) else ""
        return Guess(replace(fitting, missing=tried.marks, unit=unit), nearly=near is not None)
    marks = tuple(mark for mark in tried.marks if mark in MISSING_CODES)
    return Guess(Column(tried.name, ColumnType.CODE, written=PADDED if tried.padded else "", missing=marks))


def _nearly(tried: Tried, decimal: str, least: int) -> Column | None:
    """The numbers or days that all but few values are, where these few look like mistakes."""
    digits = tuple(value for value in tried.some if _DIGIT.search(value))
    if not _few(len(tried.some) - len(digits), len(tried.some)):
        return None
    most = replace(tried, some=digits)
    columns = (column for column in (*_plain(most, decimal), *_written(most, decimal)))
    kinds = (ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.DATE)
    return next((one for one in columns if one.type in kinds and tried.nearly_fits(one, least)), None)


def decimal_of(values: Sequence[str]) -> str:
    """The mark before fractions that the values of a column tell without doubt; nothing where they tell none."""
    some = [re.sub("^" + LIMIT, "", value).rstrip(" %") for value in values]
    for mark, form, grouped in ((",", "1234,5", "1,234.5"), (".", "1234.5", "1.234,5")):
        marked = [value for value in some if mark in value]
        number, other = (Column("tried", ColumnType.NUMBER, written=written) for written in (form, grouped))
        fits = bool(marked) and all(_keeps(number, value) for value in some)
        if fits and not all(_keeps(other, value) for value in marked):
            return mark
    return ""


def described(column: Column) -> Text:
    """What the cells are, in words."""
    kind = Text(_WORDS[column.type])
    if column.written == PADDED:
        return Text(msgid("{kind}, with blanks around them"), {"kind": kind})
    if not column.written:
        return kind
    return Text(msgid("{kind}, written {written}"), {"kind": kind, "written": column.written})


def _keeps(column: Column, value: str) -> bool:
    text = canonical(value, column.written, column.century, column.limits) if column.rewritten else value
    return check_cell(column, text) is None


def _plain(tried: Tried, decimal: str) -> Iterator[Column]:
    """Types whose cells are written as the dictionary has them, or nearly."""
    name = tried.name
    if not tried.figures:
        yield from (Column(name, ColumnType.FLAG, written=written) for written in ("", PADDED))
        return
    if all(re.fullmatch("[0-9]{8}", value) and _is_late(value) for value in tried.some):
        yield Column(name, ColumnType.DATE, written="YYYYMMDD")
    kinds = _kinds(tried)
    if decimal == "," and any("." in value for value in tried.some):
        yield from (Column(name, kind, written="1.234,5") for kind in kinds[:2])
    yield from (Column(name, kind) for kind in kinds)
    yield from (Column(name, kind, written=PADDED) for kind in kinds)


def _kinds(tried: Tried) -> Sequence[ColumnType]:
    return _PLAIN[2:] if any(_ZEROS.fullmatch(value.strip()) for value in tried.some) else _PLAIN


def _written(tried: Tried, decimal: str) -> Iterator[Column]:
    """Types whose cells are written in other ways."""
    name, kinds = tried.name, _kinds(tried)
    yield from (Column(name, ColumnType.DATE, written=form) for form in ("YYYY-MM-DD", *_DAYS))
    yield from (Column(name, ColumnType.DATE, written=form) for both in _UNSURE for form in both)
    if ColumnType.INTEGER not in kinds:
        return
    forms = ["1234.5" + PERCENT, *(form + percent for form in _FORMS for percent in ("", PERCENT))]
    first = "1234,5" if decimal == "," else "1,234.5"
    forms.sort(key=lambda form: not form.startswith(("1234.5", first)))
    for form in forms:
        yield from (Column(name, kind, written=form) for kind in kinds[:2])
    if any(re.match(LIMIT, value.strip()) for value in tried.some):
        for form in ("", *forms):
            yield Column(name, ColumnType.NUMBER, written=form, limits="missing")


def _is_late(value: str) -> bool:
    day = f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return is_day(day) and _FIRST <= day <= _LAST


def _unsure(tried: Tried, decimal: str) -> Guess | None:
    """What only a person can tell: whose century, day or month first, thousands or fractions."""
    column = Column(tried.name, ColumnType.CODE, missing=tried.marks)
    day, century = Column(tried.name, ColumnType.DATE), date.min.year + 1999
    short = tuple(form for form in _SHORT if tried.fits(replace(day, written=form, century=century)))
    if short:
        reason = Text(msgid("its years have two digits, and nobody said in which century they begin"))
        return Guess(column, unsure=reason, choices=(f"written={short[0]}", "century=1930"), forms=short)
    for both in _UNSURE:
        if all(tried.fits(replace(day, written=form)) for form in both):
            reason = Text(msgid("its days may begin with the day or with the month"))
            return Guess(column, unsure=reason, choices=(f"written={both[0]}",), forms=both)
    if decimal or not any("," in value for value in tried.some):
        return None
    if all(tried.fits(Column(tried.name, ColumnType.NUMBER, written=form)) for form in ("1234,5", "1,234.5")):
        reason = Text(msgid("a comma may separate thousands or a fraction"))
        return Guess(column, unsure=reason, choices=("written=1234,5",))
    return None
