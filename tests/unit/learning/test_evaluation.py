"""Quality: exact per site, exact or with stated resolution from sums."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.glm.evaluation import auc, quality, site_quality, tally, thresholds
from medspace.learning.glm.task import parse

scores = st.lists(st.tuples(st.booleans(), st.sampled_from([-3.0, -1.0, -0.2, 0.0, 0.4, 1.1, 2.5])), min_size=1)


def task(family="binomial", **evaluation):
    return parse(
        {
            "family": family,
            "target": "y",
            "features": [{"name": "x"}],
            "purpose": "p",
            "evaluation": evaluation,
        }
    )


def tally_of(asked, target, eta):
    return tally(asked, target, eta, np.arange(len(target)), 1)


def quality_of(asked, target, eta):
    return site_quality(asked, target, eta, tally_of(asked, target, eta))


@given(scores)
def test_auc_is_mann_whitney(pairs):
    target, score = np.array([float(y) for y, _ in pairs]), np.array([s for _, s in pairs])
    cases, controls = score[target == 1.0], score[target == 0.0]
    if len(cases) == 0 or len(controls) == 0:
        assert auc(target, score) is None
    else:
        statistic = scipy.stats.mannwhitneyu(cases, controls, method="asymptotic").statistic
        assert auc(target, score) == pytest.approx(statistic / (len(cases) * len(controls)), abs=1e-12)


@given(scores, st.integers(2, 40))
def test_sums_over_sites_give_the_pooled_quality(pairs, count):
    target, eta = np.array([float(y) for y, _ in pairs]), np.array([s for _, s in pairs])
    middle = len(target) // 2
    whole = tally_of(task(thresholds=count), target, eta)
    if middle:
        halves = [
            tally_of(task(thresholds=count), target[part], eta[part]) for part in (slice(middle), slice(middle, None))
        ]
        whole = halves[0] + halves[1]
    pooled, exact = quality(whole), quality_of(task(), target, eta)
    assert pooled.rows == exact.rows
    assert pooled.brier == pytest.approx(exact.brier)
    assert pooled.ece == pytest.approx(exact.ece)
    assert pooled.deviance == pytest.approx(exact.deviance)
    if exact.auc is None:
        assert pooled.auc is None
    else:
        assert abs(pooled.auc - exact.auc) <= pooled.auc_resolution + 1e-12
        assert exact.auc_resolution == 0.0


def test_brier_and_ece_by_hand():
    target, p = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.95, 0.15, 0.55, 0.92])
    found = quality_of(task(bins=10), target, np.log(p / (1.0 - p)))
    assert found.brier == pytest.approx(np.mean((p - target) ** 2))
    # bins: [.1,.2) one row, [.5,.6) one row, [.9,1] two rows
    assert found.ece == pytest.approx((0.15 + 0.45 + abs(2.0 - 0.95 - 0.92)) / 4.0)
    assert found.rmse == pytest.approx(np.sqrt(found.brier))


def test_counts_at_thresholds_by_hand():
    target, p = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.3, 0.1])
    found = tally_of(task(thresholds=3), target, np.log(p / (1.0 - p)))
    assert thresholds(3) == (0.25, 0.5, 0.75)
    assert (found.tp, found.fp) == ((2, 1, 1), (1, 1, 0))
    assert (found.tn, found.fn) == ((1, 1, 2), (0, 1, 1))


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_other_families_report_error_and_deviance(family):
    target, eta = np.array([1.0, 3.0, 0.0]), np.array([0.5, 1.0, -1.0])
    mu = eta if family == "gaussian" else np.exp(eta)
    found = quality_of(task(family), target, eta)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((target - mu) ** 2)))
    own = scipy.special.xlogy(target, target / np.abs(mu)) - (target - mu)
    expected = np.mean((target - mu) ** 2) if family == "gaussian" else 2.0 * own.mean()
    assert found.deviance == pytest.approx(expected)
    assert (found.auc, found.brier, found.ece) == (None, None, None)
