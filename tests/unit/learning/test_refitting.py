"""What a hospital makes of a shared model for itself, against scikit-learn and by its properties."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from medspace.learning.net.heads import BINARY, OutputHead
from medspace.learning.using.refitting import LastLayer, LogitAdjustment, adjustment, new_layer


def answers(count, scale, shift, seed=0):
    """Logits of a net, and outcomes that happen as if they had been `scale` times that, plus `shift`."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(count, 1)) * 2.0
    yes = chance.random(count) < 1.0 / (1.0 + np.exp(-(scale * logits[:, 0] + shift)))
    return logits, yes.astype(float)


def test_an_overconfident_net_is_made_less_sure():
    found = adjustment(BINARY, *answers(200, 0.4, 0.0))
    assert 0.2 < found.scale < 0.65


def test_another_prevalence_moves_the_intercept():
    logits, yes = answers(200, 1.0, -1.5)
    found = adjustment(BINARY, logits, yes)
    assert -2.2 < found.shifts[0] < -0.8
    before, after = (float(BINARY.losses(one, yes).mean()) for one in (logits, found.of(logits)))
    assert after < before


def test_with_few_rows_and_a_net_that_fits_little_is_changed():
    moved = [adjustment(BINARY, *answers(8, 1.0, 0.0, seed)) for seed in range(8)]
    assert sum(one == LogitAdjustment() for one in moved) >= 2
    assert all(0.3 < one.scale < 2.0 and abs(sum(one.shifts)) < 1.0 for one in moved)


def test_nothing_to_learn_from_changes_nothing():
    assert adjustment(OutputHead("ordinal", 3), np.empty((0, 2)), np.empty(0)) == LogitAdjustment()
    assert adjustment(BINARY, *(part[:1] for part in answers(1, 1.0, 0.0))) == LogitAdjustment()


def test_one_class_alone_gives_something_finite():
    logits, _ = answers(12, 1.0, 0.0)
    found = adjustment(BINARY, logits, np.ones(12))
    assert np.isfinite([found.scale, *found.shifts]).all()


def test_steps_that_nobody_reached_say_nothing_about_the_scale():
    head = OutputHead("ordinal", 3)
    logits = np.array([[1.0, 50.0], [-1.0, -50.0], [2.0, 30.0], [-2.0, 10.0]])
    one, other = (
        adjustment(head, np.column_stack([logits[:, 0], last]), np.zeros(4)) for last in (logits[:, 1], logits[:, 0])
    )
    assert one == other


def test_a_new_layer_is_logistic_regression_with_a_ridge():
    chance = np.random.default_rng(3)
    features = chance.normal(size=(60, 5)) * [1.0, 3.0, 0.1, 1.0, 1.0] + 2.0
    yes = (features[:, 0] + chance.normal(size=60) > 2.0).astype(float)
    found = new_layer(features, yes, (3.0,))
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    oracle = LogisticRegression(C=1.0 / 3.0, tol=1e-10, max_iter=10_000).fit(scaled, yes)
    assert found.of(features) == pytest.approx(oracle.decision_function(scaled), abs=1e-5)


def test_the_strength_of_the_ridge_is_chosen_by_rows_left_out():
    chance = np.random.default_rng(4)
    noise = chance.normal(size=(30, 40))
    yes = (chance.random(30) < 0.5).astype(float)
    assert new_layer(noise, yes).penalty >= 30.0
    clear = np.column_stack([4.0 * yes + chance.normal(size=30), noise[:, :1]])
    assert new_layer(clear, yes).penalty <= 3.0


def test_a_feature_that_never_varies_counts_for_nothing():
    features = np.column_stack([np.linspace(-1, 1, 20), np.full(20, 7.0)])
    found = new_layer(features, (features[:, 0] > 0).astype(float))
    assert isinstance(found, LastLayer)
    assert found.weights[1] == pytest.approx(0.0, abs=1e-12)
