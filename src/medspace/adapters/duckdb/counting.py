"""How many persons have each value of a column: what `privacy.publication` decides by, counted in SQL.

A relation is the raw table of a draft or the typed one of a loaded file; `owner` is the expression that names whose a
row is: the person column, or the number of the row where there is none.
"""

from dataclasses import dataclass

from medspace.adapters.duckdb.reading import Connection, literal
from medspace.core.dictionary import ColumnType
from medspace.privacy.publication import ADDRESS, MOST_CODES, SENTENCE, Profile


@dataclass(frozen=True, slots=True)
class Counted:
    """One relation whose values are counted by persons; `least` persons make a value common."""

    connection: Connection
    relation: str
    owner: str
    least: int

    def persons(self) -> int:
        """How many persons the rows are of."""
        return int(self._one(f"SELECT count(DISTINCT {self.owner}) FROM {self.relation}")[0])  # noqa: S608 - our own names

    def profile(self, name: str, kind: ColumnType, cell: str, filled: str) -> Profile:
        """What is in a column: `cell` is the expression of its text, `filled` of whether there is a value."""
        rare, held = f"n < {self.least}", self._values(cell, filled)
        counted = self._one(
            f"{held} SELECT count(*), count(*) FILTER ({rare} AND {_found('v', SENTENCE)}), "  # noqa: S608 - ours
            f"count(*) FILTER ({rare} AND {_found('v', ADDRESS)}), bool_and(regexp_full_match(v, '[0-9]+')), "
            "min(length(v)), max(length(v)) FROM held"
        )
        distinct, sentences, addresses, whole, shortest, longest = counted
        common = f"SELECT v FROM held WHERE n >= {self.least}"  # noqa: S608 - a number
        holders = f"SELECT count(DISTINCT {self.owner}) FROM {self.relation}"  # noqa: S608 - our own names
        carried = f"{holders} WHERE {filled} AND {cell} IN ({common})"
        return Profile(
            name=name,
            type=kind,
            persons=self._having(filled),
            distinct=distinct,
            common=tuple(row[0] for row in self._all(f"{held} {common} ORDER BY 1 LIMIT {MOST_CODES + 1}")),
            carried=self._one(f"{held} {carried}")[0],
            sentences=sentences,
            addresses=addresses,
            digits=longest if whole and shortest == longest else 0,
            years=self._years(cell, filled) if kind is ColumnType.DATE else 0.0,
        )

    def extremes(self, number: str, known: str) -> tuple[float | None, float | None]:
        """The `least`-th person from below and from above, by the least and the greatest number; None: too few."""
        return self._outermost(number, known, "min", "ASC"), self._outermost(number, known, "max", "DESC")

    def outside(self, number: str, known: str, bound: str) -> bool:
        """Whether a number meets the condition `bound`, such as `> 5`."""
        return bool(self._one(f"SELECT count(*) FROM {self.relation} WHERE {known} AND {number} {bound}")[0])  # noqa: S608 - our own names

    def _outermost(self, number: str, known: str, most: str, order: str) -> float | None:
        row = self.connection.execute(
            f"SELECT {most}({number}) AS value FROM {self.relation} WHERE {known} GROUP BY {self.owner} "  # noqa: S608 - our own names
            f"ORDER BY value {order} LIMIT 1 OFFSET {self.least - 1}"
        ).fetchone()
        return None if row is None else float(row[0])

    def _values(self, cell: str, filled: str) -> str:
        return (
            f"WITH held AS (SELECT {cell} AS v, count(DISTINCT {self.owner}) AS n FROM {self.relation} "  # noqa: S608 - our own names
            f"WHERE {filled} GROUP BY 1)"
        )

    def _having(self, filled: str) -> int:
        return int(self._one(f"SELECT count(DISTINCT {self.owner}) FROM {self.relation} WHERE {filled}")[0])  # noqa: S608 - our own names

    def _years(self, cell: str, filled: str) -> float:
        day = f"TRY_CAST({cell} AS DATE)"
        query = f"SELECT datediff('day', min({day}), max({day})) FROM {self.relation} WHERE {filled}"  # noqa: S608 - our own names
        return float(self._one(query)[0] or 0) / 365.25

    def _one(self, query: str) -> tuple[int, ...]:
        row: tuple[int, ...] = self.connection.execute(query).fetchone()
        return row

    def _all(self, query: str) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = self.connection.execute(query).fetchall()
        return rows


def _found(cell: str, pattern: str) -> str:
    return f"regexp_matches({cell}, {literal(pattern)})"
