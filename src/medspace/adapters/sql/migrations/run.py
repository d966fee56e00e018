"""Running Alembic by program. Importing this imports Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData


def configuration(connection: Connection, metadata: MetaData | None = None) -> Config:
    """Alembic's configuration for these migrations on this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def run(connection: Connection, target: str) -> None:
    """Bring the tables to the revision `target`, inside the connection's transaction."""
    command.upgrade(configuration(connection), target)
