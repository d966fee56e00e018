"""Migrations: which are due, and running them. Alembic is imported only when one is.

Revisions are numbered files in `migrations/versions` (`0001_name.py`), each after the one before it, so the newest
is known without reading them. A feature with records has its own history in its folder, with its own
version table, so that it can be deleted. A migration is one transaction: if killed in the middle, it has
no effect.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Column, Connection, MetaData, PrimaryKeyConstraint, String, Table, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from medspace.adapters.filenames import is_there
from medspace.adapters.sql import engines, schema
from medspace.adapters.sql.errors import SchemaAheadError, SchemaBehindError, translated
from medspace.adapters.sql.lease import FileLease, take_session
from medspace.core.store import Collection

FOLDER = Path(__file__).with_name("migrations")
_MADE: dict[tuple[tuple[str, int, int], ...], tuple[str, ...]] = {}  # by the files that were read


@dataclass(frozen=True, slots=True)
class History:
    """A sequence of migrations: that of the rooms, or that of the feature `name`, in a `folder` of it."""

    name: str = ""
    folder: Path | None = None

    @property
    def versions(self) -> Path:
        """Where the files are."""
        return self.folder or FOLDER / "versions"

    @property
    def table(self) -> Table:
        """Where the database says how far it is, as Alembic keeps it."""
        name = f"alembic_version_{self.name}" if self.name else "alembic_version"
        key = PrimaryKeyConstraint("version_num", name=f"{name}_pkc")
        return Table(name, MetaData(), Column("version_num", String(32), nullable=False), key)

    def shown(self, revision: str) -> str:
        """A revision as people read it."""
        return f"{self.name}/{revision}" if self.name else revision


ROOMS = History()


def revisions(history: History = ROOMS) -> list[str]:
    """The names of all migrations of a history, oldest first."""
    return sorted(path.stem for path in history.versions.glob("[0-9]*.py"))


def pending(url: str, features: Iterable[History] = ()) -> list[str]:
    """The names of the migrations that are due, in the order in which they would run.

    Raises:
        SchemaAheadError: a newer medspace wrote the database.
        DatabaseUrlError: the URL names nothing usable.
    """
    due = _due(engines.parse(url), (ROOMS, *features))
    return [history.shown(name) for history, names in due for name in names]


def check(url: URL) -> None:
    """Check that the tables are those of this program.

    Raises:
        SchemaBehindError: migrations are due.
        SchemaAheadError: a newer medspace wrote it.
    """
    ((_, due),) = _due(url, (ROOMS,))
    if due:
        raise SchemaBehindError(database=url.render_as_string(), count=len(due))


def upgrade(url: str, features: Iterable[History] = ()) -> list[str]:
    """Run the migrations that are due; returns their names.

    Raises:
        StorageTakenError: a connector runs on the database.
        SchemaAheadError: a newer medspace wrote it.
    """
    parsed, histories = engines.parse(url), (ROOMS, *features)
    if not any(names for _, names in _due(parsed, histories)):
        return []
    # Alembic costs 0.2 s to import, which every start without a migration would pay.
    from medspace.adapters.sql.migrations.run import run  # noqa: PLC0415 - see the line above

    done = []
    with _alone(parsed) as connection:
        if not inspect(connection).get_table_names():
            return _made_anew(connection, histories, run)
        for history in histories:
            due = _after(parsed, history, _revision(connection, history))
            if due:
                run(connection, FOLDER, history.versions, history.table.name)
            done += [history.shown(name) for name in due]
    return done


def _made_anew(connection: Connection, histories: Sequence[History], run: Callable[..., None]) -> list[str]:
    """Run all migrations in an empty database, or repeat what they came to in the first one that this process made.

    Whoever makes several databases, as the demo does, waits for the migrations once: repeating takes a tenth.
    """
    read = tuple(_file(path) for history in histories for path in sorted(history.versions.glob("[0-9]*.py")))
    known = _MADE.get(read)
    if known is None or connection.dialect.name != "sqlite":
        for history in histories:
            run(connection, FOLDER, history.versions, history.table.name)
    else:
        for statement in known:
            connection.exec_driver_sql(statement)
    if known is None and connection.dialect.name == "sqlite":
        _MADE.clear()  # one set of histories is what a process has
        _MADE[read] = tuple(_statements(connection))
    return [history.shown(name) for history in histories for name in revisions(history)]


def _file(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path), stat.st_mtime_ns, stat.st_size


def _statements(connection: Connection) -> Iterator[str]:
    """The statements that make a SQLite database as it is."""
    driver: Any = connection.connection.driver_connection
    return (one for one in driver.iterdump() if one not in ("BEGIN TRANSACTION;", "COMMIT;"))


def create(url: str, collections: Iterable[Collection[Any]]) -> None:
    """Make the tables of these collections in an empty database, without migrations: for tests and experiments."""
    with _alone(engines.parse(url)) as connection:
        schema.build(collections).metadata.create_all(connection)
        version = ROOMS.table
        version.create(connection, checkfirst=True)
        connection.execute(version.delete())
        connection.execute(version.insert(), [{"version_num": _number(name)} for name in revisions()[-1:]])


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


def _due(url: URL, histories: Sequence[History]) -> list[tuple[History, list[str]]]:
    if url.get_backend_name() == "sqlite" and not is_there(engines.sqlite_file(url)):
        return [(history, revisions(history)) for history in histories]
    engine = engines.readers(url, 1)
    try:
        with engine.connect() as connection:
            return [(one, _after(url, one, _revision(connection, one))) for one in histories]
    except SQLAlchemyError as error:
        raise translated(error) from error
    finally:
        engine.dispose()


def _revision(connection: Connection, history: History) -> str | None:
    version = history.table
    if not inspect(connection).has_table(version.name):
        return None
    return connection.scalar(select(version.c.version_num))


def _after(url: URL, history: History, revision: str | None) -> list[str]:
    names = revisions(history)
    numbers = [_number(name) for name in names]
    if revision is None:
        return names
    if revision not in numbers:
        raise SchemaAheadError(database=url.render_as_string(), revision=history.shown(revision))
    return names[numbers.index(revision) + 1 :]


def _number(name: str) -> str:
    return name.partition("_")[0]
