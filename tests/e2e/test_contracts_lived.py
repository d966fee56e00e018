"""Contracts as people live with them: what one could use, renewed on other terms, offers from files."""

import json

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.main import main
from tests.e2e.space import ASSET, PURPOSE, hospital, staged

TRAIN = "medspace:train"


@pytest.fixture
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("lived")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(regions=["EU", "SG"], until="2029-06-30T00:00:00Z"))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def verb(capsys, stage, key, *arguments):
    """The exit code of a verb, and what it prints as JSON."""
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--config", str(stage.nodes[key].file), "--json"])
    return end.value.code, json.loads(capsys.readouterr().out or "{}")


def edited(stage, old, new):
    """The file of the clinic with other terms."""
    file = stage.nodes["clinic"].file
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_datasets_are_found_by_what_one_could_do_with_them(stage, capsys):
    user = stage.space("user")
    found = user.could("train", purpose=PURPOSE, place="SG")
    assert [one["id"] for one in found["datasets"]] == [ASSET], found
    assert "You may train a model on the data." in found["datasets"][0]["contract"]
    assert user.could("train", purpose=PURPOSE, place="US")["refused"] == {"policy.region": 1}
    assert user.could("statistics", purpose=PURPOSE, place="SG")["refused"] == {"policy.no_permission": 1}
    assert user.could("train", purpose=PURPOSE, place="SG", at="2029-08-01")["refused"] == {"policy.time": 1}
    with pytest.raises(SpaceError) as unknown:
        user.could("train", purpose="whatever")
    assert unknown.value.code == "policy.purpose_unknown"
    code, told = verb(capsys, stage, "user", "could", "train", "--for", PURPOSE, "--place", "SG")
    assert (code, [one["id"] for one in told["datasets"]]) == (0, [ASSET])
    assert user.agreements() == []  # nothing was asked for


def test_an_agreement_is_renewed_on_terms_that_were_seen(stage):
    user, clinic = stage.space("user"), stage.space("clinic")
    first = stage.agree("user", "clinic")
    with pytest.raises(SpaceError) as same:
        user.renewal(first)
    assert same.value.code == "agreement.same_terms"
    edited(stage, "2029-06-30", "2030-06-30")
    clinic.reload_offers(seen=clinic.reload_offers(dry=True)["seen"])
    found = user.renewal(first)
    assert found["changes"] == [
        "No longer: Only until 2029-06-30 00:00:00 UTC.",
        "New: Only until 2030-06-30 00:00:00 UTC.",
    ]
    with pytest.raises(SpaceError) as moved:
        user.renew(first, seen="sha256:" + "0" * 64)
    assert moved.value.code == "agreement.renewal_moved"
    second = user.renew(first, seen=found["seen"])["agreement"]
    held = {one["id"]: one for one in clinic.agreements()}
    assert held[first]["in_force"]
    assert held[second]["until"].startswith("2030-06-30")
    for agreement in (first, second):  # both stand, and each use names its own
        assert user.request(agreement, TRAIN)["agreement"] == agreement


def test_offers_of_a_file_are_planned_and_applied_only_with_a_yes(stage, capsys):
    stage.agree("user", "clinic")
    clinic = stage.space("clinic")
    assert verb(capsys, stage, "clinic", "offers", "plan")[1]["changed"] == []
    edited(stage, '["EU", "SG"]', '["EU"]')
    code, planned = verb(capsys, stage, "clinic", "offers", "plan")
    assert (code, planned["changed"], planned["stands"][0]["in_force"]) == (0, [ASSET], 1)
    assert any("SG" in one["sentence"] for one in planned["contracts"])
    before = clinic.offers()
    assert verb(capsys, stage, "clinic", "offers", "apply")[0] == 2
    assert clinic.offers() == before
    assert verb(capsys, stage, "clinic", "offers", "apply", "--yes")[0] == 0
    assert not any("SG" in one for offer in clinic.offers()[0]["offers"] for one in offer["contract"])
    edited(stage, '["EU"]', '["EU", "US"]')  # that protects less than before
    assert verb(capsys, stage, "clinic", "offers", "apply", "--yes")[0] == 2
    assert verb(capsys, stage, "clinic", "offers", "apply", "--yes", "--loosen")[0] == 0
