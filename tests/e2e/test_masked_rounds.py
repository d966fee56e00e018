"""A GLM over four hospitals under masks, over HTTP: the model is the pooled one; nobody saw a hospital's numbers."""

import numpy as np
import pytest
import statsmodels.api as sm

from tests.e2e.space import HOSPITALS, MASKED, audited, staged_masked, table


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with staged_masked(tmp_path_factory.mktemp("masked")) as stage:
        yield stage


@pytest.fixture(scope="module")
def run(stage):
    agreements = [stage.agree("user", key) for key in HOSPITALS]
    return stage.space("user").train(MASKED, agreements, wait=120)


def pooled():
    rows = [line.split(",") for seed in range(1, 5) for line in table(seed).splitlines()[1:]]
    design = np.column_stack(
        [
            np.ones(len(rows)),
            [float(r[1]) for r in rows],
            [float(r[3]) for r in rows],
            [float(r[2] == "m") for r in rows],
        ]
    )
    return sm.GLM([float(r[4]) for r in rows], design, family=sm.families.Binomial()).fit(tol=1e-14)


def test_the_model_is_that_of_all_rows_together(run):
    assert run["state"] == "finished", run
    terms = {term["name"]: float(term["value"]) for term in run["model"]["coefficients"]}
    truth = pooled()
    found = [terms["intercept"], terms["age"], terms["sbp"], terms["sex=m"]]
    assert np.abs(np.asarray(found) - truth.params).max() <= 1e-8


def test_the_logs_verify(run, stage, tmp_path):
    assert audited(stage, tmp_path)["outcome"] == "verified"
