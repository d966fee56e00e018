"""Running Alembic by program. Importing this imports Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def run(connection: Connection, folder: Path, versions: Path, table: str) -> None:
    """Bring the tables to the newest of these versions, inside the connection's transaction; `table` says how far."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = table
    command.upgrade(config, "head")
