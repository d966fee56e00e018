"""Scores at the user's are those of the fit."""

import numpy as np
import pytest

from medspace.learning.glm.outcome import read
from medspace.learning.using.glm import linear, score
from tests.unit.learning import hearts
from tests.unit.learning.simulated import TableRows, fitted
from tests.unit.learning.test_evaluation import auc


def rows_of(columns):
    count = len(columns["num"])
    return TableRows(columns, count)


async def test_scores_give_the_same_quality_as_the_sites_reported():
    tables = hearts.hospitals()
    model = await fitted(hearts.task(l2=1.0), tables)
    for site in read(model).sites:
        columns = tables[site.site]
        target = (np.array(columns["num"]) > 0).astype(float)
        said = score(model, rows_of(columns))
        assert ((said > 0.0) & (said < 1.0)).all()
        assert abs(auc(target, said) - site.quality.auc) <= site.quality.auc_resolution + 1e-9
        assert np.square(said - target).mean() == pytest.approx(site.quality.brier, rel=1e-6)


async def test_a_model_that_dropped_rows_with_gaps_does_not_guess():
    tables = hearts.hospitals()
    features = [{"name": "age"}, {"name": "trestbps"}]
    model = await fitted(hearts.task(features=features, missing="drop"), tables)
    columns = tables["did:web:va"]
    said = linear(model, rows_of(columns))
    assert (np.isnan(said) == np.isnan(columns["trestbps"])).all()
    assert np.isnan(said).any()


async def test_without_an_intercept():
    columns = {"x": [1.0, 2.0, 3.0], "y": [2.0, 4.0, 6.5]}
    task = {
        "family": "gaussian",
        "target": "y",
        "features": [{"name": "x"}],
        "purpose": "p",
        "intercept": False,
        "standardise": False,
        "missing": "drop",
        "min_sites": 1,
    }
    model = await fitted(task, {"did:web:a": columns})
    slope = (2.0 + 8.0 + 19.5) / 14.0
    assert score(model, TableRows(columns, 3)) == pytest.approx([slope, 2 * slope, 3 * slope])
