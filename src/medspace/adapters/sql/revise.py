"""Write the next migration (for developers).

    python -m medspace.adapters.sql.revise NAME [--collections MODULE:NAME] [--feature NAME=FOLDER] [--anew]

It compares the collections that the app declares with the tables that the migrations make, and writes what is missing
to `migrations/versions`, or to the folder of a feature, where the collections are those of the feature alone. Read it
before it is committed: a renamed key looks like one dropped and one added, and a new key of an old collection needs a
step that fills it from the bodies.
With `--anew` every migration is thrown away and one is written from nothing: only while no release has any.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, make_url

from medspace.adapters.sql import engines, migration, schema
from medspace.core.store import Collection

DECLARED = "medspace.app.compose.parts:IN_ROOMS"
PAGE = '''"""{title}."""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = {before}
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
{calls}
{steps}'''
STEP = """

def _{table}() -> None:
    {code}
"""


def differences(connection: Connection, collections: Iterable[Collection[Any]]) -> list[Any]:
    """What Alembic would change so that the tables are those of the collections; empty if they are."""
    return list(compare_metadata(_context(connection), schema.build(collections).metadata))


def revise(
    name: str, collections: Iterable[Collection[Any]], history: migration.History = migration.ROOMS
) -> Path | None:
    """Write the next migration of a history; None if nothing is missing."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/scratch.db"
        engines.touch(make_url(url))
        if migration.revisions(history):
            migration.upgrade(url, () if history == migration.ROOMS else (history,))
        engine = engines.writer(make_url(url))
        with engine.begin() as connection:
            page = _page(connection, name, collections, history)
        engine.dispose()
    if page is None:
        return None
    number = _newest(history) + 1
    path = history.versions / f"{number:04}_{name.lower().replace(' ', '_')}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _newest(history: migration.History) -> int:
    """The number of the newest migration; 0 where there is none."""
    return max((int(name[:4]) for name in migration.revisions(history)), default=0)


def _page(
    connection: Connection, name: str, collections: Iterable[Collection[Any]], history: migration.History
) -> str | None:
    collections = tuple(collections)
    context = _context(connection, None if history == migration.ROOMS else {one.name for one in collections})
    changes = produce_migrations(context, schema.build(collections).metadata).upgrade_ops
    if changes is None or changes.is_empty():
        return None
    by_table: dict[str, list[MigrateOperation]] = {}
    for change in changes.ops:
        by_table.setdefault(_table(change), []).append(change)
    steps = {table: _code(context, theirs) for table, theirs in by_table.items()}
    count = _newest(history)
    return PAGE.format(
        title=name[:1].upper() + name[1:],
        number=f"{count + 1:04}",
        before=f'"{count:04}"' if count else None,
        calls="\n".join(f"    _{table}()" for table in steps),
        steps="".join(STEP.format(table=table, code=code) for table, code in steps.items()),
    )


def _context(connection: Connection, tables: set[str] | None = None) -> MigrationContext:
    """What compares the tables; only those of a feature, where they are named."""

    def ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
        other = tables is not None and name not in tables
        return kind != "table" or not (other or str(name).startswith("alembic_version"))

    options = {"compare_type": True, "render_item": _type_name, "include_object": ours}
    return MigrationContext.configure(connection, opts=options)


def _code(context: MigrationContext, changes: list[MigrateOperation]) -> str:
    lines = render_python_code(UpgradeOps(changes), migration_context=context, render_item=_type_name).splitlines()
    return "\n".join(line for line in lines if "# ###" not in line).strip()


def _table(change: MigrateOperation) -> str:
    return str(getattr(change, "table_name"))  # noqa: B009 - every change has it, but not their common class


def _type_name(_kind: str, item: object, _context: object) -> str | Literal[False]:
    if item is schema.TEXT:
        return "TEXT"
    return "INTEGER" if item is schema.INTEGER else False


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m medspace.adapters.sql.revise", description=__doc__)
    parser.add_argument("name", help="what the migration does, in a few words")
    parser.add_argument("--collections", default=DECLARED, help="where the collections are declared")
    parser.add_argument("--feature", default="", help="NAME=FOLDER: the feature whose collections these are")
    parser.add_argument("--anew", action="store_true", help="throw the migrations away and write one")
    given = parser.parse_args(arguments)
    module, _, attribute = given.collections.partition(":")
    declared = attrgetter(attribute)(import_module(module))
    collections = declared() if callable(declared) else declared
    if given.anew:
        for path in (migration.FOLDER / "versions").glob("[0-9]*.py"):
            path.unlink()
    feature, _, folder = given.feature.partition("=")
    history = migration.History(feature, Path(folder)) if feature else migration.ROOMS
    written = revise(given.name, collections, history)
    sys.stdout.write(f"{written or 'the tables are those of the collections: nothing to write'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
