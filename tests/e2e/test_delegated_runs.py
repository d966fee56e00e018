"""A run that its user hands over: another member's connector leads it, and everybody can see afterwards who did what."""

import json

import pytest

from medspace.app.auditing import lineage_of_files, verify_files
from medspace.app.sdk import SpaceError
from medspace.runs.model import HANDOVERS, RUNS
from tests.e2e.space import TASK, hospital, staged

HOSPITALS = ("north", "south", "west")
THREE = TASK | {"min_sites": 3}


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("delegated")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            stage.add(key, hospital(seed, min_sites=3))
        user = stage.add("user")
        stage.add("coordinator", more=f'[coordination]\nmembers = ["{user.did}"]')
        stage.add("stranger")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


def train(stage, agreements, leader="coordinator", **more):
    return stage.space("user").train(THREE, agreements, coordinator=stage.nodes[leader].did, wait=60, **more)


def kept(stage, key, collection):
    connector = stage.nodes[key].connector
    return stage.run(connector.desk.database.read(lambda tx: tx.find(collection)))


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


def test_the_coordinator_leads_and_the_user_gets_the_same_model(stage, agreements, tmp_path):
    seen = []
    run = train(stage, agreements, progress=lambda run: seen.append(run["rounds"]))
    user, leader = stage.nodes["user"].did, stage.nodes["coordinator"].did
    assert run["state"] == "finished", run
    assert run["coordinator"]["did"] == leader
    assert run["model"]["lineage"]["coordinator"] == leader
    own = stage.space("user").train(THREE, agreements, wait=60)
    assert own["model"]["digest"] == run["model"]["digest"]  # to the last bit
    assert own["coordinator"] is None
    (led,) = [one for one in stage.space("coordinator").runs()]
    assert (led["id"], led["user"]["did"], led["state"]) == (run["id"], user, "finished")
    for key in HOSPITALS:
        noted = [entry["facts"] for entry in stage.entries(key, "use.admitted")]
        assert {(one["user"], one.get("coordinator", user)) for one in noted} == {(user, leader), (user, user)}
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]
    assert "run.delegated" in {check["check"] for check in report["checks"]}
