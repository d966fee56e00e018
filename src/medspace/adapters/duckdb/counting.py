"""How many persons have each value of a column: what `privacy.publication` decides by, counted in SQL.

A relation is the raw table of a draft or the typed one of a loaded file; `owner` is the expression that names whose a
row is: the person column, or the number of the row where there is none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from medspace.adapters.duckdb.sql import Connection, literal
from medspace.core.dictionary import ColumnType
from medspace.privacy.publication import ADDRESS, MOST_CODES, SENTENCE, Profile

WHOLE = r"[0-9]+(\.0*)?"  # also as programs write whole numbers beside missing ones: 1001.0
FEW_NUMBERS = 20  # that count up are codes, or ages


@dataclass(frozen=True, slots=True)
class Counted:
    """One relation whose values are counted by persons; `least` persons make a value common."""

    connection: Connection
    relation: str
    owner: str
    least: int
    _all_persons: list[int] = field(default_factory=list, repr=False, compare=False)

    def persons(self) -> int:
        """How many persons the rows are of; counted once."""
        if not self._all_persons:
            self._all_persons.append(self._persons())
        return self._all_persons[0]

    def _persons(self) -> int:
        return int(self._one(f"SELECT count(DISTINCT {self.owner}) FROM {self.relation}")[0])  # noqa: S608 - our own names

    def distinct(self, cell: str) -> int:
        """How many different values a column has, empty ones left out."""
        return int(self._one(f"SELECT count(DISTINCT {cell}) FROM {self.relation} WHERE {cell} <> ''")[0])  # noqa: S608 - our own names

    def gather(self, cell: str) -> None:
        """Count the values of a column (`cell` is its text) into `gathered(v, n)`: how many persons have each."""
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE gathered AS SELECT v, count(*) AS n FROM "  # noqa: S608 - our own names
            f"(SELECT DISTINCT {cell} AS v, {self.owner} AS o FROM {self.relation}) GROUP BY v"
        )

    def profile(self, name: str, kind: ColumnType, cell: str, filled: Callable[[str], str]) -> Profile:
        """What is in the column that was gathered: `filled` makes the condition that an expression is a value."""
        rare, held = f"n < {self.least}", f"FROM gathered WHERE {filled('v')}"
        counted = self._one(
            f"SELECT count(*), count(*) FILTER ({rare}), count(*) FILTER ({rare} AND {_found('v', SENTENCE)}), "
            f"count(*) FILTER ({rare} AND {_found('v', ADDRESS)}), bool_and(regexp_full_match(v, '{WHOLE}')), "
            f"coalesce(sum(n), 0), coalesce(max(n), 0) {held}"
        )
        distinct, few, sentences, addresses, whole, pairs, most = counted
        digits, running = self._whole(held) if whole else (0, False)
        persons = self._having(cell, filled, distinct, pairs)
        common = f"SELECT v {held} AND n >= {self.least}"
        return Profile(
            name=name,
            type=kind,
            persons=persons,
            distinct=distinct,
            common=tuple(row[0] for row in self._all(f"{common} ORDER BY 1 LIMIT {MOST_CODES + 1}")),
            carried=self._carried(cell, filled, persons, common, most) if few else persons,
            sentences=sentences,
            addresses=addresses,
            digits=digits,
            running=running,
            years=self._years(filled) if kind is ColumnType.DATE else 0.0,
        )

    def _whole(self, held: str) -> tuple[int, bool]:
        """Of values that are all whole numbers: the digits that most have at least; and whether all count up."""
        number = "TRY_CAST(v AS DOUBLE)"
        digits, low, high, distinct = self._one(
            f"SELECT quantile_disc(length(split_part(v, '.', 1)), 0.1), min({number}), max({number}), "
            f"count(DISTINCT {number}) {held}"
        )
        return digits, distinct > FEW_NUMBERS and low in (0, 1) and high - low + 1 == distinct

    def extremes(self, cell: str, known: Callable[[str], str]) -> tuple[float | None, float | None]:
        """The `least`-th person from below and from above, by the least and the greatest number; None: too few."""
        below, above = self._first(known, "ASC"), self._first(known, "DESC")
        if below is not None and above is not None:
            return below, above
        number = f"TRY_CAST({cell} AS DOUBLE)"
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE spans AS SELECT min({number}) AS low, max({number}) AS high "  # noqa: S608 - our own names
            f"FROM {self.relation} WHERE {known(cell)} GROUP BY {self.owner}"
        )
        return self._outermost("low", "ASC"), self._outermost("high", "DESC")

    def _first(self, known: Callable[[str], str], order: str) -> float | None:
        """The same from one side, where the counts of the outermost values tell it; None where they do not.

        Whoever has one of some values is counted once at least, and at most once for each of them.
        """
        rows = self._all(
            f"SELECT x, max(n), sum(n) FROM (SELECT TRY_CAST(v AS DOUBLE) AS x, n FROM gathered WHERE {known('v')}) "  # noqa: S608 - ours
            f"GROUP BY x ORDER BY x {order} LIMIT {self.least}"
        )
        at_least = at_most = 0
        for value, most, together in rows:
            at_least, at_most = max(at_least, int(most)), at_most + int(together)
            if at_most >= self.least:
                return float(value) if at_least >= self.least else None
        return None

    def outside(self, known: Callable[[str], str], bound: str) -> bool:
        """Whether a number that was gathered meets the condition `bound`, such as `> 5`."""
        number = "TRY_CAST(v AS DOUBLE)"
        return bool(self._one(f"SELECT count(*) FROM gathered WHERE {known('v')} AND {number} {bound}")[0])  # noqa: S608 - our own names

    def reaching(self, cell: str, known: Callable[[str], str], bound: str) -> int:
        """How many persons have a number that meets the condition `bound`, such as `>= 5`."""
        where = f"{known(cell)} AND TRY_CAST({cell} AS DOUBLE) {bound}"
        return int(self._one(f"SELECT count(DISTINCT {self.owner}) FROM {self.relation} WHERE {where}")[0])  # noqa: S608 - our own names

    def _outermost(self, value: str, order: str) -> float | None:
        row = self.connection.execute(
            f"SELECT {value} FROM spans ORDER BY 1 {order} LIMIT 1 OFFSET {self.least - 1}"  # noqa: S608 - our own names
        ).fetchone()
        return None if row is None else float(row[0])

    def _having(self, cell: str, filled: Callable[[str], str], distinct: int, pairs: int) -> int:
        """How many persons have a value."""
        if distinct <= 1:
            return int(pairs)
        if self._one(f"SELECT count(*) FROM gathered WHERE NOT coalesce({filled('v')}, false)")[0] == 0:  # noqa: S608 - ours
            return self.persons()
        return int(self._one(f"SELECT count(DISTINCT {self.owner}) FROM {self.relation} WHERE {filled(cell)}")[0])  # noqa: S608 - our own names

    def _carried(self, cell: str, filled: Callable[[str], str], persons: int, common: str, most: int) -> int:
        """How many persons have a common value; as many as have the most common one, where they are half of all."""
        if most < self.least or 2 * most >= persons:
            return most if most >= self.least else 0
        holders = f"SELECT count(DISTINCT {self.owner}) FROM {self.relation}"  # noqa: S608 - our own names
        return int(self._one(f"{holders} WHERE {filled(cell)} AND {cell} IN ({common})")[0])

    def _years(self, filled: Callable[[str], str]) -> float:
        day = "TRY_CAST(v AS DATE)"
        query = f"SELECT datediff('day', min({day}), max({day})) FROM gathered WHERE {filled('v')}"  # noqa: S608 - our own names
        return float(self._one(query)[0] or 0) / 365.25

    def _one(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self.connection.execute(query).fetchone()
        return row

    def _all(self, query: str) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = self.connection.execute(query).fetchall()
        return rows


def _found(cell: str, pattern: str) -> str:
    return f"regexp_matches({cell}, {literal(pattern)})"
