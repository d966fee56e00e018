"""What can go wrong with a table.

InvalidInputError
 |- TableUnreadableError   it cannot be read at all
 |   |- TableFormError     it is something else than a table, or written in another way
 |   |   `- TableColumnError  it has no column of a name that was said
 |   `- TableUnnamedError  it holds several tables
 `- TableRefusedError      it does not keep to its data dictionary
     `- TableMalformedError  its records are no table, or two columns have one name; there is no dictionary yet
RefusedError
 `- RowsRefusedError       the admission does not open these rows
     `- ScopeRefusedError  what narrows the rows does not fit them
"""

from collections.abc import Sequence

from medspace.core.dictionary import TableFlaw
from medspace.core.errors import InvalidInputError, RefusedError
from medspace.core.text import Fact, Text, counted, msgid

MOST_FINDINGS = 20  # that an error tells
MOST_LISTED = 100_000  # that a list of them holds


class TableUnreadableError(InvalidInputError):
    """The file cannot be read as the table that it should be."""

    code = "table.unreadable"
    sentence = msgid("The table {file} cannot be read: {reason}.")
    next_step = msgid("Fix the file or name another one; nothing of it was loaded.")

    def __init__(self, file: str, reason: str | Text) -> None:
        super().__init__(file=file, reason=reason)


class TableFormError(TableUnreadableError):
    """The file is not what was expected: `what` it is, and the step that makes a table of it."""

    code = "table.form"
    sentence = msgid("The table {file} cannot be read: {reason}.")
    next_step = msgid("Next: {step}")

    def __init__(self, file: str, what: Text, step: Text) -> None:
        InvalidInputError.__init__(self, file=file, reason=what, step=step)


class TableColumnError(TableFormError):
    """A column that an `option` named is not there."""

    def __init__(self, file: str, column: str, option: str, there: str) -> None:
        what = Text(msgid("it has no column {column}, but these: {there}"), {"column": column, "there": there})
        step = Text(msgid("name one of these with {option}, as it is written there"), {"option": option})
        super().__init__(file, what, step)
        self.option = option


class TableUnnamedError(TableUnreadableError):
    """A database file, and nobody said which of its tables; or one that is not there."""

    code = "table.unnamed"
    sentence = msgid("The file {file} holds these tables: {tables}.")
    next_step = msgid("Name one: --table {first}")

    def __init__(self, file: str, tables: Sequence[str]) -> None:
        InvalidInputError.__init__(self, file=file, tables=", ".join(tables), first=tables[0])
        self.tables = tuple(tables)


class TableRefusedError(InvalidInputError):
    """Cells do not keep to the data dictionary.

    `findings` are the first of them, `listed` all that were kept, `count` is how many there are.
    """

    code = "table.refused"
    sentence = msgid(
        "The table {file} does not match its data dictionary ({findings}). The first: {place}: {reason}."
    )
    next_step = msgid("Fix these cells or the dictionary; nothing of the table was loaded.")

    def __init__(self, file: str, findings: Sequence[TableFlaw], count: int) -> None:
        first = findings[0]
        super().__init__(
            file=file,
            count=count,
            findings=counted(count, msgid("{count} finding"), msgid("{count} findings")),
            place=_place(first),
            row=first.row,
            column=first.column,
            reason=first.reason,
        )
        self.file = file
        self.findings = tuple(findings[:MOST_FINDINGS])
        self.listed = tuple(findings[:MOST_LISTED])
        self.count = count


class TableMalformedError(TableRefusedError):
    """A file of which a dictionary shall be drafted is no table as it stands."""

    code = "table.malformed"
    sentence = msgid("{file} is no table as it stands ({findings}). The first: {place}: {reason}.")
    next_step = msgid(
        "Correct the file; or, where it was not read as it is written, say how: --delimiter, --skip-lines, --names."
    )


def _place(flaw: TableFlaw) -> Text:
    """Where a flaw is; one of a whole row is in no column."""
    facts: dict[str, Fact | Text] = {"row": flaw.row, "column": flaw.column}
    return Text(msgid("row {row}, column {column}") if flaw.column else msgid("row {row}"), facts)


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
        "Find out which condition restricts the rows of this asset, and check the asset's data dictionary."
    )
