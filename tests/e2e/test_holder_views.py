"""What people see of their space: one dataset, all agreements, and everything that they have in a folder."""

import hashlib
import json
import stat
from dataclasses import fields

import pytest

from medspace.app.compose.doctor import examine
from medspace.app.doors.sdk import SpaceError
from medspace.app.features.audit.auditing import verify_files
from medspace.app.features.export import records
from medspace.app.features.export.sdk import KINDS
from medspace.app.features.export.writing import FolderTakenError
from medspace.app.main import main
from tests.e2e.space import ASSET, PURPOSE, TASK, hospital, staged

SECRETS = "keys/private.token", "keys/jobs.secret", "keys/questions.secret", "keys/participant.pem"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """A clinic whose data a user has trained on once, and may train on again."""
    with staged(tmp_path_factory.mktemp("views")) as stage:
        stage.add("authority")
        stage.add("clinic", hospital(count=5))
        stage.add("user")
        stage.open()
        stage.admit()
        stage.run(stage.nodes["clinic"].connector.assets.tried())
        agreement = stage.agree("user", "clinic")
        stage.space("user").train(TASK, [agreement], wait=120)
        stage.space("user").request(agreement, "medspace:train")
        yield stage


def verb(stage, key, *arguments):
    """The exit code of a verb."""
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--config", str(stage.nodes[key].file)])
    return end.value.code


# -- agreements


def test_a_holder_sees_how_often_an_agreement_was_used_and_what_is_open(stage):
    (one,) = stage.space("clinic").agreements(role="provider", dataset=ASSET)
    assert (one["used"], one["allowed"], one["open_uses"], one["until"]) == (1, 5, 1, "2030-06-30T00:00:00.000Z")
    assert (one["in_force"], one["ended"], one["review"], one["waiting"]) == (True, None, False, 0)
    assert one["last_used"]
    assert stage.space("clinic").agreements(role="consumer") == []
    assert stage.space("clinic").agreements(dataset="none") == []
    (same,) = stage.space("user").agreements()
    assert (same["id"], same["used"], same["open_uses"]) == (one["id"], 2, 1)


def test_agreements_are_listed_in_an_order_of_ones_own(stage, capsys):
    assert verb(stage, "clinic", "agreements", "--held", "--sort", "last") == 0
    shown = capsys.readouterr().out
    assert "used 1 of 5 times" in shown
    assert verb(stage, "clinic", "agreements", "--sort", "until", "--json") == 0
    assert json.loads(capsys.readouterr().out)["agreements"][0]["allowed"] == 5
    assert verb(stage, "clinic", "agreements", "--sort", "colour") == 2
    for lang in ("en", "zh"):
        assert verb(stage, "user", "agreements", "--sort", "user", "--lang", lang) == 0


def test_the_doctor_counts_the_uses_that_something_was_released_to(stage):
    found = examine(stage.nodes["clinic"].file, "en")["checks"]
    assert any("1 use, under 1 agreement" in one["sentence"] for one in found)


# -- one dataset


def test_a_dataset_of_ones_own_is_shown_with_its_label(stage):
    one = stage.space("clinic").show(ASSET)
    assert (one["own"], one["offered"], one["title"], one["persons_about"]) == (True, True, "Heart patients", 60)
    columns = {column["name"]: column for column in one["columns"]}
    assert columns["sex"]["codes"] == {"f": "female", "m": "male"}
    assert (columns["age"]["type"], columns["age"]["maximum"], one["person"]) == ("integer", "120.0", "person")
    assert one["label"]["purposes"] == [PURPOSE]
    assert len(one["agreements"]) == 1
    assert one["next"][0] == f"medspace offer change {ASSET}"


def test_a_dataset_of_another_is_shown_as_its_catalogue_has_it(stage):
    clinic = stage.nodes["clinic"].did
    one = stage.space("user").show(ASSET, participant=clinic)
    assert (one["own"], one["participant_name"], one["label"], one["persons_about"]) == (False, "Clinic", None, None)
    assert any("5" in sentence for sentence in one["offers"][0]["contract"])
    assert one["next"] == [f"medspace train TASK.toml --dataset {ASSET}"]
    stranger = stage.space("authority").show(ASSET, participant=clinic)
    assert stranger["next"][0].startswith("medspace negotiate")
    for space, participant in ((stage.space("clinic"), ""), (stage.space("user"), clinic)):
        with pytest.raises(SpaceError) as unknown:
            space.show("none", participant=participant)
        assert unknown.value.code == "catalog.unknown"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_verb_shows_it_to_people(stage, capsys, lang):
    assert verb(stage, "user", "show", stage.nodes["clinic"].did, ASSET, "--lang", lang) == 0
    other = capsys.readouterr().out
    assert verb(stage, "clinic", "show", ASSET, "--lang", lang) == 0
    own = capsys.readouterr().out
    assert all(word in shown for shown in (own, other) for word in ("sbp", "f = female", "Systolic"))
    assert verb(stage, "user", "show", "a", "b", "c") == 2


# -- everything


def exported(made):
    """The files of an export, but for those that say what is in it."""
    return [one["name"] for one in made["files"] if not one["name"].startswith("README")]


