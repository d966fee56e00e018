"""A label that is narrowed in the middle of a run ends the use at once, between its steps or in one of them."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from medspace.app.main import main
from medspace.core.store import LOG
from medspace.sdk import SpaceError
from tests.e2e.house.pausing import Pausing
from tests.e2e.space import ASSET, TASK, audited, confirmed, hospital, staged

OTHER = "dpv:PublicBenefit"
ROUND = 2


@pytest.fixture
def stage(tmp_path):
    engine = Pausing(ROUND)
    with staged(tmp_path) as stage:
        stage.engine = engine
        stage.add("authority", hospital(1))
        stage.add("paused", hospital(2), parts=engine.parts)
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agreements = [stage.agree("user", key) for key in ("authority", "paused")]
        try:
            yield stage
        finally:
            engine.go.set()


def until(stage, key, look):
    """What a look at the database of a connector sees, as soon as it sees something."""
    connector = stage.nodes[key].connector

    async def seen():
        return await connector.node.database.read(look)

    return stage.run(connector.node.changes.until(seen, 60, LOG))


def released(number):
    def look(tx):
        found = [json.loads(entry) for entry in tx.log.entries(0, tx.log.size())]
        return next((one for one in found if one["facts"].get("round") == number and "release" in one["facts"]), None)

    return look


def terminated(tx):
    found = [json.loads(entry) for entry in tx.log.entries(0, tx.log.size())]
    return next((one["facts"] for one in found if one["kind"] == "transfer.terminated"), None)


def run_while(stage, meanwhile):
    """Train, do something once the round is reached, and the run as it ended."""
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(stage.space("user").train, TASK, stage.agreements, wait=60)
        assert stage.engine.reached.wait(60)
        meanwhile()
        stage.engine.go.set()
        return training.result(60)


def narrow(stage, key):
    label = stage.space(key).label(ASSET)["label"]
    return confirmed(stage.space(key).set_label, ASSET, label | {"purposes": [OTHER]})


@pytest.mark.parametrize("key", ["authority", "paused"], ids=["between its steps", "in the middle of a step"])
def test_the_use_ends_on_both_sides_with_the_clause(stage, tmp_path, key):
    def meanwhile():
        assert until(stage, "authority", released(ROUND))
        narrow(stage, key)

    with pytest.raises(SpaceError) as failed:
        run_while(stage, meanwhile)
    assert (failed.value.code, failed.value.exit_code) == ("label.purposes", 3)
    assert "label.purposes" in str(failed.value.text)

    holder, user = until(stage, key, terminated), until(stage, "user", terminated)
    assert (holder["code"], user["code"]) == ("label.purposes", "label.purposes")
    assert holder["peer_pid"] == user["pid"]
    told = stage.space("user")._get(f"/transfers/{user['pid']}")
    assert (told["state"], told["problem"]["code"]) == ("TERMINATED", "label.purposes")
    assert "the benefit of the public" in told["problem"]["sentence"]

    kinds = [entry["kind"] for entry in stage.entries(key)]
    assert kinds.count("label.changed") == 2  # at the first start, and now
    changed = stage.entries(key, "label.changed")[-1]["facts"]
    assert set(changed) == {"asset", "before", "label", "by"}
    assert changed["label"] == stage.space(key).label(ASSET)["digest"]
    assert kinds.index("transfer.terminated") > max(at for at, kind in enumerate(kinds) if kind == "label.changed")
    report = audited(stage, tmp_path)
    assert report["outcome"] == "verified", report["findings"]


def test_while_nobody_narrows_it_the_run_ends_well(stage):
    assert run_while(stage, lambda: None)["state"] == "finished"  # the control


def test_a_label_that_still_allows_the_use_ends_nothing(stage):
    def wider():
        label = stage.space("authority").label(ASSET)["label"]
        confirmed(stage.space("authority").set_label, ASSET, label | {"purposes": [*label["purposes"], OTHER]})

    assert run_while(stage, wider)["state"] == "finished"


def test_a_label_holds_over_restarts_until_the_configuration_is_edited(stage):
    space = stage.space
    configured = space("authority").label(ASSET)
    assert (configured["source"], configured["configured"]) == ("configuration", None)
    changed = narrow(stage, "authority")
    assert (changed["source"], changed["configured"]) == ("person", configured["label"])

    stage.close("authority")
    stage.open("authority")
    assert space("authority").labels() == [changed]

    node = stage.nodes["authority"]
    stage.close("authority")
    node.file.write_text(node.file.read_text().replace('regions = ["World"]', 'regions = ["EU"]'))
    stage.open("authority")
    edited = space("authority").label(ASSET)
    assert (edited["source"], edited["label"]["regions"]) == ("configuration", ["EU"])
    assert edited["label"]["purposes"] == configured["label"]["purposes"]
    assert len(stage.entries("authority", "label.changed")) == 3


@pytest.fixture
def said(stage, capsys):
    def say(*words):
        with pytest.raises(SystemExit) as end:
            main([*words, "--config", str(stage.nodes["authority"].file)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out + printed.err

    return say


def test_the_verb_shows_changes_and_takes_back(stage, said):
    wanted = ("label", ASSET, "--purpose", OTHER, "--until", "2029-01-01T00:00:00Z")
    before = stage.space("authority").label(ASSET)["label"]
    code, text = said(*wanted)  # another purpose than before: nobody has confirmed that it may be
    assert (code, "purposes that the label allows" in text, "--loosen" in text) == (2, True, True)
    assert stage.space("authority").label(ASSET)["label"] == before
    code, text = said(*wanted, "--loosen")
    assert (code, OTHER in text, "`medspace label`" in text) == (0, True, True)
    assert stage.space("authority").label(ASSET)["label"]["kinds"] == ["medspace:train"]  # what was not said stays
    code, text = said("doctor")
    assert "is not that of the configuration" in " ".join(text.replace("│", " ").split())
    assert "2028" in said("label", ASSET)[1]  # the last day, not the instant after it
    assert "2028-12-31 -> no limit" in said("label", ASSET, "--until", "", "--loosen")[1]
    assert "2028" not in said("label", ASSET)[1]
    assert said("label", ASSET, "--nothing")[0] == 0  # what protects more needs nobody's word
    assert stage.space("authority").label(ASSET)["label"]["kinds"] == []
    code, text = said("label", ASSET, "--as-configured", "--loosen", "--lang", "zh")
    assert (code, "配置" in text) == (0, True)
    assert said("label")[1].count(ASSET) == 1
    assert said("label", "--nothing")[0] == 2
    assert said("label", ASSET, "--nothing", "--as-configured")[0] == 2
    assert said("label", "no-such", "--nothing")[0] == 3
    assert said("label", ASSET, "--purpose", "fun")[0] == 2
