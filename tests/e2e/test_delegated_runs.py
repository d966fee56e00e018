"""A run that its user hands over: another member's connector leads it, and everybody can see who did what."""

import json

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.audit.auditing import lineage_of_files, verify_files
from medspace.connector.model import TRANSFERS
from medspace.core.paths import path
from medspace.runs.model import HANDOVERS
from tests.e2e.house.killable import Killable, eventually
from tests.e2e.house.pausing import LONGEST, Pausing
from tests.e2e.space import TASK, hospital, staged

HOSPITALS = ("north", "south", "west")
THREE = TASK | {"min_sites": 3}


PAUSE_IN = 3  # the round in which the northern hospital waits for the test


@pytest.fixture
def pausing():
    return Pausing(PAUSE_IN)


@pytest.fixture
def stage(tmp_path_factory, pausing):
    with staged(tmp_path_factory.mktemp("delegated")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            stage.add(key, hospital(seed, min_sites=3), parts=pausing.parts if key == "north" else None)
        user = stage.add("user")
        stage.add("coordinator", more=f'[coordination]\nmembers = ["{user.did}"]')
        stage.open()
        stage.admit()
        yield stage
        pausing.go.set()


@pytest.fixture
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


def train(stage, agreements, leader="coordinator", **more):
    return stage.space("user").train(THREE, agreements, coordinator=stage.nodes[leader].did, wait=60, **more)


def kept(stage, key, collection):
    connector = stage.nodes[key].connector
    return stage.run(connector.node.database.read(lambda tx: tx.find(collection)))


def exported(stage, tmp_path, *, without=()):
    files = []
    for key in stage.nodes:
        if key not in without:
            files.append(tmp_path / f"{key}.log.json")
            files[-1].write_text(json.dumps(stage.space(key).audit_bundle()))
    return files


def audited(stage, tmp_path, *, without=()):
    files = exported(stage, tmp_path, without=without)
    return verify_files(files, stage.space("user").status()["authority_key"], "en")


def test_the_coordinator_leads_and_the_user_gets_the_same_model(stage, pausing, agreements, tmp_path):
    seen = []
    pausing.go.set()
    run = train(stage, agreements, progress=lambda run: seen.append(run["rounds"]))
    user, leader = stage.nodes["user"].did, stage.nodes["coordinator"].did
    assert run["state"] == "finished", run
    assert run["coordinator"]["did"] == leader
    assert run["model"]["lineage"]["coordinator"] == leader
    own = stage.space("user").train(THREE, agreements, wait=60)
    assert own["model"]["digest"] == run["model"]["digest"]  # to the last bit
    assert own["coordinator"] is None
    (led,) = stage.space("coordinator").runs()
    assert (led["id"], led["user"]["did"], led["state"]) == (run["id"], user, "finished")
    for key in HOSPITALS:
        noted = [entry["facts"] for entry in stage.entries(key, "use.admitted")]
        assert {(one["user"], one.get("coordinator", user)) for one in noted} == {(user, leader), (user, user)}
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]
    assert "run.delegated" in {check["check"] for check in report["checks"]}
    assert max(seen) == run["rounds"] > PAUSE_IN
    (story, *_) = [line for line in lineage_of_files(exported(stage, tmp_path), "en")["story"] if leader in line]
    assert story.strip() == f"Trained for {user} in the run {run['id']}, which {leader} led."


def begin(stage, agreements, **more):
    """Begin a run that is handed over, and wait until the northern hospital is asked for its third round."""
    wish = {"task": THREE, "agreements": agreements, "coordinator": stage.nodes["coordinator"].did} | more
    return stage.space("user")._post("/runs", wish)["id"]


def ended(stage, run, key="user"):
    found = stage.space(key).run(run)
    while found["state"] not in ("finished", "failed", "cancelled"):
        found = stage.space(key)._get(path("runs", run), seen=found["version"], wait=10)
    return found


def database(stage, key):
    return b"".join(file.read_bytes() for file in sorted(stage.nodes[key].folder.glob("connector.db*")))


def tokens(stage):
    return [one.data_address["endpointProperties"][0]["value"].encode() for one in kept(stage, "user", TRANSFERS)]


