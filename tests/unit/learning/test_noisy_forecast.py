"""What is said of a task with noise before it is asked, and what is filled in from what sites publish."""

import pytest

from medspace.learning.glm.forecasting import picture
from medspace.learning.glm.noisy.expecting import expected
from medspace.learning.glm.service import GlmAlgorithm
from medspace.learning.glm.task import parse
from medspace.runs.errors import TaskInvalidError
from tests.unit.learning.noisy import GAUSSIAN, TASK

GLM = GlmAlgorithm()
BARE = TASK | {
    "features": [{"name": "age"}, {"name": "dose"}, {"name": "sex", "kind": "coded", "levels": ["f", "m"]}]
}
PUBLISHED = [{"age": (18.0, 90.0), "dose": (0.0, 10.0)}, {"age": (0.0, 80.0), "dose": (1.0, 9.0), "more": (0.0, 1.0)}]


def noisy(**noise):
    return TASK | {"noise": {"epsilon": 1.0} | noise}


# --- what to expect ------------------------------------------------------------------------------------------------
def test_more_epsilon_and_more_patients_make_less_noise():
    few, many = (expected(parse(TASK), persons, 3) for persons in (1000, 100_000))
    assert [one.epsilon for one in few] == [0.5, 1.0, 3.0, 10.0]
    for rows in (few, many):
        lost = [one.area_lost for one in rows if one.mechanism == "gradient"]
        assert lost == sorted(lost, reverse=True)
    assert all(a.noise > b.noise and a.area_lost > b.area_lost for a, b in zip(few, many, strict=True))
    assert all(one.area_lost == pytest.approx(0.0, abs=1e-3) for one in many)


def test_what_is_expected_of_heart_disease_is_near_what_the_bench_measures():
    """32 columns, 740 patients: .023 was lost at epsilon 1, and .002 at 3."""
    wide = noisy() | {"features": [{"name": f"x{number}", "range": [0, 1]} for number in range(16)]}
    found = {one.epsilon: one.area_lost for one in expected(parse(wide), 740, 3)}
    assert 0.01 < found[1.0] < 0.05
    assert 0.0 < found[3.0] < 0.01


def test_how_well_a_patient_is_guessed_lies_between_a_coin_and_certainty():
    found = [one.guess for one in expected(parse(noisy(epsilon=100.0)), 1000, 3)]
    assert found == sorted(found)
    assert 0.5 < found[0] < found[-1] < 1.0
    told = GLM.forecast(noisy(), 3)
    assert "in at most 55 of 100" in str(told.sentences[1])  # epsilon 1: what all Gaussians of that rho allow, .549
    assert "●○○○○○○○○○" in str(told.sentences[1])
    assert (picture(0.5), picture(1.0)) == ("○" * 10, "●" * 10)


def test_noise_that_hides_everything_is_said():
    many = [{"name": f"x{number}", "range": [0, 1]} for number in range(240)]
    tiny = TASK | {"features": many, "noise": {"epsilon": 20.0, "delta": 1e-15}}
    found = expected(parse(tiny | {"noise": {"epsilon": 0.01, "delta": 1e-15}}), 1000, 3)[0]
    assert (found.epsilon, found.mechanism, found.noise) == (0.01, None, None)
    told = GLM.forecast(tiny | {"noise": {"epsilon": 50.0, "delta": 1e-15, "persons": 1000}}, 3)
    assert len(told.table.rows) == 5


def test_of_numbers_the_noise_is_told_in_their_own_unit():
    (one, *_), (twice, *_) = (
        expected(parse(GAUSSIAN | {"target": {"column": "dose", "range": [0, most]}}), 5000, 3) for most in (10, 20)
    )
    assert twice.noise == pytest.approx(2 * one.noise)
    assert one.area_lost is None


def test_people_are_told_of_everybody_and_of_what_is_missing():
    told = GLM.forecast(noisy(), 4)
    said = " ".join(str(sentence) for sentence in told.sentences)
    assert "epsilon 1.0" in said
    assert "patient of all 4 hospitals, the epsilon is up to" in said
    assert "`persons` under `[noise]`" in said
    assert (told.table, told.facts["expected"]) == (None, [])
    assert 4.0 < float(told.facts["everywhere"]) < 4.7  # 16 times the rho
    rows = GLM.forecast(noisy(unit="event"), 4)
    said = " ".join(str(sentence) for sentence in rows.sentences)
    assert "about one row" in said
    assert "many rows is protected much less" in said
    assert "patient of all" not in said
    assert rows.facts["everywhere"] is None
    exact = GLM.forecast({name: value for name, value in TASK.items() if name != "noise"}, 4)
    assert exact.facts["epsilon"] is None
    with pytest.raises(TaskInvalidError):
        GLM.forecast(noisy(epsilon="much"), 4)


# --- what is filled in ---------------------------------------------------------------------------------------------
def test_ranges_are_the_widest_that_all_sites_publish():
    assert GLM.lacks(BARE)
    made = GLM.completed(BARE, PUBLISHED)
    assert [one.get("range") for one in made["features"]] == [[0.0, 90.0], [0.0, 10.0], None]
    assert not GLM.lacks(made)
    assert parse(made).features[0].span == (0.0, 90.0)


def test_a_range_of_the_task_stays_and_one_that_a_site_does_not_publish_is_not_filled_in():
    stated = BARE | {"features": [{"name": "age", "range": [1, 2]}, {"name": "more"}]}
    made = GLM.completed(stated, PUBLISHED)
    assert made["features"] == [{"name": "age", "range": [1, 2]}, {"name": "more"}]
    assert GLM.completed(BARE, []) == BARE
    with pytest.raises(TaskInvalidError, match="more"):
        parse(made)


@pytest.mark.parametrize("target", ["dose", {"column": "dose"}])
def test_the_range_of_a_target_that_is_a_number_is_filled_in(target):
    made = GLM.completed(GAUSSIAN | {"target": target}, PUBLISHED)
    assert made["target"] == {"column": "dose", "range": [0.0, 10.0]}


@pytest.mark.parametrize(
    "odd",
    [
        {"features": None},
        {"features": [3, None, {"name": 3}, {}]},
        {"family": "gaussian", "target": 5},
        {"family": "gaussian", "target": "dose > 3"},
        {"family": "gaussian", "target": {"column": ["dose"]}},
    ],
)
def test_a_document_that_is_no_task_is_left_to_whoever_reads_it(odd):
    task = BARE | odd
    GLM.lacks(task)
    with pytest.raises(TaskInvalidError):
        parse(GLM.completed(task, PUBLISHED))


def test_tasks_without_noise_lack_nothing():
    exact = {name: value for name, value in BARE.items() if name != "noise"}
    assert not GLM.lacks(exact)
    assert GLM.completed(exact, PUBLISHED) == exact
