"""Whole connectors over HTTP: why hospitals are missing from a run stands in every output, and nobody goes unsaid."""

import json
from dataclasses import replace

import pytest

from medspace.app.compose.connector import ConnectorParts
from medspace.app.features.audit.auditing import lineage_of_files
from medspace.app.main import main
from medspace.core.usage import Brakes
from medspace.sdk import SpaceError, WaitingError
from tests.e2e.space import ASSET, DICTIONARY, TASK, Holding, hospital, staged, table

CODES = 'codes = { f = "female", m = "male" }'
COUNT, PURPOSE = "policy.count", "policy.purpose"


def without(column):
    """A hospital whose table lacks a column."""
    rows = [line.split(",") for line in table(5).splitlines()]
    at = rows[0].index(column)
    kept = "\n".join(",".join(cell for place, cell in enumerate(row) if place != at) for row in rows) + "\n"
    before, _, after = DICTIONARY.partition(f"[columns.{column}]")
    return Holding(kept, dictionary=before + "[columns" + after.partition("\n[columns")[2])


def coded(codes):
    """A hospital that codes the sex otherwise."""
    rows = "\n".join(
        line.replace(",f,", ",1,").replace(",m,", ",2,") if at else line
        for at, line in enumerate(table(6).splitlines())
    )
    return Holding(rows + "\n", dictionary=DICTIONARY.replace(CODES, codes))


# Sixty patients answer two models, not ten: what many answers tell together is no matter here.
OFTEN = ConnectorParts(brakes=replace(Brakes(), exposure=False))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("attendance")) as stage:
        stage.add("authority", hospital(1), parts=OFTEN)
        stage.add("plain", hospital(2), parts=OFTEN)
        stage.add("narrow", without("sbp"))
        stage.add("numbered", coded('codes = { 1 = "female", 2 = "male" }'))
        stage.add("once", hospital(7, count=1))
        stage.add("gone", hospital(8))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.agreements = {key: stage.agree("user", key) for key in stage.nodes if key != "user"}
        yield stage


def train(stage, *keys, task=None, **options):
    agreements = [stage.agreements[key] for key in keys]
    return stage.space("user").train(TASK | (task or {}), agreements, wait=60, **options)


def refused(stage, *keys, task=None, **options):
    with pytest.raises(SpaceError) as raised:
        train(stage, *keys, task=task, **options)
    return raised.value


def admitted(stage, key):
    return len(stage.entries(key, "use.admitted", "transfer.requested"))


@pytest.fixture
def said(stage, capsys, tmp_path):
    """What a command line of the user says, and how it ends."""

    def say(*words):
        with pytest.raises(SystemExit) as end:
            main([*words, "--config", str(stage.nodes["user"].file)])
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return say


def asked(stage, tmp_path, *keys, task=None):
    file = tmp_path / "task.json"
    file.write_text(json.dumps(TASK | (task or {})))
    return ["train", str(file), *(word for key in keys for word in ("--agreement", stage.agreements[key]))]


# --- refused before anything is asked ------------------------------------------------------------------------------


def test_a_misspelled_column_is_one_sentence_for_all_and_nobody_was_asked(stage):
    before = [admitted(stage, key) for key in ("authority", "plain")]
    error = refused(stage, "authority", "plain", task={"features": [{"name": "agee"}]})
    assert (error.code, error.exit_code) == ("learning.column_unknown", 3)
    assert str(error.text) == (
        "All 2 hospitals: The published data do not fit: there is no column agee, but there is age."
    )
    assert [admitted(stage, key) for key in ("authority", "plain")] == before


def test_a_hospital_without_the_column_is_named_and_left_out_only_where_that_is_said(stage):
    error = refused(stage, "authority", "plain", "narrow")
    assert str(error.text) == "Narrow: The published data do not fit: there is no column sbp."
    assert [(site["name"], site["status"]) for site in error.problem["sites"]] == [
        ("Authority", "asked"),
        ("Plain", "asked"),
        ("Narrow", "refused"),
    ]
    run = train(stage, "authority", "plain", "narrow", without_missing=True)
    assert [site["status"] for site in run["sites"]] == ["took_part", "took_part", "refused"]
    assert run["model"]["sites"] == [
        {name: value for name, value in site.items() if name != "agreement"} for site in run["sites"]
    ]
    assert run["model"]["lineage"]["missing"] == [
        {"site": stage.nodes["narrow"].did, "round": 0, "question": None, "code": "learning.column_unknown"}
    ]
    entry = stage.entries("user", "run.finished")[-1]["facts"]
    assert (entry["missing"], entry["reasons"]) == ([stage.nodes["narrow"].did], ["learning.column_unknown"])


def test_who_goes_on_without_the_missing_is_not_told_to_do_so(stage):
    error = refused(stage, "authority", "narrow", task={"min_sites": 2}, without_missing=True)
    assert error.code == "learning.too_few_sites"
    assert str(error.text).startswith("Narrow: The published data do not fit: there is no column sbp.")
    assert "--without-missing" not in str(error.advice)


def test_a_hospital_that_codes_otherwise_is_named_with_column_and_codes(stage):
    error = refused(stage, "authority", "numbered")
    assert error.code == "learning.level_unknown"
    assert "Numbered: " in str(error.text)
    assert "the column sex has the codes 1, 2, and none of those that the task names (f, m)" in str(error.text)


# --- refused by the hospital itself --------------------------------------------------------------------------------


