"""Published figures: coarse, never of few, and still while patients come and go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.privacy.figures import SHARES, STEP, PatientCounts, figures_of

LEAST = st.integers(10, 400)


@st.composite
def counts(draw, most=20_000):
    persons = draw(st.integers(0, most))
    return PatientCounts(persons, {"chol": draw(st.integers(0, persons))})


def walked(draw, counted):
    """The same dataset a version later: one patient more or less, whose value is there or not."""
    more = draw(st.sampled_from((-1, 1)))
    persons = max(counted.persons + more, 0)
    missing = counted.missing["chol"] + more * draw(st.booleans())
    return PatientCounts(persons, {"chol": min(max(missing, 0), persons)})


@pytest.mark.parametrize(
    ("persons", "told"), [(0, 0), (49, 0), (50, 50), (99, 50), (303, 300), (349, 300), (1_000_049, 1_000_000)]
)
def test_patients_are_told_in_steps_of_fifty(persons, told):
    found = figures_of(PatientCounts(persons), 10)
    assert (found.persons, found.persons_step, found.missing) == (told, STEP, {})


@pytest.mark.parametrize(("persons", "step"), [(49, 0), (50, 50), (100, 25), (150, 25), (200, 10), (5_000, 10)])
def test_shares_are_told_in_steps_of_which_each_is_twice_as_many_patients_as_a_result_needs(persons, step):
    found = figures_of(PatientCounts(persons, {"chol": persons // 3}), 10)
    assert found.missing_step == step
    assert bool(found.missing) == bool(step)


@given(counts(), LEAST)
def test_nothing_is_told_of_fewer_than_a_result_needs(counted, least):
    found = figures_of(counted, least)
    assert found.persons % found.persons_step == 0
    assert found.persons_step >= max(2 * least, STEP)
    assert found.persons <= counted.persons < found.persons + found.persons_step
    if found.persons:
        assert counted.persons >= 2 * least
    for share in found.missing.values():
        assert share % found.missing_step == 0
        assert found.missing_step in SHARES
        assert 0 <= share <= 100
        assert (
            2 * abs(100 * counted.missing["chol"] - share * counted.persons) <= found.missing_step * counted.persons
        )
        assert found.missing_step * counted.persons >= 200 * least


@given(counts(900), st.integers(10, 60))
def test_behind_each_share_lie_as_many_possible_counts_as_a_result_needs_patients(counted, least):
    found = figures_of(counted, least)
    for share in found.missing.values():
        others = (PatientCounts(counted.persons, {"chol": count}) for count in range(counted.persons + 1))
        assert sum(figures_of(one, least).missing["chol"] == share for one in others) >= least


@given(counts(), LEAST, st.data())
def test_one_patient_moves_no_figure_that_was_just_published(counted, least, data):
    first = figures_of(counted, least)
    assert figures_of(walked(data.draw, counted), least, first) == first


@given(counts(), LEAST, st.lists(st.integers(-300, 300), max_size=8))
def test_figures_hold_to_the_last_ones_and_come_near_the_count_again(counted, least, moves):
    figures, persons = figures_of(counted, least), counted.persons
    for move in moves:
        persons = max(persons + move, 0)
        counted = PatientCounts(persons, {"chol": min(counted.missing["chol"], persons)})
        figures = figures_of(counted, least, figures)
        assert figures_of(counted, least, figures) == figures
        assert abs(2 * (persons - figures.persons) - figures.persons_step) < 2 * figures.persons_step
        if figures.persons:
            assert persons > least
        for share in figures.missing.values():
            assert abs(100 * counted.missing["chol"] - share * persons) < figures.missing_step * persons


def test_another_step_rounds_anew():
    first = figures_of(PatientCounts(349), 10)
    assert figures_of(PatientCounts(351), 10, first).persons == 300
    assert figures_of(PatientCounts(351), 30, first).persons == 300  # in steps of a hundred
    assert figures_of(PatientCounts(351), 60, first) == figures_of(PatientCounts(351), 60)
