"""Tables of a PostgreSQL server: read and never written, checked as files are, away while the server is away."""

import socket
from pathlib import Path

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa

from medspace import sdk
from medspace.adapters.duckdb.errors import TableRefusedError, TableUnreadableError
from medspace.adapters.duckdb.settings import DraftOptions
from medspace.adapters.duckdb.source import load
from medspace.adapters.postgresql import table as reading
from medspace.adapters.postgresql.errors import ServerAwayError, TableAddressError
from medspace.adapters.postgresql.table import load as load_postgresql
from medspace.app.features.setup.service import set_up
from medspace.app.node.config import read_config
from medspace.app.node.holdings import open_holdings
from medspace.app.node.offering.errors import PersonUnknownError
from medspace.app.node.offering.wishes import Wishes
from medspace.core.dictionary import parse
from tests.admissions import admission
from tests.postgres import postgres  # noqa: F401 - a fixture

DICTIONARY = parse("""
title = "Clinic"
person = "patient"
left_out = ["remark"]
[columns.patient]
type = "code"
[columns.age]
type = "integer"
[columns.crp]
type = "number"
missing = [0]
[columns.sex]
type = "code"
[columns.smoker]
type = "flag"
[columns.visit]
type = "date"
""")
TEXT = """patient,age,crp,sex,smoker,visit
p1,63,0,M,true,2020-01-02
p2,5,,Ä,,1969-12-31
p2,,1.5,F,false,
"""
SQL = """
CREATE SCHEMA "the clinic";
CREATE TABLE "the clinic"."vis""its" (
  patient text, remark text, age int, crp double precision, sex char(3), smoker boolean, visit date, gone int
);
ALTER TABLE "the clinic"."vis""its" DROP COLUMN gone;
INSERT INTO "the clinic"."vis""its" VALUES
  ('p2', 'fell', NULL, 1.5, 'F', false, NULL),
  ('p1', 'x', 63, 0.0, 'M', true, '2020-01-02'),
  ('p2', NULL, 5, NULL, 'Ä', NULL, '1969-12-31');
CREATE ROLE reader LOGIN;
GRANT USAGE ON SCHEMA "the clinic" TO reader;
GRANT SELECT ON "the clinic"."vis""its" TO reader;
"""
TABLE = 'the clinic.vis"its'


@pytest.fixture(scope="module")
def server(postgres):  # noqa: F811 - the fixture
    """The address of a server with the clinic's table, as its owner and as one who may only read."""
    url = sa.make_url(postgres())
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(SQL)
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql('DROP SCHEMA "the clinic" CASCADE; DROP OWNED BY reader; DROP ROLE reader')
    engine.dispose()


def address(engine, user="reader"):
    return engine.url.set(drivername="postgresql", username=user).render_as_string(hide_password=False)


def read(engine, dictionary=DICTIONARY, table=TABLE, user="reader"):
    return load_postgresql("hearts", address(engine, user), table, dictionary)


