"""Which rows of a loaded table a row scope lets in: the one place where that is decided.

A value that the column cannot have is refused and not passed over: an exclusion that matches nothing by a misspelt
value would open the very rows that it should close.
"""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.errors import ScopeRefusedError
from medspace.adapters.duckdb.reading import Connection
from medspace.core.dictionary import DATE, FLAGS, NUMBER, Column, ColumnType, Dictionary
from medspace.core.text import Text, msgid
from medspace.core.usage import RowScope


def admitted(connection: Connection, dictionary: Dictionary, scope: Sequence[RowScope]) -> npt.NDArray[np.int64]:
    """The places of the rows, from 0 and rising, that every one of the scopes (one at least) lets in.

    Raises:
        ScopeRefusedError: a scope names a column that is not there, or values that the column cannot have.
    """
    inside = [_among(connection, dictionary, one) == one.within for one in scope]
    return np.flatnonzero(np.logical_and.reduce(inside)).astype(np.int64)


def _among(connection: Connection, dictionary: Dictionary, scope: RowScope) -> npt.NDArray[np.bool_]:
    """For each row whether its value is among those of the scope; a missing value never is."""
    names = [column.name for column in dictionary.columns]
    if scope.column not in names:
        raise ScopeRefusedError(
            Text(msgid("the rows are narrowed by a column that is not there: {column}"), {"column": scope.column})
        )
    place = names.index(scope.column)
    column = dictionary.columns[place]
    values = sorted({_value(column, value) for value in scope.values}, key=str)
    kind = "DOUBLE" if column.numeric else "VARCHAR"
    query = (
        f"SELECT coalesce(CAST(c{place} AS {kind}) IN (SELECT unnest(?::{kind}[])), false) AS found "  # noqa: S608 - ours
        "FROM rows ORDER BY row"
    )
    found = connection.execute(query, [values]).fetchnumpy()["found"]
    return np.ascontiguousarray(found, dtype=np.bool_)


def _value(column: Column, value: str) -> str | float:
    """A value as the loaded table tells it."""
    if column.numeric and re.fullmatch(NUMBER, value):
        return float(value)
    if column.type is ColumnType.FLAG and value.lower() in FLAGS:
        return str(FLAGS[value.lower()]).lower()
    if column.type is ColumnType.DATE and re.fullmatch(DATE, value) and _day(value):
        return value
    if column.type is ColumnType.CODE:
        return value
    reason = msgid("the rows are narrowed by values that the column {column} cannot have")
    raise ScopeRefusedError(Text(reason, {"column": column.name}))


def _day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
