"""The rules of `core.dictionary.check_cell` as one SQL pass over the raw table, and the typed table it allows.

The tests prove that SQL and the pure rules agree on arbitrary cells.
"""

from datetime import date
from typing import Any

from medspace.adapters.duckdb.errors import MOST_LISTED, TableRefusedError
from medspace.adapters.duckdb.sql import Connection, literal
from medspace.core.canonical import LARGEST_INTEGER
from medspace.core.dictionary import (
    CONTROL,
    DATE,
    FORMULA,
    INTEGER,
    LONGEST_CELL,
    NUMBER,
    Column,
    ColumnType,
    Dictionary,
    Reason,
    TableFlaw,
    explain,
    missing_numbers,
)

TYPES = {
    ColumnType.NUMBER: "DOUBLE",
    ColumnType.INTEGER: "DOUBLE",  # every admitted integer is exact in a double
    ColumnType.FLAG: "BOOLEAN",
    ColumnType.DATE: "DATE",
    ColumnType.CODE: "VARCHAR",
}


def check(connection: Connection, file: str, dictionary: Dictionary) -> None:
    """Look at every cell of `raw`.

    Raises:
        TableRefusedError: with the first findings, by row and column, and how many there are.
    """
    verdicts = ", ".join(
        f"{verdict(f'c{index}', column, person=column.name == dictionary.person)} AS v{index}"
        for index, column in enumerate(dictionary.columns)
    )
    names = [f"v{index}" for index in range(len(dictionary.columns))]
    connection.execute(
        f"CREATE TABLE found AS SELECT * FROM (SELECT row, {verdicts} FROM raw) "  # noqa: S608 - numbers and literals
        f"WHERE coalesce({', '.join(names)}, NULL) IS NOT NULL"
    )
    count = connection.execute(f"SELECT {' + '.join(f'count({name})' for name in names)} FROM found").fetchone()[0]  # noqa: S608
    if count:
        rows = connection.execute(f"SELECT * FROM found ORDER BY row LIMIT {MOST_LISTED}").fetchall()  # noqa: S608
        raise TableRefusedError(file, _findings(rows, dictionary), count)


def _findings(rows: list[tuple[Any, ...]], dictionary: Dictionary) -> list[TableFlaw]:
    findings = [
        TableFlaw(row[0], column.name, explain(column, Reason(found)))
        for row in rows
        for column, found in zip(dictionary.columns, row[1:], strict=True)
        if found is not None
    ]
    return findings[:MOST_LISTED]


def missing_sql(cell: str, column: Column) -> str:
    """The SQL expression of `is_missing`."""
    tests = [f"{cell} IS NULL", f"{cell} IN ({', '.join(literal(text) for text in ('', *column.missing))})"]
    numbers = ", ".join(f"{number!r}::DOUBLE" for number in missing_numbers(column))
    if numbers:
        tests.append(f"(regexp_full_match({cell}, {literal(NUMBER)}) AND TRY_CAST({cell} AS DOUBLE) IN ({numbers}))")
    return " OR ".join(tests)


def verdict(cell: str, column: Column, *, person: bool = False) -> str:
    """The SQL expression of `check_cell`: the reason against a cell, NULL where there is none."""
    required = literal(Reason.REQUIRED) if column.required or person else "NULL"
    cases = [
        (missing_sql(cell, column), required),
        (f"length({cell}) > {LONGEST_CELL}", literal(Reason.LONG)),
        (f"regexp_matches({cell}, {literal(CONTROL)})", literal(Reason.CONTROL)),
        *((test, literal(reason)) for test, reason in _type_tests(cell, column)),
    ]
    return "CASE " + " ".join(f"WHEN {test} THEN {reason}" for test, reason in cases) + " ELSE NULL END"


def _type_tests(cell: str, column: Column) -> list[tuple[str, Reason]]:
    match column.type:
        case ColumnType.NUMBER | ColumnType.INTEGER:
            return _number_tests(cell, column)
        case ColumnType.FLAG:
            return [(f"lower({cell}) NOT IN ('true', 'false', '1', '0')", Reason.FLAG)]
        case ColumnType.DATE:
            value = f"TRY_CAST({cell} AS DATE)"
            wrong = (
                f"NOT regexp_full_match({cell}, {literal(DATE)}) OR {value} IS NULL OR {value} < DATE '0001-01-01'"
            )
            return [(wrong, Reason.DATE), *_range_tests(value, column)]
        case ColumnType.CODE:
            listed = (
                f"{cell} NOT IN ({', '.join(literal(code) for code in column.codes)})" if column.codes else "true"
            )
            if column.codes and not column.others:
                return [(listed, Reason.CODE)]
            return [(f"{listed} AND regexp_matches({cell}, {literal('^' + FORMULA)})", Reason.FORMULA)]


def _number_tests(cell: str, column: Column) -> list[tuple[str, Reason]]:
    value = f"TRY_CAST({cell} AS DOUBLE)"
    form, reason = (INTEGER, Reason.INTEGER) if column.type is ColumnType.INTEGER else (NUMBER, Reason.NUMBER)
    wrong = f"NOT regexp_full_match({cell}, {literal(form)}) OR {value} IS NULL OR NOT isfinite({value})"
    if column.type is ColumnType.INTEGER:
        wrong += f" OR abs({value}) > {LARGEST_INTEGER}"
    return [(wrong, reason), *_range_tests(value, column)]


def _range_tests(value: str, column: Column) -> list[tuple[str, Reason]]:
    bounds = (("<", column.minimum, Reason.BELOW), (">", column.maximum, Reason.ABOVE))
    return [(f"{value} {sign} {_bound(bound)}", reason) for sign, bound, reason in bounds if bound is not None]


def _bound(bound: float | date) -> str:
    return f"DATE {literal(bound.isoformat())}" if isinstance(bound, date) else f"{float(bound)!r}::DOUBLE"


def convert(connection: Connection, dictionary: Dictionary) -> None:
    """Put the checked cells into the typed table `rows` and drop the raw ones."""
    cells = ", ".join(
        f"CASE WHEN {missing_sql(f'c{index}', column)} THEN NULL ELSE {_value(f'c{index}', column)} END AS c{index}"
        for index, column in enumerate(dictionary.columns)
    )
    connection.execute(f"CREATE TABLE rows AS SELECT row, {cells} FROM raw ORDER BY row")  # noqa: S608 - numbers and literals
    connection.execute("DROP TABLE raw")
    connection.execute("DROP TABLE found")


def _value(cell: str, column: Column) -> str:
    return f"CAST({cell} AS {TYPES[column.type]})"
