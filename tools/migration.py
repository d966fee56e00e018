"""A new database migration, drafted from the difference between the tables and the collections.

    python -m tools.migration "what it changes"

A scratch database is brought to the newest migration, compared with the tables that the rooms declare, and the
difference is written as the next numbered file: to be read, mended and committed by a person.
"""

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic import command
from medspace.app.compose import COLLECTIONS
from sqlalchemy import create_engine

from medspace.adapters.sql import migration, schema
from medspace.adapters.sql.migrations.run import configuration


def main(arguments: list[str]) -> int:
    """Write the file; 2 without a name."""
    name = re.sub(r"[^a-z0-9]+", "_", " ".join(arguments).lower()).strip("_")
    if not name:
        sys.stdout.write('Say what it changes: make migration NAME="add the table of consents"\n')
        return 2
    number = f"{len(migration.revisions()) + 1:04d}"
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'scratch.db'}"
        migration.upgrade(url)
        with create_engine(url).connect() as connection:
            config = configuration(connection, schema.build(COLLECTIONS).metadata)
            config.set_main_option("file_template", f"{number}_{name}")
            command.revision(config, message=" ".join(arguments), autogenerate=True, rev_id=number)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
