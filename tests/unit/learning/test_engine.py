"""The site engine answers the steps of a GLM and nothing else."""

import json
import math

import numpy as np
import pytest

from medspace.connector.usage.rules import behind_the_gate, measured
from medspace.core.columns import ColumnUnknownError
from medspace.core.engine import columns_of
from medspace.core.usage import Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.glm.answers import EVALUATION, MOMENTS, NEWTON
from medspace.learning.glm.design import sample
from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.errors import LevelUnknownError, NothingLeftError, TargetInvalidError
from medspace.learning.glm.task import parse
from medspace.runs.errors import TaskInvalidError
from tests.admissions import admission
from tests.unit.learning.simulated import TableRows, TableSource
from tests.workplaces import names, workplace

nan = math.nan
ROWS = {
    "age": [40.0, 50.0, nan, 70.0, 55.0, 61.0],
    "cp": ["1", "2", "2", None, "3", "1"],
    "num": [0.0, 1.0, 2.0, 0.0, nan, 1.0],
}
TASK = {
    "family": "binomial",
    "target": "num > 0",
    "features": [{"name": "age"}, {"name": "cp", "kind": "coded", "levels": ["1", "2", "3"]}],
    "purpose": "research",
}
LAYOUT = {"fill": [55.0, 0.4, 0.1, 0.0], "kept": [0, 1, 4], "centre": [55.0, 0.4, 0.2], "scale": [10.0, 0.5, 0.4]}


def ask(name="moments", *, task=TASK, rows=ROWS, number=1, **inputs):
    return GlmEngine().answer(
        admission(), Step(task, number, name, inputs), workplace(TableSource(rows), admission())
    )


def at(name="newton", beta=(0.1, 0.2, 0.3, 0.4), **layout):
    return ask(name, number=2, beta=list(beta), layout={**LAYOUT, **layout})


def test_no_other_column_is_opened_than_the_engine_says(monkeypatch):
    opened = set()
    for way in ("numbers", "codes"):
        real = getattr(TableRows, way)
        monkeypatch.setattr(TableRows, way, lambda rows, column, real=real: opened.add(column) or real(rows, column))
    rows = ROWS | {"other": [1.0] * 6}
    ask(rows=rows)
    ask("newton", rows=rows, number=2, beta=[0.1, 0.2, 0.3, 0.4], layout=LAYOUT)
    assert opened == columns_of(GlmEngine(), Step(TASK, 1, "moments")) == {"age", "cp", "num"}


def test_moments():
    output = ask()
    assert (output.kind, output.cohort) == (MOMENTS, 5)
    assert output.values == {
        "task": parse(TASK).digest(),
        "round": 1,
        "n": 5,
        "persons": 5,
        "joined": [0, 1],  # nobody whose outcome is known has the code 3
        "missing": [1, 1],
        "sums": [221.0, 2.0, 0.0, 0.0],
        "squares": [1600.0 + 2500.0 + 4900.0 + 3721.0, 2.0, 0.0, 0.0],
        "target_sum": 3.0,
    }


def visits(persons, each):
    """Several rows of each person, that differ."""
    count = persons * each
    return {
        "age": [40.0 + row for row in range(count)],
        "cp": [str(1 + row % 3) for row in range(count)],
        "num": [float(row % 2) for row in range(count)],
        "person": [row % persons for row in range(count)],
    }


@pytest.mark.parametrize("name", ["moments", "newton", "evaluation"])
def test_a_cohort_counts_persons_and_the_gate_withholds_the_rows_of_few(name):
    inputs = {} if name == "moments" else {"beta": [0.1, 0.2, 0.3, 0.4], "layout": LAYOUT}
    few, enough = (ask(name, number=2, rows=visits(persons, 10), **inputs) for persons in (3, 20))
    assert [(said.values["n"], said.values["persons"]) for said in (few, enough)] == [(30, 3), (200, 20)]
    # Of sums that weigh persons differently, fewer than all carry the sum; never more.
    assert few.cohort <= 3
    assert 15 <= enough.cohort <= 20
    allowed = admission(min_cohort=10)
    assert behind_the_gate(allowed, few, measured(allowed, few, 0)).code == "release.cohort"
    assert behind_the_gate(allowed, enough, measured(allowed, enough, 0)).permitted


@pytest.mark.parametrize("seed", range(5))
def test_no_person_is_both_fitted_and_measured(seed):
    rows = visits(40, 6)
    task = parse({**TASK, "evaluation": {"holdout": 0.3}})
    found = sample(task, TableRows(rows, 240), key=bytes([seed + 1]))
    fitted, measured = set(found.fitted.persons), set(found.measured.persons)
    assert not fitted & measured
    assert fitted | measured == set(range(40))
    assert 5 <= len(measured) <= 20
    assert len(found.measured.target) == 6 * len(measured) == 6 * found.measured.cohort


def test_dropping_rows_with_gaps():
    output = ask(task={**TASK, "missing": "drop"})
    assert (output.cohort, output.values["missing"]) == (3, [0, 0])


