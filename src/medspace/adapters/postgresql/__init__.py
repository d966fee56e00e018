"""Tables and views of a PostgreSQL server as assets, through SQLAlchemy and psycopg, read and never written.

load(address, table, dictionary, password="") -> Loaded      reads and checks the whole table, or refuses it
"""

from medspace.adapters.postgresql.errors import ServerAwayError
from medspace.adapters.postgresql.table import load

__all__ = ["ServerAwayError", "load"]
