"""Which rows of a loaded table a row scope lets in: the one place where that is decided.

A value that the column cannot have is refused and not passed over: an exclusion that matches nothing by a misspelt
value would open the very rows that it should close.
"""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from medspace.adapters.duckdb.cells import EPOCH, Cells
from medspace.adapters.duckdb.errors import ScopeRefusedError
from medspace.core.dictionary import DATE, FLAGS, NUMBER, Column, ColumnType
from medspace.core.text import Text, msgid
from medspace.core.usage import RowScope


def admitted(cells: Cells, scope: Sequence[RowScope]) -> npt.NDArray[np.int64]:
    """The places of the rows, from 0 and rising, that every one of the scopes (one at least) lets in.

    Raises:
        ScopeRefusedError: a scope names a column that is not there, or values that the column cannot have.
    """
    inside = [_among(cells, one) == one.within for one in scope]
    return np.flatnonzero(np.logical_and.reduce(inside)).astype(np.int64)


def _among(cells: Cells, scope: RowScope) -> npt.NDArray[np.bool_]:
    """For each row whether its value is among those of the scope; a missing value never is."""
    column = next((column for column in cells.dictionary.columns if column.name == scope.column), None)
    if column is None:
        raise ScopeRefusedError(
            Text(msgid("the rows are restricted by a column that does not exist: {column}"), {"column": scope.column})
        )
    return cells.among(column.name, {_value(column, value) for value in scope.values})


def _value(column: Column, value: str) -> str | float:
    """A value as the loaded table keeps it."""
    if column.type is ColumnType.CODE:
        return value
    if column.numeric and re.fullmatch(NUMBER, value):
        return float(value)
    if column.type is ColumnType.FLAG and value.lower() in FLAGS:
        return float(FLAGS[value.lower()])
    if column.type is ColumnType.DATE and re.fullmatch(DATE, value) and (day := _day(value)) is not None:
        return day
    reason = msgid("the rows are restricted by values that the column {column} cannot have")
    raise ScopeRefusedError(Text(reason, {"column": column.name}))


def _day(value: str) -> float | None:
    try:
        return float(date.fromisoformat(value).toordinal() - EPOCH.toordinal())
    except ValueError:
        return None
