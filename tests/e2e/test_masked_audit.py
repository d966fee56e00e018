"""The audit of a masked run, from exported files: who signed the model, whether each question followed, who lies."""

import json

import pytest

from medspace.app.features.audit.auditing import lineage_of_files, verify_files
from tests.e2e.space import HOSPITALS, MASKED, audited, staged_masked
from tests.e2e.terminal import run as command

OTHER = "1" * 64


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged_masked(tmp_path_factory.mktemp("masked-audit")) as stage:
        yield stage


@pytest.fixture(scope="module")
def run(stage):
    agreements = [stage.agree("user", key) for key in HOSPITALS]
    done = stage.space("user").train(MASKED, agreements, wait=240)
    assert done["state"] == "finished", done
    return done


@pytest.fixture(scope="module")
def shown(run, stage, tmp_path_factory):
    """The files of the audit: a log of each, the records of each hospital, the model."""
    folder = tmp_path_factory.mktemp("shown")
    audited(stage, folder)
    for key in HOSPITALS:
        (folder / f"{key}.records.json").write_text(json.dumps(stage.space(key).audit_records(run["id"])))
    (folder / "model.json").write_text(json.dumps(stage.space("user").audit_model(run["id"])))
    return folder


def verified(stage, folder, *, without=(), models=("model.json",)):
    logs = [file for file in sorted(folder.glob("*.log.json")) if file.name.split(".")[0] not in without]
    key = stage.space("user").status()["authority_key"]
    records, files = sorted(folder.glob("*.records.json")), [folder / name for name in models]
    return verify_files(logs, key, "en", records_files=records, model_files=files)


def copied(shown, tmp_path, name, change):
    """The same files, with one of them changed."""
    for file in shown.glob("*.json"):
        (tmp_path / file.name).write_text(file.read_text())
    content = json.loads((tmp_path / name).read_text())
    change(content)
    (tmp_path / name).write_text(json.dumps(content))
    return tmp_path


def failures(report):
    return {(found["code"], found["log"]) for found in report["findings"] if found["outcome"] == "failed"}


def counts(report):
    return {check["check"]: check["verified"] for check in report["checks"]}


def test_everything_that_is_shown_of_an_honest_run_holds(stage, shown, run):
    report = verified(stage, shown)
    assert report["outcome"] == "verified", report["findings"]
    found = counts(report)
    questions = len(run["model"]["opened"]["questions"])
    assert found["run.record"] == found["run.followed"] == questions * len(HOSPITALS)
    assert found["run.masked"] == questions
    assert found["model.signed"] == 1


def test_without_the_log_of_one_site_nothing_is_proven_of_it(stage, shown):
    report = verified(stage, shown, without=("north",))
    assert report["outcome"] == "unverifiable"
    codes = {found["code"] for found in report["findings"]}
    assert {"run.masked.no_log", "run.record.no_log"} <= codes
    assert not failures(report)


def test_a_record_that_was_changed_names_whose_it_is(stage, shown, tmp_path):
    def change(content):
        record = json.loads(content["records"][1]["record"])
        record["total"][0] = str(int(record["total"][0]) + 1)
        content["records"][1]["record"] = json.dumps(record)

    report = verified(stage, copied(shown, tmp_path, "south.records.json", change))
    assert failures(report) == {("run.record.changed", stage.nodes["south"].did)}


def test_records_that_are_exchanged_or_left_out_are_found(stage, shown, tmp_path):
    def exchange(content):
        first, second, *_ = content["records"]
        first["record"], second["record"] = second["record"], first["record"]

    report = verified(stage, copied(shown, tmp_path, "west.records.json", exchange))
    assert failures(report) == {("run.record.changed", stage.nodes["west"].did)}
    report = verified(stage, copied(shown, tmp_path, "west.records.json", lambda content: content["records"].pop()))
    assert {found["code"] for found in report["findings"]} == {"run.record.not_shown"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda model: model["result"]["terms"][0].update(coefficient="1.5"), "outcome"),
        (lambda model: model["result"]["opened"]["outcome"]["took"].pop(), "outcome"),
        (lambda model: model.update(digest=f"sha256:{OTHER}"), "digest"),
        (lambda model: model.update(manifest=model["manifest"][:-4]), "manifest"),
        (lambda model: model["result"]["opened"]["signed"].pop(min(model["sites"])), "outcome"),
        (lambda model: [model["result"]["opened"]["signed"].pop(site) for site in model["sites"][:3]], "too_few"),
        (lambda model: _exchange(model["result"]["opened"]["signed"], *model["sites"][:2]), "signature"),
    ],
)
def test_a_model_that_the_sites_did_not_sign_is_found(stage, shown, tmp_path, change, code):
    report = verified(stage, copied(shown, tmp_path, "model.json", change))
    assert failures(report) == {(f"model.signed.{code}", stage.nodes["user"].did)}


def _exchange(signed, one, other):
    signed[one], signed[other] = signed[other], signed[one]


def test_the_lineage_says_what_was_reached_and_who_took_part(stage, shown, run):
    logs = sorted(shown.glob("*.log.json"))
    story = "\n".join(lineage_of_files(logs, "en", [shown / "model.json"])["story"])
    assert "Question 2: objective" in story
    assert all(stage.nodes[key].did in story.split("Question 2:")[1] for key in HOSPITALS)


def test_the_verbs_write_files_that_nobody_else_reads(stage, run, tmp_path):
    north, user = (str(stage.nodes[key].file) for key in ("north", "user"))
    for verb, config in (("records", north), ("model", user)):
        done = command(["medspace", "audit", verb, run["id"], f"{verb}.json", "--config", config], tmp_path)
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert (tmp_path / f"{verb}.json").stat().st_mode & 0o777 == 0o600
    refused = command(["medspace", "audit", "records", run["id"], "x.json", "--config", user], tmp_path)
    assert refused.returncode != 0  # whose run it is keeps no records of it
    assert not (tmp_path / "x.json").exists()
