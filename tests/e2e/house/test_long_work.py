"""A step of minutes outlives `kill -9` of its connector, and is ended at once when its use is."""

import os
import signal
import threading
from pathlib import Path

import httpx
import pytest

from medspace.core.usage import Step
from tests.e2e.house.killable import PATIENCE, Killable, eventually
from tests.e2e.house.long_work import STATISTICS, SharedClock, parts
from tests.e2e.space import PURPOSE, Holding, audited, staged, step, table

MINUTE = 60.0
PROGRAM = "from tests.e2e.house.long_work import main; main()"


def lives(number: int) -> bool:
    """Whether a process is there, and no corpse that waits to be taken note of."""
    try:
        os.kill(number, 0)
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.fixture
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    clock = SharedClock(str(folder / "clock"))
    clock.file.write_text("0")
    with staged(folder) as stage:
        stage.clock = clock
        for name in ("authority", "user"):
            stage.add(name, parts=parts(clock.file))
        stage.add("clinic", Holding(table(2), "statistics-only", kinds=(STATISTICS,)))
        stage.open("authority", "user")
        stage.clinic = Killable(stage.nodes["clinic"], "-c", PROGRAM, str(clock.file))
        stage.clinic.start()
        try:
            stage.admit()
            stage.space("clinic").refresh()
            stage.agreement = stage.agree("user", "clinic")
            yield stage
        finally:
            stage.clinic.stop()


class Use:
    """One use of the clinic's rows, with one step of three minutes that is on its way."""

    def __init__(self, stage, note: Path) -> None:
        self.stage, self.note = stage, note
        self.transfer = stage.space("user").request(stage.agreement, STATISTICS)["id"]
        task = {"task": "long", "minutes": 3, "note": str(note), "purpose": PURPOSE, "min_sites": 1}
        self.step = step("count", task=task)
        self.before = len(stage.entries("clinic"))

    def begin(self) -> str:
        """Ask; where to ask later."""
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.ask()))
        asking.start()
        eventually(lambda: self.begun() or answers)
        while asking.is_alive():
            self.stage.clock.advance(1.0)
            asking.join(0.05)
        (answer,) = answers
        assert (answer.status_code, answer.json()["state"]) == (202, "working"), answer.text
        assert int(answer.headers["retry-after"]) >= 1
        return answer.headers["location"]

    def ask(self) -> httpx.Response:
        return self.stage.ask("user", "clinic", self.transfer, self.step)

    def look(self, location: str) -> httpx.Response:
        stage = self.stage
        token = stage.address("user", self.transfer)["endpointProperties"][0]["value"]
        headers = stage.nodes["user"].bearer(stage.nodes["clinic"]) | {"Medspace-Job": token}
        return httpx.get(stage.nodes["clinic"].url + location, headers=headers, timeout=30)

    def begun(self) -> list[int]:
        return [int(number) for number in self.note.read_text().split()] if self.note.exists() else []

    def entries(self) -> list[dict]:
        return [entry for entry in self.stage.entries("clinic")[self.before :] if entry["kind"].startswith("use.")]


@pytest.fixture
def use(stage, tmp_path):
    return Use(stage, tmp_path / "begun")


def test_a_step_of_minutes_outlives_its_connector_and_its_answer_is_fetched_later(stage, use, tmp_path):
    location = use.begin()
    eventually(use.begun)
    (number,) = use.begun()
    stage.clinic.kill()
    assert lives(number)
    stage.clock.advance(1 * MINUTE)
    stage.clinic.start()
    again = use.look(location)
    assert (again.status_code, again.json()["state"]) == (202, "working")
    eventually(lambda: 33 <= use.look(location).json().get("percent", 0) < 66)  # of the same process
    (listed,) = stage.space("clinic").steps("working")
    assert 60 <= listed["progress"]["done"] < 120
    assert listed["progress"]["of"] == 180
    stage.clock.advance(0.5 * MINUTE)
    eventually(lambda: "left" in use.look(location).json())
    assert use.look(location).json()["left"] <= 3 * MINUTE
    stage.clock.advance(3 * MINUTE)
    eventually(lambda: use.look(location).status_code == 200)
    answer = use.look(location)
    assert answer.json()["values"] == {"rows": 60}
    assert use.ask().json() == answer.json()
    assert use.begun() == [number]  # it was worked on once
    assert [entry["kind"] for entry in use.entries()] == ["use.admitted", "use.released"]
    eventually(lambda: not lives(number))
    eventually(lambda: not list((stage.nodes["clinic"].folder / "steps").iterdir()))
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_a_step_whose_process_died_with_its_connector_is_done_again_under_the_same_admission(stage, use):
    location = use.begin()
    eventually(use.begun)
    (number,) = use.begun()
    stage.clinic.kill()
    os.kill(number, signal.SIGKILL)
    stage.clinic.start()
    eventually(lambda: len(use.begun()) == 2)
    stage.clock.advance(4 * MINUTE)
    eventually(lambda: use.look(location).status_code == 200)
    assert [entry["kind"] for entry in use.entries()] == ["use.admitted", "use.released"]


@pytest.mark.parametrize("verb", ["suspend", "terminate"])
def test_a_step_is_ended_at_once_when_its_use_is(stage, use, verb):
    location = use.begin()
    eventually(use.begun)
    (number,) = use.begun()
    pid = stage.address("user", use.transfer)["endpoint"].rpartition("/")[2]
    stage.space("clinic").steer(pid, verb)
    eventually(lambda: not lives(number))  # the clock has not moved
    eventually(lambda: len(use.entries()) == 2)
    assert [(entry["kind"], entry["facts"].get("code")) for entry in use.entries()] == [
        ("use.admitted", None),
        ("use.withheld", "use.closed"),
    ]
    assert use.look(location).status_code == 409
    assert list((stage.nodes["clinic"].folder / "steps").iterdir()) == []


def test_a_connector_that_is_stopped_ends_what_it_does(stage, use):
    use.begin()
    eventually(use.begun)
    (number,) = use.begun()
    stage.clinic.stop()
    assert not lives(number)
    stage.clinic.start()
    assert [entry["facts"].get("code") for entry in use.entries()] == [None, "use.interrupted"]


def test_a_coordinator_follows_a_site_that_needs_minutes(stage, use):
    sites = stage.nodes["user"].connector.of("training").coordinator.sites
    asked = Step(use.step["task"], 1, "count", {})
    stage.sit("user", "clinic", use.transfer, use.step["task"])
    answers = []
    asking = threading.Thread(target=lambda: answers.append(stage.run(sites.ask(use.transfer, asked), PATIENCE)))
    asking.start()
    eventually(use.begun)
    while asking.is_alive():
        stage.clock.advance(2.0)
        asking.join(0.05)
    (answer,) = answers
    assert (answer.values, answer.cohort) == ({"rows": 60}, 60)
