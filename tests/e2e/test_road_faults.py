"""Things go wrong on the road: bad answers, sites that are away, full disks, restarts, people who take their time."""

import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import pytest

from medspace.adapters.sql import open_database
from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.errors import StorageFullError, StorageTakenError, WaitingError
from medspace.core.usage import Brakes
from tests.e2e.space import ASSET, TASK, hospital, staged, step

KIND = "medspace:train"


@dataclass
class Twisted:
    """The engine of the product with its outputs twisted, while `twist` says so."""

    twist: dict[str, Any]

    def __post_init__(self) -> None:
        self._engine = ENGINES[KIND, "glm"]()
        self.kind, self.outputs, self.steps = KIND, self._engine.outputs, self._engine.steps
        self.task, self.forms, self.limits = "glm", self._engine.forms, self._engine.limits
        self.protection = self._engine.protection

    def check(self, task) -> None:
        self._engine.check(task)

    def answer(self, admission, step, workplace):
        output = self._engine.answer(admission, step, workplace)
        return self.twist["by"](output)


def with_values(**values):
    return lambda output: replace(output, values={**output.values, **values})


TWISTS = {
    "not a number": with_values(n=float("nan")),
    "another shape": with_values(sums=[1.0]),
    "a stale round": with_values(round=99),
    "another task": with_values(task="sha256:" + "0" * 64),
    "nothing": lambda output: replace(output, values={}),
}


class FullDisk:
    """A database whose disk is full while it is told so."""

    full = False

    def __init__(self, url, collections) -> None:
        self._database = open_database(url, collections)

    async def write(self, work):
        if FullDisk.full:
            raise StorageFullError
        return await self._database.write(work)

    async def read(self, view):
        return await self._database.read(view)

    def on_commit(self, hear) -> None:
        self._database.on_commit(hear)

    async def close(self) -> None:
        await self._database.close()


EXCLUDE = {"site_faults": "exclude"}
# The same task is trained again and again here, and answers are spoiled on purpose: each is to be worked out anew.
FORGETFUL = replace(Brakes(), changes=False, questions=False)


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    twist = {"by": lambda output: output}
    with staged(tmp_path_factory.mktemp("faults")) as stage:
        stage.twist = twist
        stage.add("authority", hospital(1))
        stage.add("clinic", hospital(2), parts=ConnectorParts(open_database=FullDisk))
        stage.add(
            "odd",
            hospital(3),
            parts=ConnectorParts(engines={(KIND, "glm"): lambda: Twisted(twist)}, brakes=FORGETFUL),
        )
        stage.add("slow", hospital(4), more='[negotiations]\nanswers = "manual"')
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agreements = [stage.agree("user", key) for key in ("authority", "clinic", "odd")]
        yield stage


# --- bad answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TWISTS)
def test_a_site_that_answers_nonsense_is_left_out_and_named(stage, name):
    stage.twist["by"] = TWISTS[name]
    try:
        run = stage.space("user").train(TASK | {"min_sites": 2, **EXCLUDE}, stage.agreements, wait=60)
    finally:
        stage.twist["by"] = lambda output: output
    assert run["state"] == "finished"
    assert [fault["site"] for fault in run["faults"]] == [stage.nodes["odd"].did]
    assert run["model"]["rows"] == 120


def test_a_site_whose_engine_breaks_is_given_up_at_once_with_its_reason(stage):
    def broken(_output):
        raise ZeroDivisionError

    stage.twist["by"] = broken
    try:
        run = stage.space("user").train(TASK | {"min_sites": 2, **EXCLUDE}, stage.agreements, wait=30)
    finally:
        stage.twist["by"] = lambda output: output
    assert run["state"] == "finished"
    (fault,) = run["faults"]
    assert fault["site"] == stage.nodes["odd"].did
    assert fault["code"] == "use.failed"
    assert "failed inside the holder's connector" in fault["sentence"]
    failed = stage.entries("odd", "use.failed")
    assert failed[-1]["facts"]["code"] == "use.failed"


def test_a_task_that_demands_every_site_fails_with_the_name_of_the_one(stage):
    stage.twist["by"] = TWISTS["another task"]
    try:
        with pytest.raises(SpaceError) as failure:
            stage.space("user").train(TASK, stage.agreements, wait=60)
    finally:
        stage.twist["by"] = lambda output: output
    assert failure.value.code == "learning.answer_invalid"
    assert "Odd: The answer in round 1 was not used" in str(failure.value)


