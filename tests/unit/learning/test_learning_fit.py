"""The federated fit is the pooled fit: against statsmodels and scipy, on real hospitals and on made-up rows."""

import numpy as np
import pytest
import statsmodels.api as sm
from tests.unit.learning import hearts
from tests.unit.learning.simulated import TableRows, coefficients, fitted

from medspace.learning.task import parse

FAMILIES = {
    "binomial": sm.families.Binomial,
    "gaussian": sm.families.Gaussian,
    "poisson": sm.families.Poisson,
}
SUBSET = ("age", "sex", "cp", "trestbps", "thalach", "exang", "oldpeak")
TARGETS = {"binomial": "num > 0", "gaussian": "thalach.number", "poisson": "num"}


def rows_of(columns):
    count = len(next(iter(columns.values())))
    return TableRows(columns, count, count)


def heart_task(family, **changes):
    names = [name for name in SUBSET if (family, name) != ("gaussian", "thalach")]
    features = [
        {"name": name, "kind": "coded", "levels": hearts.CODED[name]} if name in hearts.CODED else {"name": name}
        for name in names
    ]
    return hearts.task(family=family, target=TARGETS[family], features=features, **changes)


def pooled_design(task, columns):
    """The design with the columns as they were measured, made by hand, not by the room."""
    blocks, usable = [], np.ones(len(columns["num"]), dtype=bool)
    for feature in task.features:
        values = columns[feature.name]
        if feature.coded:
            usable &= np.array([value is not None for value in values])
            blocks += [[float(value == level) for value in values] for level in feature.levels[1:]]
        else:
            usable &= ~np.isnan(values)
            blocks.append(values)
    target = np.array(columns[task.target.column])
    target = np.where(np.isnan(target), np.nan, target > 0) if task.target.binary else target
    usable &= ~np.isnan(target)
    return np.column_stack([np.ones(usable.sum()), np.array(blocks).T[usable]]), target[usable]


@pytest.mark.parametrize("family", ["binomial", "gaussian", "poisson"])
async def test_four_hospitals_equal_the_pooled_fit_of_statsmodels(family):
    tables = hearts.hospitals()
    document = heart_task(family, missing="drop")
    model = await fitted(document, tables)
    matrix, target = pooled_design(parse(document), hearts.pooled(tables))
    oracle = sm.GLM(target, matrix, family=FAMILIES[family]()).fit(tol=1e-14, maxiter=100)
    assert np.abs(coefficients(model) - oracle.params).max() <= 1e-8
    errors = np.array([float(term.standard_error) for term in model.terms])
    assert errors == pytest.approx(oracle.bse, rel=1e-5)
    assert float(model.deviance) == pytest.approx(oracle.deviance, rel=1e-9)
    assert model.rows == len(target)
    assert model.rounds <= 10