def execute(engine, statement):
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.mark.parametrize("chunk", [1, 2, 50_000])
def test_the_same_content_is_the_same_table_as_in_a_file(server, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr(reading, "CHUNK", chunk)
    (tmp_path / "clinic.csv").write_text(TEXT, encoding="utf-8")
    checked = read(server)
    assert checked.digest == load(tmp_path / "clinic.csv", DICTIONARY).digest
    rows = checked.source.open(admission())
    np.testing.assert_array_equal(rows.numbers("age"), [63, 5, np.nan])
    assert rows.codes("sex") == ["M", "Ä", "F"]
    assert (checked.count, checked.persons, checked.warnings) == (3, 2, ())


def test_the_order_in_which_rows_were_written_does_not_show(server):
    before = read(server).digest
    execute(server, 'UPDATE "the clinic"."vis""its" SET age = age WHERE patient = \'p1\'')  # moves the row
    assert read(server).digest == before


def test_a_role_that_may_write_is_read_and_warned_of(server):
    (warning,) = read(server, user="postgres").warnings
    assert "postgres may write" in str(warning)
    execute(server, 'GRANT UPDATE (age) ON "the clinic"."vis""its" TO reader')
    try:
        assert len(read(server).warnings) == 1
    finally:
        execute(server, 'REVOKE UPDATE (age) ON "the clinic"."vis""its" FROM reader')


def test_nothing_can_be_written_through_the_connection(server):
    place = reading.placed(address(server, "postgres"), TABLE, "")
    for statement in ('DELETE FROM "the clinic"."vis""its"', "CREATE TABLE mine (a int)"):
        with pytest.raises(TableUnreadableError, match="25006"), reading._reading(place) as connection:
            connection.exec_driver_sql(statement)
    assert read(server).count == 3


def test_columns_that_the_role_may_not_read_need_no_mention(server):
    execute(server, 'CREATE TABLE "the clinic".some (a int, secret text); INSERT INTO "the clinic".some VALUES (1)')
    execute(server, 'GRANT SELECT (a) ON "the clinic".some TO reader')
    plain = parse('title="t"\n[columns.a]\ntype="integer"')
    assert read(server, plain, "the clinic.some").count == 1
    with pytest.raises(TableRefusedError, match="secret"):
        read(server, plain, "the clinic.some", user="postgres")


@pytest.mark.parametrize(
    ("kind", "value"),
    [("bytea", "'\\x6162'"), ("numeric", "'NaN'"), ("date", "'infinity'"), ("date", "'0044-03-15 BC'"),
     ("timestamp", "'2020-01-02 10:00'"), ("money", "1234.5")],
)  # fmt: skip
def test_a_value_that_is_none_of_ours_refuses_the_table(server, kind, value):
    execute(server, f'CREATE TABLE "the clinic".odd (a {kind}); INSERT INTO "the clinic".odd VALUES ({value})')
    try:
        ours = {"bytea": "code", "numeric": "number", "money": "number"}.get(kind, "date")
        with pytest.raises(TableRefusedError) as refused:
            read(server, parse(f'title="t"\n[columns.a]\ntype="{ours}"'), "the clinic.odd", user="postgres")
        assert refused.value.count == 1
    finally:
        execute(server, 'DROP TABLE "the clinic".odd')


def test_a_cell_that_breaks_the_dictionary_refuses_the_table_and_is_not_told(server):
    execute(server, 'UPDATE "the clinic"."vis""its" SET sex = \'=1\' WHERE patient = \'p1\'')
    try:
        with pytest.raises(TableRefusedError, match="formula") as refused:
            read(server)
        assert "=1" not in str(refused.value)
    finally:
        execute(server, 'UPDATE "the clinic"."vis""its" SET sex = \'M\' WHERE patient = \'p1\'')


@pytest.mark.parametrize("table", ["the clinic.nothing", "nowhere.visits", 'the clinic."; DROP TABLE x; --'])
def test_a_table_that_is_not_there_is_unreadable(server, table):
    with pytest.raises(TableUnreadableError, match="no such table"):
        read(server, table=table)


def test_a_table_that_the_role_may_not_read_is_unreadable(server):
    execute(server, 'CREATE TABLE "the clinic".closed (a int)')
    with pytest.raises(TableUnreadableError, match="may not read"):
        read(server, table="the clinic.closed")


def test_the_message_of_the_server_is_not_told_as_it_may_quote_a_cell(server):
    execute(server, 'CREATE VIEW "the clinic".bad AS SELECT CAST(\'secret\' || patient AS int) AS a '
                    'FROM "the clinic"."vis""its"')  # fmt: skip
    with pytest.raises(TableUnreadableError, match="SQLSTATE 22P02") as refused:
        read(server, parse('title="t"\n[columns.a]\ntype="integer"'), "the clinic.bad", user="postgres")
    assert "secret" not in str(refused.value)


def test_a_server_that_does_not_answer_is_away():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ServerAwayError, match="refused") as away:
            load_postgresql("a", f"postgresql://u:hidden@127.0.0.1:{port}/x", "t", DICTIONARY, "secret-word")
    assert "secret-word" not in str(away.value)
    assert "hidden" not in str(away.value)


def test_a_connection_that_is_cut_while_it_reads_is_away(server, monkeypatch):
    def cut(connection, *_):
        number = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with psycopg.connect(address(server, "postgres"), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [number])
        connection.exec_driver_sql("SELECT 1")

    monkeypatch.setattr(reading, "_chunks", cut)
    with pytest.raises(ServerAwayError):
        read(server)


@pytest.mark.parametrize(("where", "table"), [("postgresql://u@h/x", ""), ("postgresql://u:p@h:none/x", "t")])
def test_an_address_that_is_none_is_refused_without_its_password(where, table):
    with pytest.raises(TableAddressError) as refused:
        load_postgresql("a", where, table, DICTIONARY)
    assert ":p@" not in str(refused.value)


def test_a_table_can_be_drafted(server):
    rows = "".join(f"('p{n // 2}', {30 + n % 40}, {'NULL' if n == 7 else n % 30 / 2})," for n in range(120))
    execute(server, 'CREATE TABLE "the clinic".labs (p text, age int, crp float)')
    execute(server, f'INSERT INTO "the clinic".labs VALUES {rows[:-1]}')
    execute(server, 'GRANT SELECT ON "the clinic".labs TO reader')
    made = sdk.draft(address(server), table="the clinic.labs", person="p")
    assert (made["file"], made["form"], made["rows"], made["persons"]) == ("the clinic.labs", "postgresql", 120, 60)
    dictionary = parse(made["dictionary"])
    assert [column.type.value for column in dictionary.columns] == ["code", "integer", "number"]
    assert read(server, dictionary, "the clinic.labs").count == 120
    with pytest.raises(PersonUnknownError, match=r"the clinic\.labs"):
        sdk.draft(address(server), table="the clinic.labs")
    with pytest.raises(TableAddressError):
        sdk.draft(address(server), person="p")


def test_a_table_that_was_drafted_is_offered(server, tmp_path):
    execute(server, 'CREATE TABLE "the clinic".few AS SELECT i AS p, i / 3 + 20 AS age FROM generate_series(1, 60) i')
    execute(server, 'GRANT SELECT ON "the clinic".few TO reader')
    wishes = Wishes("H", 18_100, offer=address(server), person="p", draft=DraftOptions(table="the clinic.few"))
    made = set_up(tmp_path / "h", wishes)
    (holding,) = open_holdings(read_config(Path(made["config"])))
    assert (holding.dataset.id, holding.checked.persons) == ("few", 60)
