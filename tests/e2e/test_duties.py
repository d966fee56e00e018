"""Duties after uses, over real connectors: what is owed, done by itself, proven, seen kept or broken."""

import time
from dataclasses import dataclass
from datetime import timedelta

import pytest

from medspace.adapters.system import SystemClock
from medspace.app.compose.connector import ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.duties.watching import Watching
from tests.e2e.space import TASK, audited, hospital, staged

PATIENCE = 90.0


@dataclass
class Shifted(SystemClock):
    """The clock of the system, ahead of it or behind it by as much as a test says."""

    by: timedelta = timedelta()

    def now(self):
        return super().now() + self.by


@pytest.fixture
def clocks():
    return {"clinic": Shifted(), "user": Shifted()}


@pytest.fixture
def stage(tmp_path_factory, clocks):
    terms = {"delete_within": 3, "inform_within": 1, "report_within": 7, "attribute_within": 7}
    with staged(tmp_path_factory.mktemp("duties")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(**terms), parts=ConnectorParts(clock=clocks["clinic"]))
        stage.add("user", parts=ConnectorParts(clock=clocks["user"]))
        stage.open()
        stage.admit()
        yield stage


def seen(look, wanted):
    """What `look` finds, once it is what is wanted."""
    end = time.monotonic() + PATIENCE
    while not wanted(found := look()):
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def standing(space, **wanted):
    return {one["action"]: one["state"] for one in space.duties(**wanted)}


def trained(stage):
    """The run of a training at the clinic, and its agreement."""
    agreement = stage.agree("user", "clinic")
    run = stage.space("user").train(TASK, [agreement], wait=60)
    assert run["state"] == "finished"
    return run, agreement


AT_ONCE = {"inform": "kept", "medspace:report": "kept", "attribute": "kept", "delete": "open"}


def test_the_users_connector_keeps_its_duties_by_itself_and_the_holder_sees_it(stage, clocks, tmp_path):
    clinic, user = stage.space("clinic"), stage.space("user")
    run, agreement = trained(stage)
    assert seen(lambda: standing(clinic), lambda found: found == AT_ONCE)
    assert seen(lambda: standing(user), lambda found: found == AT_ONCE)
    model = user.model(run["id"])
    (reported,) = [one for one in clinic.duties() if one["action"] == "medspace:report"]
    proof = clinic.duty(reported["id"])["proof"]
    assert model["digest"] in proof["entry"]
    assert stage.nodes["clinic"].did in proof["entry"]
    for clock in clocks.values():
        clock.by = timedelta(days=2, hours=2)
    stage.close("user")
    stage.open("user")  # it finds out by itself that it is time
    kept = AT_ONCE | {"delete": "kept"}
    assert seen(lambda: standing(clinic, agreement=agreement), lambda found: found == kept)
    with pytest.raises(SpaceError):
        stage.space("user").model(run["id"])
    (done,) = [one for one in stage.entries("user", "duty.fulfilled") if one["facts"]["action"] == "delete"]
    assert done["facts"]["objects"] == [model["digest"]]
    assert len(stage.entries("clinic", "duty.proven")) == len(kept)
    clocks["clinic"].by = clocks["user"].by = timedelta()
    report = audited(stage, tmp_path)
    assert report["outcome"] != "failed", report["findings"]


def test_what_is_overdue_is_told_and_closes_the_agreement_until_it_is_done(stage, clocks):
    clinic = stage.space("clinic")
    _, agreement = trained(stage)
    assert seen(lambda: standing(clinic), lambda found: found == AT_ONCE)
    use = stage.space("user").request(agreement, "medspace:train")["id"]
    stage.close("user")  # it does nothing any more
    clocks["clinic"].by = timedelta(days=4)
    stage.close("clinic")
    stage.open("clinic")
    clinic = stage.space("clinic")
    assert clinic.duties(state="broken") == []  # users are heard first
    watching = stage.nodes["clinic"].connector
    stage.run(overdue_now(watching))
    (broken,) = clinic.duties(state="broken")
    assert (broken["action"], broken["said"]) == ("delete", "overdue")
    assert [one["facts"]["duty"] for one in stage.entries("clinic", "duty.broken")] == [broken["id"]]
    cut = seen(lambda: clinic.uses(agreement=agreement), lambda uses: uses[0]["held"] is True)
    assert cut[0]["counterparty"] == stage.nodes["user"].did
    clocks["user"].by = timedelta(days=4)
    stage.open("user")
    seen(lambda: standing(clinic, agreement=agreement), lambda found: found["delete"] == "late")
    again = seen(lambda: stage.space("user").uses(role="consumer"), lambda uses: uses[0]["state"] == "STARTED")
    assert again[0]["id"] == use


async def overdue_now(connector):
    """One look of the holder, without waiting for its users first."""
    watching = Watching(connector.node, patience=timedelta(seconds=-1))
    await watching.look()


def test_a_duty_is_done_by_hand_or_waived(stage):
    clinic, user = stage.space("clinic"), stage.space("user")
    run, _ = trained(stage)
    (owed,) = seen(lambda: [one for one in user.duties(state="open") if one["action"] == "delete"], len)
    done = user.fulfil_duty(owed["id"])
    assert done["state"] == "kept"
    with pytest.raises(SpaceError):
        user.model(run["id"])
    seen(lambda: clinic.duty(owed["id"])["state"], lambda state: state == "kept")
    with pytest.raises(SpaceError) as refused:
        clinic.waive_duty(owed["id"])
    assert refused.value.code == "duty.settled"
    trained(stage)
    (other,) = seen(lambda: [one for one in clinic.duties(state="open") if one["action"] == "delete"], len)
    with pytest.raises(SpaceError) as refused:
        user.waive_duty(other["id"])
    assert refused.value.code == "duty.settled"
    assert clinic.waive_duty(other["id"])["state"] == "waived"
