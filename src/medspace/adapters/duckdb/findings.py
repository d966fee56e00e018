"""What a look at a file found, for a person: columns, rows and the file as a whole; names and reasons, no values."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medspace.adapters.duckdb.dialect import Dialect
from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Column, ColumnType
from medspace.core.text import Text, msgid

HEAD = "# Drafted: read it before you offer. It is published, so it must say nothing of single persons."
SHOWN = 20  # rows that are named


@dataclass(frozen=True, slots=True)
class DataFinding:
    """One thing that was found: in a column (or none, of the file), of which kind, and what can be done about it.

    `row` is the one that it is about, as a spreadsheet counts; 0 where it is about all. `edit` is the step in place
    of `step` once the dictionary is a file.
    """

    column: str
    kind: str
    said: Text
    step: Text | None = None
    row: int = 0
    edit: Text | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A column that is not described, and why."""

    name: str
    reason: Text


@dataclass(frozen=True, slots=True)
class OddRows:
    """Rows that are nobody's, of a kind (`empty`, `total`): the numbers of the first, and how many there are."""

    kind: str
    rows: tuple[int, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Drafted:
    """One column of a file: as the dictionary has it, or why it is left out; and what was found in it."""

    column: Column
    place: int
    why: Text
    left_out: Text | None = None
    said: bool = False  # a person said that it is left out
    unbounded: bool = False
    empty: bool = False
    wrong: tuple[int, ...] = ()  # rows whose cells cannot stand in it
    findings: tuple[DataFinding, ...] = ()

    @property
    def found(self) -> tuple[str, ...]:
        """The marks of missing values, as the dictionary has them."""
        return self.column.missing if self.left_out is None else ()

    @property
    def waits(self) -> bool:
        """Whether a person has to say something of it before it can be offered."""
        return any(finding.kind in ("cells", "unsure") for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted dictionary, and what was found on the way."""

    title: str
    form: str
    table: str
    dialect: Dialect | None
    decimal: str
    person: str
    rows: int
    persons: int
    columns: tuple[Drafted, ...]
    nameless: tuple[int, ...] = ()
    odd_rows: tuple[OddRows, ...] = ()
    notes: tuple[DataFinding, ...] = ()
    likelier: tuple[str, ...] = ()  # columns that name the persons, by what they are called, rather than `person`

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The columns that the dictionary leaves out, and why."""
        return tuple(LeftOut(one.column.name, one.left_out) for one in self.columns if one.left_out is not None)

    @property
    def unbounded(self) -> tuple[str, ...]:
        """The columns of numbers without a range."""
        return tuple(one.column.name for one in self.columns if one.unbounded and one.left_out is None)

    @property
    def findings(self) -> tuple[DataFinding, ...]:
        """All of them: of the file, then of the columns in their order."""
        return (*self.notes, *(finding for one in self.columns for finding in one.findings))

    @property
    def toml(self) -> str:
        """The dictionary."""
        left_out = [one.name for one in self.left_out]
        head = [
            HEAD,
            f"title = {quoted(self.title)}",
            *([f"person = {quoted(self.person)}"] if self.person else []),
            *([f"left_out = {_list(left_out)}"] if left_out else []),
        ]
        kept = [one.column for one in self.columns if one.left_out is None]
        return "\n".join([*head, *(line for column in kept for line in _lines(column))]) + "\n"


def rows_shown(rows: Sequence[int], count: int) -> str:
    """The numbers of the first rows, and how many more there are."""
    more = count - len(rows[:SHOWN])
    return ", ".join(map(str, rows[:SHOWN])) + (f" (+{more})" if more else "")


def told(draft: Draft) -> JsonObject:
    """A draft as plain JSON, but for its sentences, which are still texts."""
    dialect = draft.dialect
    return {
        "form": draft.form,
        "table": draft.table,
        "encoding": dialect.encoding if dialect else "",
        "delimiter": dialect.delimiter if dialect else "",
        "skipped_lines": dialect.skipped if dialect else 0,
        "decimal": draft.decimal,
        "rows": draft.rows,
        "persons": draft.persons,
        "person": draft.person,
        "columns": [_told(one) for one in draft.columns],
        "nameless_columns": list(draft.nameless),
        "odd_rows": [{"kind": odd.kind, "rows": list(odd.rows), "count": odd.count} for odd in draft.odd_rows],
        "left_out": [{"column": one.name, "reason": one.reason} for one in draft.left_out],
        "unbounded": list(draft.unbounded),
        "findings": [
            {
                "column": one.column,
                "row": one.row or None,
                "kind": one.kind,
                "sentence": one.said,
                "next_step": one.step,
            }
            for one in draft.findings
        ],
        "dictionary": draft.toml,
    }


def _told(one: Drafted) -> JsonObject:
    column, out = one.column, one.left_out
    return {
        "name": column.name,
        "place": one.place,
        "type": None if out is not None else column.type.value,
        "why": one.why if out is None else out,
        "written": column.written,
        "limits": column.limits,
        "missing": list(one.found),
        "codes": [] if out is not None else list(column.codes),
        "left_out": out is not None,
        "empty": one.empty,
    }


def _lines(column: Column) -> Iterator[str]:
    yield from ("", f"[columns.{quoted(column.name)}]", f'type = "{column.type.value}"')
    for name in ("description", "unit", "written", "limits"):
        if getattr(column, name):
            yield f"{name} = {quoted(getattr(column, name))}"
    if column.century is not None:
        yield f"century = {column.century}"
    if column.missing:
        yield f"missing = {_list(column.missing)}"
    for name in ("minimum", "maximum"):
        bound = getattr(column, name)
        if bound is not None:
            yield f"{name} = {bound.isoformat() if column.type is ColumnType.DATE else plain_number(bound)}"
    if column.codes:
        # Always said, so that it says nothing: whether anybody has another code is nobody's business.
        yield f"codes = {_list(tuple(column.codes))}"
        yield "others = true  # rarer codes are not named"


LARGEST_PLAIN = 1e15  # beyond it an integer is written as a double


def plain_number(value: float) -> str:
    """A number as TOML has it, without a fraction where it has none."""
    return repr(int(value)) if value == int(value) and abs(value) < LARGEST_PLAIN else repr(float(value))


def line_of(column: str, line: str) -> Text:
    """The step that writes a line below a column of the dictionary."""
    facts = {"column": f"[columns.{quoted(column)}]", "line": line}
    return Text(msgid("in the dictionary, below {column}: {line}"), facts)


def section_of(column: str, line: str) -> Text:
    """The step that describes a column that the dictionary leaves out."""
    facts = {"column": f"[columns.{quoted(column)}]", "line": line}
    return Text(msgid("in the dictionary, take it out of `left_out` and write: {column}, and below it {line}"), facts)


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(quoted(text) for text in texts)}]"


def quoted(text: str) -> str:
    """A TOML string."""
    # A JSON string is a TOML basic string but for DEL, which TOML wants escaped (TOML 1.0, String).
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
