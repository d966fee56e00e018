"""Ten hospitals average a large vector under masks, over HTTP: the weights are those of the plain clipped average."""

import numpy as np
import pytest

from medspace.app.compose.connector import ALGORITHMS, ENGINES, ConnectorParts
from medspace.app.doors.sdk import SpaceError
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_SUMS, MASKED_WEIGHTS
from tests.e2e.house.big_vector import AVERAGING, FRACTION, TRAIN, AveragingAlgorithm, AveragingEngine, moved
from tests.e2e.space import PURPOSE, audited, hospital, staged, table

HOSPITALS = tuple(f"clinic{number:02d}" for number in range(10))
COUNT, CLIP, ROUNDS = 150_000, 0.5, 2
TASK = {
    "task": AVERAGING,
    "count": COUNT,
    "clip": str(CLIP),
    "rounds": ROUNDS,
    "purpose": PURPOSE,
    "min_sites": 3,
    "protection": MASKED_WEIGHTS,
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged(tmp_path_factory.mktemp("vectors")) as stage:
        stage.add("authority")
        made = ConnectorParts(engines={**ENGINES, (TRAIN, AVERAGING): AveragingEngine})
        for seed, key in enumerate(HOSPITALS, 1):
            stage.add(key, hospital(seed, min_sites=3, protection=MASKED_WEIGHTS), parts=made)
        stage.add("strict", hospital(11, min_sites=3, protection=MASKED_SUMS), parts=made)
        stage.add("user", parts=ConnectorParts(algorithms=(*ALGORITHMS, AveragingAlgorithm)))
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(scope="module")
def run(stage, agreements):
    return stage.space("user").train(TASK, agreements, wait=240)


def averaged(seeds):
    """The weights without masks and without fixed point."""
    ages = [np.array([float(line.split(",")[1]) for line in table(seed).splitlines()[1:]]) for seed in seeds]
    weights = np.zeros(COUNT)
    for _ in range(ROUNDS):
        weights += np.mean([moved(weights, each, 0, CLIP) for each in ages], axis=0)
    return weights


def test_the_weights_are_those_of_the_plain_clipped_average(run):
    assert run["state"] == "finished", run
    result, truth = run["model"]["result"], averaged(range(1, 11))
    # A half of the last bit of each hospital, in each round; weights have 24 bits.
    tolerance = ROUNDS * 2.0 ** -(FRACTION + 1) + 2.0**-22
    assert np.abs(np.array(result["weights"], float) - [*truth[:3], *truth[-3:]]).max() <= tolerance
    assert result["persons"] == 10 * 60
    assert np.abs(truth).max() > CLIP  # both rounds counted


def test_whoever_asks_says_what_the_coordinator_could_do(run, stage):
    assert any("coordinator could choose weights" in sentence for sentence in run["model"]["protections"])
    lineage = run["model"]["lineage"]
    assert lineage["protection"] == MASKED_WEIGHTS
    (entry,) = [one for one in stage.entries("user", "run.round") if one["facts"]["run"] == run["id"]][:1]
    assert entry


def test_a_contract_that_wants_masked_sums_refuses_it(stage, agreements):
    strict = stage.agree("user", "strict")
    with pytest.raises(SpaceError) as refused:
        stage.space("user").train(TASK, [*agreements[:4], strict], wait=60)
    assert "protection" in str(refused.value)
    control = stage.space("user").train({**TASK, "count": 1000}, agreements, wait=120)
    assert control["state"] == "finished", control


def test_in_plain_sight_the_same_weights_come(stage, agreements, run):
    with pytest.raises(SpaceError):  # these contracts want masks
        stage.space("user").train({**TASK, "protection": COORDINATOR_SEES_SUMS}, agreements, wait=60)


def test_the_logs_verify(run, stage, tmp_path):
    assert audited(stage, tmp_path)["outcome"] == "verified"