@pytest.mark.parametrize("sites", [1, 3])
def test_too_few_good_answers_are_a_failure_and_never_a_model(stage, sites):
    stage.twist["by"] = TWISTS["not a number"]
    agreements = stage.agreements[2:] if sites == 1 else stage.agreements
    try:
        with pytest.raises(SpaceError) as failure:
            stage.space("user").train(TASK | {"min_sites": sites, **EXCLUDE}, agreements, wait=60)
    finally:
        stage.twist["by"] = lambda output: output
    assert failure.value.code == "learning.too_few_sites"
    assert stage.space("user").runs()[0]["model"] is None


# --- away and back ---------------------------------------------------------------------------------------------


def begin(stage) -> str:
    body = {"task": TASK | {"min_sites": 3}, "agreements": stage.agreements}
    return str(stage.space("user")._post("/runs", body)["id"])


def ended(stage, run: str) -> dict[str, Any]:
    space = stage.space("user")
    seen = space._get(f"/runs/{run}")
    for _ in range(30):
        if seen["state"] in ("finished", "failed", "cancelled"):
            break
        seen = space._get(f"/runs/{run}", seen=seen["version"], wait=5)
    return seen


@pytest.mark.parametrize("who", ["clinic", "user"])
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_run_survives_the_restart_of_a_site_or_of_its_coordinator(stage, who, after):
    reached, go_on = threading.Event(), threading.Event()
    asked: list[int] = []

    def pausing(output):
        asked.append(1)
        if len(asked) == after + 1:
            reached.set()
            go_on.wait(20)
        return output

    stage.twist["by"] = pausing
    try:
        run = begin(stage)
        assert reached.wait(30)
        if who == "clinic":
            stage.close(who)
            go_on.set()
        else:
            go_on.set()
            stage.close(who)
        stage.open(who)
        done = ended(stage, run)
    finally:
        go_on.set()
        stage.twist["by"] = lambda output: output
    assert done["state"] == "finished", done
    assert done["faults"] == []
    assert done["model"]["rows"] == 180


def test_a_full_disk_is_waited_for_and_leaves_nothing_half_done(stage):
    transfer = stage.space("user").request(stage.agreements[1], KIND)["id"]
    admitted = len(stage.entries("clinic", "use.admitted"))  # of others, how they end may still be noted meanwhile
    FullDisk.full = True
    try:
        answer = stage.ask("user", "clinic", transfer, step())
    finally:
        FullDisk.full = False
    assert (answer.status_code, answer.json()["code"]) == (507, "storage.full")
    assert len(stage.entries("clinic", "use.admitted")) == admitted
    assert stage.ask("user", "clinic", transfer, step()).status_code == 200


def test_two_connectors_on_one_database_are_one_too_many(stage):
    node = stage.nodes["clinic"]
    with pytest.raises(StorageTakenError) as taken:
        stage.run(stage._open(replace(node)))
    assert "already runs" in str(taken.value)


# --- people ----------------------------------------------------------------------------------------------------


def arrived(holder) -> dict[str, Any]:
    """The negotiation that waits for an answer, once it is here."""
    end = time.monotonic() + 30
    while not (found := [n for n in holder.negotiations() if n["state"] == "REQUESTED"]):
        assert time.monotonic() < end, "nobody asked"
    return found[0]


@pytest.mark.parametrize("approve", [True, False])
def test_a_holder_that_answers_by_hand_decides(stage, approve):
    user, slow = stage.space("user"), stage.space("slow")
    with pytest.raises(WaitingError):
        user.negotiate(stage.nodes["slow"].did, ASSET, wait=0.3)
    waiting = arrived(slow)
    slow.answer(waiting["id"], approve=approve, reason="" if approve else "Not this year.")
    (asked, *_) = user.negotiations()
    path = f"/negotiations/{asked['id']}"
    if approve:
        assert user._wait(path, 20, "slow")["state"] == "FINALIZED"
        return
    with pytest.raises(SpaceError) as refusal:
        user._wait(path, 20, "slow")
    assert "Not this year." in str(refusal.value)
