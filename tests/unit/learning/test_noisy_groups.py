"""Fits with noise whose hospitals are in groups: what counts of their totals, and which tasks may say so."""

from dataclasses import replace
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import trim_mean

from medspace.core.engine import MASKED_GROUPS, cost_of
from medspace.learning.glm import description
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.errors import NoiseHidesError, RobustExactError
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.noisy import following
from medspace.learning.glm.noisy.following import NoisyFitState
from medspace.learning.glm.noisy.planning import plan
from medspace.learning.glm.noisy.robust import combined
from medspace.learning.glm.service import GlmAlgorithm
from medspace.learning.glm.task import parse
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.grouping import Robust
from tests.examples import most
from tests.unit.learning.grouped import Hospitals, slopes, task
from tests.unit.learning.noisy import TASK, NoisyRun, patients

DOCUMENT = task(groups=True)
PLAN = plan(parse(DOCUMENT))
SCALE = PLAN.totals[0].scale


# --- tasks ---------------------------------------------------------------------------------------------------------
def test_a_task_says_its_groups_in_one_form():
    read = parse(DOCUMENT)
    assert parse(read.document()) == read
    assert read.document()["robust"] == {"groups": 3, "trim": 1}
    assert "robust" not in parse(TASK).document()
    assert GlmEngine().protection(read.document()) == MASKED_GROUPS
    assert GlmAlgorithm().prepare(DOCUMENT).demands.groups == 3


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"robust": {"groups": 2}}, "3 to 100 groups"),
        ({"robust": {"groups": 4, "trim": 2}}, "not 2 of 4"),
        ({"robust": {"groups": 3, "trim": 0}}, "not 0 of 3"),
        ({"robust": {"groups": 10**9}}, "3 to 100 groups"),
        ({"robust": {"groups": 3, "median": True}}, "median"),
        ({"robust": None}, "robust"),
        ({"protection": "masked-sums"}, "needs the protection masked-sums-of-groups"),
    ],
)
def test_groups_that_cannot_be_are_refused_with_the_reason(wrong, said):
    with pytest.raises(TaskInvalidError, match=said):
        parse(DOCUMENT | wrong)


def test_an_exact_fit_has_no_groups_and_says_what_to_do():
    exact = {name: value for name, value in DOCUMENT.items() if name != "noise"}
    with pytest.raises(RobustExactError) as refused:
        parse(exact)
    assert refused.value.code == "learning.robust_exact"
    assert "exact sum over all hospitals" in str(refused.value)
    assert "[noise]" in str(refused.value.advice)


def test_groups_cost_what_the_same_task_costs_without():
    assert cost_of(GlmEngine(), DOCUMENT) == cost_of(GlmEngine(), task(groups=False))


