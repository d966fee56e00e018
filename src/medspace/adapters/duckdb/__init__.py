"""Tables from files through DuckDB: CSV, Parquet, a table of a DuckDB or SQLite file.

    load(path, dictionary, table="") -> Table      checks the whole file, or refuses it
    TableSource({asset: table})                    opens rows, for an admission only

DuckDB is shut in before it reads a byte: it may open the one file it was given, and nothing else; no network, no
extensions, no spilling to disk, one thread; once the rows are loaded the configuration is locked.
"""

from medspace.adapters.duckdb.errors import TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.source import DuckdbTable, TableSource, load

__all__ = ["DuckdbTable", "TableRefusedError", "TableSource", "TableUnreadableError", "load"]
