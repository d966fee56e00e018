"""Tables and views of a PostgreSQL server as assets, through SQLAlchemy and psycopg, read and never written.

table.load(address, table, dictionary, password="") -> Loaded      reads and checks the whole table, or refuses it
"""
