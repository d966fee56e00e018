"""A profile of each column of a file that was looked at, for its holder: how much is missing, how it spreads.

Counts are of persons, rounded down to tens, and what fewer than ten have is not counted apart: a page may stand on a
screen that others see. Of columns that are left out nothing but how much is missing is told.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from medspace.adapters.duckdb.checks import missing_sql
from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.deadline import LOOK_SECONDS
from medspace.adapters.duckdb.dialect import heading_of
from medspace.adapters.duckdb.findings import Draft, Drafted
from medspace.adapters.duckdb.reading import columns_of, connect, looking, read
from medspace.adapters.duckdb.sql import Connection, literal
from medspace.adapters.duckdb.writing import canonical_sql
from medspace.adapters.filenames import absolute
from medspace.core.dictionary import NUMBER, Column, ColumnType, Dictionary
from medspace.privacy.publication import LEAST

ROUND = 10  # persons
MOST_BARS = 12
_STEPS = (1.0, 2.0, 5.0, 10.0)
_YES = ("true", "1")


@dataclass(frozen=True, slots=True)
class ProfileBar:
    """One bar of a histogram: a value, or numbers from `low` to below `high` (None: open); persons, None: below ten.

    `rest` says that it stands for all values that are not named.
    """

    count: int | None
    value: str = ""
    low: float | None = None
    high: float | None = None
    rest: bool = False


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What is in a column; `missing` are persons without a value (None: below ten), `low` and `high` are round."""

    name: str
    missing: int | None
    low: float | None = None
    high: float | None = None
    bars: tuple[ProfileBar, ...] = ()


def rounded(persons: int) -> int | None:
    """A number of persons as people are shown it."""
    return None if persons < ROUND else persons // ROUND * ROUND


def profile(path: Path, drafted: Draft, seconds: float = LOOK_SECONDS) -> tuple[ColumnProfile, ...]:
    """A profile of each column of a file, by its draft, within so many `seconds`.

    Raises:
        MedspaceError: those of `drafting.draft`.
    """
    path = absolute(path)
    with closing(connect(path)) as connection, looking(connection, path.name, seconds):
        names = _names(connection, path, drafted)
        plain = Dictionary(path.stem, tuple(Column(name, ColumnType.CODE) for name in names))
        read(connection, path, plain, drafted.table, drafted.dialect)
        owner = f"c{names.index(drafted.person)}" if drafted.person else "row"
        looked = Counted(connection, "raw", owner, LEAST)
        persons = looked.persons()
        return tuple(_profiled(looked, one, f"c{names.index(one.column.name)}", persons) for one in drafted.columns)


def _names(connection: Connection, path: Path, drafted: Draft) -> list[str]:
    if drafted.dialect is None:
        found: Sequence[str] = columns_of(connection, path, drafted.table)
    else:
        found = heading_of(path, drafted.dialect)
    return list(dict.fromkeys(name for name in found if name))


def _profiled(looked: Counted, one: Drafted, cell: str, persons: int) -> ColumnProfile:
    column = one.column
    if column.rewritten:
        cell = canonical_sql(cell, column)

    def filled(text: str) -> str:
        return f"NOT coalesce({missing_sql(text, column)}, true)"

    have = int(_rows(looked, f"SELECT count(DISTINCT {looked.owner}) FROM raw WHERE {filled(cell)}")[0][0])  # noqa: S608 - our own names
    missing = rounded(max(persons - have, 0))
    if one.left_out is not None or cell == looked.owner:
        return ColumnProfile(column.name, missing)
    if column.numeric:
        return _of_numbers(looked, column, cell, filled, missing)
    if column.type is ColumnType.DATE:
        year = f"CAST(extract(year FROM TRY_CAST({cell} AS DATE)) AS DOUBLE)"
        return _spread(looked, column.name, year, filled(cell), missing, whole=True)
    return _of_values(looked, column, cell, filled(cell), missing)


def _of_numbers(
    looked: Counted, column: Column, cell: str, filled: Callable[[str], str], missing: int | None
) -> ColumnProfile:
    number = f"TRY_CAST({cell} AS DOUBLE)"
    known = f"{filled(cell)} AND regexp_full_match({cell}, {literal(NUMBER)}) AND isfinite({number})"
    return _spread(looked, column.name, number, known, missing, whole=column.type is ColumnType.INTEGER)


