"""Signals while somebody waits: for a command, and for the connector under one; what goes on."""

import json
import signal

import pytest

from medspace.adapters.system import SystemClock
from medspace.app.features.setup.service import Wishes, set_up
from medspace.sdk import connect
from tests.e2e.space import ASSET, TASK, hospital, staged, table
from tests.e2e.terminal import PATIENCE, Background, run, running
from tests.ports import claim

LEFT = {signal.SIGINT: 130, signal.SIGTERM: 143}
UP = " is running: "


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("signals")) as stage:
        stage.add("authority", hospital(1))
        stage.add("north", hospital(2), more='[negotiations]\nanswers = "automatic"')
        stage.add("user")
        stage.open("authority", "north")
        (stage.folder / "task.json").write_text(json.dumps(TASK))
        yield stage


@pytest.fixture
def user(stage):
    """The connector of the user, as a process of its own, with an agreement with the hospital."""
    config = str(stage.nodes["user"].file)
    with running(["medspace", "up", config], stage.folder, UP) as up:
        if not told(stage, "agreements")["agreements"]:
            stage.admit("north", "user")
            told(stage, "members")
            told(stage, "negotiate", stage.nodes["north"].did, ASSET)
        yield up


def told(stage, *words, code=0):
    done = run(["medspace", *words, "--config", str(stage.nodes["user"].file), "--json"], stage.folder)
    assert done.returncode == code, (done.stdout, done.stderr)
    return json.loads(done.stdout)


def waiting(stage, *more):
    """A training that waits for a hospital which is away."""
    words = ["medspace", "train", "task.json", "--config", str(stage.nodes["user"].file), "--patience", "600", *more]
    return Background(words, stage.folder)


@pytest.fixture
def away(stage):
    """The hospital is away, and is back after the test."""
    stage.close("north")
    yield
    if stage.nodes["north"].task is None:
        stage.open("north")


def newest(stage):
    return told(stage, "runs")["runs"][0]


@pytest.mark.parametrize("number", LEFT)
def test_a_command_that_is_stopped_says_that_its_run_goes_on(stage, user, away, number):
    train = waiting(stage, "--wait", "600")
    train.wait_for("North")
    train.process.send_signal(number)
    assert train.process.wait(PATIENCE) == LEFT[number]
    assert "medspace.left: Stopped waiting" in train.output
    assert "Traceback" not in train.output
    assert newest(stage)["state"] == "running"
    stage.open("north")
    asked = told(stage, "runs")["runs"][0]["id"]
    finished(stage, asked)


def finished(stage, run_id):
    """The run comes to its end in the connector, with nobody waiting for it."""
    with connect(stage.nodes["user"].file) as space:
        found = space.run(run_id)
        while found["state"] == "running":
            found = space._get(f"/runs/{run_id}", seen=found["version"], wait=10)
    assert found["state"] == "finished"


def test_who_waits_hears_that_the_connector_stops_and_the_run_goes_on_after_its_restart(stage, user, away):
    train = waiting(stage, "--wait", "600")
    train.wait_for("North")
    begun = newest(stage)["id"]
    user.process.send_signal(signal.SIGTERM)
    assert user.process.wait(PATIENCE) == 0
    assert train.process.wait(PATIENCE) in (1, 4)
    assert "connector.stopping" in train.output or "connector.unreachable" in train.output
    for output in (train.output, user.output):
        assert "Traceback" not in output
        assert "Exception" not in output
    stage.open("north")
    with running(["medspace", "up", str(stage.nodes["user"].file)], stage.folder, UP):
        finished(stage, begun)


def test_a_connector_with_a_table_that_is_stopped_leaves_nothing_behind(tmp_path):
    """What its libraries lent is given back before the process ends; DuckDB's says so where it is not."""
    (tmp_path / "patients.csv").write_text(table(2))
    port, _ = claim(2)
    wishes = Wishes("H", port, offer=tmp_path / "patients.csv", person="person")
    made = set_up(tmp_path / "h", wishes, clock=SystemClock())
    with running(["medspace", "up", made["config"]], tmp_path, UP) as up:
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(PATIENCE) == 0
    assert "It stops: no step is begun any more" in up.output
    assert "leaked" not in up.output
    assert "Traceback" not in up.output