def test_newton_by_hand():
    output = at()
    z = np.array(
        [
            [1, -1.5, -0.8, -0.5],
            [1, -0.5, 1.2, -0.5],
            [1, 0.0, 1.2, 2.0],
            [1, 1.5, 0.0, -0.5],
            [1, 0.6, -0.8, -0.5],
        ]
    )
    y, beta = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    p = 1 / (1 + np.exp(-z @ beta))
    assert output.kind == NEWTON
    assert output.values["gradient"] == pytest.approx(z.T @ (y - p), abs=1e-5)
    assert np.array(output.values["hessian"]) == pytest.approx(z.T @ np.diag(p * (1 - p)) @ z, abs=1e-5)
    assert output.values["deviance"] == pytest.approx(-2 * np.log(np.where(y == 1, p, 1 - p)).sum())


def test_evaluation_and_what_leaves_is_json():
    output = at("evaluation")
    assert (output.kind, output.cohort, output.values["n"]) == (EVALUATION, 4, 5)
    assert output.values["quality"]["auc"] is not None
    json.dumps(output.values, allow_nan=False)


def test_nothing_row_level_leaves():
    # As many numbers leave 5 rows as 500: nothing is listed per row.
    many = {name: values * 100 for name, values in ROWS.items()}

    def leaves(value):
        if isinstance(value, dict):
            return sum(map(leaves, value.values()))
        return sum(map(leaves, value)) if isinstance(value, list | tuple) else 1

    inputs = {"beta": [0.1, 0.2, 0.3, 0.4], "layout": LAYOUT}
    for name in ("moments", "newton", "evaluation"):
        given = {} if name == "moments" else inputs
        few, lots = (ask(name, number=2, rows=rows, **given) for rows in (ROWS, many))
        assert leaves(few.values) == leaves(lots.values)
        assert 450 <= lots.cohort <= 500


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"features": [{"name": "income"}]}, ColumnUnknownError),
        ({"features": [{"name": "sex", "kind": "coded", "levels": ["0", "1"]}]}, ColumnUnknownError),
        ({"features": [{"name": "cp", "kind": "coded", "levels": ["1", "2"]}]}, LevelUnknownError),
        ({"target": "num"}, TargetInvalidError),
        ({"target": "outcome"}, ColumnUnknownError),
        ({"target": "num", "family": "poisson", "features": [{"name": "age"}]}, None),
        ({"target": "age", "family": "poisson", "features": [{"name": "num"}]}, None),
        ({"family": "bernoulli"}, TaskInvalidError),
    ],
)
def test_what_does_not_suit_the_rows(changes, error):
    if error is None:
        assert ask(task={**TASK, **changes}).cohort == 5
    else:
        with pytest.raises(error):
            ask(task={**TASK, **changes})


def test_counts_must_be_whole_and_not_negative():
    for value in (-1.0, 0.5):
        with pytest.raises(TargetInvalidError):
            ask(
                task={**TASK, "target": "num", "family": "poisson"},
                rows={**ROWS, "num": [value, 1.0, 2.0, 3.0, 4.0, 5.0]},
            )


def test_an_unknown_code_is_not_repeated_in_the_refusal():
    with pytest.raises(LevelUnknownError) as caught:
        ask(rows={**ROWS, "cp": ["1", "2", "Anna Muster", None, "3", "1"]})
    assert "Anna" not in str(caught.value)


def test_infinite_measurements_count_as_missing():
    output = ask(rows={**ROWS, "age": [40.0, math.inf, nan, 70.0, 55.0, 61.0]})
    assert output.values["missing"] == [2, 1]


def test_nothing_left():
    with pytest.raises(NothingLeftError):
        ask(rows={**ROWS, "num": [nan] * 6})


@pytest.mark.parametrize(
    "step",
    [
        lambda: ask("rows"),
        lambda: ask(number=0),
        lambda: ask(number=26),
        lambda: ask("newton"),
        lambda: at(beta=(0.1, 0.2, 0.3)),
        lambda: at(beta=(0.1, nan, 0.3, 0.4)),
        lambda: at(beta=(0.1, math.inf, 0.3, 0.4)),
        lambda: at(beta=(0.1, 1e200, 0.3, 0.4)),
        lambda: at(beta=("a", 0.2, 0.3, 0.4)),
        lambda: at(scale=[10.0, 0.0, 0.4]),
        lambda: at(scale=[10.0, 0.5]),
        lambda: at(fill=[55.0]),
        lambda: at(kept=[0, 1, 9]),
        lambda: at(kept=[0, 1, -1]),
        lambda: at(kept=[1, 0, 4]),
        lambda: at(kept=[0, 0, 4]),
        lambda: at("evaluation", beta=(nan, 0.0, 0.0, 0.0)),
    ],
)
def test_steps_that_cannot_be_answered(step):
    with pytest.raises(StepInvalidError) as caught:
        step()
    assert caught.value.code == "learning.step_invalid"


def test_check_reads_the_task_and_nothing_else():
    GlmEngine().check(TASK)
    with pytest.raises(TaskInvalidError):
        GlmEngine().check({**TASK, "script": "x"})
    assert GlmEngine().kind == "medspace:train"
    assert names(GlmEngine()) == (MOMENTS, NEWTON, EVALUATION)


def test_a_coded_target():
    rows = {**ROWS, "status": ["dead", "alive", None, "dead", "alive", "alive"]}
    output = ask(task={**TASK, "target": {"column": "status", "level": "dead"}}, rows=rows)
    assert (output.cohort, output.values["target_sum"]) == (5, 2.0)
