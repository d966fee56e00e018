"""What people and programs are shown of a GLM."""

from dataclasses import replace

import msgspec
import pytest

from medspace.learning.glm.description import OWN_INTERVALS, describe
from medspace.learning.glm.outcome import held
from medspace.runs.ports import Result
from tests.unit.learning.simulated import SimulatedSites, coordinator, did, fitted, seats
from tests.unit.learning.test_older_models import OLD
from tests.unit.runs.test_coordinator import TABLES, task

NAMES = {did(0): "Klinik Nord"}


@pytest.fixture
async def model():
    return await fitted(task(), TABLES)


def shown(table):
    return [str(column) for column in table.columns], [[str(cell) for cell in row] for row in table.rows]


async def test_a_model_has_its_coefficients_and_its_quality_at_each_hospital(model):
    found = coordinator(SimulatedSites(TABLES)).describe(model, NAMES)
    columns, rows = shown(found.tables[0])
    assert columns == ["term", "coefficient", "standard error"]
    assert {"intercept", "x", "z"} <= {row[0] for row in rows}
    columns, rows = shown(found.quality)
    assert columns == ["hospital", "patients", "rows", "AUC", "Brier", "ECE"]
    assert [row[0] for row in rows] == ["Klinik Nord", *[seat.site for seat in seats(TABLES)][1:], "all together"]
    assert "±" in rows[-1][3]
    assert [str(text) for text in found.sentences] == [
        "The quality was measured on the rows that the model was fitted on.",
        "± says how far an AUC may lie from the exact one: it was counted from groups of patients.",
        OWN_INTERVALS,
    ]
    assert rows[0][3].endswith("]")
    assert found.facts["quality"]["sites"][0]["name"] == "Klinik Nord"
    assert found.facts["family"] == "binomial"


def test_a_model_of_an_older_version_is_described_too():
    content = msgspec.to_builtins(OLD) | {"family": "gaussian", "uncarried": ["cp=4"], "measured_on": "unknown"}
    found = describe(Result(content, 9, ()), {})
    columns, rows = shown(found.quality)
    assert columns == ["hospital", "patients", "rows", "rmse".upper()]
    assert [row[3] for row in rows] == ["0.300", "-", "0.300"]  # the second was gone before it was measured
    assert [str(text) for text in found.sentences] == [
        "Nobody was counted with cp=4: the model says nothing about them."
    ]


async def test_a_model_whose_task_nobody_here_knows_has_no_description(model):
    leading = coordinator(SimulatedSites(TABLES))
    assert leading.describe(replace(model, task={"task": "other"}), NAMES) is None


def test_an_auc_that_is_exact_to_three_digits_stands_alone(model):
    content = msgspec.to_builtins(held(model.result))
    for quality in (content["pooled"], *(site["quality"] for site in content["sites"])):
        quality["auc_resolution"] = 0.0004
    found = describe(Result(content, 9, ()), {})
    assert all("±" not in row[3] for row in shown(found.quality)[1])
    assert not any("±" in str(text) for text in found.sentences)
    content["sites"][0]["quality"]["auc_resolution"] = 0.0005
    found = describe(Result(content, 9, ()), {})
    assert " ± 0.001 [" in shown(found.quality)[1][0][3]
    assert any("±" in str(text) for text in found.sentences)


def test_that_no_hospital_joined_levels_is_no_news_of_a_level():
    content = msgspec.to_builtins(OLD) | {"family": "gaussian", "uncarried": ["sex=(joined)"]}
    assert not any("joined" in str(text) for text in describe(Result(content, 9, ()), {}).sentences)
    content["uncarried"] = ["sex=(joined)", "cp=4"]
    (told,) = [str(text) for text in describe(Result(content, 9, ()), {}).sentences if "counted" in str(text)]
    assert told == "Nobody was counted with cp=4: the model says nothing about them."
