"""Runs and negotiations are watched on whole connectors: to the end, over a restart, and no stop is held up."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from medspace.app.compose.sdk import Space
from medspace.app.node.listening.listener import GRACE
from tests.e2e.house.pausing import Pausing
from tests.e2e.space import ASSET, TASK, hospital, staged

ROUND = 2


@pytest.fixture
def stage(tmp_path):
    engine = Pausing(ROUND)
    with staged(tmp_path) as stage:
        stage.engine = engine
        stage.add("authority", hospital(1), parts=engine.parts)
        stage.add("user")
        stage.open()
        stage.admit()
        try:
            yield stage
        finally:
            engine.go.set()


def test_a_negotiation_and_a_run_are_watched_to_their_ends(stage):
    user = stage.space("user")
    holder = stage.nodes["authority"].did
    begun = user._post("/negotiations", {"participant": holder, "dataset": ASSET, "offer": ""})
    moves = list(user.watch_negotiation(begun["id"], wait=60))
    assert (moves[-1]["state"], moves[-1]["owner"]) == ("FINALIZED", "nobody")
    assert len({move["version"] for move in moves}) == len(moves)

    stage.engine.go.set()
    run = user._post("/runs", {"task": TASK, "agreements": [moves[-1]["agreement"]]})
    states = list(user.watch(run["id"], wait=60))
    assert states[-1]["state"] == "finished"
    assert states[-1]["model"] == user.model(run["id"])
    assert [state["rounds"] for state in states] == sorted(state["rounds"] for state in states)
    last = settled(stage, user, run["id"])
    assert [one["version"] for one in user.watch(run["id"], wait=60)] == [last["version"]]
    assert user.run(run["id"])["version"] == last["version"]  # behind it nothing follows


def settled(stage, user, run):
    """The run once all that is left of it is done: its uses are given back, which its version tells as well."""
    found = user.run(run)
    while stage.run(stage.nodes["user"].connector.of("training").coordinator.run(run)).settled != "yes":
        found = user._get(f"/runs/{run}", seen=found["version"], wait=10)
    return user.run(run)


def test_a_connector_stops_at_once_though_it_is_watched_and_who_watches_goes_on_behind_it(stage):
    node, agreement = stage.nodes["user"], stage.agree("user", "authority")
    with Space(node.private_url, node.token) as user, ThreadPoolExecutor(1) as pool:
        run = user._post("/runs", {"task": TASK, "agreements": [agreement]})
        watching = user.watch(run["id"], wait=60)
        next(watching)
        assert stage.engine.reached.wait(60)
        began = time.monotonic()
        rest = pool.submit(list, watching)
        stage.close("user")
        assert time.monotonic() - began < GRACE
        stage.open("user")
        stage.engine.go.set()
        assert rest.result(60)[-1]["state"] == "finished"
