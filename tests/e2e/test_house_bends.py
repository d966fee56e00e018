"""The house bends: another kind of use, another database, another clock; each is one line of wiring."""

from datetime import UTC, datetime

import pytest

from medspace.adapters.memory import MemoryDatabase
from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.policy.errors import UnservedTemplateError
from tests.e2e.counting import Counting, suppressed
from tests.e2e.space import DICTIONARY, PURPOSE, TASK, Holding, audited, hospital, staged, step, table
from tests.postgres import postgres  # noqa: F401 - a fixture

STATISTICS = "medspace:statistics"
WITH_COUNTING = ConnectorParts(engines={**ENGINES, (STATISTICS, "count"): Counting})


# --- another kind of use ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def counters(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("counters")) as stage:
        kinds = ("medspace:train", STATISTICS)
        stage.add("authority", Holding(table(1), "statistics-only", kinds=(STATISTICS,)), parts=WITH_COUNTING)
        stage.add("clinic", Holding(table(2), "train-and-statistics", kinds=kinds), parts=WITH_COUNTING)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.mark.parametrize("holder", ["authority", "clinic"])
def test_a_new_kind_of_use_goes_the_whole_road(counters, holder, tmp_path):
    user = counters.space("user")
    (offered,) = user.catalog(counters.nodes[holder].did)
    before = len(counters.entries(holder))
    assert STATISTICS in offered["formats"]
    agreement = counters.agree("user", holder)
    started = user.request(agreement, STATISTICS)
    assert started["state"] == "STARTED"
    task = {"task": "count", "column": "sex", "purpose": PURPOSE, "min_sites": 1}
    answer = counters.ask("user", holder, started["id"], step("counts", task=task))
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["kind"] == "statistics.counts"
    assert set(said["values"]) == {"f", "m"}
    assert sum(said["values"].values()) == said["cohort"] == 60
    added = counters.entries(holder)[before:]
    admitted, released = [entry for entry in added if entry["kind"] in ("use.admitted", "use.released")]
    assert (admitted["facts"]["use_kind"], admitted["facts"]["step"]) == (STATISTICS, "counts")
    assert (released["facts"]["output"], released["facts"]["digest"]) == ("statistics.counts", said["digest"])
    report = audited(counters, tmp_path)
    assert report["outcome"] == "verified", report["findings"]


CELLS = "person,age,sex,sbp,disease\n" + "".join(
    f"p{person},{50 + person % 3},{'f' if person < 41 else 'm'},120,{int(person < 3)}\n"
    for person in range(60)
    for _visit in range(1 + person % 2)
)


@pytest.fixture(scope="module")
def visited(tmp_path_factory):
    """A hospital whose patients have come once or twice; three of them are ill."""
    with staged(tmp_path_factory.mktemp("visited")) as stage:
        dictionary = DICTIONARY.replace('type = "flag"', 'type = "code"\ncodes = { 0 = "no", 1 = "yes" }')
        holding = Holding(CELLS, "statistics-only", kinds=(STATISTICS,), dictionary=dictionary)
        stage.add("authority", holding, parts=WITH_COUNTING)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def asked(stage, column, number=1):
    started = stage.space("user").request(stage.agree("user", "authority"), STATISTICS)
    task = {"task": "count", "column": column, "purpose": PURPOSE, "min_sites": 1}
    return stage.ask("user", "authority", started["id"], step("counts", number, task=task))


def test_the_example_counts_persons_and_not_their_rows(visited):
    said = asked(visited, "sex").json()
    assert (said["values"], said["cohort"]) == ({"f": 41, "m": 19}, 60)


def test_the_example_tells_no_small_cell_and_none_by_its_difference(visited):
    answer = asked(visited, "disease")
    assert (answer.status_code, answer.json()["code"]) == (403, "use.withheld")


@pytest.mark.parametrize(
    ("counted", "told"),
    [
        ({"a": 40, "b": 20}, {"a", "b"}),
        ({"a": 40, "b": 3}, set()),  # b would be the difference
        ({"a": 40, "b": 20, "c": 3}, {"a"}),
        ({"a": 40, "b": 20, "c": 6, "d": 6}, {"a", "b"}),
        ({"a": 40, "b": 20, "c": 3, "d": 3}, {"a"}),
        ({}, set()),
    ],
)
def test_what_the_example_leaves_out_stays_hidden_among_enough_persons(counted, told):
    assert set(suppressed(counted, 10)) == told


def test_training_goes_on_beside_it(counters):
    run = counters.space("user").train(TASK, [counters.agree("user", "clinic")], wait=60)
    assert run["state"] == "finished", run


