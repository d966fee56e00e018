"""A connector that runs: what its doctor says, and what its desk answers to people."""

import pytest

from medspace.app.doctor import examine
from medspace.app.sdk import SpaceError
from medspace.core.errors import MedspaceError
from tests.e2e.space import ASSET, PURPOSE, hospital, staged


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("doctor")) as stage:
        stage.add("authority", hospital(1))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def desk(stage, key):
    return stage.nodes[key].connector.desk


def connector_check(stage, key):
    return examine(stage.nodes[key].file, "en")["checks"]


def test_the_doctor_sees_who_is_a_member_and_who_is_not_yet(stage):
    stage.add("newcomer")
    stage.open("newcomer")
    (check,) = [c for c in connector_check(stage, "newcomer") if c["name"] == "connector"]
    assert not check["ok"]
    assert "medspace admit" in check["next_step"]
    stage.admit("newcomer")
    (check,) = [c for c in connector_check(stage, "newcomer") if c["name"] == "connector"]
    assert check["ok"]
    assert "It runs version" in check["sentence"]
    (check,) = [c for c in connector_check(stage, "authority") if c["name"] == "assets"]
    assert "1 asset with 60 rows" in check["sentence"]


def test_only_the_authority_admits_and_removes(stage):
    with pytest.raises(MedspaceError) as refused:
        stage.run(desk(stage, "user").admit("did:web:x.example", "X", "DE", ()))
    assert stage.nodes["authority"].did in str(refused.value)
    with pytest.raises(MedspaceError):
        stage.run(desk(stage, "user").remove("did:web:x.example"))
    with pytest.raises(MedspaceError):
        stage.run(desk(stage, "authority").remove("did:web:x.example"))


def test_a_transfer_is_steered_by_four_verbs(stage):
    user = stage.space("user")
    agreement = stage.agree("user", "authority")
    pid = user.request(agreement, "medspace:train")["id"]
    with pytest.raises(MedspaceError, match="cannot be told to fly"):
        stage.run(desk(stage, "user").steer(pid, "fly", ""))
    for verb, state in (("suspend", "SUSPENDED"), ("resume", "STARTED"), ("terminate", "TERMINATED")):
        user.steer(pid, verb)
        seen = user._get(f"/transfers/{pid}")
        for _ in range(20):
            if seen["state"] == state:
                break
            seen = user._get(f"/transfers/{pid}", seen=seen["version"], wait=5)
        assert seen["state"] == state
    assert [t.id for t in stage.run(desk(stage, "user").transfers())] == [pid]
    assert user.agreements()[0]["in_force"]


def test_a_policy_is_tried_on_ones_own_dataset(stage):
    wish = {"dataset": ASSET, "format": "medspace:train", "user": "", "purpose": PURPOSE, "place": "DE", "at": ""}
    work = desk(stage, "authority").try_policy
    assert stage.run(work(wish, str))["contract"]
    assert stage.run(work(wish | {"at": "2031-01-01T00:00:00Z"}, str))["code"] == "policy.time"
    for wrong, code in (({"dataset": "none"}, "catalog.unknown"), ({"at": "soon"}, "request.instant")):
        with pytest.raises(MedspaceError) as refused:
            stage.run(work(wish | wrong, str))
        assert refused.value.code == code


def test_what_is_not_there_is_said(stage):
    user = stage.space("user")
    with pytest.raises(SpaceError):
        user.negotiate(stage.nodes["authority"].did, "none")
    with pytest.raises(MedspaceError):
        stage.run(desk(stage, "user").model("none", str))
    assert [d.id for d in stage.run(desk(stage, "authority").datasets())] == [ASSET]
    assert stage.run(desk(stage, "authority").inclusion(0))["index"] == 0
    assert b"medspace" in stage.run(desk(stage, "user").metrics())
