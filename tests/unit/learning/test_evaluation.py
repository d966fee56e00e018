"""Quality: exact per site, exact or with stated resolution from sums."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.glm.evaluation import quality, scores, tally
from medspace.learning.glm.task import parse

SCORED = st.lists(st.tuples(st.booleans(), st.sampled_from([-3.0, -1.0, -0.2, 0.0, 0.4, 1.1, 2.5])), min_size=1)


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


def tally_of(asked, target, eta, least=1):
    made = scores(asked, np.array([0.0, 1.0]), np.asarray(eta, dtype=float))
    return tally(asked, target, made, np.arange(len(target)), least)


def quality_of(asked, target, eta, least=1):
    return quality(tally_of(asked, target, eta, least))


def auc(target, score):
    """Mann-Whitney, by scipy."""
    cases, controls = score[target == 1.0], score[target == 0.0]
    if len(cases) == 0 or len(controls) == 0:
        return None
    return scipy.stats.mannwhitneyu(cases, controls, method="asymptotic").statistic / (len(cases) * len(controls))


@given(SCORED, st.integers(1, 12))
def test_the_auc_is_within_its_stated_error_of_mann_whitney(pairs, least):
    target, score = np.array([float(y) for y, _ in pairs]), np.array([s for _, s in pairs])
    found, exact = quality_of(task(), target, score, least), auc(target, score)
    if exact is None:
        assert (found.auc, found.auc_resolution) == (None, None)
    else:
        assert abs(found.auc - exact) <= found.auc_resolution + 1e-12


@given(SCORED, st.integers(2, 40))
def test_sums_over_sites_give_the_pooled_quality(pairs, count):
    target, eta = np.array([float(y) for y, _ in pairs]), np.array([s for _, s in pairs])
    middle = len(target) // 2
    whole = tally_of(task(thresholds=count), target, eta)
    if middle:
        halves = [
            tally_of(task(thresholds=count), target[part], eta[part]) for part in (slice(middle), slice(middle, None))
        ]
        whole = halves[0] + halves[1]
    pooled, alone = quality(whole), quality_of(task(), target, eta)
    assert (pooled.rows, pooled.persons) == (alone.rows, alone.persons)
    assert pooled.brier == pytest.approx(alone.brier, rel=1e-6)
    assert pooled.ece == pytest.approx(alone.ece, abs=1e-6)
    assert pooled.deviance == pytest.approx(alone.deviance, rel=1e-6)
    exact = auc(target, eta)
    if exact is None:
        assert pooled.auc is None
    else:
        assert abs(pooled.auc - exact) <= pooled.auc_resolution + 1e-12


def rare(seed, count=3000):
    """Cases are rare, so that no chance is above one in ten; the scores tell them well all the same."""
    source = np.random.default_rng(seed)
    eta = source.normal(-5.0, 1.0, count)
    return (source.random(count) < 1.0 / (1.0 + np.exp(-eta - 0.5 * (eta + 5.0)))).astype(float), eta


@pytest.mark.parametrize("least", [1, 10])
def test_hospitals_where_all_chances_are_small_do_not_get_a_worse_auc_together(least):
    parts = [rare(seed) for seed in (1, 2)]
    beta = np.array([-5.0, 1.0])

    def counted(target, eta):
        return tally(task(), target, scores(task(), beta, eta), np.arange(len(target)), least)

    alone = [quality(counted(*part)) for part in parts]
    together = quality(counted(*parts[0]) + counted(*parts[1]))
    exact = auc(np.concatenate([y for y, _ in parts]), np.concatenate([eta for _, eta in parts]))
    assert min(q.auc for q in alone) > 0.8
    assert abs(together.auc - exact) <= together.auc_resolution <= 0.03
    assert together.auc > min(q.auc for q in alone) - 0.02


def test_no_group_of_a_count_is_smaller_than_the_cohort():
    source = np.random.default_rng(3)
    eta = source.normal(size=200)
    found = tally_of(task(), (source.random(200) < 0.3).astype(float), eta, 10)
    sizes = np.array(found.case_first) + np.array(found.control_first)
    assert sizes[sizes > 0].min() >= 10


def test_brier_and_ece_by_hand():
    target, p = np.array([1.0, 0.0, 1.0, 1.0]), np.array([0.95, 0.15, 0.55, 0.92])
    found = quality_of(task(bins=10), target, np.log(p / (1.0 - p)))
    assert found.brier == pytest.approx(np.mean((p - target) ** 2), rel=1e-6)
    # bins: [.1,.2) one row, [.5,.6) one row, [.9,1] two rows
    assert found.ece == pytest.approx((0.15 + 0.45 + abs(2.0 - 0.95 - 0.92)) / 4.0)
    assert found.rmse == pytest.approx(np.sqrt(found.brier))


def test_counts_of_bins_by_hand():
    # Four bins: quartiles of a Cauchy distribution, at -1, 0 and 1.
    target, eta = np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.5, 0.5, 0.2, -3.0])
    found = tally_of(task(thresholds=4), target, eta)
    assert (found.case_first, found.case_last) == ((0, 1, 0, 1), (0, 0, 1, 1))
    assert (found.control_first, found.control_last) == ((1, 0, 1, 0), (1, 0, 1, 0))
    # By twos: the lower two are of the bins 0 to 2, the upper two of the bins 2 and 3.
    found = tally_of(task(thresholds=4), target, eta, 2)
    assert (found.case_first, found.case_last) == ((1, 0, 1, 0), (0, 0, 1, 1))
    assert (found.control_first, found.control_last) == ((1, 0, 1, 0), (0, 0, 1, 1))


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
