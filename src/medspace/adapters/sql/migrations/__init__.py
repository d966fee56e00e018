"""The migrations of the tables; `python -m medspace.adapters.sql.revise NAME` writes the next one."""
