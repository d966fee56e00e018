"""`medspace draft`: what a file contains, column by column, and a draft of its data dictionary.

Pure except for reading the file: the input is a path and what a person stated about it, the output a draft or an
error.
"""

import csv
import io
import json
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medspace.adapters.duckdb.drafting import LEAST, Draft, DraftOptions, PersonColumns, candidates, draft, enumerated
from medspace.adapters.duckdb.findings import DataFinding, rows_shown, told
from medspace.adapters.keys import read_secret
from medspace.adapters.ownership import write_owned
from medspace.app.node.offering.errors import (
    PersonDoubtfulError,
    PersonUnknownError,
    RowsUnclearError,
    SavedAlreadyError,
)
from medspace.app.node.offering.origins import FHIR, Origin, name_of, resources_of, table_named
from medspace.core.canonical import Json, JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, msgid

__all__ = [
    "Draft", "DraftOptions", "check_rows", "enumerated", "look", "offering", "person_columns", "report", "save",
    "save_findings", "spoken",
]  # fmt: skip

HEADER = ("column", "row", "kind", "finding", "next_step")
_FORMULA = ("=", "+", "-", "@")
_ROWS = {"empty": msgid("empty rows: {rows}"), "total": msgid("rows of totals: {rows}")}

Speak = Callable[[Text], str]


def look(source: Origin, options: DraftOptions) -> Draft:
    """Draft a dictionary of a table.

    Raises:
        PersonUnknownError: nobody said which column names the persons, nor that each row is one.
        PersonDoubtfulError: another column is called as one that names them.
        MedspaceError: those of `adapters.duckdb.drafting.draft`, or of its namesakes in `adapters.postgresql` and
            `adapters.fhir`.
    """
    if not options.person and not options.rows_are_persons:
        found = person_columns(source, options)
        form = msgid("; likely: {columns}") if found.likely else msgid("; its columns: {columns}")
        seen = Text(form, {"columns": enumerated(found.likely or found.names)})
        raise PersonUnknownError(file=name_of(source, options.table), seen=seen)
    drafted = _drafted(source, options)
    if drafted.likelier:
        raise PersonDoubtfulError(name_of(source, options.table), options.person, drafted.likelier)
    return drafted


def _drafted(source: Origin, options: DraftOptions) -> Draft:
    if isinstance(source, Path):
        return draft(source, options)
    if source.startswith(FHIR):
        from medspace.adapters.fhir.drafting import draft as draft_resources  # noqa: PLC0415 - few offer resources

        return draft_resources(resources_of(source), replace(options, table=table_named(source, options.table)))
    from medspace.adapters.postgresql.drafting import draft as draft_server  # noqa: PLC0415 - the driver is an extra

    return draft_server(source, options, password_of(options))


def person_columns(source: Origin, options: DraftOptions) -> PersonColumns:
    """Which columns of a table may name the persons; all of it is read.

    Raises:
        MedspaceError: it cannot be read as a table.
    """
    if isinstance(source, Path):
        return candidates(source, options)
    if source.startswith(FHIR):
        from medspace.adapters.fhir.drafting import candidates as of_resources  # noqa: PLC0415 - few offer resources

        return of_resources(resources_of(source), options)
    from medspace.adapters.postgresql.drafting import candidates as of_server  # noqa: PLC0415 - the driver is an extra

    return of_server(source, options, password_of(options))


def password_of(options: DraftOptions) -> str:
    """The password for the server, where a file of it was named.

    Raises:
        MedspaceError: others can read the file.
        OSError: it cannot be read.
    """
    if not options.password:
        return ""
    return read_secret(Path(options.password)).decode("utf-8", "replace").strip("\r\n")


def check_rows(source: Origin, drafted: Draft) -> None:
    """Refuse a file with rows that are nobody's, before anybody said so.

    Raises:
        RowsUnclearError: it has some.
    """
    if drafted.odd_rows:
        seen = [Text(_ROWS[odd.kind], {"rows": rows_shown(odd.rows, odd.count)}) for odd in drafted.odd_rows]
        rows = seen[0] if len(seen) == 1 else Text(msgid("{one}; {other}"), {"one": seen[0], "other": seen[1]})
        said = drafted.dialect.left_out if drafted.dialect else ()
        kinds = ",".join(map(str, (*said, *(odd.kind for odd in drafted.odd_rows))))
        raise RowsUnclearError(file=name_of(source), rows=rows, kinds=kinds)


