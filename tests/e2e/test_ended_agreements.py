"""What a holder takes back, over real connectors: a use for a while or for good, an agreement for good."""

import json
import time

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from tests.e2e.space import ASSET, TASK, audited, hospital, staged, step

TRAIN = "medspace:train"


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("ended")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(count=5))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def begun(stage):
    """An agreement, a use under it at the user, and the same at the clinic."""
    agreement = stage.agree("user", "clinic")
    mine = stage.space("user").request(agreement, TRAIN)["id"]
    theirs = stage.space("clinic").uses(agreement=agreement)[0]["id"]
    until(stage, "clinic", theirs, "STARTED")
    return agreement, mine, theirs


def verb(arguments):
    """The exit code of a verb."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code


def until(stage, key, process, state, kind="transfers"):
    """Wait until a process is in a state, as its connector tells it."""
    space, found = stage.space(key), stage.space(key)._get(f"/{kind}/{process}")
    while found["state"] != state:
        found = space._get(f"/{kind}/{process}", seen=found["version"], wait=10)
    return found


def test_nothing_is_admitted_under_an_agreement_that_its_holder_ended(stage, tmp_path):
    clinic, user = stage.space("clinic"), stage.space("user")
    assert user.train(TASK, [stage.agree("user", "clinic")], wait=60)["state"] == "finished"
    agreement, mine, theirs = begun(stage)
    before = clinic.ending_agreement(agreement)
    assert (before["uses"], before["ended"]) == ([theirs], False)
    ended = clinic.end_agreement(agreement, reason="The study is over.")
    assert (ended["uses"], ended["reason"]) == ([theirs], "The study is over.")
    assert clinic.end_agreement(agreement)["ended"] == ended["ended"]
    assert stage.ask("user", "clinic", mine, step("moments", 2)).status_code in (403, 409)
    told = until(stage, "user", mine, "TERMINATED")
    assert told["problem"]["code"] == "agreement.ended"
    assert "The study is over." in told["problem"]["sentence"]
    with pytest.raises(SpaceError) as refused:
        user.request(agreement, TRAIN)
    assert refused.value.code == "agreement.ended"
    (held,), (used) = clinic.agreements(), user.agreements()[0]
    assert (held["in_force"], held["ended_because"], held["open_uses"]) == (False, "The study is over.", 0)
    assert (used["in_force"], bool(used["ended"])) == (False, True)
    once = "The agreement must be in force. Its holder has ended it: The study is over. "
    once += "Ask the holder for a new agreement."
    assert once == told["problem"]["sentence"]
    while user.agreements()[0]["ended_because"] != "The study is over.":  # told by the holder, whatever the uses
        time.sleep(0.1)
    whole = "The agreement does not allow this use (agreement.ended). " + once
    assert (refused.value.problem["sentence"], whole.count("ended it")) == (whole, 1)
    (noted,) = stage.entries("clinic", "agreement.ended")
    assert noted["facts"]["agreement"] == agreement
    assert "study" not in json.dumps(stage.entries("clinic"))
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]


def test_it_stays_ended_after_a_restart_and_its_uses_are_terminated_by_the_next_start(stage):
    agreement, mine, _ = begun(stage)
    stage.close("user")  # it hears of nothing
    stage.space("clinic").end_agreement(agreement)
    stage.close("clinic")
    stage.open("clinic", "user")
    assert stage.space("clinic").agreements()[0]["ended"]
    assert until(stage, "user", mine, "TERMINATED")["problem"]["code"] == "agreement.ended"


def test_the_next_agreement_with_whom_one_was_ended_waits_for_a_person(stage):
    agreement = stage.agree("user", "clinic")
    stage.space("clinic").end_agreement(agreement)
    with pytest.raises(SpaceError):
        stage.space("user").request(agreement, TRAIN)
    asked = stage.space("user")._post(
        "/negotiations", {"participant": stage.nodes["clinic"].did, "dataset": ASSET, "offer": ""}
    )
    until(stage, "user", asked["id"], "REQUESTED", "negotiations")
    waits = next(one for one in stage.space("clinic").negotiations() if one["state"] == "REQUESTED")
    stage.space("clinic").answer(waits["id"], approve=True)
    assert stage.space("user")._wait(f"/negotiations/{asked['id']}", 30, None)["state"] == "FINALIZED"


def test_a_use_is_suspended_resumed_and_ended_by_its_holder(stage):
    _, mine, theirs = begun(stage)
    clinic = stage.space("clinic")
    assert clinic.suspend_use(theirs, reason="We look into it.")["held"]
    assert stage.ask("user", "clinic", mine, step()).status_code == 409
    until(stage, "user", mine, "SUSPENDED")
    (seen,) = stage.space("user").uses(role="consumer")
    assert (seen["suspended_by"], seen["steps"]) == ("them", None)
    clinic.resume_use(theirs)
    until(stage, "user", mine, "STARTED")
    assert stage.ask("user", "clinic", mine, step()).status_code == 200
    assert clinic.use(theirs)["steps"] == 1
    clinic.end_use(theirs, reason="Enough.")
    assert "Enough." in until(stage, "user", mine, "TERMINATED")["problem"]["sentence"]


def test_a_user_gives_a_use_back(stage):
    _, mine, theirs = begun(stage)
    stage.space("user").end_use(mine)
    until(stage, "clinic", theirs, "COMPLETED")


def test_the_verbs_tell_before_they_end(stage, capsys):
    agreement, mine, theirs = begun(stage)
    config = ["--config", str(stage.nodes["clinic"].file)]
    assert verb(["uses", *config]) == 0
    shown = capsys.readouterr().out
    assert theirs in shown
    assert stage.nodes["user"].did in shown
    assert verb(["agreement", "end", agreement, *config]) != 0
    out = capsys.readouterr()
    assert "unconfirmed" in out.err
    assert "1 open use" in out.out
    assert verb(["use", "suspend", theirs, "--reason", "Wait.", *config]) == 0
    until(stage, "user", mine, "SUSPENDED")
    assert verb(["use", "resume", theirs, *config]) == 0
    capsys.readouterr()
    assert verb(["agreement", "end", agreement, "--yes", "--json", "--reason", "Over.", *config]) == 0
    assert json.loads(capsys.readouterr().out)["uses"] == [theirs]
    assert until(stage, "user", mine, "TERMINATED")["problem"]["code"] == "agreement.ended"
    assert verb(["uses", "--whose", "nobody", *config]) != 0
    assert verb(["uses", "--whose", "others", "--all", "--json", *config]) == 0
    (one,) = json.loads(capsys.readouterr().out)["uses"]
    assert one["state"] == "TERMINATED"


class Ending:
    """In front of a public door: ends the agreement when so many steps have been asked for."""

    def __init__(self, stage, steps):
        self.stage, self.left, self.agreement = stage, steps, ""

    def __call__(self, app):
        async def door(scope, receive, send):
            if scope["type"] == "http" and scope["path"].startswith("/jobs/") and self.agreement:
                self.left -= 1
                if self.left == 0:
                    ending = self.stage.nodes["clinic"].connector.of("uses").ending
                    await ending.end_agreement(self.agreement, reason="Enough.")
            await app(scope, receive, send)

        return door


def test_a_training_that_runs_gets_no_further_step(tmp_path):
    with staged(tmp_path) as stage:
        door = Ending(stage, steps=4)  # the seat, and some rounds
        stage.add("authority")
        stage.add("clinic", hospital(), wrap=door)
        stage.add("user")
        stage.open()
        stage.admit()
        door.agreement = stage.agree("user", "clinic")
        with pytest.raises(SpaceError):
            stage.space("user").train(TASK, [door.agreement], wait=120)
        kinds = [one["kind"] for one in stage.entries("clinic")]
        at = kinds.index("agreement.ended")
        assert "use.admitted" in kinds[:at]
        assert {"use.admitted", "use.released"}.isdisjoint(kinds[at:])
        report = audited(stage, tmp_path)
        assert report["outcome"] != "failed", report["findings"]
        assert "use.agreed" in {one["check"] for one in report["checks"]}