def test_the_terms_of_the_agreement_hold_for_it(counters):
    user = counters.space("user")
    started = user.request(counters.agree("user", "clinic"), STATISTICS)
    task = {"task": "count", "column": "sex", "purpose": "dpv:Marketing", "min_sites": 1}
    answer = counters.ask("user", "clinic", started["id"], step("counts", task=task))
    assert (answer.status_code, answer.json()["code"]) == (403, "use.refused")
    task = {"task": "count", "column": "person", "purpose": PURPOSE, "min_sites": 1}
    answer = counters.ask("user", "clinic", started["id"], step("counts", task=task))
    assert answer.status_code == 400, answer.text


def test_where_its_engine_is_missing_it_is_not_offered(counters):
    counters.add("plain", Holding(table(3), "statistics-only", kinds=(STATISTICS,)))
    try:
        with pytest.raises(UnservedTemplateError):
            counters.open("plain")
    finally:
        del counters.nodes["plain"]


# --- another database ------------------------------------------------------------------------------------------


class KeptMemory(MemoryDatabase):
    """A database in memory that outlives its connector."""


def short_road(folder, parts, more="") -> None:
    with staged(folder) as stage:
        stage.add("authority", hospital(1), parts=parts("authority"), more=more and more("authority"))
        stage.add("user", parts=parts("user"), more=more and more("user"))
        stage.open()
        stage.admit()
        run = stage.space("user").train(TASK, [stage.agree("user", "authority")], wait=60)
        assert run["state"] == "finished", run
        stage.close("user")
        stage.open("user")
        assert [kept["state"] for kept in stage.space("user").runs()] == ["finished"]
        assert audited(stage, folder)["outcome"] == "verified"


def test_everything_runs_on_a_database_in_memory(tmp_path):
    kept: dict[str, KeptMemory] = {}

    def parts(key):
        return ConnectorParts(open_database=lambda _url, _collections: kept.setdefault(key, KeptMemory()))

    short_road(tmp_path, parts)


def test_everything_runs_on_postgresql(tmp_path, postgres):  # noqa: F811 - the fixture
    urls = {key: postgres() for key in ("authority", "user")}

    def more(key):
        return f'[database]\nurl = "{urls[key]}"\n'

    short_road(tmp_path, lambda _key: ConnectorParts(), more)


# --- another clock ---------------------------------------------------------------------------------------------


class MovableClock:
    """A clock that runs, from whichever instant it is set to."""

    def __init__(self, start: datetime) -> None:
        self.shift = start - datetime.now(UTC)
        self._real = ConnectorParts().clock

    def now(self) -> datetime:
        return self._real.now() + self.shift

    async def sleep(self, seconds: float) -> None:
        await self._real.sleep(seconds)

    def set(self, instant: datetime) -> None:
        self.shift = instant - self._real.now()


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    clock = MovableClock(datetime(2029, 6, 1, tzinfo=UTC))
    with staged(tmp_path_factory.mktemp("timed")) as stage:
        stage.clock = clock
        stage.add("authority", hospital(1, until="2029-06-15T00:00:00Z"), parts=ConnectorParts(clock=clock))
        stage.add("user", parts=ConnectorParts(clock=clock))
        stage.open()
        stage.admit()
        yield stage


def test_when_the_agreement_has_expired_everything_is_refused_with_its_clause(timed):
    user = timed.space("user")
    agreement = timed.agree("user", "authority")
    assert user.train(TASK, [agreement], wait=60)["state"] == "finished"
    running = user.request(agreement, "medspace:train")
    assert timed.ask("user", "authority", running["id"], step()).status_code == 200
    assert [a["in_force"] for a in user.agreements()] == [True]

    timed.clock.set(datetime(2029, 6, 15, 0, 0, 1, tzinfo=UTC))

    assert [a["in_force"] for a in user.agreements()] == [False]
    again = timed.ask("user", "authority", running["id"], step())
    later = timed.ask("user", "authority", running["id"], step(number=2))
    assert (again.status_code, later.status_code) == (403, 403)
    assert "/permission/0/constraint/1" in later.text
    with pytest.raises(SpaceError) as refusal:
        user.request(agreement, "medspace:train")
    assert (refusal.value.code, refusal.value.problem["clause"]) == ("policy.time", "/permission/0/constraint/1")
    with pytest.raises(SpaceError) as failure:
        user.train(TASK, [agreement], wait=60)
    assert (failure.value.code, failure.value.exit_code) == ("policy.time", 3)
    refused = timed.entries("authority", "transfer.refused", "use.refused")
    assert {entry["facts"]["code"] for entry in refused} == {"policy.time"}
    assert {entry["facts"]["clause"] for entry in refused} == {"/permission/0/constraint/1"}
    with pytest.raises(SpaceError) as refusal:
        timed.agree("user", "authority")
    assert refusal.value.code == "policy.time"
