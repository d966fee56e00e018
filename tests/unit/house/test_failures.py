"""A failed test's databases, logs and output are kept, whole and bounded."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import failures

ROOT = Path(__file__).parents[3]
CONFTEST = """
from tests.conftest import pytest_runtest_makereport
"""
FAILING = """
import logging, os, sqlite3
import pytest

class Stage:
    def __init__(self, folder):
        self.folder = folder

@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("stage"))
    stage.database = sqlite3.connect(stage.folder / "medspace.db")
    stage.database.execute("PRAGMA journal_mode=WAL")
    yield stage
    stage.database.close()

def test_breaks(stage):
    with stage.database:
        stage.database.execute("CREATE TABLE owed (message TEXT)")
        stage.database.execute("INSERT INTO owed VALUES ('agreement')")
    logging.getLogger("medspace").warning("the peer does not answer")
    assert not os.environ.get("BREAKS")
"""


@pytest.mark.parametrize("breaks", ["1", ""])
def test_the_database_of_a_running_connector_and_its_log_are_kept_where_the_test_fails(tmp_path, breaks):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_road.py").write_text(FAILING)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = os.environ | {"BREAKS": breaks, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    kept = tmp_path / failures.FOLDER / "test_road.py_test_breaks.call"
    assert (run.returncode, kept.exists()) == ((1, True) if breaks else (0, False)), run.stdout
    if breaks:
        assert str(kept) in run.stdout
        assert "the peer does not answer" in (kept / "output.txt").read_text()
        with closing(sqlite3.connect(*kept.rglob("medspace.db"))) as database:
            assert database.execute("SELECT message FROM owed").fetchall() == [("agreement",)]
        assert list(kept.rglob("*-wal")) == []


@pytest.fixture
def failed(tmp_path, monkeypatch):
    monkeypatch.setattr(failures, "MOST_BYTES", 1000)
    monkeypatch.setattr(failures, "MOST_TESTS", 2)
    folder = tmp_path / "work"
    folder.mkdir()

    def fail(name, **funcargs):
        item = SimpleNamespace(nodeid=f"tests/e2e/{name}", funcargs={"tmp_path": folder, **funcargs})
        report = SimpleNamespace(when="call", longreprtext="assert 1 == 2", sections=[])
        return failures.keep(item, report, tmp_path)

    fail.folder = folder
    return fail


def test_what_is_kept_of_one_test_is_bounded_and_what_is_left_out_is_said(failed):
    (failed.folder / "small.log").write_bytes(b"x" * 600)
    (failed.folder / "large.log").write_bytes(b"x" * 700)
    kept = failed("a")
    assert [path.name for path in (kept / "work").iterdir()] == ["small.log"]
    assert "large.log: 700 bytes" in (kept / "left-out.txt").read_text()


def test_only_so_many_tests_are_kept(failed):
    kept = []
    for number, name in enumerate("abc"):
        kept.append(failed(name))
        os.utime(kept[-1], (number, number))
    failed("d")
    assert [path.exists() for path in kept] == [False, False, True]


def test_the_folders_of_connectors_are_found(failed, tmp_path):
    (tmp_path / "holder").mkdir()
    (tmp_path / "holder" / "connector.log").write_text("started")
    crowd = SimpleNamespace(nodes=[SimpleNamespace(config=tmp_path / "holder" / "medspace.toml")])
    kept = failed("a[b/c d]", crowd=crowd)
    assert kept.name == "e2e_a_b_c_d.call"
    assert (kept / "holder" / "connector.log").read_text() == "started"


def test_a_broken_database_does_not_hide_the_failure(failed):
    (failed.folder / "broken.db").write_bytes(failures.SQLITE + b"nonsense" * 20)
    kept = failed("a")
    assert (kept / "output.txt").read_text() == "assert 1 == 2"
    assert list(kept.rglob("broken.db*"))
