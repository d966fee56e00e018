"""Contracts as people live with them: what one could use, renewed on other terms, offers from files."""

import json
import time

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.terms.sdk import UnansweredError
from medspace.app.main import main
from tests.e2e.space import ASSET, PURPOSE, audited, hospital, staged

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
    (change,) = found["changes"]
    assert (change["effect"], change["before"], change["after"]) == (
        "loosens",
        "Only until 2029-06-30 00:00:00 UTC.",
        "Only until 2030-06-30 00:00:00 UTC.",
    )
    with pytest.raises(SpaceError) as moved:
        user.renew(first, seen="sha256:" + "0" * 64)
    assert moved.value.code == "agreement.renewal_moved"
    second = user.renew(first, seen=found["seen"])["agreement"]
    held = {one["id"]: one for one in clinic.agreements()}
    assert held[first]["in_force"]
    assert held[second]["until"].startswith("2030-06-30")
    for agreement in (first, second):  # both stand, and each use names its own
        assert user.request(agreement, TRAIN)["agreement"] == agreement


def ended(space, agreement, wanted):
    """An agreement once it is over at one side, as that side tells it."""
    end = time.monotonic() + 60
    while not (found := next(one for one in space.agreements() if one["id"] == agreement))[wanted]:
        assert time.monotonic() < end, found
        time.sleep(0.1)
    return found


def test_an_amendment_takes_the_place_of_an_agreement_at_both_sides(stage, capsys, tmp_path):
    user, clinic = stage.space("user"), stage.space("clinic")
    first = stage.agree("user", "clinic")
    use = user.request(first, TRAIN)["id"]
    edited(stage, '["EU", "SG"]', '["EU"]')
    clinic.reload_offers(seen=clinic.reload_offers(dry=True)["seen"])
    assert verb(capsys, stage, "user", "amend", first)[0] == 2  # nothing without a yes
    code, done = verb(capsys, stage, "user", "amend", first, "--yes")
    assert (code, [one["effect"] for one in done["changes"]]) == (0, ["tightens"])
    second = done["agreement"]
    for space in (user, clinic):
        old = ended(space, first, "successor")
        assert (old["successor"], old["in_force"]) == (second, False)
        new = ended(space, second, "in_force")
        assert new["replaces"] == first
        assert any(first in one for one in new["contract"])  # both signed that it takes its place
    while user.use(use)["state"] != "TERMINATED":
        time.sleep(0.1)
    assert user.use(use)["problem"]["code"] == "agreement.ended"
    with pytest.raises(SpaceError) as over:
        user.request(first, TRAIN)
    assert over.value.code == "agreement.ended"
    assert user.request(second, TRAIN)["agreement"] == second  # each use names its own
    for key in ("clinic", "user"):
        (entry,) = stage.entries(key, "agreement.ended")
        assert (entry["facts"]["agreement"], entry["facts"]["successor"]) == (first, second)
    report = audited(stage, tmp_path)
    assert report["outcome"] != "failed", report["findings"]


def test_a_holder_proposes_an_amendment_and_the_user_sees_what_it_changes(stage):
    user, clinic = stage.space("user"), stage.space("clinic")
    first = stage.agree("user", "clinic")
    edited(stage, '["EU", "SG"]', '["EU"]')
    clinic.reload_offers(seen=clinic.reload_offers(dry=True)["seen"])
    found = clinic.renewal(first)
    with pytest.raises(UnansweredError):
        clinic.amend(first, seen=found["seen"], wait=0.5)
    end = time.monotonic() + 60
    while not (waiting := [one for one in user.negotiations() if one["state"] == "OFFERED"]):
        assert time.monotonic() < end
        time.sleep(0.1)
    asked = user._get(f"/negotiations/{waiting[0]['id']}")
    assert (asked["replaces"], [one["effect"] for one in asked["changes"]]) == (first, ["tightens"])
    user.answer(asked["id"], approve=True)
    second = ended(user, first, "successor")["successor"]
    assert ended(clinic, first, "successor")["successor"] == second


@pytest.mark.parametrize(("who", "other"), [("clinic", "user"), ("user", "clinic")])
def test_an_agreement_is_ended_for_cause_and_both_sides_keep_it(stage, capsys, who, other):
    agreement = stage.agree("user", "clinic")
    use = stage.space("user").request(agreement, TRAIN)["id"]
    end = ("agreement", "end", agreement, "--cause", "no-need", "--reason", "Study over.", "--yes")
    stage.close(other)  # it hears of it once it is back
    code, found = verb(capsys, stage, who, *end)
    assert (code, found["cause"]) == (0, "no-need")
    assert verb(capsys, stage, who, "agreement", "end", agreement, "--cause", "mood", "--yes")[0] == 2
    stage.open(other)
    for key in (who, other):
        told = ended(stage.space(key), agreement, "ended_cause")
        assert (told["ended_cause"], told["ended_because"], told["in_force"]) == ("no-need", "Study over.", False)
        (entry,) = stage.entries(key, "agreement.ended")
        assert entry["facts"]["cause"] == "no-need"
        assert ("ender" in entry["facts"]) == (who == "user")
    while stage.space("user").use(use)["state"] != "TERMINATED":
        time.sleep(0.1)
    with pytest.raises(SpaceError) as over:
        stage.space("user").request(agreement, TRAIN)
    assert over.value.code == "agreement.ended"


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