def test_a_wrong_purpose_is_told_in_the_words_of_the_hospital(stage):
    error = refused(stage, "authority", "plain", task={"purpose": "dpv:Marketing"})
    assert (error.code, error.exit_code) == (PURPOSE, 3)
    assert "urpose" in str(error.text)
    assert str(error.text).startswith("All 2 hospitals: The holder does not admit this.")


def test_what_the_engine_says_is_told_under_its_own_code(stage):
    error = refused(
        stage, "authority", "plain", task={"family": "poisson", "target": "sbp", "features": [{"name": "age"}]}
    )
    assert error.code == "learning.target_invalid"
    assert str(error.text) == "All 2 hospitals: The target sbp does not suit the family poisson."
    assert "threshold" in str(error.advice)


def test_a_used_up_contract_is_said_and_the_next_one_can_be_asked_for(stage):
    user, once = stage.space("user"), stage.nodes["once"]
    first = stage.agreements["once"]
    assert train(stage, "once")["state"] == "finished"
    error = refused(stage, "authority", "once")
    assert (error.code, error.exit_code) == (COUNT, 3)
    assert str(error.text).startswith("Once: ")
    assert "use number 2" in str(error.text)
    assert "`medspace negotiate` asks the holder for a new one" in str(error.advice)
    assert {a["id"]: a["used_up"] for a in user.agreements()}[first]
    with pytest.raises(WaitingError):
        user.negotiate(once.did, ASSET, wait=0.5)
    (held,) = [n for n in stage.space("once").negotiations() if n["state"] == "REQUESTED"]
    stage.space("once").answer(held["id"], approve=True)
    again = user._wait(f"/negotiations/{user.negotiations()[0]['id']}", 30, WaitingError(whom="once"))
    assert again["agreement"] != first
    stage.agreements["once"] = again["agreement"]
    assert train(stage, "once")["state"] == "finished"


# --- away ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def away(stage):
    stage.close("gone")
    yield
    if stage.nodes["gone"].connector is None:
        stage.open("gone")


def test_who_is_away_is_said_at_once_and_waited_for(stage, away):
    user, seen = stage.space("user"), []
    begun = user._post("/runs", {"task": TASK, "agreements": [stage.agreements["plain"], stage.agreements["gone"]]})
    while not seen or seen[-1]["sites"][1]["status"] != "waited_for":
        last = seen[-1] if seen else begun
        seen.append(user._get(f"/runs/{begun['id']}", seen=last["version"], wait=20))
    gone = seen[-1]["sites"][1]
    assert (gone["name"], gone["code"]) == ("Gone", None)
    assert 250 < gone["seconds_left"] <= 300
    assert seen[-1]["rounds"] == 0
    stage.open("gone")
    while seen[-1]["state"] == "running":
        seen.append(user._get(f"/runs/{begun['id']}", seen=seen[-1]["version"], wait=20))
    assert (seen[-1]["state"], [site["status"] for site in seen[-1]["sites"]]) == ("finished", ["took_part"] * 2)


def test_the_command_line_says_who_is_away_while_it_waits_and_ends_with_4(stage, said, away, tmp_path):
    code, out, err = said(*asked(stage, tmp_path, "plain", "gone"), "--patience", "2")
    assert (code, out) == (4, "")
    first, *_ = err.splitlines()
    assert first.startswith("  - waiting for Gone, ")
    assert "s left: " in first
    assert "learning.sites_away: Gone: No answer: " in err
    code, out, err = said(*asked(stage, tmp_path, "plain", "gone"), "--patience", "2", "--json")
    assert (code, err) == (4, "")
    error = json.loads(out)["error"]
    assert [site["status"] for site in error["sites"]] == ["asked", "away"]
    assert error["causes"][0]["sites"] == [{"site": stage.nodes["gone"].did, "name": "Gone"}]


def test_without_those_that_are_missing_everything_says_who_they_are(stage, said, away, tmp_path):
    words = asked(stage, tmp_path, "plain", "narrow", "gone")
    code, out, _ = said(*words, "--without-missing", "--patience", "1")
    assert code == 0
    assert "Asked: 3 hospitals. Took part: 1." in out
    assert "  - Narrow did not take part (learning.column_unknown): The published data do not fit" in out
    assert "  - Gone did not take part (learning.site_away): No answer: " in out
    model = out.rpartition("medspace model ")[2].split()[0]
    code, shown, _ = said("model", model)
    assert "Asked: 3 hospitals. Took part: 1." in shown
    assert "  - Narrow did not take part" in shown
    assert "1/3" in said("runs")[1]
    card = json.loads(said("model", model, "--json")[1])
    assert [site["status"] for site in card["sites"]] == ["took_part", "refused", "away"]
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps(stage.space("user").audit_bundle()))
    lineage = lineage_of_files([bundle], "en")
    narrow, gone = stage.nodes["narrow"].did, stage.nodes["gone"].did
    assert f"{narrow} was asked but did not take part to the end (learning.column_unknown)." in str(lineage["story"])
    name = card["lineage"]["run"]
    activities = lineage["prov"]["runs"][name]["activity"][name]
    missing = [f"{narrow} learning.column_unknown", f"{gone} learning.site_away"]
    assert activities["medspace:missing"] == missing


# --- identifiers ---------------------------------------------------------------------------------------------------


def test_a_member_whose_did_has_a_port_is_removed(stage, capsys):
    did = stage.nodes["numbered"].did
    assert "%3A" in did
    with pytest.raises(SystemExit) as end:
        main(["remove", did, "--config", str(stage.nodes["authority"].file)])
    assert not end.value.code
    assert did not in {member["did"] for member in stage.space("authority").members()}
    stage.admit("numbered")
