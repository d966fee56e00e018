"""Nine hospitals in three groups fit a model with noise over HTTP, and one of them lies: the model stands."""

import json

import pytest

from medspace.app.compose.connector import ENGINES, ConnectorParts
from medspace.app.features.audit.auditing import verify_files
from medspace.core.engine import MASKED_GROUPS
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.masked import MaskedGlms
from medspace.runs.masked.site import MaskedSite
from medspace.sdk import SpaceError
from tests.e2e.space import Holding, audited, staged, table
from tests.e2e.test_noisy_rounds import NOISY
from tests.unit.learning.grouped import Lying

pytestmark = pytest.mark.slow  # in one process: tests/attacks/test_lying_hospitals.py
HOSPITALS = tuple(f"clinic{number}" for number in range(9))
LIAR = "clinic4"
TASK = NOISY | {"noise": {"epsilon": 7.0}, "robust": {"groups": 3}}
TERMS = {"min_sites": 3, "colluders": 0, "protection": MASKED_GROUPS}
BUDGET = "budget = { epsilon = 8.0, delta = 1e-5 }"


class LyingEngine(GlmEngine):
    """Turns gradients around, twenty times over."""

    def __init__(self):
        super().__init__()
        self.masked = MaskedSite(MaskedGlms(Lying(MaskedGlms().summing, -20)))


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    lying = ConnectorParts(engines={**ENGINES, ("medspace:train", "glm"): LyingEngine})
    with staged(tmp_path_factory.mktemp("groups")) as stage:
        stage.add("authority")
        for seed, key in enumerate(HOSPITALS, 1):
            holding = Holding(table(seed, 300), terms=TERMS, more=BUDGET)
            stage.add(key, holding, parts=lying if key == LIAR else None)
        stage.add("user")
        stage.open()
        stage.admit()
        yield stage


@pytest.fixture(scope="module")
def agreements(stage):
    return [stage.agree("user", key) for key in HOSPITALS]


@pytest.fixture(scope="module")
def run(stage, agreements):
    done = stage.space("user").train(TASK, agreements, wait=240)
    assert done["state"] == "finished", done
    return done


def test_one_hospital_that_lies_does_not_turn_the_model(run):
    terms = {term["name"]: float(term["value"]) for term in run["model"]["coefficients"]}
    assert terms["age"] > 0.03
    assert run["model"]["noise"]["robust"] == {"groups": 3, "trim": 1}
    assert run["model"]["lineage"]["protection"] == MASKED_GROUPS


def test_logs_records_and_model_verify(run, stage, tmp_path):
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
    assert report["outcome"] == "verified", report["findings"]
    counts = {check["check"]: check["verified"] for check in report["checks"]}
    assert counts["run.record"] == counts["run.followed"] == 5 * len(HOSPITALS)


def test_too_few_for_three_groups_is_said_before_anybody_is_asked(run, stage, agreements):
    before = {key: len(stage.entries(key)) for key in HOSPITALS}
    with pytest.raises(SpaceError, match="3 groups take 9"):
        stage.space("user").train(TASK, agreements[:8], wait=60)
    assert {key: len(stage.entries(key)) for key in HOSPITALS} == before


def test_contracts_of_groups_want_groups(run, stage, agreements):
    plain = {name: value for name, value in TASK.items() if name != "robust"}
    with pytest.raises(SpaceError, match="go together"):
        stage.space("user").train(plain, agreements, wait=60)
