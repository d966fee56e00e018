"""`medspace draft`: what a file contains, before any of it is offered."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medspace.app.doors.cli.file_options import with_file_options
from medspace.app.doors.cli.options import JsonOption, LanguageOption
from medspace.app.doors.cli.screen import Screen
from medspace.app.node.language import spoken_language
from medspace.core.canonical import JsonObject
from medspace.core.errors import MedspaceError
from medspace.core.text import Text, counted, msgid

if TYPE_CHECKING:
    from medspace.adapters.duckdb.drafting import Draft, DraftOptions

# What the table of columns says already, or a line of its own.
IN_TABLE = ("type", "person", "cell", "left-out", "missing", "unit", "scale")


@with_file_options
def draft(
    file: Annotated[
        str,
        typer.Argument(help="A CSV, Parquet, DuckDB or SQLite file, postgresql://user@host/db, or fhir:FOLDER."),
    ],
    of_file: "DraftOptions",
    save: Annotated[Path | None, typer.Option("--save", help="A new file for the data dictionary.")] = None,
    findings: Annotated[
        Path | None, typer.Option("--findings", help="A new file for all findings: .csv, or .json.")
    ] = None,
    json: JsonOption = False,
    lang: LanguageOption = "",
) -> None:
    """Look at a file before it is offered: how each column is read and why, what is left out, what needs a word."""
    from medspace.app.doors.cli.file_asking import answered  # noqa: PLC0415
    from medspace.app.node.offering import drafting as service  # noqa: PLC0415 - numpy and duckdb only when needed
    from medspace.app.node.offering.origins import origin  # noqa: PLC0415

    screen = Screen(as_json=json, language=spoken_language(lang))
    source = origin(file)
    try:
        drafted, options = answered(screen, source, of_file)
    except MedspaceError as error:
        found = service.refused(error)
        if findings is not None and found:
            service.save_findings(findings, found, screen.say)
        raise
    if save is not None:
        service.save(save, drafted)
    if findings is not None:
        service.save_findings(findings, drafted.findings, screen.say)
    report = service.report(source, drafted, screen.say)
    screen.show(report, lambda: _shown(screen, drafted, report, service.offering(source, options, drafted, save)))


def _shown(screen: Screen, drafted: "Draft", report: JsonObject, command: str) -> None:
    rows = counted(drafted.rows, msgid("{count} row"), msgid("{count} rows"))
    persons = counted(drafted.persons, msgid("{count} person"), msgid("{count} persons"))
    facts: dict[str, str | int | Text] = {"file": report["file"], "rows": rows, "persons": persons}
    title = Text(msgid("{file}: {rows} of {persons}"), facts)
    columns = [Text(c) for c in (msgid("column"), msgid("read as"), msgid("missing"), msgid("why"))]
    lines = [
        (
            one["name"],
            screen.say(Text(msgid("left out"))) if one["left_out"] else screen.typed(one["type"]),
            " ".join(one["missing"]),
            one["why"],
        )
        for one in report["columns"]
    ]
    screen.table(title, columns, lines)
    shown = [one for one in drafted.findings if one.kind not in IN_TABLE]
    notes = [one for one in shown if one.kind != "identifying" or one.step is not None]
    for one in notes:
        where = Text(msgid("{column}: {said}"), {"column": one.column, "said": one.said}) if one.column else one.said
        screen.line(where)
        if one.step is not None:
            screen.line(Text("    {step}", {"step": one.step}))
    if any(one.kind == "missing" for one in drafted.findings):
        screen.line(Text(msgid("If one of these marks is a real value, say which marks mean missing:")))
        screen.line(Text("    {step}", {"step": "--set 'COLUMN.missing=MARK,MARK'"}))
    scales = [one.column for one in drafted.findings if one.kind == "scale"]
    if scales:
        text = msgid(
            "These contain only a few different whole numbers and are read as numbers: {columns}. If they are codes:"
        )
        screen.line(Text(text, {"columns": ", ".join(scales)}))
        screen.line(Text("    {step}", {"step": "--set 'COLUMN=code'"}))
    units = [one.column for one in drafted.findings if one.kind == "unit"]
    if units:
        screen.line(Text(msgid("No unit is given for: {columns}"), {"columns": ", ".join(units)}))
        screen.line(Text("    {step}", {"step": "--set 'COLUMN.unit=mg/dL'"}))
    cells = sum(one.kind == "cell" for one in drafted.findings)
    if cells:
        text = msgid("Cells that do not fit their column: {count}; --findings FILE lists them all.")
        screen.line(Text(text, {"count": cells}))
    screen.line(Text(msgid("Next: {command}"), {"command": command}))
