"""Migrations: announced, run once, all or nothing, and in step with the declared collections."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from medspace.adapters.sql import create, migration, open_database, pending, revise, upgrade
from medspace.adapters.sql.errors import DatabaseUrlError, SchemaAheadError, SchemaBehindError
from medspace.app.compose.features import FEATURES
from medspace.app.compose.parts import COLLECTIONS, histories_of
from medspace.connector.usage.model import QUESTIONS, QuestionOutcome
from medspace.core.errors import StorageError
from medspace.core.store import Collection
from medspace.runs.model import COLLECTIONS as RUN_COLLECTIONS
from tests.postgres import postgres

__all__ = ["postgres"]


@dataclass(frozen=True, slots=True)
class Thing:
    id: str
    kind: str
    size: int | None = None


THINGS = Collection("things", Thing, ("kind", "size"), (("kind", "size"),))
MORE = Collection("more", Thing, ("kind",))

BROKEN = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "{number}", "{before}"
def upgrade():
    op.create_table("half", sa.Column("id", sa.Text(), primary_key=True))
    op.execute("INSERT INTO nowhere VALUES (1)")
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/connector.db"
    return request.getfixturevalue("postgres")()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The migrations, copied, so that a test may add some."""
    copy = tmp_path / "migrations"
    shutil.copytree(migration.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(migration, "FOLDER", copy)
    return copy


def tables(url):
    engine = create_engine(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return names


async def test_migrations_are_announced_and_run_once(url):
    names = migration.revisions()
    assert pending(url) == names != []
    assert upgrade(url) == names
    assert pending(url) == upgrade(url) == []
    async with open_database(url, []) as database:
        assert await database.write(lambda tx: tx.log.append(b"a")) == 0


def test_a_database_without_tables_is_not_opened(url, tmp_path):
    with pytest.raises(SchemaBehindError, match="medspace up"):
        open_database(url, [])
    assert not list(tmp_path.glob("connector.db*"))


def test_a_newer_database_is_left_alone(url):
    create(url, [THINGS])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for use in (pending, upgrade, lambda url: open_database(url, [THINGS])):
        with pytest.raises(SchemaAheadError, match="9999"):
            use(url)


def test_a_migration_that_fails_leaves_nothing(url, folder):
    upgrade(url)
    before = tables(url)
    count = max(int(name[:4]) for name in migration.revisions())
    broken = f"{count + 1:04}_broken"
    text_of_it = BROKEN.format(number=f"{count + 1:04}", before=f"{count:04}")
    (folder / "versions" / f"{broken}.py").write_text(text_of_it)
    assert pending(url) == [broken]
    with pytest.raises(StorageError):
        upgrade(url)
    assert tables(url) == before
    assert pending(url) == [broken]


OLD = """INSERT INTO {table} (id, role, state, counterparty, initial, created, body)
VALUES (:id, :role, :state, 'did:web:peer.example', :initial, '', '{{}}')"""
OLD_TRANSFER = OLD.replace("created,", "created, agreement,").replace("'',", "'', 'a',")


def test_open_processes_of_an_old_database_count_for_their_members(url, folder):
    (later,) = (path for path in (folder / "versions").glob("*_http_quotas.py"))
    kept = {path: path.read_text() for path in (folder / "versions").glob("[0-9]*.py") if path.name >= later.name}
    for path in kept:
        path.unlink()
    upgrade(url)
    engine = create_engine(url)
    rows = [("theirs", "REQUESTED", "c:1"), ("over", "TERMINATED", "c:2"), ("ours", "REQUESTED", None)]
    with engine.begin() as connection:
        for name, state, initial in rows:
            role = "consumer" if initial is None else "provider"
            row = {"id": name, "role": role, "state": state, "initial": initial}
            connection.execute(text(OLD.format(table="negotiations")), row)
            connection.execute(text(OLD_TRANSFER.format(table="transfers")), row)
    for path, content in kept.items():
        path.write_text(content)
    upgrade(url)
    with engine.begin() as connection:
        for table in ("negotiations", "transfers"):
            query = text(f"SELECT id FROM {table} WHERE open_for = 'did:web:peer.example'")
            assert list(connection.execute(query).scalars()) == ["theirs"]
    engine.dispose()


OLD_QUESTION = {
    "id": "urn:old",
    "entry": 0,
    "asset": "a",
    "agreement": "g",
    "user": "u",
    "job": "j",
    "time": "2026-01-01T00:00:00.000Z",
    "round": 1,
    "step": "sum",
    "request": "sha256:0",
    "sealed": "x",
    "outcome": "open",
    "version": "",
    "counted": True,
}


async def test_the_questions_of_an_old_database_are_steps_without_a_name(url, folder):
    (later,) = (path for path in (folder / "versions").glob("*_steps_by_name.py"))
    kept = {path: path.read_text() for path in (folder / "versions").glob("[0-9]*.py") if path.name >= later.name}
    for path in kept:
        path.unlink()
    upgrade(url)
    keys = ("id", "asset", "agreement", "user", "job", "outcome", "version", "time")
    columns, values = ", ".join(f'"{key}"' for key in keys), ", ".join(f":{key}" for key in keys)
    engine = create_engine(url)
    with engine.begin() as connection:
        row = {key: OLD_QUESTION[key] for key in keys} | {"body": json.dumps(OLD_QUESTION)}
        connection.execute(text(f"INSERT INTO questions ({columns}, body) VALUES ({values}, :body)"), row)
    engine.dispose()
    for path, content in kept.items():
        path.write_text(content)
    upgrade(url)
    database = open_database(url, COLLECTIONS)
    (old,) = await database.read(lambda tx: tx.find(QUESTIONS, where={"asked": ""}))
    assert (old.asked, old.granted, old.repeats, old.code, old.told) == ("", "", 0, "", "")
    await database.write(lambda tx: tx.replace(QUESTIONS, old, replace(old, outcome=QuestionOutcome.FAILED)))
    assert await database.read(lambda tx: tx.find(QUESTIONS, where={"outcome": "open"})) == []
    await database.close()


def test_the_next_migration_is_written_by_comparison(url, folder):
    count = max(int(name[:4]) for name in migration.revisions())
    written = revise.revise("add things", [THINGS])
    assert written.name == f"{count + 1:04}_add_things.py"
    assert revise.revise("add nothing", [THINGS]) is None
    assert revise.revise("add more", [THINGS, MORE]).stem == f"{count + 2:04}_add_more"
    upgrade(url)
    assert missing(url, [THINGS, MORE]) == []
    assert missing(url, [THINGS]) != []


def test_the_command_writes_all_anew(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "DECLARED", [THINGS], raising=False)
    monkeypatch.setitem(sys.modules, "declaring", sys.modules[__name__])
    assert revise.main(["first", "--collections", "declaring:DECLARED", "--anew"]) == 0
    assert migration.revisions() == ["0001_first"]
    assert "0001_first.py" in capsys.readouterr().out
    assert revise.main(["again", "--collections", "declaring:DECLARED"]) == 0
    assert "nothing to write" in capsys.readouterr().out


def test_the_newest_tables_are_those_of_the_declared_collections(url):
    histories = histories_of(FEATURES)
    upgrade(url, histories)
    assert pending(url, histories) == []
    declared = {*COLLECTIONS, *RUN_COLLECTIONS}  # tables of runs stay where no feature trains
    assert missing(url, tuple(declared)) == []


@pytest.fixture
def history(tmp_path):
    return migration.History("remarks", tmp_path / "remarks")


def test_a_feature_has_migrations_of_its_own_and_leaves_those_of_others_alone(url, history):
    assert revise.revise("first", [THINGS], history).name == "0001_first.py"
    upgrade(url)
    assert pending(url) == []
    assert pending(url, [history]) == ["remarks/0001_first"]
    assert upgrade(url, [history]) == ["remarks/0001_first"]
    assert pending(url, [history]) == pending(url) == []
    assert revise.revise("nothing", [THINGS], history) is None
    assert revise.revise("more", [THINGS, MORE], history).name == "0002_more.py"
    assert upgrade(url, [history]) == ["remarks/0002_more"]
    assert {"things", "more"} <= tables(url)


def test_a_feature_that_a_newer_version_wrote_is_left_alone(url, history):
    revise.revise("first", [THINGS], history)
    upgrade(url, [history])
    (history.folder / "0001_first.py").unlink()
    with pytest.raises(SchemaAheadError, match="remarks/0001"):
        pending(url, [history])
    assert pending(url) == []  # whoever has deleted it does not look


def missing(url, collections):
    engine = create_engine(url)
    with engine.connect() as connection:
        found = revise.differences(connection, collections)
    engine.dispose()
    return found


def test_opening_imports_neither_alembic_nor_another_driver(tmp_path):
    url = f"sqlite:///{tmp_path}/connector.db"
    create(url, [])
    code = (
        "import sys; from medspace.adapters.sql import open_database; open_database(sys.argv[1], []);"
        "print([name for name in ('alembic', 'psycopg', 'sqlalchemy.dialects.postgresql', 'sqlalchemy.orm')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://h/d",
        "postgresql://h/d",
        "postgresql+asyncpg://h/d",
    ],
)
def test_other_urls_are_refused_with_what_to_write(url):
    for use in (pending, upgrade, lambda url: open_database(url, [])):
        with pytest.raises(DatabaseUrlError, match=r"sqlite:///path/to/file\.db"):
            use(url)


def test_a_file_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseUrlError, match="file"):
        upgrade(f"sqlite:///{tmp_path}/file/connector.db")


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = Path(tmp_path / "connector.db")
    path.write_text("no database" * 1000)
    with pytest.raises(StorageError, match="SQLITE_NOTADB"):
        open_database(f"sqlite:///{path}", [])


def test_a_missing_driver_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Exception, match=r"pip install .medspace\[postgres\]"):
        open_database("postgresql+psycopg://h/d", [])
