"""What can go wrong with a table.

InvalidInputError
 |- TableUnreadableError   it cannot be read at all
 `- TableRefusedError      it does not keep to its data dictionary
RefusedError
 `- RowsRefusedError       the admission does not open these rows
     `- ScopeRefusedError  what narrows the rows does not fit them
"""

from collections.abc import Sequence

from medspace.core.dictionary import TableFlaw
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import Text, msgid


class TableUnreadableError(InvalidInputError):
    """The file cannot be read as the table that it should be."""

    code = "table.unreadable"
    sentence = msgid("The table {file} cannot be read: {reason}.")
    next_step = msgid("Fix the file or name another one; nothing of it was loaded.")

    def __init__(self, file: str, reason: str | Text) -> None:
        super().__init__(file=file, reason=reason)


class TableRefusedError(InvalidInputError):
    """Cells do not keep to the data dictionary. `findings` are the first of them, `count` is how many there are."""

    code = "table.refused"
    sentence = msgid(
        "The table {file} does not keep to its data dictionary ({count} findings). "
        "The first: row {row}, column {column}: {reason}."
    )
    next_step = msgid("Fix these cells or the dictionary; nothing of the table was loaded.")

    def __init__(self, file: str, findings: Sequence[TableFlaw], count: int) -> None:
        first = findings[0]
        super().__init__(file=file, count=count, row=first.row, column=first.column, reason=first.reason)
        self.findings = tuple(findings)
        self.count = count


class RowsRefusedError(RefusedError):
    """The rows stay closed."""

    code = "rows.refused"
    sentence = msgid("The rows stay closed: {reason}.")
    next_step = msgid("Ask for a use of the asset that the agreement names.")

    def __init__(self, reason: Text) -> None:
        super().__init__(reason=reason)


class ScopeRefusedError(RowsRefusedError):
    """What narrows the rows does not fit the table: nothing is opened. Only the holder hears the reason."""

    code = "rows.scope"
    next_step = msgid(
        "Find out which condition narrows the rows of this asset, and check the asset's data dictionary."
    )