def _spread(
    looked: Counted, name: str, number: str, known: str, missing: int | None, *, whole: bool
) -> ColumnProfile:
    """Numbers in bars of one round width, between the tenth person from below and the tenth from above."""
    spans = f"SELECT min(x) AS low, max(x) AS high FROM ({_numbered(looked, number, known)}) GROUP BY o"  # noqa: S608 - our own names
    ends = [
        _rows(looked, f"SELECT {end} FROM ({spans}) ORDER BY 1 {order} LIMIT 1 OFFSET {looked.least - 1}")  # noqa: S608 - our own names
        for end, order in (("low", "ASC"), ("high", "DESC"))
    ]
    if not all(ends) or ends[0][0][0] is None:
        return ColumnProfile(name, missing)
    low, high = sorted((float(ends[0][0][0]), float(ends[1][0][0])))
    if not math.isfinite(high - low):
        return ColumnProfile(name, missing)
    start, step, count = scale(low, high, whole=whole)
    if not math.isfinite(start + step * count):
        return ColumnProfile(name, missing)
    inside = f"least(greatest(x, {start!r}), {start + step * count!r})"  # first: what lies beyond may be far away
    place = f"least(floor(({inside} - {start!r}) / {step!r}), {count - 1})"
    query = f"SELECT {place} AS bar, count(DISTINCT o) FROM ({_numbered(looked, number, known)}) GROUP BY 1"  # noqa: S608 - our own names
    found = {int(bar): int(persons) for bar, persons in _rows(looked, query)}
    edges = [_round(start + step * at) for at in range(count + 1)]
    least, greatest = _rows(looked, f"SELECT min(x), max(x) FROM ({_numbered(looked, number, known)})")[0]  # noqa: S608 - our own names
    first, last = least < edges[0], greatest >= edges[-1]  # whether something lies beyond
    bars = tuple(
        ProfileBar(
            rounded(found.get(at, 0)),
            value=f"{edges[at]:.0f}" if whole and step == 1.0 else "",
            low=None if first and not at else edges[at],
            high=None if last and at == count - 1 else edges[at + 1],
        )
        for at in range(count)
    )
    return ColumnProfile(name, missing, edges[0], edges[-1], bars)


def _numbered(looked: Counted, number: str, known: str) -> str:
    return f"SELECT {number} AS x, {looked.owner} AS o FROM raw WHERE {known} AND {number} IS NOT NULL"  # noqa: S608 - our own names


def scale(low: float, high: float, *, whole: bool) -> tuple[float, float, int]:
    """Where bars begin, how wide each is, and how many there are: at most `MOST_BARS`, at round numbers."""
    wanted = max((high - low) / (MOST_BARS - 2), abs(high) * 1e-9, 1e-300)
    power = 10.0 ** math.floor(math.log10(wanted))
    step = next(_round(each * power) for each in _STEPS if each * power >= wanted * (1 - 1e-9))
    if whole:
        step = max(step, 1.0)
    start = _round(math.floor(low / step) * step)
    return start, step, min(max(math.floor((high - start) / step + 1e-9) + 1, 1), MOST_BARS)


def _of_values(looked: Counted, column: Column, cell: str, known: str, missing: int | None) -> ColumnProfile:
    value = cell
    if column.type is ColumnType.FLAG:
        yes = ", ".join(map(literal, _YES))
        value = f"CASE WHEN lower({cell}) IN ({yes}) THEN '1' ELSE '0' END"
    query = (
        f"SELECT {value} AS v, count(DISTINCT {looked.owner}) AS n FROM raw WHERE {known} "  # noqa: S608 - our own names
        f"GROUP BY 1 HAVING n >= {looked.least} ORDER BY n DESC, v LIMIT {MOST_BARS}"
    )
    named = _rows(looked, query)
    bars = [ProfileBar(rounded(int(persons)), value=str(v)) for v, persons in named]
    listed = ", ".join(literal(str(v)) for v, _ in named) or "NULL"
    others = f"SELECT count(DISTINCT {looked.owner}) FROM raw WHERE {known} AND {value} NOT IN ({listed})"  # noqa: S608 - our own names
    if named and (rest := int(_rows(looked, others)[0][0])):
        bars.append(ProfileBar(rounded(rest), rest=True))
    return ColumnProfile(column.name, missing, bars=tuple(bars))


def _round(number: float) -> float:
    return float(f"{number:.12g}")


def _rows(looked: Counted, query: str) -> list[tuple[float, ...]]:
    rows: list[tuple[float, ...]] = looked.connection.execute(query).fetchall()
    return rows
