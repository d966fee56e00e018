"""A database that the version before has written opens, and its runs go on.

The version before had the tables of revision 0003 and wrote fewer fields: its databases are made here by taking away
what came since from those of a run that is on its way.
"""

import json
import sqlite3
from dataclasses import replace

from alembic import command
from alembic.config import Config as Alembic

from medspace.adapters.sql import engines, migration
from medspace.ledger.merkle import Frontier, leaf_hash
from medspace.ledger.model import decode
from tests.e2e.house.pausing import Pausing
from tests.e2e.space import TASK, audited, hospital, staged

REVISION = "0003"
SINCE = {  # fields of records, and of what they hold, that came later
    "datasets": {"described"},
    "labels": {"configured", "by"},
    "negotiations": {"asked_by", "moved_by", "approved_by", "alone"},
    "agreements": {"asked_by", "approved_by"},
    "transfers": {"asked_by", "moved_by"},
    "intents": {"by"},
    "jobs": {"over", "manifests"},
    "questions": {"parts", "repeats", "granted", "asked", "told", "code", "held_for", "approved_by", "refused_by"},
    "register": {"operator", "mldsa"},
    "learning_runs": {"manifest", "asked_by", "cancelled_by"},
    "learning_checkpoints": {"mail"},
    "ledger_checkpoints": {"receipts"},
}
LATER = {
    "use.admitted": {"run", "manifest"},
    "run.round": {"manifest"},
    "run.started": {"by"},
}  # facts of entries that came later
SIGNED_ANEW = {"ledger_checkpoints"}  # what was signed of a log that reads differently


def emptied(file, folder):
    """A database with the tables of the version before, and nothing in them."""
    with migration._alone(engines.parse(f"sqlite:///{file}")) as connection:
        config = Alembic()
        config.set_main_option("script_location", str(folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"connection": connection, "version_table": "alembic_version"}
        command.upgrade(config, REVISION)


def as_before(file):
    """Put the database of a connector that does not run back into the form of the version before."""
    old = file.with_suffix(".before")
    emptied(old, migration.FOLDER)
    with sqlite3.connect(old) as before, sqlite3.connect(file) as now:
        tables = {name for (name,) in before.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in tables - SIGNED_ANEW - {"alembic_version"}:
            columns = [column[1] for column in before.execute(f"PRAGMA table_info({name})")]
            before.execute(f"DELETE FROM {name}")
            rows = now.execute(f"SELECT {', '.join(columns)} FROM {name}").fetchall()
            if name == "log":
                rows = relogged(entry for (entry,) in now.execute("SELECT entry FROM log ORDER BY id"))
            marks = ", ".join("?" * len(columns))
            before.executemany(f"INSERT INTO {name} VALUES ({marks})", [written(name, columns, row) for row in rows])
    before.close()
    now.close()
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    old.replace(file)


def relogged(entries):
    """The rows of a log with the entries as the version before wrote them."""
    frontier = Frontier()
    for number, kept in enumerate(entries):
        entry = decode(kept)
        facts = {name: fact for name, fact in entry.facts.items() if name not in LATER.get(entry.kind, ())}
        old = replace(entry, facts=facts).encode()
        yield number, b"".join(found for _, found in frontier.append(leaf_hash(old))), old


def written(table_name, columns, row):
    """A row with the body that the version before would have written."""
    since = SINCE.get(table_name, set())
    return [without(value, since) if column == "body" else value for column, value in zip(columns, row, strict=True)]


def without(body, since):
    read = json.loads(body)
    kept = {name: value for name, value in read.items() if name not in since}
    said = json.dumps(kept, separators=(",", ":"), ensure_ascii=False)
    return said if isinstance(body, str) else said.encode()


def ended_run(space, run):
    found = space.run(run)
    while found["state"] not in ("finished", "failed", "cancelled"):
        found = space._get(f"/runs/{run}", seen=found["version"], wait=10)
    return found


def test_a_run_of_the_version_before_goes_on(tmp_path):
    with staged(tmp_path) as stage:
        pausing = Pausing(round=3)
        stage.add("authority", hospital(1))
        stage.add("clinic", hospital(2), parts=pausing.parts)
        stage.add("user")
        stage.open()
        stage.admit()
        user = stage.space("user")
        agreements = [stage.agree("user", key) for key in ("authority", "clinic")]
        run = user._post("/runs", {"task": TASK | {"min_sites": 2}, "agreements": agreements})["id"]
        assert pausing.reached.wait(60)
        stage.close("user")  # in the midst of a round
        pausing.go.set()
        stage.close("authority", "clinic")
        for node in stage.nodes.values():
            as_before(node.folder / "connector.db")
        stage.open()
        ended = ended_run(stage.space("user"), run)
        assert ended["state"] == "finished", ended
        report = audited(stage, tmp_path)
        assert report["outcome"] == "verified", report["findings"]