def report(source: Origin, drafted: Draft, speak: Speak) -> JsonObject:
    """A draft as plain JSON, its sentences in the language of `speak`."""
    return {"file": name_of(source, drafted.table), **spoken(told(drafted), speak)}


def refused(error: MedspaceError) -> tuple[DataFinding, ...]:
    """The findings listed in an error: all cells or records of a file that do not match its dictionary."""
    listed = getattr(error, "listed", ())
    return tuple(DataFinding(flaw.column, "cell", flaw.reason, row=flaw.row) for flaw in listed)


def save(file: Path, drafted: Draft) -> None:
    """Write the dictionary to a new file.

    Raises:
        SavedAlreadyError: there is one.
        OSError: it cannot be written.
    """
    save_text(file, drafted.toml)


def save_findings(file: Path, findings: Iterable[DataFinding], speak: Speak) -> None:
    """Write all findings to a new file: JSON if its name says so, otherwise CSV that spreadsheets open.

    Raises:
        SavedAlreadyError: there is one.
        OSError: it cannot be written.
    """
    rows = [
        (one.column, one.row or "", one.kind, speak(one.said), "" if one.step is None else speak(one.step))
        for one in findings
    ]
    if file.suffix.lower() == ".json":
        lines = [dict(zip(HEADER, row, strict=True)) for row in rows]
        save_text(file, json.dumps(lines, ensure_ascii=False, indent=2) + "\n")
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    for *cells, step in rows:
        # A spreadsheet would take the dashes of an option for the start of a formula.
        said = speak(Text(msgid("add {options}"), {"options": step})) if step.startswith("-") else step
        writer.writerow([_harmless(str(cell)) for cell in (*cells, said)])
    save_text(file, "\ufeff" + text.getvalue())  # the byte order mark tells spreadsheets that it is UTF-8


def _harmless(cell: str) -> str:
    """A cell that no spreadsheet executes as a formula (CWE-1236)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def save_text(file: Path, text: str) -> None:
    """Write a new file.

    Raises:
        SavedAlreadyError: there is one.
        OSError: it cannot be written.
    """
    try:
        write_owned(file, text)
    except FileExistsError:
        raise SavedAlreadyError(file=str(file)) from None


def spoken(document: JsonObject, speak: Speak) -> JsonObject:
    """A document with its texts said in a language."""
    return {name: _spoken(each, speak) for name, each in document.items()}


def _spoken(value: Any, speak: Speak) -> Json:  # noqa: ANN401 - JSON with texts in it
    if isinstance(value, Text):
        return speak(value)
    if isinstance(value, dict):
        return spoken(value, speak)
    if isinstance(value, list):
        return [_spoken(each, speak) for each in value]
    said: Json = value
    return said


def offering(source: Origin, options: DraftOptions, drafted: Draft, dictionary: Path | None = None) -> str:
    """The command that offers the table as it was looked at, for a shell; with the dictionary, where it was saved.

    Rows that are nobody's were left out of the look, so the command leaves them out as well.
    """
    rows = dict.fromkeys((*options.leave_out_rows, *(odd.kind for odd in drafted.odd_rows)))
    options = replace(options, leave_out_rows=tuple(rows))
    if dictionary is not None:  # it says these
        options = replace(options, person="", rows_are_persons=False, leave_out=(), settings=())
    named = str(source)
    words = ["medspace", "init", "FOLDER", "--offer", f"./{named}" if named.startswith("-") else named]
    for option, said in (
        ("--dictionary", "" if dictionary is None else str(dictionary)),
        ("--person", options.person),
        ("--table", options.table),
        ("--password-file", options.password),
        ("--encoding", options.encoding),
        ("--delimiter", options.delimiter.replace("\t", "\\t")),
        ("--names", listed(options.names)),
        ("--leave-out-rows", ",".join(options.leave_out_rows)),
        ("--skip-lines", "" if options.skip_lines is None else str(options.skip_lines)),
        ("--min-cohort", "" if options.least == LEAST else str(options.least)),
    ):
        words += [option, said] if said else []
    words += ["--rows-are-persons"] if options.rows_are_persons else []
    words += [word for name in options.leave_out for word in ("--leave-out", name)]
    words += [word for setting in options.settings for word in ("--set", setting)]
    return shlex.join(words)


def listed(names: Sequence[str]) -> str:
    """Names in one line, as `--names` takes them: CSV, for the sake of those with a comma."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue() if names else ""
