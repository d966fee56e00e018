"""The audit against earlier answers: what is kept saves time and decides nothing."""

import numpy as np
import pytest

from medspace.core.usage import Step
from medspace.learning.glm.engine import GlmEngine
from medspace.privacy.errors import DisclosureError
from tests.admissions import admission
from tests.unit.learning.simulated import TableRows, TableSource
from tests.workplaces import workplace

TASK = {"family": "binomial", "target": "y", "features": [{"name": "x"}], "purpose": "p", "max_rounds": 100}


def table(count=600):
    source = np.random.default_rng(3)
    x = source.normal(size=count)
    return {"x": x.tolist(), "y": (source.random(count) < 1.0 / (1.0 + np.exp(-x))).astype(float).tolist()}


def question(shift, slope, number=2):
    layout = {"fill": [0.0], "kept": [0], "centre": [0.0], "scale": [1.0]}
    return Step(TASK, number, "newton", {"beta": [float(shift), slope], "layout": layout})


def answered(engines, steps, history=(), columns=None):
    """Which of the steps are answered, each by the next of the engines; what was answered is history."""
    past, found = list(history), []
    for at, step in enumerate(steps):
        engine = engines[at % len(engines)]
        source = TableSource(columns or table())
        try:
            allowed = admission(history=tuple(past), min_cohort=5)
            engine.answer(allowed, step, workplace(source, allowed))
        except DisclosureError as error:
            found.append(error.cause_code)
            continue
        past.append(step)
        found.append("answered")
    return found, past


STEPS = [question(shift, slope) for slope in (0.5, 1.0, 1.5) for shift in np.linspace(-2.0, 2.0, 7)]


def test_a_new_engine_decides_as_one_that_kept_what_it_computed():
    warm, past = answered([GlmEngine()], STEPS)
    assert warm.count("answered") >= 3
    assert "release.exposure" in warm
    cold, _ = answered([GlmEngine() for _ in STEPS], STEPS)
    several, _ = answered([GlmEngine(), GlmEngine()], STEPS)
    assert warm == cold == several
    assert len(past) == warm.count("answered")


def test_what_was_answered_is_answered_again_in_any_round_and_the_rest_is_not():
    engine = GlmEngine()
    found, past = answered([engine], STEPS)
    again = [Step(step.task, 9, step.name, step.inputs) for step in past]
    assert set(answered([engine], again, past)[0]) == {"answered"}
    refused = [step for step, said in zip(STEPS, found, strict=True) if said == "release.exposure"]
    assert set(answered([engine], refused, past)[0]) == {"release.exposure"}


def test_a_history_that_begins_anew_forgets():
    engine = GlmEngine()
    first, _ = answered([engine], STEPS)
    assert answered([engine], STEPS)[0] == first


def test_an_earlier_question_that_this_table_cannot_answer_counts_for_nothing():
    other = Step({**TASK, "features": [{"name": "gone"}]}, 2, "moments")
    found, _ = answered([GlmEngine()], [question(0.0, 0.1)], [other])
    assert found == ["answered"]


def test_the_tables_of_two_assets_are_told_apart():
    engine = GlmEngine()
    first, past = answered([engine], STEPS)
    other, _ = answered([engine], STEPS, columns=table(601))
    assert other.count("answered") >= 3
    assert answered([engine], STEPS[:1], past)[0] == ["answered"]
    assert first[0] == "answered"


@pytest.mark.parametrize("name", ["moments", "evaluation"])
def test_moments_and_evaluations_are_audited_too(name):
    whole = Step(TASK, 1, "moments")
    fewer = {**TASK, "features": [{"name": "z"}], "missing": "drop"}
    columns = {**table(), "z": [np.nan, *np.linspace(0.0, 1.0, 599)]}
    inputs = {} if name == "moments" else {**question(0.0, 0.1).inputs}
    found, _ = answered([GlmEngine()], [whole, Step(fewer, 1, name, inputs)], columns=columns)
    assert found == ["answered", "release.difference"]


def test_the_rows_are_read_once_however_long_the_history_is(monkeypatch):
    _, past = answered([GlmEngine()], STEPS)
    assert len(past) >= 3
    read, numbers = [], TableRows.numbers

    def counted(rows, column):
        read.append(column)
        return numbers(rows, column)

    monkeypatch.setattr(TableRows, "numbers", counted)
    fresh = GlmEngine()  # as after the connector was started anew
    allowed = admission(history=tuple(past), min_cohort=5)
    fresh.answer(allowed, past[0], workplace(TableSource(table()), allowed))
    assert sorted(read) == ["x", "y"]
