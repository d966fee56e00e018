"""A model judged for groups, over HTTP and under masks: its figures, its audit, what contracts demand of it."""

import json

import pytest

from medspace.app.doors.sdk import SpaceError
from medspace.app.features.audit.auditing import verify_files
from medspace.sdk import connect, predict
from tests.e2e.space import HOSPITALS, MASKED, Holding, audited, staged, table

JUDGE = {"groups": ["sex", {"column": "age", "bands": [55]}], "thresholds": [0.5], "least": 11}
DEMANDS = {"gate_groups": ["sex"], "gate_auc": 0.6, "gate_group_auc_gap": 0.3, "gate_ece": 0.3}
TERMS = {"min_sites": 3, "protection": None}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """Four hospitals, of which the first holds models to something."""
    with staged(tmp_path_factory.mktemp("judged")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            demands = DEMANDS if seed == 1 else {}
            stage.add(key, Holding(table(seed, 400), terms=TERMS | demands))
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


MITIGATE = {"column": "sex", "reweighing": True, "penalty": 0.1, "equal": "sensitivity", "validation": 0.3}


@pytest.fixture(scope="module")
def mitigated(stage, agreements):
    """Made fairer by all means, in one run."""
    task = MASKED | {"judge": JUDGE, "mitigate": MITIGATE, "l2": 1.0}
    return stage.space("user").train(task, agreements, wait=240)


@pytest.fixture(scope="module")
def run(stage, agreements):
    return stage.space("user").train(MASKED | {"judge": JUDGE}, agreements, wait=240)


def test_a_model_that_meets_the_demands_leaves_with_its_figures(run):
    assert run["state"] == "finished", run
    judged = run["model"]["judged"]
    assert [(one["column"], one["group"]) for one in judged["groups"]] == [
        ("", ""),
        ("sex", "f"),
        ("sex", "m"),
        ("age", "< 55"),
        ("age", ">= 55"),
    ]
    assert judged["groups"][0]["rows"] == 1600
    assert judged["groups"][0]["sites"] == 4
    assert {gap["column"] for gap in judged["gaps"]} == {"sex", "age"}


def test_a_model_that_was_made_fairer_says_how_and_decides_by_group(stage, mitigated, tmp_path):
    assert mitigated["state"] == "finished", mitigated
    model, space = mitigated["model"], stage.space("user")
    done = model["mitigated"]
    assert [one["group"] for one in done["groups"]] == ["f", "m"]
    assert all(0.1 <= float(one["having"]) <= 10.0 for one in done["groups"])
    assert all(0.0 < float(one["threshold"]) < 1.0 for one in done["groups"])
    card = space.model_card(model["id"])
    assert card["facts"]["mitigated"]["equal"] == "sensitivity"
    titles = [one["title"] for one in card["said"]["tables"]]
    assert any("counted in the fit" in str(title) for title in titles)
    assert any("reweighed" in said for said in card["said"]["sentences"])
    file, rows = tmp_path / "model.safetensors", tmp_path / "rows.csv"
    file.write_bytes(space.model_file(model["id"]))
    rows.write_text(table(9, 40))
    found = predict(file, rows)
    limits = {one["group"]: float(one["threshold"]) for one in done["groups"]}
    group = [line.split(",")[2] for line in rows.read_text().splitlines()[1:]]
    assert found["outputs"] == ["chance", "decision"]
    assert [one["scores"][1] for one in found["rows"]] == [
        float(one["scores"][0] >= limits[own]) for one, own in zip(found["rows"], group, strict=True)
    ]


@pytest.mark.parametrize("which", ["run", "mitigated"])
def test_every_total_of_it_follows_in_the_audit(stage, which, request, tmp_path):
    run = request.getfixturevalue(which)
    audited(stage, tmp_path)
    for key in HOSPITALS:
        (tmp_path / f"{key}.records.json").write_text(json.dumps(stage.space(key).audit_records(run["id"])))
    (tmp_path / "model.json").write_text(json.dumps(stage.space("user").audit_model(run["id"])))
    report = verify_files(
        sorted(tmp_path.glob("*.log.json")),
        stage.space("user").status()["authority_key"],
        "en",
        records_files=sorted(tmp_path.glob("*.records.json")),
        model_files=[tmp_path / "model.json"],
    )
    assert report["outcome"] == "verified", [one for one in report["findings"] if one["outcome"] == "failed"]


def test_a_task_without_the_groups_is_refused_before_anything_is_computed(stage, agreements):
    with pytest.raises(SpaceError) as refused:
        stage.space("user").train(MASKED | {"judge": {"groups": []}}, agreements, wait=240)
    problem = refused.value.problem
    assert "sex" in json.dumps(problem["sites"])
    assert "policy.gate" in json.dumps(problem)


def test_a_model_that_fails_a_demand_stays_and_the_reason_is_told(stage, agreements):
    """Its calibration error is counted in five bins, which is not the one that the contract means."""
    task = MASKED | {"judge": JUDGE, "evaluation": {"bins": 5}}
    with pytest.raises(SpaceError) as refused:
        stage.space("user").train(task, agreements, wait=240)
    told = json.dumps(refused.value.problem)
    assert "calibration error" in told
    assert "Count predicted probabilities in 10 bins or more" in told


def test_the_card_is_signed_says_the_same_in_both_languages_and_prints(stage, run, tmp_path):
    space, chinese = stage.space("user"), connect(stage.nodes["user"].file, language="zh")
    card, other = space.model_card(run["model"]["id"]), chinese.model_card(run["model"]["id"])
    assert card["facts"] == other["facts"]
    assert card["said"]["limits"] != other["said"]["limits"]
    assert card["facts"]["data"]["rows"] == 1600
    assert stage.space("north").check_model_card(card)["by"] == space.status()["did"]
    with pytest.raises(SpaceError):
        stage.space("north").check_model_card(card | {"facts": card["facts"] | {"noise": {"epsilon": "1"}}})
    for said, name in ((space, "en"), (chinese, "zh")):
        page = said.model_card_page(run["model"]["id"])
        (tmp_path / f"card.{name}.html").write_text(page)
        assert card["facts"]["model"]["digest"] in page
        assert page.count("<svg") >= 5
        assert "<script" not in page
        assert "src=" not in page
        assert "href=" not in page
    chinese.close()
