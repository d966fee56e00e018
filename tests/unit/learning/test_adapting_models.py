"""A model adapted to the rows of one place: what changes, what does not, and how the way is chosen."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.metrics import roc_auc_score

from medspace.learning.glm.task import FeatureColumn, Target
from medspace.learning.using.adapting import (
    WAYS,
    LocalRows,
    adaptation,
    adapted,
    calibration_error,
    chosen,
    folds,
    quality,
)
from medspace.learning.using.errors import TooFewRowsError
from medspace.learning.using.pipeline import Pipeline

WEIGHTS = np.array([[0.9], [-0.6]])


def model(constant=0.0, factor=1.0, layers=()):
    made = Pipeline(
        target=Target("sick", ">", 0.0),
        features=(FeatureColumn("a"), FeatureColumn("b")),
        outputs=("chance",),
        head="logistic",
        fill=np.zeros(2),
        kept=(0, 1),
        centre=np.zeros(2),
        scale=np.ones(2),
        layers=((WEIGHTS * factor, np.array([constant])),),
        drops=True,
    )
    return replace(made, layers=tuple(layers)) if layers else made


def scaled(made, factor=1.05):
    """The same model, for columns of a federation whose rows spread a little more than these."""
    (first, constant), *others = made.layers
    return replace(made, scale=np.full(2, factor), layers=((first * factor, constant), *others))


def rows(count=400, seed=1, *, shift=0.0, factor=1.0):
    """Outcomes of a model of which the constant is `shift` and the slopes are `factor` times as steep."""
    source = np.random.default_rng(seed)
    values = source.normal(size=(count, 2))
    eta = factor * (values @ WEIGHTS)[:, 0] + shift
    target = (source.random(count) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    return LocalRows(values, target, np.arange(count))


def test_the_intercept_is_that_of_a_regression_with_an_offset():
    own = rows(shift=1.5)
    found = adapted(model(), own, "intercept")
    offset = model().linear(own.values)[:, 0]
    oracle = sm.GLM(own.target, np.ones(len(offset)), family=sm.families.Binomial(), offset=offset).fit()
    assert found.layers[-1][1][0] == pytest.approx(oracle.params[0], rel=0.02)
    assert abs(found.score(own.values).mean() - own.target.mean()) < 0.005
    assert roc_auc_score(own.target, found.score(own.values)[:, 0]) == roc_auc_score(own.target, offset)


def test_a_temperature_is_that_of_a_regression_on_the_log_odds():
    own = rows(2000, shift=-0.5, factor=2.0)
    found = adapted(model(), own, "temperature")
    oracle = sm.Logit(own.target, sm.add_constant(model().linear(own.values)[:, 0])).fit(disp=0)
    assert found.layers[-1][1][0] == pytest.approx(oracle.params[0], abs=0.02)
    assert found.layers[-1][0][0, 0] / WEIGHTS[0, 0] == pytest.approx(oracle.params[1], rel=0.02)


@pytest.mark.parametrize("how", WAYS[1:])
@pytest.mark.parametrize("hidden", [False, True])
def test_every_way_makes_a_model_from_elsewhere_better_calibrated_here(how, hidden):
    source = np.random.default_rng(9)
    first = np.concatenate([np.eye(2), -np.eye(2)], axis=1) * source.uniform(0.5, 1.5, 4)
    last = np.concatenate([WEIGHTS, -WEIGHTS]) / np.abs(first).sum(axis=0)[:, None]
    start = scaled(model(layers=((first, np.zeros(4)), (last, np.zeros(1)))) if hidden else model())
    given = start.layers[0][0].tolist()
    here, others = rows(shift=1.5), rows(seed=2, shift=1.5)
    before, after = quality(start, others), quality(adapted(start, here, how), others)
    assert after.loss < before.loss
    assert after.ece < before.ece
    assert start.layers[0][0].tolist() == given  # the given one stays as it was


def test_the_untouched_model_is_kept_where_nothing_is_wrong():
    ways = [chosen(model(), rows(600, seed), seed) for seed in range(12)]
    assert ways.count("untouched") + ways.count("intercept") >= 6
    assert all(chosen(model(), rows(600, seed, shift=1.5), seed) != "untouched" for seed in range(6))


def test_one_outcome_only_leads_to_no_infinite_number():
    own = replace(rows(60), target=np.ones(60))
    for how in WAYS:
        found = adapted(scaled(model()), own, how)
        assert all(np.isfinite(part).all() for layer in found.layers for part in layer)
        assert np.isfinite(quality(found, own).loss)


def test_rows_of_a_person_are_set_apart_together():
    persons = np.repeat(np.arange(40), 3)
    parts = folds(persons, 5, 3)
    assert all(len(set(parts[persons == one])) == 1 for one in range(40))
    assert np.bincount(parts).tolist() == [24] * 5


def test_what_is_reported_is_of_persons_whom_the_compared_model_has_not_seen():
    """With outcomes that follow from nothing, no way looks better than the untouched model by more than chance."""
    source = np.random.default_rng(4)
    gains = []
    for seed in range(20):
        noise = LocalRows(source.normal(size=(200, 2)), (source.random(200) < 0.5).astype(float), np.arange(200))
        found = adaptation(model(factor=0.0), noise, apart=4, seed=seed)
        gains.append(found.before.loss - found.after.loss)
        assert (found.after.rows, found.rows) == (50, 200)
    assert np.mean(gains) < 0.005


def test_too_few_persons():
    with pytest.raises(TooFewRowsError):
        adaptation(model(), rows(20), apart=4, seed=0)


def test_rows_with_gaps_are_left_out_where_the_model_knows_nothing_of_them():
    own = rows(200)
    own.values[:50, 0] = np.nan
    assert adaptation(model(), own, apart=4, seed=0).rows == 150


def test_the_calibration_error_is_the_usual_one():
    chances, target = np.array([0.05, 0.15, 0.15, 0.95]), np.array([0.0, 1.0, 0.0, 1.0])
    assert calibration_error(chances, target) == pytest.approx((0.05 + 2 * abs(0.5 - 0.15) + 0.05) / 4)
