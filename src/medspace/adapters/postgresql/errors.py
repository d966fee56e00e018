"""What can stand between a connector and a table of a PostgreSQL server.

MedspaceError
 |- InvalidInputError
 |   `- TableAddressError  the address of the table cannot be used
 `- WaitingError
     `- ServerAwayError    the server does not answer, or does not let us in
"""

from medspace.core.errors import InvalidInputError, WaitingError
from medspace.core.text import msgid


class TableAddressError(InvalidInputError):
    """The address of a table names nothing that can be read."""

    code = "table.address"
    sentence = msgid("The address of the table {table} cannot be used: {reason}.")
    next_step = msgid("Write postgresql://user@host/database as `source`, and schema.table as `table`.")


class ServerAwayError(WaitingError):
    """The server does not answer, or does not let us in."""

    code = "table.away"
    sentence = msgid("The PostgreSQL server cannot open the table {table} now: {reason}.")
    next_step = msgid("Check the server, the role and its password; the connector tries again automatically.")
