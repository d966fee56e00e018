"""What outside libraries and the operating system could not do is a sentence, and never the name of a class."""

import errno
import os
import socket
import sqlite3

import duckdb
import psycopg
import pytest
from sqlalchemy import create_engine, text

from medspace.adapters.duckdb.errors import TableUnreadableError
from medspace.adapters.duckdb.source import load
from medspace.adapters.oswords import because, why
from medspace.adapters.sql.database import open_database
from medspace.adapters.sql.errors import DatabaseEncodingError, DatabaseUrlError, refused
from medspace.adapters.sql.migration import upgrade
from medspace.app.node.language import speaker
from medspace.core.dictionary import parse
from medspace.core.errors import StorageError
from tests.postgres import own_postgres

__all__ = ["own_postgres"]
DICTIONARY = parse('title = "t"\n[columns.p]\ntype = "code"\n')
DAMAGED, NO_TABLE = "it is damaged or incomplete", "it has no table of the name"


@pytest.fixture
def files(tmp_path):
    """A Parquet file, a DuckDB and an SQLite database with the table t, and damaged ones."""
    duckdb.sql(f"COPY (SELECT 'x' p) TO '{tmp_path / 'ok.parquet'}'")
    with duckdb.connect(str(tmp_path / "ok.duckdb")) as made:
        made.execute("CREATE TABLE t AS SELECT 'x' p")
    made = sqlite3.connect(tmp_path / "ok.sqlite")
    made.execute("CREATE TABLE t(p)")
    made.commit()
    made.close()
    for kind in ("parquet", "duckdb", "sqlite"):
        content = (tmp_path / f"ok.{kind}").read_bytes()
        (tmp_path / f"cut.{kind}").write_bytes(content[: len(content) // 2])
    (tmp_path / "mixed.csv").write_bytes(b"p,q\nx,1\r\ny,2\n\rz")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        ("cut.parquet", "", DAMAGED),
        ("cut.duckdb", "t", DAMAGED),
        ("cut.sqlite", "t", DAMAGED),
        ("ok.duckdb", "", NO_TABLE),
        ("ok.duckdb", "none", NO_TABLE),
        ("ok.sqlite", "", NO_TABLE),
        ("ok.sqlite", "none", NO_TABLE),
        ("none.csv", "", "there is no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_without_the_name_of_a_class(files, name, table, said):
    with pytest.raises(TableUnreadableError) as raised:
        load(files / name, DICTIONARY, table)
    assert said in str(raised.value.text)
    for word in ("Exception", "Error", "Operational"):
        assert word not in str(raised.value.text)


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_error_of_the_operating_system_has_a_reason(number):
    assert str(why(OSError(number, os.strerror(number))))
    assert "Errno" not in str(because(number))


def test_what_has_no_number_is_told_in_its_own_words_or_said_to_have_none():
    assert str(because(0, "odd")) == "the operating system says: odd"
    assert str(why(OSError())) == "the operating system gives no reason"


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_a_name_that_nobody_knows_is_told_in_the_language_of_who_reads_it(number):
    said = why(socket.gaierror(number, "Name or service not known"))
    assert "Name or service" not in str(said)
    assert said.render(speaker("zh_Hans")) != str(said)


@pytest.mark.parametrize("url", ["postgresql+psycopg://a@h:port/x", "mysql://x", "nonsense", "sqlite://"])
def test_a_database_url_that_means_nothing_is_refused(url):
    with pytest.raises(DatabaseUrlError):
        upgrade(url)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "x.db").write_bytes(b"no database" * 500)
    with pytest.raises(StorageError) as raised:
        upgrade(f"sqlite:///{tmp_path / 'x.db'}")
    assert "is not an SQLite database" in str(raised.value.text)


def test_a_server_that_does_not_answer_is_told():
    assert "the server does not answer" in str(refused(psycopg.OperationalError("x")).text)
    with pytest.raises(StorageError) as raised:
        upgrade("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert "the server does not answer" in str(raised.value.text)


def test_a_database_without_room_for_every_character_is_refused(own_postgres):
    engine = create_engine(own_postgres.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE old ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"))
    engine.dispose()
    url = own_postgres.url.replace("/postgres?", "/old?")
    for use in (upgrade, lambda url: open_database(url, ())):
        with pytest.raises(DatabaseEncodingError) as raised:
            use(url)
        assert "LATIN1" in str(raised.value.text)
        assert "--encoding=UTF8" in str(raised.value.advice)
