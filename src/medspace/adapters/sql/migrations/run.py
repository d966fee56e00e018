"""Running Alembic by program. Importing this imports Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData


def configuration(connection: Connection, folder: Path, metadata: MetaData | None = None) -> Config:
    """Alembic's configuration for the migrations of a folder on this connection."""
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def run(connection: Connection, folder: Path) -> None:
    """Bring the tables to the newest revision, inside the connection's transaction."""
    command.upgrade(configuration(connection, folder), "head")