def test_everything_is_exported_with_digests_and_without_secrets(stage, tmp_path):
    folder = tmp_path / "all"
    made = stage.space("clinic").export(folder)
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {str(file.relative_to(folder)) for file in files} == {one["name"] for one in made["files"]}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for readme, words in (("README.md", "in open formats"), ("README.zh.md", "以开放格式写出")):
        text = (folder / readme).read_text(encoding="utf-8")
        assert words in text
        assert all(f"{name.rpartition('/')[0] + '/' if '/' in name else name}`" in text for name in exported(made))
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    everything = "".join(file.read_text() for file in files)
    secrets = [(stage.nodes["clinic"].folder / name).read_text().strip() for name in SECRETS]
    secrets += [
        stage.address("user", use["id"])["endpointProperties"][0]["value"]
        for use in stage.space("user").uses()
        if stage.address("user", use["id"])
    ]
    assert [secret for secret in secrets if secret in everything] == []
    person = (stage.nodes["clinic"].folder / "rows.csv").read_text().splitlines()[1].split(",")[0]
    assert person not in everything
    (agreement,) = map(json.loads, (folder / "agreements.jsonl").read_text().splitlines())
    assert agreement["policy"]["@type"] == "Agreement"
    assert len((folder / "uses.jsonl").read_text().splitlines()) == 2
    assert (folder / "dictionaries" / f"0001-{ASSET}.toml").read_text().startswith('title = "Invented')
    key = stage.space("clinic").status()["authority_key"]
    report = verify_files([folder / "log.json"], key, "en")
    assert [one for one in report["findings"] if one["outcome"] == "failed"] == []
    assert len(json.loads((folder / "log.json").read_text())["entries"]) == made["entries"] > 0


def test_a_user_takes_its_models_along_and_the_folder_must_be_new(stage, tmp_path, capsys):
    folder = tmp_path / "mine"
    assert verb(stage, "user", "export", str(folder), "--json") == 0
    assert json.loads(capsys.readouterr().out)["entries"] > 0
    (model,) = map(json.loads, (folder / "models.jsonl").read_text().splitlines())
    assert model["rows"] == 60
    with pytest.raises(FolderTakenError):
        stage.space("user").export(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderTakenError):
        stage.space("user").export(tmp_path / "file")


def test_an_export_that_is_refused_leaves_no_folder(stage, tmp_path, monkeypatch):
    reader = stage.space("user").new_token("reader", ["use"])["text"]
    monkeypatch.setenv("MEDSPACE_TOKEN", reader)
    assert verb(stage, "user", "export", str(tmp_path / "mine")) == 3
    assert not (tmp_path / "mine").exists()
    monkeypatch.delenv("MEDSPACE_TOKEN")
    assert verb(stage, "user", "export", str(tmp_path / "mine")) == 0  # the control


def test_records_come_in_pages_and_there_are_no_other_kinds(stage):
    space = stage.space("user")
    first = space._get("/export/records/uses", limit=1)
    second = space._get("/export/records/uses", limit=1, after=first["next"])
    assert {first["records"][0]["id"], second["records"][0]["id"]} == {one["id"] for one in space.uses()}
    assert "data_address" not in first["records"][0]
    with pytest.raises(SpaceError) as unknown:
        space._get("/export/records/seats")
    assert unknown.value.code == "export.kind"


SHOWN = {
    "offers": "described description dictionary digest figures formats id keywords label offers published title",
    "labels": "by configured id label source",
    "negotiations": (
        "address agreement alone approved_by asked asked_by counterparty created failure id "
        "initiator moved_by offer peer_pid role state trouble updated"
    ),
    "agreements": ("agreed approved_by asked_by consumer dataset digest finalized id negotiation policy provider"),
    "ended_agreements": "asset cause ender id reason successor time user",
    "uses": (
        "address agreement asked_by counterparty created dataset failure format id moved_by "
        "peer_pid role state suspended_by trouble updated"
    ),
    "steps": (
        "agreement approved_by asked asset changed_by code counted entry held_for id job left_out outcome parts "
        "refused_by repeats round rowless step time user version"
    ),
    "runs": (
        "asked asked_by cancelled_by carried coordinator created ended failure faults handed id kind "
        "leaving manifest model patience protection remarks round seats settled started state task "
        "task_digest user without_missing"
    ),
    "rounds": "answers id objective parts question round run step time",
    "models": "created digest id lineage result rounds seconds task task_digest",
    "budgets": "frozen id limits other restored restored_at since taken tidied until warned",
    "budgets_of_agreements": "asset id taken",
    "budget_debits": "agreement asked asset gaussian id let_out opens period refunded rho state task time user",
    "budget_periods": "asset id last refunded since taken uses",
    "given_numbers": "id numbers sets sites",
}


def test_what_is_exported_of_each_record_was_looked_at():
    """Whoever adds a field to one of these records decides whether it may leave, and writes it down here."""
    kept = {kind: {field.name for field in fields(one.collection.record)} for kind, one in records.KINDS.items()}
    assert {kind: " ".join(sorted(names - records.SECRET)) for kind, names in kept.items()} == SHOWN
    assert tuple(records.KINDS) == KINDS
