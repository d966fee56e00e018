"""Steps over HTTP as the two sides see them: told while they last, held for a person, refused when too many wait."""

import threading
from dataclasses import dataclass, field

import httpx
import pytest

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from medspace.core.engine import StepLimits
from medspace.core.usage import Output
from tests.e2e.counting import Counting
from tests.e2e.space import PURPOSE, Holding, audited, confirmed, staged, step, table

STATISTICS = "medspace:statistics"
DAY = 24 * 3600.0


@dataclass(frozen=True)
class Slow(Counting):
    """Counts when it is let go, or with a person's leave."""

    limits: StepLimits = field(default_factory=lambda: StepLimits(check=3 * DAY))

    def answer(self, admission, step, workplace):
        counted = super().answer(admission, step, workplace)
        if step.inputs.get("slow"):
            BEGUN.set()
            while not (GO_ON.wait(0.01) or workplace.cancelled()):
                pass
        return Output(counted.kind, counted.values, counted.cohort, hold=bool(step.inputs.get("hold")))


BEGUN, GO_ON = threading.Event(), threading.Event()
TASK = {"task": "count", "column": "sex", "purpose": PURPOSE, "min_sites": 1}


@pytest.fixture
def stage(tmp_path_factory):
    """A space of each test: its audit tells that test's steps and no others."""
    with staged(tmp_path_factory.mktemp("steps")) as stage:
        parts = ConnectorParts(engines={**ENGINES, (STATISTICS, "count"): Slow})
        stage.add("authority")
        stage.add("clinic", Holding(table(2), "statistics-only", kinds=(STATISTICS,)), parts=parts)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture
def other(stage):
    """A second user; only of the tests that have it act, since an audit can tell nothing of an empty log."""
    node = stage.add("other")
    stage.open("other")
    stage.admit("other")
    return node


@pytest.fixture
def ask(stage):
    """Ask by hand, in a new use of a user; the answer, and how to look for it later."""
    BEGUN.clear()
    GO_ON.clear()
    yield lambda user="user", **inputs: Asked(stage, user, inputs)
    GO_ON.set()


class Asked:
    def __init__(self, stage, user, inputs) -> None:
        self.stage, self.user = stage, user
        self.transfer = stage.space(user).request(stage.agree(user, "clinic"), STATISTICS)["id"]
        self.step = step("counts", task=TASK, **inputs)

    def ask(self) -> httpx.Response:
        return self.stage.ask(self.user, "clinic", self.transfer, self.step)

    def look(self, location: str, **headers: str) -> httpx.Response:
        node = self.stage.nodes["clinic"]
        token = self.stage.address(self.user, self.transfer)["endpointProperties"][0]["value"]
        sent = self.stage.nodes[self.user].bearer(node) | {"Medspace-Job": token} | headers
        return httpx.get(node.url + location, headers=sent, timeout=30)


def test_a_step_that_takes_long_is_accepted_and_its_release_fetched_where_it_says(stage, ask):
    asked = ask(slow=1)
    first = asked.ask()
    assert (first.status_code, first.json()["state"]) == (202, "working")
    location = first.headers["location"]
    assert (
        location
        == f"/jobs/{stage.address('user', asked.transfer)['endpoint'].rpartition('/')[2]}/steps/"
        + (first.json()["step"])
    )
    assert first.headers["retry-after"] == "1"
    (working,) = stage.space("clinic").steps("working")
    assert (working["user"], working["step"]) == (stage.nodes["user"].did, "counts")
    assert asked.look(location, **{"Medspace-Job": "x"}).status_code == 404
    GO_ON.set()
    answer = asked.look(location)
    assert (answer.status_code, answer.json()["cohort"]) == (200, 60)
    assert asked.ask().json() == answer.json()


def test_somebody_else_does_not_see_it(stage, other, ask):
    asked = ask(slow=2)
    location = asked.ask().headers["location"]
    stranger = other.bearer(stage.nodes["clinic"])
    assert asked.look(location, **stranger).status_code == 404
    assert asked.look(location.rpartition("/")[0] + "/" + "0" * 64).json()["code"] == "use.no_step"


def test_who_waits_behind_a_long_step_of_another_user_is_told_within_seconds(stage, other, ask):
    long, short = ask(slow=3), ask(other.key, quick=1)
    assert long.ask().json()["state"] == "working"
    told = short.ask()
    assert (told.status_code, told.json()["state"]) == (202, "waiting")
    GO_ON.set()
    assert short.look(told.headers["location"]).status_code == 200


def test_an_output_that_is_held_leaves_with_a_persons_leave(stage, ask, tmp_path):
    clinic, asked = stage.space("clinic"), ask(hold=1)
    told = asked.ask()
    assert (told.status_code, told.json()["state"], told.headers["retry-after"]) == (202, "held", "60")
    (waiting,) = clinic.steps("held")
    seen = clinic.step(waiting["id"])
    assert (seen["waits"], seen["output"]["cohort"], seen["asked"]["inputs"]) == (True, 60, {"hold": 1})
    checked = clinic.check(waiting["id"], approve=True)
    assert (checked["state"], checked["output"]) == ("released", None)
    assert asked.look(told.headers["location"]).json()["cohort"] == 60
    assert audited(stage, tmp_path)["outcome"] == "verified"
    with pytest.raises(SpaceError) as refused:
        clinic.check(waiting["id"], approve=False)
    assert refused.value.code == "step.not_held"


def test_a_label_can_have_a_person_look_at_each_result(stage, ask, tmp_path):
    clinic = stage.space("clinic")
    (dataset,) = [one["dataset"] for one in clinic.labels()]
    config = str(stage.nodes["clinic"].file)
    try:
        assert verb("label", dataset, "--review", "--config", config) == 0
        assert clinic.label(dataset)["label"]["review"] is True
        asked = ask(looked=1)
        told = asked.ask()
        assert (told.status_code, told.json()["state"]) == (202, "held")
        (waiting,) = clinic.steps("held")
        assert waiting["held_for"] == ["label.review"]
        assert verb("steps", waiting["id"], "--approve", "--config", config) == 0
        assert asked.look(told.headers["location"]).json()["cohort"] == 60
        assert verb("label", dataset, "--no-review", "--loosen", "--config", config) == 0
        assert ask(looked=2).ask().status_code == 200  # the control
    finally:
        confirmed(clinic.reset_label, dataset)
    assert audited(stage, tmp_path)["outcome"] == "verified"


def verb(*words):
    """How a command ends."""
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return int(end.value.code or 0)


def test_what_a_person_keeps_back_stays(stage, ask, tmp_path):
    clinic, asked = stage.space("clinic"), ask(hold=2)
    location = asked.ask().headers["location"]
    (waiting,) = clinic.steps("held")
    assert clinic.check(waiting["id"], approve=False)["state"] == "withheld"
    answer = asked.look(location)
    assert (answer.status_code, answer.json()["cause"]) == (403, "use.withheld")
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_steps_come_by_pages_and_only_to_their_holder(stage, ask):
    clinic = stage.space("clinic")
    for number in range(4):
        assert ask(number=number).ask().status_code == 200
    first = clinic._get("/steps", limit=2)
    second = clinic._get("/steps", limit=2, after=first["next"])
    assert len({one["id"] for one in (*first["steps"], *second["steps"])}) == 4
    assert stage.space("user").steps() == []
    for ask_for in (lambda: clinic.step("none"), lambda: clinic.steps("odd")):
        with pytest.raises(SpaceError) as refused:
            ask_for()
        assert refused.value.code in ("step.unknown", "request.invalid")
