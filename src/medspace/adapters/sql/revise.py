"""Write the next migration (for developers).

    python -m medspace.adapters.sql.revise NAME [--collections MODULE:NAME] [--anew]

It compares the collections that the app declares with the tables that the migrations make, and writes what is missing
to `migrations/versions`. Read it before it is committed: a renamed key looks like one dropped and one added.
With `--anew` every migration is thrown away and one is written from nothing: only while no release has any.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations.ops import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, make_url

from medspace.adapters.sql import engines, migration, schema
from medspace.adapters.sql.migrations.run import configuration
from medspace.core.store import Collection

DECLARED = "medspace.app.compose:COLLECTIONS"


def differences(connection: Connection, collections: Iterable[Collection[Any]]) -> list[Any]:
    """What Alembic would change so that the tables are those of the collections; empty if they are."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, schema.build(collections).metadata))


def revise(name: str, collections: Iterable[Collection[Any]]) -> Path | None:
    """Write the next migration; None if nothing is missing."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/scratch.db"
        engines.touch(make_url(url))
        if migration.revisions():
            migration.upgrade(url)
        engine = engines.writer(make_url(url))
        with engine.begin() as connection:
            written = _write(connection, name, collections)
        engine.dispose()
    return written


def _write(connection: Connection, name: str, collections: Iterable[Collection[Any]]) -> Path | None:
    config = configuration(connection, migration.FOLDER, schema.build(collections).metadata)
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    number = f"{len(migration.revisions()) + 1:04}"
    command.revision(config, name, autogenerate=True, rev_id=number, process_revision_directives=_drop_empty)
    return next((migration.FOLDER / "versions").glob(f"{number}_*.py"), None)


def _drop_empty(_context: object, _revision: object, scripts: list[MigrationScript]) -> None:
    if scripts[0].upgrade_ops is None or scripts[0].upgrade_ops.is_empty():
        scripts.clear()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m medspace.adapters.sql.revise", description=__doc__)
    parser.add_argument("name", help="what the migration does, in a few words")
    parser.add_argument("--collections", default=DECLARED, help="where the collections are declared")
    parser.add_argument("--anew", action="store_true", help="throw the migrations away and write one")
    given = parser.parse_args(arguments)
    module, _, attribute = given.collections.partition(":")
    collections = getattr(import_module(module), attribute)
    if given.anew:
        for path in (migration.FOLDER / "versions").glob("[0-9]*.py"):
            path.unlink()
    written = revise(given.name, collections)
    sys.stdout.write(f"{written or 'the tables are those of the collections: nothing to write'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
