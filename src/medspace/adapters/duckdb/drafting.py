"""A first data dictionary drafted from a file, for a person to review: types, bounds and codes, and nobody's values.

Types are tried with the rules by which the file is loaded later, so a file keeps to its draft (but for cells that no
dictionary allows). A dictionary is published, so the draft names only codes that enough persons have, bounds columns
by round numbers well beyond what enough persons have, and leaves out what names, identifies or describes one person
(`privacy.publication`). Where the values of few persons lie beyond a bound, there is none: a person writes it.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from medspace.adapters.duckdb.counting import Counted
from medspace.adapters.duckdb.deadline import LOOK_SECONDS
from medspace.adapters.duckdb.dialect import (
    DELIMITERS,
    ENCODINGS,
    ROWS,
    Dialect,
    Scan,
    heading_of,
    sniff,
    with_rows_left_out,
)
from medspace.adapters.duckdb.errors import (
    TableColumnError,
    TableFormError,
    TableMalformedError,
    TableRefusedError,
    TableUnreadableError,
)
from medspace.adapters.duckdb.findings import SHOWN, DataFinding, Draft, Drafted, LeftOut, OddRows, quoted, rows_shown
from medspace.adapters.duckdb.heading import check_heading, check_width
from medspace.adapters.duckdb.lines import kind_of_row
from medspace.adapters.duckdb.profiling import Look, profiled
from medspace.adapters.duckdb.reading import columns_of, connect, form_of, looking, read, refuse_others, table_of
from medspace.adapters.duckdb.settings import (
    MOST_NAMES,
    DraftOptions,
    OptionError,
    Settings,
    check_option,
    settings_of,
)
from medspace.adapters.duckdb.sql import Connection, literal
from medspace.adapters.filenames import absolute
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.text import Fact, Text, counted, msgid
from medspace.privacy.publication import LEAST, MISSING, is_birth_year, names_persons, numbers_persons

__all__ = [
    "LEAST",
    "ROW_WORDS",
    "Draft",
    "DraftOptions",
    "LeftOut",
    "PersonColumns",
    "candidates",
    "draft",
    "enumerated",
    "how_written",
]

MOST_SKIPPED = 1000  # lines above the names
MOST_ROWS = 1000  # that are left out by their numbers
# By what columns that name the persons are called, the likeliest first; short words only as whole ones.
LIKELY = ("patient", "患者", "病人", "person", "subject", "病历号", "mrn", "pid", "case", "编号", "id")
SHORT = 3
ROW_WORDS = {"empty": msgid("empty"), "total": msgid("totals")}


@dataclass(frozen=True, slots=True)
class OpenedTable:
    """A table whose names are known: how it is called and read, the names of its columns, and what fills `raw`."""

    name: str  # as errors call it
    title: str
    form: str
    table: str
    dialect: Dialect | None
    names: tuple[str, ...]
    fill: Callable[[Connection, Dictionary], object]

    def __post_init__(self) -> None:
        check_width(self.name, len(self.names))

    @property
    def plain(self) -> Dictionary:
        """Every column that has a name, as text."""
        names = dict.fromkeys(name for name in self.names if name)
        return Dictionary(self.title, tuple(Column(name, ColumnType.CODE) for name in names))


def draft(path: Path, options: DraftOptions | None = None, seconds: float = LOOK_SECONDS) -> Draft:
    """The dictionary that the rows of a file keep to, and what was found in the file, within so many `seconds`.

    Without a `person` each row counts as a person of its own.

    Raises:
        MissingExtraError: duckdb is not installed.
        TableUnreadableError: the file cannot be read, has no header, no column `person`, or no column to describe.
        TableFormError: it is something else than a table, or took too long; with what it is, and what to do.
        TableUnnamedError: it holds several tables.
        TableRefusedError: its records are no CSV, or two columns have one name.
        SettingError: what was said of a column cannot be.
    """
    options, path = options or DraftOptions(), absolute(path)
    with closing(connect(path)) as connection, looking(connection, path.name, seconds):
        return draft_of(connection, _opened(connection, path, options), options)


def draft_of(connection: Connection, opened: OpenedTable, options: DraftOptions) -> Draft:
    """The same of a table that was opened.

    Raises:
        TableUnreadableError, TableRefusedError, SettingError: as `draft`.
    """
    settings = settings_of(options.settings, opened.names)
    _check_names(opened, options)
    names = [name for name in opened.names if name]
    _fill(connection, opened)
    odd, notes = _odd_rows(connection, opened, names, options)
    looked = Counted(connection, "raw", _own(connection, names, options.person), options.least)
    usual = "." if opened.dialect is not None and opened.dialect.delimiter == "," else ""
    columns, decimal = profiled(Look(looked, options, settings, opened.dialect is not None), names, usual)
    rows = int(connection.execute("SELECT count(*) FROM raw").fetchone()[0])
    likelier = _likelier(looked, names, options, settings)
    notes += [*_of_persons(looked, names, options, rows), *_doubts(options.person, likelier)]
    nameless = tuple(place for place, name in enumerate(opened.names, start=1) if not name)
    notes = [*_of_file(opened, decimal, nameless), *notes]
    places = {name: place for place, name in reversed(list(enumerate(opened.names, start=1)))}
    made = tuple(replace(one, place=places[one.column.name]) for one in columns)
    if not likelier:  # else that is what must be said first
        _check_some(opened.name, made, options.person)
    return Draft(
        opened.title, opened.form, opened.table, opened.dialect, decimal, options.person, rows, looked.persons(),
        made, nameless, odd, tuple(notes), likelier,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PersonColumns:
    """Which columns of a table may name the persons: those that seem to, the likeliest first; and all of them."""

    likely: tuple[str, ...]
    names: tuple[str, ...]


def candidates(path: Path, options: DraftOptions | None = None, seconds: float = LOOK_SECONDS) -> PersonColumns:
    """The columns of a file for the question which one names the persons.

    All of the file is read first: nobody is asked about one that cannot be.

    Raises:
        MissingExtraError, TableUnreadableError, TableRefusedError: as `draft`.
    """
    options, path = options or DraftOptions(), absolute(path)
    with closing(connect(path)) as connection, looking(connection, path.name, seconds):
        return candidates_of(connection, _opened(connection, path, options))


def candidates_of(connection: Connection, opened: OpenedTable) -> PersonColumns:
    """The same of a table that was opened."""
    _fill(connection, opened)
    likely = sorted(filter(_names_patients, opened.names), key=_likely)
    return PersonColumns(tuple(likely), tuple(filter(None, opened.names)))


def enumerated(names: Sequence[str]) -> str:
    """Names of columns for a sentence: the first ones, if they are many."""
    return ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")


def _fill(connection: Connection, opened: OpenedTable) -> None:
    """Fill `raw`, all columns as text.

    Raises:
        TableMalformedError: the records are no table; there is no dictionary yet that they could not match.
    """
    try:
        opened.fill(connection, opened.plain)
    except TableRefusedError as error:
        raise TableMalformedError(error.file, error.listed, error.count) from None


def how_written(path: Path, options: DraftOptions, seconds: float = LOOK_SECONDS) -> tuple[str, Dialect | None]:
    """Which table of a file is meant, and how a text file is written: as it was said, or is found.

    Raises:
        MissingExtraError, TableUnreadableError: as `draft`.
    """
    path = absolute(path)
    with closing(connect(path)) as connection, looking(connection, path.name, seconds):
        opened = _opened(connection, path, options)
    return opened.table, opened.dialect


def _names_patients(name: str) -> bool:
    return _likely(name) < len(LIKELY) or (names_persons(name) and not is_birth_year(name))


def _likely(name: str) -> int:
    """How far down the list of likely names of such a column one is; beyond its end, where it is none."""
    words = re.findall(r"[a-z]+", name.lower())
    found = (
        place
        for place, word in enumerate(LIKELY)
        if (word in words if word.isascii() and len(word) <= SHORT else word in name.lower())
    )
    return next(found, len(LIKELY))


def _opened(connection: Connection, path: Path, options: DraftOptions) -> OpenedTable:
    form, table, dialect = form_of(path), "", None
    found: Scan | None = None
    if form == "csv":
        refuse_others(path)
        _check_form(options)
        dialect, found = _dialect(path, options)
        names = heading_of(path, dialect)
        _check_divided(path, options, names)
    else:
        check_no_form(options)
        _check_table(options, form)
        table = table_of(connection, path, options.table)
        names = columns_of(connection, path, table)

    def fill(target: Connection, dictionary: Dictionary) -> None:
        read(target, path, dictionary, table, dialect, found)

    return OpenedTable(path.name, path.stem, form, table, dialect, tuple(names), fill)


def _dialect(path: Path, options: DraftOptions) -> tuple[Dialect, Scan]:
    dialect, found = sniff(path, options.encoding, options.delimiter, options.skip_lines)
    dialect = replace(dialect, names=options.names)
    check_heading(path, dialect)
    return with_rows_left_out(dialect, options.leave_out_rows), found


def _check_divided(path: Path, options: DraftOptions, names: Sequence[str]) -> None:
    """Refuse a delimiter that divides nothing where another one would.

    Raises:
        TableFormError: it is one.
    """
    others = [mark for mark in DELIMITERS if mark != options.delimiter and mark in names[0]]
    if options.delimiter and len(names) == 1 and others:
        facts: dict[str, Fact | Text] = {"mark": options.delimiter, "other": others[0].replace("\t", "\\t")}
        what = Text(msgid("{mark} divides its first line into one column only"), facts)
        raise TableFormError(
            path.name, what, Text(msgid("leave out --delimiter, or say: --delimiter '{other}'"), facts)
        )


def _check_table(options: DraftOptions, form: str) -> None:
    """Refuse the name of a table of a file that is one table.

    Raises:
        OptionError: it was named.
    """
    if options.table and form in ("csv", "parquet"):
        reason = Text(msgid("only a database holds tables that have names"))
        raise OptionError(option="--table", value=options.table, reason=reason)


def check_no_form(options: DraftOptions) -> None:
    """Refuse what only a text file can be told.

    Raises:
        OptionError: something of it was said.
    """
    reason = Text(msgid("only a text file (CSV) takes this option"))
    for option, said in (
        ("--encoding", options.encoding),
        ("--delimiter", options.delimiter),
        ("--skip-lines", "" if options.skip_lines is None else str(options.skip_lines)),
        ("--names", ",".join(options.names)),
        ("--leave-out-rows", ",".join(options.leave_out_rows)),
    ):
        if said:
            raise OptionError(option=option, value=said, reason=reason)


def _check_form(options: DraftOptions) -> None:
    """Refuse what cannot be said of a text file.

    Raises:
        OptionError: an encoding that nobody knows, a delimiter of two characters, rows of another kind.
    """
    _check_table(options, "csv")
    if options.encoding:
        check_option("--encoding", options.encoding, tuple(ENCODINGS))
    for said in options.leave_out_rows:
        if not (said.isascii() and said.isdecimal() and int(said) >= 1):
            check_option("--leave-out-rows", said, (*ROWS, "17"))
    if len(options.leave_out_rows) > MOST_ROWS:
        reason = Text(msgid("these are more than {most} rows"), {"most": MOST_ROWS})
        raise OptionError(option="--leave-out-rows", value=f"{options.leave_out_rows[0]},...", reason=reason)
    if len(options.delimiter) > 1 or options.delimiter in ('"', "\n", "\r"):
        reason = Text(msgid("it is not one character"))
        raise OptionError(option="--delimiter", value=options.delimiter, reason=reason)
    if options.skip_lines is not None and not 0 <= options.skip_lines <= MOST_SKIPPED:
        facts = {"least": 0, "most": MOST_SKIPPED}
        reason = Text(msgid("it is not between {least} and {most}"), facts)
        raise OptionError(option="--skip-lines", value=str(options.skip_lines), reason=reason)


def _check_names(opened: OpenedTable, options: DraftOptions) -> None:
    """Refuse a column that was named and is not there.

    Raises:
        TableColumnError: it is one.
    """
    said = [("--person", options.person), *(("--leave-out", name) for name in options.leave_out)]
    for option, name in said:
        if name and name not in opened.names:
            raise TableColumnError(opened.name, name, option, enumerated(opened.names))


def _check_some(name: str, columns: Sequence[Drafted], person: str) -> None:
    """Refuse a table of which nothing is left, and of which no column waits for a word."""
    if not [one for one in columns if (one.left_out is None or one.waits) and one.column.name != person]:
        reason = Text(msgid("every column looks like names, identifiers or free text (is it a table at all?)"))
        raise TableUnreadableError(name, reason)


# --- rows -----------------------------------------------------------------------------------------------------------
def _odd_rows(
    connection: Connection, opened: OpenedTable, names: Sequence[str], options: DraftOptions
) -> tuple[tuple[OddRows, ...], list[DataFinding]]:
    """Empty rows and rows of totals, taken out of `raw` whether a person has said so or not."""
    notes = list[DataFinding]()
    if opened.dialect is None:
        return (), notes
    for kind in filter(ROWS.__contains__, options.leave_out_rows):
        said = Text(msgid("rows that are {kind} are left out, as you said"), {"kind": Text(ROW_WORDS[kind])})
        notes.append(DataFinding("", "rows", said))
    single = [int(row) for row in options.leave_out_rows if row not in ROWS]
    if single:
        facts = {"rows": rows_shown(single, len(single))}
        notes.append(DataFinding("", "rows", Text(msgid("these rows are left out, as you said: {rows}"), facts)))
    kinds = [kind for kind in ROWS if kind not in options.leave_out_rows]
    if not kinds:
        return (), notes
    told = kind_of_row([f"c{index}" for index in range(len(names))])
    wanted = ", ".join(map(literal, kinds))
    # Whatever a row is, its first cell says whether it is worth a look at the others.
    likely = f"({kind_of_row(['c0'])}) IS NOT NULL"
    # Their numbers stay in SQL but for those that are shown: a file may hold nothing but such rows, millions of them.
    query = (
        f"SELECT kind, min(row, {SHOWN}), count(*) FROM (SELECT row, {told} AS kind FROM raw WHERE {likely}) "  # noqa: S608 - ours
        f"WHERE kind IN ({wanted}) GROUP BY kind"
    )
    found = {kind: OddRows(kind, tuple(rows), count) for kind, rows, count in connection.execute(query).fetchall()}
    odd = [found[kind] for kind in kinds if kind in found]
    notes += [_odd(one, odd, options) for one in odd]
    if found:
        connection.execute(f"DELETE FROM raw WHERE {likely} AND ({told}) IN ({wanted})")  # noqa: S608 - ours
    return tuple(odd), notes


def _odd(odd: OddRows, every: Sequence[OddRows], options: DraftOptions) -> DataFinding:
    facts: dict[str, Fact | Text] = {
        "kind": Text(ROW_WORDS[odd.kind]),
        "rows": ", ".join(map(str, odd.rows)),
        "count": odd.count,
    }
    said = Text(msgid("rows that seem to be nobody's ({kind}, {count}): {rows}"), facts)
    kinds = ",".join((*options.leave_out_rows, *(one.kind for one in every)))
    return DataFinding("", "rows", said, Text("--leave-out-rows {kinds}", {"kinds": kinds}))


def _own(connection: Connection, names: Sequence[str], person: str) -> str:
    """Number the persons; the expression of whose a row is."""
    if not person:
        return "row"
    cell = f"c{names.index(person)}"
    connection.execute("ALTER TABLE raw ADD COLUMN owner INTEGER")
    connection.execute(
        f"UPDATE raw SET owner = known.n FROM (SELECT v, row_number() OVER () AS n FROM "  # noqa: S608 - a number
        f"(SELECT DISTINCT {cell} AS v FROM raw)) AS known WHERE raw.{cell} IS NOT DISTINCT FROM known.v"
    )
    return "owner"


def _likelier(looked: Counted, names: Sequence[str], options: DraftOptions, settings: Settings) -> tuple[str, ...]:
    """The columns that are called as those that name the patients, where the one that was said to do so is less so.

    One is confirmed to be something else by its type, or by leaving it out.
    """
    person = options.person
    if not person or numbers_persons(person) or names_persons(person):
        return ()
    others = [
        (f"c{index}", name)
        for index, name in enumerate(names)
        if name not in (person, *options.leave_out) and "type" not in settings.of(name)
        if numbers_persons(name) and _likely(name) <= _likely(person)
    ]
    return tuple(sorted((name for cell, name in others if looked.distinct(cell) >= options.least), key=_likely))


def _doubts(person: str, likelier: Sequence[str]) -> list[DataFinding]:
    sentence = msgid("{likelier} is called as what names the patients: is it {column} all the same?")
    step = msgid("if so, leave the other out: {option}")
    return [
        DataFinding(
            person,
            "persons",
            Text(sentence, {"likelier": name, "column": person}),
            Text(step, {"option": f"--leave-out {shlex.quote(name)}"}),
        )
        for name in likelier
    ]


def _of_persons(looked: Counted, names: Sequence[str], options: DraftOptions, rows: int) -> list[DataFinding]:
    """Rows of nobody, and persons of more than one row where each row was said to be one."""
    notes = list[DataFinding]()
    connection = looked.connection
    if options.person:
        cell = f"c{names.index(options.person)}"
        marks = ", ".join(map(literal, ("", *MISSING)))
        where = f"{cell} IS NULL OR trim({cell}) IN ({marks})"
        query = f"SELECT min(row, {SHOWN}), count(*) FROM raw WHERE {where}"  # noqa: S608 - ours
        found, count = connection.execute(query).fetchone()
        if count:
            facts: dict[str, Fact | Text] = {"count": count, "rows": ", ".join(map(str, found))}
            said = Text(msgid("rows name no person ({count}): {rows}"), facts)
            step = Text(msgid("write their pseudonyms into the file, or take these rows out of it"))
            notes.append(DataFinding(options.person, "nobody", said, step))
        return [*notes, *_few_persons(looked.distinct(cell), options.person, rows)]
    for index, name in enumerate(names):
        if _names_patients(name) or numbers_persons(name):
            distinct = looked.distinct(f"c{index}")
            if 1 < distinct < rows:
                told: dict[str, Fact | Text] = {"column": name, "distinct": distinct, "rows": rows}
                said = Text(msgid("{column} has {distinct} values in {rows} rows: does it name the patients?"), told)
                edit = Text(
                    msgid("in the dictionary, above the columns: {line}"), {"line": f"person = {quoted(name)}"}
                )
                step = Text("--person {column}", {"column": shlex.quote(name)})
                notes.append(DataFinding(name, "persons", said, step, edit=edit))
    return notes


def _few_persons(distinct: int, person: str, rows: int) -> list[DataFinding]:
    """Whether a column that is not called so names the patients, where several rows have one value of it."""
    if _names_patients(person) or numbers_persons(person) or distinct >= rows:
        return []
    facts: dict[str, Fact | Text] = {"column": person, "distinct": distinct, "rows": rows}
    said = Text(msgid("{column} has {distinct} values in {rows} rows: is each of them one patient?"), facts)
    step = msgid("if not, name another column with --person; --rows-are-persons says that each row is a patient")
    return [DataFinding(person, "persons", said, Text(step))]


def _of_file(opened: OpenedTable, decimal: str, nameless: Sequence[int]) -> list[DataFinding]:
    notes = list[DataFinding]()
    if opened.dialect is not None:
        shown = {"\t": Text(msgid("tab")), ",": Text(msgid("comma")), ";": Text(msgid("semicolon"))}
        delimiter = shown.get(opened.dialect.delimiter, Text("{mark}", {"mark": opened.dialect.delimiter}))
        facts: dict[str, Fact | Text] = {"encoding": opened.dialect.encoding, "delimiter": delimiter}
        said = Text(msgid("a text file in {encoding}; cells are separated by: {delimiter}"), facts)
        if opened.dialect.encoding == "utf-8":
            step = edit = None
        else:
            step = Text(msgid("if the letters are wrong, name another encoding: --encoding NAME"))
            edit = Text(msgid("if the letters are wrong, write another encoding into `csv` in medspace.toml"))
        notes.append(DataFinding("", "format", said, step, edit=edit))
        if decimal:
            word = Text(msgid("comma")) if decimal == "," else Text(msgid("point"))
            notes.append(DataFinding("", "decimal", Text(msgid("fractions have a decimal {mark}"), {"mark": word})))
        if opened.dialect.skipped:
            said = counted(
                opened.dialect.skipped,
                msgid("{count} line above the names is skipped"),
                msgid("{count} lines above the names are skipped"),
            )
            notes.append(DataFinding("", "skipped", said))
    notes += [
        DataFinding("", "nameless", Text(msgid("column {place} has no name: it is not read"), {"place": place}))
        for place in nameless
    ]
    return notes
