"""A PostgreSQL table as an asset: its server stops and starts during a run, and nobody has to do anything."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from tests.e2e.space import ASSET, DICTIONARY, TASK, Holding, staged, step, table
from tests.postgres import own_postgres  # noqa: F401 - a fixture


class Gate:
    """A connector's public door that lets only so many steps in; the others wait until it is opened."""

    def __init__(self) -> None:
        self.waiting, self.open = threading.Event(), threading.Event()
        self.most, self.seen = 2, 0

    def __call__(self, app):
        async def guarded(scope, receive, send):
            if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith("/jobs/"):
                self.seen += 1
                if self.seen > self.most and not self.open.is_set():
                    self.waiting.set()
                    await send({"type": "http.response.start", "status": 503, "headers": []})
                    await send({"type": "http.response.body", "body": b"{}"})
                    return
            await app(scope, receive, send)

        return guarded


def fill(server, rows):
    """The rows of a CSV text as a table `clinic.hearts`, with the types that a hospital's database has."""
    header, *lines = [line.split(",") for line in rows.splitlines()]
    kinds = {"age": "int", "sbp": "numeric", "disease": "smallint"}
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA clinic")
        columns = ", ".join(f"{name} {kinds.get(name, 'text')}" for name in header)
        connection.exec_driver_sql(f"CREATE TABLE clinic.hearts ({columns})")
        connection.exec_driver_sql(f"INSERT INTO clinic.hearts VALUES ({', '.join(['%s'] * len(header))})",
                                   [tuple(line) for line in lines])  # fmt: skip
        connection.exec_driver_sql("CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA clinic TO reader")
        connection.exec_driver_sql("GRANT SELECT ON clinic.hearts TO reader")
    engine.dispose()


def clinic(server):
    return Holding(
        table(1),
        dictionary=DICTIONARY,
        source=f"postgresql://reader@/postgres?host={server.folder}",
        more='table = "clinic.hearts"',
    )


@pytest.fixture
def stage(tmp_path, own_postgres):  # noqa: F811 - the fixture
    fill(own_postgres, table(1))
    with staged(tmp_path) as stage:
        stage.gate = Gate()
        stage.add("authority", clinic(own_postgres), wrap=stage.gate)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def asset(stage):
    (shown,) = stage.space("authority").status()["assets"]
    return shown


def led(stage, work):
    """Start a run, do something once it waits at the gate, let it go on, and return it at its end."""
    user, gate = stage.space("user"), stage.gate
    agreement = stage.agree("user", "authority")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(user.train, TASK, [agreement], wait=120)
        try:
            assert gate.waiting.wait(60)
            work()
        finally:
            gate.open.set()
        return run.result()


def test_a_run_goes_on_while_the_server_is_stopped(stage, own_postgres):  # noqa: F811
    """What was checked is what is used: the server is not asked again, so its end is nobody's trouble."""
    assert asset(stage) == {"dataset": ASSET, "state": "open", "code": None}
    done = led(stage, own_postgres.stop)
    assert done["state"] == "finished", done
    own_postgres.start()


def test_a_connector_that_starts_without_the_server_waits_for_it_and_so_does_the_run(stage, own_postgres):  # noqa: F811
    def work():
        own_postgres.stop()
        stage.close("authority")
        stage.open("authority")
        assert asset(stage) == {"dataset": ASSET, "state": "away", "code": "table.away"}
        checks = [check for check in stage.space("authority").doctor()["checks"] if check["name"] == "assets"]
        assert [check["ok"] for check in checks] == [False]
        assert "clinic.hearts" in checks[0]["sentence"]
        (offered,) = stage.space("user").catalog(stage.nodes["authority"].did)  # what was published stays
        assert offered["id"] == ASSET
        stage.gate.open.set()
        pid = stage.space("user").request(stage.agree("user", "authority"), "medspace:train")["id"]
        answer = stage.ask("user", "authority", pid, step())
        assert (answer.status_code, answer.json()["code"]) == (503, "asset.away")
        assert int(answer.headers["retry-after"]) > 0
        assert "host" not in answer.text  # where the hospital keeps its data is nobody's business
        assert not stage.entries("authority", "use.refused", "use.failed")
        own_postgres.start()

    assert led(stage, work)["state"] == "finished"
    assert asset(stage)["state"] == "open"
    assert len(stage.entries("authority", "offer.published")) == 1  # the same content: nothing new to say


def test_a_table_that_changed_meanwhile_is_another_version(stage, own_postgres):  # noqa: F811
    before = stage.space("user").catalog(stage.nodes["authority"].did)[0]["digest"]
    engine = sa.create_engine(own_postgres.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE clinic.hearts SET age = age + 1")
    engine.dispose()
    assert stage.space("user").catalog(stage.nodes["authority"].did)[0]["digest"] == before
    stage.close("authority")
    stage.open("authority")
    assert stage.space("user").catalog(stage.nodes["authority"].did)[0]["digest"] != before
