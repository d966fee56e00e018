"""DuckDB is shut in: it opens the given file, and nothing else."""

import duckdb
import pytest

from medspace.adapters.duckdb.cells import opened
from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.reading import connect
from medspace.adapters.duckdb.source import load
from medspace.core.dictionary import parse

DICTIONARY = parse('title="t"\n[columns.a]\ntype="code"')


@pytest.fixture
def shut(tmp_path):
    (tmp_path / "mine.csv").write_text("a\nx\n")
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    with connect(tmp_path / "mine.csv") as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('https://example.org/x.csv')",
        "SELECT * FROM read_csv('{folder}/mine.csv/../secret.csv')",
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "ATTACH '{folder}/out.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/hostname']",
        "SELECT * FROM statement",
    ],
)
def test_nothing_else_can_be_reached(shut, tmp_path, statement):
    with pytest.raises(duckdb.Error):
        shut.execute(statement.format(folder=tmp_path)).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "secret.csv"]


def test_the_given_file_can(shut, tmp_path):
    assert shut.execute(f"SELECT a FROM read_csv('{tmp_path}/mine.csv', header = true)").fetchall() == [("x",)]


def test_a_view_in_a_database_file_cannot_read_other_files(tmp_path):
    (tmp_path / "secret.csv").write_text("a\nsecret\n")
    with duckdb.connect(str(tmp_path / "trap.duckdb")) as connection:
        connection.execute(f"CREATE VIEW v AS SELECT * FROM read_csv('{tmp_path}/secret.csv')")
    with pytest.raises(TableUnreadableError, match="refers to other files"):
        load(tmp_path / "trap.duckdb", DICTIONARY, "v")


@pytest.mark.parametrize(
    "statement", ["SET threads = 4", "SELECT * FROM read_csv('{folder}/mine.csv')", "SELECT * FROM raw"]
)
def test_what_counts_a_loaded_table_opens_no_file_and_its_configuration_is_locked(tmp_path, statement):
    (tmp_path / "mine.csv").write_text("a\nx\n")
    table = load(tmp_path / "mine.csv", DICTIONARY)
    with opened(table._cells) as connection:
        assert connection.execute("SELECT c0 FROM rows").fetchall() == [("x",)]
        with pytest.raises(duckdb.Error):
            connection.execute(statement.format(folder=tmp_path)).fetchall()


def test_a_quotation_mark_in_a_path_is_no_way_out(tmp_path):
    folder = tmp_path / "it's"
    folder.mkdir()
    (folder / "x.csv").write_text("a\nx\n")
    assert load(folder / "x.csv", DICTIONARY).count == 1
