"""What the command line says of a table: the options that `medspace draft`, `init` and `offer` share."""

import csv
import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medspace.privacy.publication import LEAST

if TYPE_CHECKING:
    from medspace.adapters.duckdb.drafting import DraftOptions

PersonOption = Annotated[
    str, typer.Option("--person", help="The column that names the patient; it is counted and never leaves.")
]
RowsOption = Annotated[
    bool, typer.Option("--rows-are-persons", help="No column names the patients: each row is one.")
]
TableOption = Annotated[
    str, typer.Option("--table", help="The table of a database; of a server, schema.table; of resources, the view.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="COLUMN=TYPE (number, integer, code, flag or date) or COLUMN.KEY=VALUE, such as visit.century=2000; "
        "may be repeated.",
    ),
]
LeaveOutOption = Annotated[
    list[str] | None, typer.Option("--leave-out", help="A column that is neither loaded nor published; repeatable.")
]
LeaveOutRowsOption = Annotated[
    str, typer.Option("--leave-out-rows", help="Rows that do not count: empty, total, or numbers such as 17,203.")
]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Of a text file, such as gb18030; default: found.")]
DelimiterOption = Annotated[
    str, typer.Option("--delimiter", help="Between the cells of a text file; default: found.")
]
SkipOption = Annotated[int | None, typer.Option("--skip-lines", min=0, help="Lines above the names of the columns.")]
NamesOption = Annotated[
    str, typer.Option("--names", help="The names of all columns, by commas, where the file has none.")
]
MinCohortOption = Annotated[
    int,
    typer.Option(
        "--min-cohort", min=LEAST, max=1_000_000, help="Persons that a value must have to be named; 10 at least."
    ),
]
PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="The file of the password that a PostgreSQL server wants.")
]


def options_of(
    *,
    person: PersonOption = "",
    rows_are_persons: RowsOption = False,
    table: TableOption = "",
    password_file: PasswordOption = None,
    settings: SetOption = None,
    leave_out: LeaveOutOption = None,
    leave_out_rows: LeaveOutRowsOption = "",
    encoding: EncodingOption = "",
    delimiter: DelimiterOption = "",
    skip_lines: SkipOption = None,
    names: NamesOption = "",
    min_cohort: MinCohortOption = LEAST,
) -> "DraftOptions":
    """What was said, as one; a verb has these very options by `with_file_options`."""
    from medspace.adapters.duckdb.settings import DraftOptions  # noqa: PLC0415 - numpy and duckdb only when needed

    return DraftOptions(
        person=person,
        rows_are_persons=rows_are_persons,
        table=table,
        encoding=encoding,
        delimiter=delimiter.replace("\\t", "\t"),
        skip_lines=skip_lines,
        names=_names(names),
        leave_out=tuple(leave_out or ()),
        leave_out_rows=tuple(kind.strip() for kind in leave_out_rows.split(",") if kind.strip()),
        settings=tuple(settings or ()),
        least=min_cohort,
        password="" if password_file is None else str(password_file),
    )


def _names(line: str) -> tuple[str, ...]:
    """Names by commas; one that holds a comma stands in quotation marks."""
    return tuple(name.strip() for name in next(csv.reader([line], skipinitialspace=True), ())) if line else ()


def with_file_options(verb: Callable[..., None]) -> Callable[..., None]:
    """The verb with the options on a table in place of its parameter `of_file`, which gets what they say."""
    options = inspect.signature(options_of)
    own = inspect.signature(verb)
    parameters: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name == "of_file":
            parameters += options.parameters.values()
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(verb)
    def called(**said: Any) -> None:  # noqa: ANN401 - whatever the options hold
        of_file = options_of(**{name: said.pop(name) for name in options.parameters})
        verb(**said, of_file=of_file)

    made: Any = called
    made.__signature__ = own.replace(parameters=parameters)
    made.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return called