# --- what counts ---------------------------------------------------------------------------------------------------
@settings(max_examples=most(100))
@given(st.data())
def test_what_counts_is_the_trimmed_mean_per_patient(data):
    groups = data.draw(st.integers(3, 7))
    robust = Robust(groups, data.draw(st.integers(1, (groups - 1) // 2)))
    numbers = PLAN.totals[1].numbers
    counts = data.draw(st.lists(st.integers(int(10 * SCALE), int(1e6 * SCALE)), min_size=groups, max_size=groups))
    one = st.lists(st.integers(-(10**9), 10**9), min_size=numbers, max_size=numbers)
    totals = data.draw(st.lists(one, min_size=groups, max_size=groups))
    stand = NoisyFitState(1, counts=tuple(counts))
    found = combined(robust, PLAN, stand, [number for total in totals for number in total])
    share = (robust.trim + 0.5) / groups  # scipy cuts the whole number of values below it
    everybody = groups * trim_mean(np.array(counts, dtype=float), share)
    per_patient = trim_mean(np.array(totals, dtype=float) / np.array(counts, dtype=float)[:, None], share, axis=0)
    assert found[0] is stand
    assert np.allclose(found[1], everybody * per_patient, rtol=1e-9, atol=1.0)


def test_the_first_total_says_how_large_groups_are_and_without_outliers_all_of_them_count():
    count = [2 * round(one * SCALE) for one in (50, 100, 150)]
    totals = [[one, one // 2, *[0] * (PLAN.totals[0].numbers - 2)] for one in count]
    stand, made = combined(Robust(3), PLAN, NoisyFitState(), [*chain.from_iterable(totals)])
    assert stand.counts == tuple(count)
    assert made[0] == 3 * count[1]
    assert made[1] == round(3 * count[1] * Fraction(1, 2))


@pytest.mark.parametrize("lie", [0, -1, -(10**12), 10**15])
def test_a_group_that_lies_about_its_size_is_one_of_those_that_are_left_out(lie):
    honest = [round(200 * SCALE)] * 2
    counts = [*honest, lie]
    totals = [[one, *[one // 4] * (PLAN.totals[0].numbers - 1)] for one in counts]
    stand, made = combined(Robust(3), PLAN, NoisyFitState(), [*chain.from_iterable(totals)])
    assert made[0] == 3 * honest[0]
    assert made[1] == pytest.approx(3 * honest[0] / 4, rel=1e-5)
    slopes_of = [[one // 8] * PLAN.totals[1].numbers for one in counts]
    _, gradient = combined(Robust(3), PLAN, replace(stand, round=1), [*chain.from_iterable(slopes_of)])
    assert 0 <= gradient[0] <= 3 * honest[0] / 8 + 1


def test_groups_that_seem_to_have_nobody_end_the_fit_once_they_are_more_than_are_left_out():
    totals = [[one, *[0] * (PLAN.totals[0].numbers - 1)] for one in (0, -5, round(200 * SCALE))]
    with pytest.raises(NoiseHidesError):
        combined(Robust(3), PLAN, NoisyFitState(), [*chain.from_iterable(totals)])


def test_a_state_says_nothing_of_groups_where_there_are_none():
    assert "counts" not in NoisyFitState().written()
    stand = NoisyFitState(counts=(1, 2, 3))
    assert following.read(stand.written()) == stand


# --- what it finds -------------------------------------------------------------------------------------------------
class InGroups(NoisyRun):
    """The sums of three groups, without masks; `lie` changes that of the last one."""

    lie = staticmethod(lambda numbers: numbers)

    def fit(self, seed, shares=0):
        del seed, shares
        state = self.summed.first()
        while self.summed.asked(state) is not None:
            each = [self.exact(state, rows) for rows in self.sites]
            groups = [np.sum(each[number::3], axis=0).tolist() for number in range(3)]
            groups[2] = self.lie(groups[2])
            self.states.append(state)
            state = self.summed.follow(state, [*chain.from_iterable(groups)], {})
        return self.summed.outcome(state)


def test_hospitals_that_are_alike_find_with_groups_what_they_find_without():
    tables = [patients(300, seed) for seed in range(9)]
    grouped = slopes(InGroups(tables, DOCUMENT).model(seed=1))
    plain = NoisyRun(tables, task(groups=False))
    outcome = plain.summed.result(plain.fit(seed=1, shares=0), ["a"], {})
    assert slopes(outcome)["age"] == pytest.approx(grouped["age"], rel=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(-(10**6), 10**6), st.integers(-(10**12), 10**12))
def test_whatever_one_group_says_of_everything_the_slope_stays(times, plus):
    tables = [patients(100, seed) for seed in range(9)]
    honest = slopes(InGroups(tables, DOCUMENT).model(seed=1))["age"]
    run = InGroups(tables, DOCUMENT)
    run.lie = lambda numbers: [times * number + plus for number in numbers]
    assert slopes(run.model(seed=1))["age"] == pytest.approx(honest, rel=0.3)


def test_people_are_told_what_groups_stop_and_what_not():
    told = description.describe(InGroups([patients(100, seed) for seed in range(9)], DOCUMENT).model(seed=1), {})
    said = " ".join(str(sentence) for sentence in told.sentences)
    assert "The hospitals were in 3 groups" in said
    assert "A lie within that range is not seen" in said
    assert told.facts["noise"]["robust"] == {"groups": 3, "trim": 1}


# --- under masks ---------------------------------------------------------------------------------------------------
def test_under_masks_each_group_adds_the_noise_of_its_own_hospitals():
    made = Hospitals()
    result = made.table().to_the_end()
    assert slopes(result)["age"] == pytest.approx(0.104, abs=0.02)
    assert result.rows == pytest.approx(1800, rel=0.1)
    assert MaskedGlms().summed(made.table().task).groups == 3


def test_groups_that_may_hold_fewer_honest_hospitals_than_the_noise_counts_on_are_refused():
    made = Hospitals(seats=12).table()
    made.task["min_sites"] = 5
    with pytest.raises(Exception, match="5 shares"):
        made.to_the_end()
