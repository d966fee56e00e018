"""A fit with noise over four hospitals that have set privacy budgets, over HTTP: paid for once, at each of them."""

import json

import pytest

from medspace.app.main import main
from medspace.core.engine import cost_of
from medspace.learning.glm.engine import GlmEngine
from medspace.privacy.noise.accounting import rho_of
from medspace.sdk import SpaceError
from tests.e2e.space import ASSET, HOSPITALS, TASK, audited, staged_masked

RANGES = {"age": [0, 120], "sbp": [50, 300]}
NOISY = TASK | {
    "min_sites": 3,
    "noise": {"epsilon": 6.0},
    "features": [one | ({"range": RANGES[one["name"]]} if one["name"] in RANGES else {}) for one in TASK["features"]],
}
BUDGET = "budget = { epsilon = 8.0, delta = 1e-5 }"


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged_masked(tmp_path_factory.mktemp("noisy"), rows=400, more=BUDGET) as stage:
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(scope="module")
def run(stage, agreements):
    return stage.space("user").train(NOISY, agreements, wait=120)


def test_the_model_says_what_it_cost_and_finds_the_risk(run):
    assert run["state"] == "finished", run
    terms = {term["name"]: float(term["value"]) for term in run["model"]["coefficients"]}
    assert terms["age"] > 0.01
    assert run["model"]["noise"]["epsilon"] == "6.0"
    assert all(term["standard_error"] is None for term in run["model"]["coefficients"])


def test_each_hospital_has_paid_for_all_of_it_once(run, stage):
    cost = cost_of(GlmEngine(), run["task"] if "task" in run else NOISY | {"protection": "masked-sums"})
    assert cost.total <= rho_of(6.0, 1e-5)
    for key in HOSPITALS:
        (debit,) = stage.space(key).budget(ASSET)["debits"]
        assert (debit["rho"]["taken"], debit["refunded"]) == (str(cost.total), 0)
        assert debit["questions"] == len(cost.rho)


def test_what_was_spent_is_told_by_its_own_noise_and_by_the_limit(run, stage):
    for key in HOSPITALS:
        found = stage.space(key).budget(ASSET)
        assert (found["counted"], found["debits"][0]["counted"]) == ("pld", "pld")
        assert 0 < found["spent"] < found["spent_zcdp"] <= 6.0
        assert found["spent"] == found["debits"][0]["epsilon"]


def test_only_the_hospital_itself_is_told_how_many_of_its_patients_were_clipped(run, stage, capsys):
    for key in HOSPITALS:
        told = stage.space(key).budget(ASSET)["clipped"]
        assert told, key
        assert all(0 < one["count"] <= one["of"] for one in told)
        left = json.dumps([stage.space(key).audit_bundle(), stage.entries("user"), run])
        assert "shortened" not in left
        assert "clipped" not in left
    file = str(stage.nodes[HOSPITALS[0]].file)
    for words in (("budget", "show", ASSET), ("doctor", "--json")):
        with pytest.raises(SystemExit):
            main([*words, "--config", file])
        assert "patients add was shortened" in " ".join(capsys.readouterr().out.split())


def test_exact_tasks_and_what_the_budget_has_no_room_for_are_refused(run, stage, agreements):
    exact = TASK | {"min_sites": 3}
    with pytest.raises(SpaceError, match="noise"):
        stage.space("user").train(exact, agreements, wait=60)
    with pytest.raises(SpaceError, match="budget"):
        stage.space("user").train(NOISY, agreements, wait=60)


def test_contracts_for_sums_over_all_refuse_groups(run, stage, agreements):
    grouped = NOISY | {"robust": {"groups": 3}}
    with pytest.raises(SpaceError, match="masked-sums-of-groups"):  # contracts say which protection a task has
        stage.space("user").train(grouped, agreements, wait=60)
    with pytest.raises(SpaceError, match="3 groups take 12"):
        stage.space("user").train(grouped | {"protection": "masked-sums-of-groups"}, agreements, wait=60)


def test_the_logs_verify(run, stage, tmp_path):
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_a_dry_run_says_what_it_costs_and_spends_nothing(run, stage, agreements, capsys, tmp_path):
    before = [stage.space(key).budget(ASSET)["spent_zcdp"] for key in HOSPITALS]
    task = NOISY | {"features": TASK["features"], "noise": {"epsilon": 6.0, "persons": 16_000, "evaluation": 0.1}}
    found = stage.space("user").forecast(task, agreements)
    assert (found["epsilon"], found["mechanism"]) == ("6.0", "newton")
    assert float(found["everywhere"]) > 24  # what four hospitals know of a patient falls into the same totals
    assert [one["epsilon"] for one in found["expected"]] == ["0.5", "1.0", "3.0", "6.0", "10.0"]
    noise = [float(one["noise"]) for one in found["expected"] if one["mechanism"] == "newton"]
    assert noise == sorted(noise, reverse=True)
    file = tmp_path / "task.json"
    file.write_text(json.dumps(task))
    config = str(stage.nodes["user"].file)
    with pytest.raises(SystemExit) as ended:
        main(["train", str(file), "--dry-run", "--config", config])
    said = " ".join(capsys.readouterr().out.split())
    assert ended.value.code == 0
    assert "epsilon 6.0" in said
    assert "AUC lost" in said
    assert [stage.space(key).budget(ASSET)["spent_zcdp"] for key in HOSPITALS] == before


def test_ranges_that_the_task_leaves_out_are_the_widest_that_hospitals_publish(stage, agreements):
    found = stage.space("user").forecast(NOISY | {"features": TASK["features"]}, agreements)["task"]
    ranges = {one["name"]: one["range"] for one in found["features"] if one["kind"] == "numeric"}
    assert set(ranges) == {one["name"] for one in TASK["features"] if one.get("kind") != "coded"}
    assert all(float(low) < float(high) for low, high in ranges.values())


def test_an_exact_task_costs_nothing_of_a_budget(stage, agreements):
    found = stage.space("user").forecast(TASK, agreements)
    assert found["epsilon"] is None
    assert found["described"]["table"] is None
    small = (
        f"with fewer than {10 * found['questions']} patients it answers fewer than {found['questions']} questions a"
    )
    assert small in " ".join(found["described"]["sentences"])
    assert "exact" in found["described"]["sentences"][0]
