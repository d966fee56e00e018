"""SQLite and PostgreSQL behind the database port, by SQLAlchemy Core.

upgrade(url)                        makes or updates the tables
pending(url)                        which migrations that would run
open_database(url, collections)     the database, for this connector alone
create(url, collections)            tables without migrations: tests, experiments
"""

from medspace.adapters.sql.database import SqlDatabase, open_database
from medspace.adapters.sql.migration import History, create, pending, upgrade

__all__ = ["History", "SqlDatabase", "create", "open_database", "pending", "upgrade"]
