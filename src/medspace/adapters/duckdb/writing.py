"""`core.writing.canonical` as SQL: the raw table with its cells as the dictionary has them.

The tests prove that SQL and the pure rules agree on arbitrary cells.
"""

from medspace.adapters.duckdb.sql import Connection, literal
from medspace.core.dictionary import Column, ColumnType, Dictionary
from medspace.core.writing import (
    LIMIT,
    MONTHS,
    NUMBERS,
    OTHER_MONTHS,
    PERCENT,
    DateWriting,
    date_writing,
    is_number_writing,
    number_pattern,
)


def rewrite(connection: Connection, dictionary: Dictionary) -> None:
    """Put the cells of `raw` into the form that the types of the dictionary have, where it says that they differ."""
    if not any(column.rewritten for column in dictionary.columns):
        return
    cells = ", ".join(
        f"{canonical_sql(f'c{index}', column)} AS c{index}" if column.rewritten else f"c{index}"
        for index, column in enumerate(dictionary.columns)
    )
    connection.execute(f"CREATE TABLE written AS SELECT row, {cells} FROM raw")  # noqa: S608 - numbers and literals
    connection.execute("DROP TABLE raw")
    connection.execute("ALTER TABLE written RENAME TO raw")


def canonical_sql(cell: str, column: Column) -> str:
    """The SQL expression of `canonical` for the cells of a column."""
    text = f"trim({cell}, {literal(' ' + chr(9))})"
    if not column.missing:
        return _written(text, column)
    marks = ", ".join(map(literal, column.missing))
    return f"CASE WHEN {text} IN ({marks}) THEN {text} ELSE {_written(text, column)} END"


def _written(text: str, column: Column) -> str:
    if column.limits == "value":
        text = f"regexp_replace({text}, {literal('^' + LIMIT)}, '')"
    written = text
    if is_number_writing(column.written):
        written = _number(text, column.written)
    elif column.type is ColumnType.DATE and (writing := date_writing(column.written)) is not None:
        written = _date(text, writing, column.century)
    if column.limits == "missing":
        return f"CASE WHEN regexp_matches({text}, {literal('^' + LIMIT)}) THEN '' ELSE {written} END"
    return written


def _number(text: str, written: str) -> str:
    group, mark = NUMBERS[written.removesuffix(PERCENT)]
    plain = f"replace({text}, {literal(group)}, '')" if group else text
    plain = f"replace(rtrim(rtrim({plain}, '%'), ' '), {literal(mark)}, '.')"
    return f"CASE WHEN regexp_full_match({text}, {literal(number_pattern(written))}) THEN {plain} ELSE {text} END"


def _date(text: str, writing: DateWriting, century: int | None) -> str:
    def part(group: int) -> str:
        return f"regexp_extract({text}, {pattern}, {group})"

    pattern = literal(f"^{writing.pattern}$")
    whole = f"regexp_full_match({text}, {literal(writing.pattern)})"
    year, month, day = part(writing.year), part(writing.month), part(writing.day)
    if writing.named:
        month = f"lower({month})"
        others = " ".join(f"WHEN {literal(other)} THEN {literal(usual)}" for other, usual in OTHER_MONTHS.items())
        month = f"CASE {month} {others} ELSE {month} END"
        known = ", ".join(map(literal, MONTHS))
        whole += f" AND ({month}) IN ({known})"
        month = f"CAST(list_position([{known}], {month}) AS VARCHAR)"
    if writing.short:
        if century is None:
            return text
        year = f"CAST({century} + ((CAST({year} AS INTEGER) - {century}) % 100 + 100) % 100 AS VARCHAR)"
    iso = f"lpad({year}, 4, '0') || '-' || lpad({month}, 2, '0') || '-' || lpad({day}, 2, '0')"
    return f"CASE WHEN {whole} THEN {iso} ELSE {text} END"
