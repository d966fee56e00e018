"""`medspace.sdk.draft`: the result of `medspace draft`, as plain JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medspace.app.node.language import ENGLISH, speaker
from medspace.core.canonical import JsonObject


def draft(
    file: str | Path,
    *,
    person: str = "",
    rows_are_persons: bool = False,
    table: str = "",
    settings: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
    leave_out_rows: Sequence[str] = (),
    encoding: str = "",
    delimiter: str = "",
    skip_lines: int | None = None,
    names: Sequence[str] = (),
    min_cohort: int = 10,
    password_file: str | Path = "",
    language: str = ENGLISH,
) -> JsonObject:
    """Look at a file, or at a table of a PostgreSQL server, and draft its data dictionary; nothing is written.

    `settings` are those of `--set`, such as `{"visit.century": "2000"}`. The result has `rows`, `persons`, `columns`,
    `findings` (each with `column`, `row`, `kind`, `sentence`, `next_step`), `dictionary` (TOML), and how the file is
    read: `form`, `table`, `encoding`, `delimiter`, `skipped_lines`, `decimal`.

    Raises:
        MedspaceError: the file cannot be read as a table; with what it is, and what to do.
    """
    from medspace.adapters.duckdb.drafting import DraftOptions  # noqa: PLC0415 - numpy and duckdb only when needed
    from medspace.app.node.offering.drafting import look, report  # noqa: PLC0415
    from medspace.app.node.offering.origins import origin  # noqa: PLC0415
    from medspace.app.node.offering.wishes import check_cohort  # noqa: PLC0415

    check_cohort(min_cohort)
    source = origin(file)
    said = tuple(f"{name}={value}" for name, value in (settings or {}).items())
    options = DraftOptions(
        person, rows_are_persons, table, encoding, delimiter, skip_lines, tuple(names), tuple(leave_out),
        tuple(leave_out_rows), said, min_cohort, str(password_file),
    )  # fmt: skip
    return report(source, look(source, options), lambda text: text.render(speaker(language)))
