"""Tables from files through DuckDB: CSV, Parquet, a table of a DuckDB or SQLite file.

    source.load(path, dictionary, table="") -> Table      checks the whole file, or refuses it
    source.TableSource({asset: table})                    opens rows, for an admission only

DuckDB is shut in before it reads a byte: it may open the one file it was given, and nothing else; no network, no
extensions, no spilling to disk, one thread; once the rows are loaded the configuration is locked.

Nothing is imported here: threads that import different modules of it at once would wait for each other.
"""