def test_the_tokens_of_the_uses_are_sealed_there_and_gone_with_the_run(stage, pausing, agreements):
    run = begin(stage, agreements)
    assert pausing.reached.wait(LONGEST)
    secrets = tokens(stage)
    assert len(secrets) == 3
    assert all(secret in database(stage, "user") for secret in secrets)  # where the search finds them
    assert not any(secret in database(stage, "coordinator") for secret in secrets)
    (handed,) = kept(stage, "coordinator", HANDOVERS)
    keys = stage.nodes["coordinator"].folder / "keys" / "runs"
    assert (handed.id, handed.handed, len(list(keys.glob("*.key")))) == (run, True, 1)
    pausing.go.set()
    assert ended(stage, run)["state"] == "finished"
    eventually(lambda: not kept(stage, "coordinator", HANDOVERS))
    assert list(keys.glob("*.key")) == []
    assert not any(secret in database(stage, "coordinator") for secret in secrets)


def test_what_the_user_cancels_stops_there(stage, pausing, agreements):
    run = begin(stage, agreements)
    assert pausing.reached.wait(LONGEST)
    assert stage.space("user").cancel(run)["state"] == "cancelled"
    assert ended(stage, run, "coordinator")["state"] == "cancelled"
    pausing.go.set()
    eventually(lambda: not kept(stage, "coordinator", HANDOVERS))
    eventually(lambda: {one.state.value for one in kept(stage, "user", TRANSFERS)} == {"COMPLETED"})
    rounds = [entry["facts"]["round"] for entry in stage.entries("coordinator", "run.round")]
    assert rounds == list(range(1, PAUSE_IN))


def test_a_user_that_was_stopped_finds_the_model_when_it_is_back(stage, pausing, agreements, tmp_path):
    run = begin(stage, agreements)
    assert pausing.reached.wait(LONGEST)
    stage.close("user")
    pausing.go.set()
    assert ended(stage, run, "coordinator")["state"] == "finished"
    stage.open("user")
    found = ended(stage, run)
    assert found["state"] == "finished", found
    assert found["model"]["digest"] == stage.space("coordinator").run(run)["model"]["digest"]
    eventually(lambda: {one.state.value for one in kept(stage, "user", TRANSFERS)} == {"COMPLETED"})
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_a_coordinator_that_leads_no_runs_for_the_user_says_so(stage, agreements):
    with pytest.raises(SpaceError) as caught:
        train(stage, agreements, "authority")
    assert caught.value.code == "run.coordinator_refused"
    assert "does not lead runs for" in str(caught.value)
    assert stage.entries("authority", "run.started") == []
    assert {one.state.value for one in kept(stage, "user", TRANSFERS)} <= {"COMPLETED", "STARTED"}


def test_a_coordinator_that_is_away_is_told_and_waited_for_no_longer_than_was_said(stage, agreements):
    stage.close("coordinator")
    run = begin(stage, agreements, patience=1)
    found = ended(stage, run)
    assert (found["state"], found["problem"]["code"]) == ("failed", "run.coordinator_away")
    assert "--coordinator" in found["problem"]["next_step"]


def test_a_coordinator_that_is_no_member_is_refused_before_anything_begins(stage, agreements):
    with pytest.raises(SpaceError) as caught:
        stage.space("user").train(THREE, agreements, coordinator="did:web:nobody.example", wait=60)
    assert (caught.value.code, kept(stage, "user", TRANSFERS)) == ("learning.task_invalid", [])


def test_a_hospital_that_is_lost_on_the_way_is_lost_for_the_user_too(stage, pausing, agreements, tmp_path):
    run = begin(stage, agreements, without_missing=True)
    assert pausing.reached.wait(LONGEST)
    (use,) = kept(stage, "south", TRANSFERS)
    stage.space("south").steer(use.id, "terminate")
    pausing.go.set()
    found = ended(stage, run)
    south = next(site for site in found["sites"] if site["site"] == stage.nodes["south"].did)
    assert south["status"] == "refused"
    assert found["faults"][0]["site"] == stage.nodes["south"].did
    assert found["problem"] is not None  # its contract wants three: fewer are no run
    assert "{" not in found["problem"]["sentence"]
    assert audited(stage, tmp_path)["outcome"] in ("verified", "unverifiable")


def test_kill_9_of_the_coordinator_in_the_middle_changes_nothing(stage, pausing, agreements, tmp_path):
    stage.close("coordinator")
    node = Killable(stage.nodes["coordinator"], "-m", "tests.e2e.plain_node")
    node.start()
    try:
        run = begin(stage, agreements)
        assert pausing.reached.wait(LONGEST)
        node.kill()
        pausing.go.set()
        node.start()
        found = ended(stage, run)
        assert found["state"] == "finished", found
        own = stage.space("user").train(THREE, agreements, wait=60)
        assert own["model"]["digest"] == found["model"]["digest"]
    finally:
        node.stop()
    stage.open("coordinator")
    assert audited(stage, tmp_path)["outcome"] == "verified"
