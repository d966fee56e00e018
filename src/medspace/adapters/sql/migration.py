"""Migrations: which are due, and running them. Alembic is imported only when one is.

Revisions are numbered files in `migrations/versions` (`0001_name.py`), each after the one before it, so the newest
is known without reading them. A migration is one transaction: killed in the middle, it was not there.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.sql import engines, schema
from medspace.adapters.sql.errors import SchemaAheadError, SchemaBehindError, translated
from medspace.adapters.sql.lease import FileLease, take_session
from medspace.core.store import Collection

FOLDER = Path(__file__).with_name("migrations")
_metadata = MetaData()
_version = Table(
    "alembic_version",
    _metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def revisions() -> list[str]:
    """The names of all migrations, oldest first."""
    return sorted(path.stem for path in (FOLDER / "versions").glob("[0-9]*.py"))


def pending(url: str) -> list[str]:
    """The names of the migrations that are due, in the order in which they would run.

    Raises:
        SchemaAheadError: a newer medspace wrote the database.
        DatabaseUrlError: the URL names nothing usable.
    """
    return _due(engines.parse(url))


def check(url: URL) -> None:
    """Check that the tables are those of this program.

    Raises:
        SchemaBehindError: migrations are due.
        SchemaAheadError: a newer medspace wrote it.
    """
    due = _due(url)
    if due:
        raise SchemaBehindError(database=url.render_as_string(), count=len(due))


def upgrade(url: str) -> list[str]:
    """Run the migrations that are due; returns their names.

    Raises:
        StorageTakenError: a connector runs on the database.
        SchemaAheadError: a newer medspace wrote it.
    """
    parsed = engines.parse(url)
    if not _due(parsed):
        return []
    # Alembic costs 0.2 s to import, which every start without a migration would pay.
    from medspace.adapters.sql.migrations.run import run  # noqa: PLC0415 - see the line above

    with _alone(parsed) as connection:
        due = _after(parsed, _revision(connection))
        if due:
            run(connection, FOLDER)
        return due


def create(url: str, collections: Iterable[Collection[Any]]) -> None:
    """Make the tables of these collections in an empty database, without migrations: for tests and experiments."""
    with _alone(engines.parse(url)) as connection:
        schema.build(collections).metadata.create_all(connection)
        _metadata.create_all(connection)
        connection.execute(_version.delete())
        connection.execute(_version.insert(), [{"version_num": _number(name)} for name in revisions()[-1:]])


@contextmanager
def _alone(url: URL) -> Iterator[Connection]:
    lease: Callable[[], None] | None = None
    if url.get_backend_name() == "sqlite":
        engines.touch(url)
        lease = FileLease(engines.sqlite_file(url)).release
    engine = engines.writer(url)
    try:
        with engine.begin() as connection:
            if lease is None:
                take_session(connection, url.render_as_string())
            yield connection
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()
        if lease is not None:
            lease()


def _due(url: URL) -> list[str]:
    if url.get_backend_name() == "sqlite" and not engines.sqlite_file(url).exists():
        return revisions()
    engine = engines.readers(url, 1)
    try:
        with engine.connect() as connection:
            return _after(url, _revision(connection))
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.scalar(select(_version.c.version_num))


def _after(url: URL, revision: str | None) -> list[str]:
    names = revisions()
    numbers = [_number(name) for name in names]
    if revision is None:
        return names
    if revision not in numbers:
        raise SchemaAheadError(database=url.render_as_string(), revision=revision)
    return names[numbers.index(revision) + 1 :]


def _number(name: str) -> str:
    return name.partition("_")[0]
