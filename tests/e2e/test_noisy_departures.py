"""A hospital is stopped in the middle of a fit over five of them: with noise the others finish it, and say so.

What a sum with it and a sum without it differ by is paid for there; without noise that is its own to allow, so the
same run ends with the reason (`test_masked_departures` has the other ways to end).
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from medspace.app.features.training import attending as attendance
from medspace.core.engine import cost_of
from medspace.learning.glm.engine import GlmEngine
from medspace.sdk import SpaceError
from tests.e2e.house.pausing import Pausing
from tests.e2e.space import ASSET, TASK, Holding, audited, staged, table

KEYS = ("north", "south", "west", "east", "lost")
RANGES = {"age": [0, 120], "sbp": [50, 300]}
EXACT = TASK | {"min_sites": 3}
NOISY = EXACT | {
    "noise": {"epsilon": 6.0},
    "features": [one | ({"range": RANGES[one["name"]]} if one["name"] in RANGES else {}) for one in TASK["features"]],
}
BUDGET = "budget = { epsilon = 8.0, delta = 1e-5, exact = true }"
ROWS = 400
PATIENCE = 10.0  # seconds; a hospital on a loaded machine may be late, and is not to be taken for gone
THIRD = 10  # the step in which the third question is answered: share, then four for each question


class Waiting(Pausing):
    """The engine of a hospital that waits at the third question, until another one is stopped."""

    def cost(self, task):
        return self._engine.cost(task)


@pytest.fixture(scope="module")
def engine():
    return Waiting(round=THIRD)


@pytest.fixture(scope="module")
def stage(tmp_path_factory, engine):
    with staged(tmp_path_factory.mktemp("leaving")) as stage:
        stage.add("authority")
        for seed, key in enumerate(KEYS, 1):
            holding = Holding(table(seed, ROWS), terms={"min_sites": 3, "protection": None}, more=BUDGET)
            stage.add(key, holding, parts=engine.parts if key == "north" else None)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


def stopped(stage, engine, task, agreements):
    """How a run ends while one hospital is stopped at the third question; it is opened again."""
    engine.reached.clear()
    engine.go.clear()
    try:
        with ThreadPoolExecutor(1) as aside:
            train = aside.submit(
                stage.space("user").train, task, agreements, patience=PATIENCE, wait=120, without_missing=True
            )
            assert engine.reached.wait(60.0)
            stage.close("lost")
            try:
                engine.go.set()
                return train.result(150.0)
            finally:
                stage.open("lost")
    finally:
        engine.go.set()


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in KEYS]


@pytest.fixture(scope="module")
def run(stage, engine, agreements):
    return stopped(stage, engine, NOISY, agreements)


def test_the_run_finishes_with_those_that_are_left_and_says_who_left_and_when(run, stage):
    assert run["state"] == "finished", run
    told = {site["name"]: (site["status"], site["question"]) for site in run["sites"]}
    stayed = dict.fromkeys(("North", "South", "West", "East"), ("took_part", None))
    assert told == stayed | {"Lost": ("away", 3)}
    model, gone = run["model"], stage.nodes["lost"].did
    ((site, question),) = [(one["site"], one["question"]) for one in model["lineage"]["missing"]]
    assert (site, question) == (gone, 3)
    took = [gone in one["sites"] for one in model["opened"]["questions"]]
    assert took in ([True, True, False, False, False], [True, True, True, False, False])
    assert gone not in model["opened"]["signed"]
    assert any("5 were in the first total and 4 in the last" in text for text in model["described"]["sentences"])
    assert "Lost left during question 3 (learning.site_away)" in "".join(map(str, attendance.told(model["sites"])))


def test_all_have_paid_for_it_and_who_left_is_not_given_back_what_it_sent(run, stage):
    cost = cost_of(GlmEngine(), NOISY | {"protection": "masked-sums"})
    for key in KEYS:
        (debit,) = stage.space(key).budget(ASSET)["debits"]
        assert int(debit["rho"]["taken"]) == cost.total
        assert int(debit["rho"]["refunded"]) <= (0 if key != "lost" else sum(cost.rho[-3:]))


def test_the_logs_verify(run, stage, tmp_path):
    assert audited(stage, tmp_path)["outcome"] == "verified"


def test_control_without_noise_the_same_run_ends_with_the_reason(stage, engine, agreements, run):
    with pytest.raises(SpaceError) as ended:
        stopped(stage, engine, EXACT, agreements)
    assert ended.value.code == "run.departure"
    assert "privacy budget" in str(ended.value.advice)
