"""What a dictionary lets a question ask, and the soft clip of its predictor."""

import numpy as np
import pytest

from medspace.core.columns import ColumnUnknownError
from medspace.core.dictionary import Column, ColumnType, Dictionary, outcome
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import (
    LevelUnknownError,
    OutcomeUndeclaredError,
    RangeMissingError,
    TargetInvalidError,
)
from medspace.learning.glm.ranges import STEEPEST, check_columns, check_outcome, ranges, soft
from medspace.learning.glm.task import parse

DICTIONARY = Dictionary(
    "D",
    (
        Column("id", ColumnType.CODE),
        Column("age", ColumnType.INTEGER, minimum=0, maximum=120),
        Column("free", ColumnType.NUMBER),
        Column("below", ColumnType.INTEGER, minimum=-5, maximum=5),
        Column("ill", ColumnType.FLAG),
        Column("sex", ColumnType.CODE, codes={"f": "", "m": ""}),
        Column("open", ColumnType.CODE),
    ),
    person="id",
    outcomes=(outcome("age > 65"),),
)


def task(target="ill", family="binomial", features=({"name": "age"},), **more):
    return parse({"family": family, "target": target, "features": list(features), "purpose": "p", **more})


def coded(name, *levels):
    return {"name": name, "kind": "coded", "levels": list(levels)}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (task(), None),
        (task(features=[{"name": "ill"}], target="age > 65"), None),
        (task(features=[coded("sex", "m", "f")]), None),
        (task(features=[coded("sex", "m", "f", "x")]), None),  # another holder may have it
        (task(features=[coded("open", "a", "b")]), None),
        (task(features=[coded("ill", "false", "true")], target="age > 65"), None),
        (task(features=[coded("sex", "m", "x")]), LevelUnknownError),
        (task(features=[coded("ill", "0", "1")], target="age > 65"), LevelUnknownError),
        (task(features=[{"name": "nothing"}]), ColumnUnknownError),
        (task(features=[{"name": "sex"}]), ColumnUnknownError),
        (task(features=[coded("age", "1", "2")]), ColumnUnknownError),
        (task(features=[coded("id", "1", "2")]), ColumnUnknownError),
        (task(target="sex"), ColumnUnknownError),
        (task(target={"column": "sex", "level": "f"}), None),
        (task(target="below"), TargetInvalidError),
        (task(target="below", family="poisson"), TargetInvalidError),
        (task(target="free", family="poisson"), TargetInvalidError),
        (task(target="ill", family="poisson"), None),
        (task(target="free", family="gaussian"), None),
    ],
)
def test_the_columns_of_a_task(asked, error):
    if error is None:
        check_columns(asked, DICTIONARY)
    else:
        with pytest.raises(error):
            check_columns(asked, DICTIONARY)


@pytest.mark.parametrize(
    ("target", "family", "error"),
    [
        ("ill", "binomial", None),
        ("ill == 0", "binomial", None),
        ("age > 65", "binomial", None),
        ("age > 66", "binomial", OutcomeUndeclaredError),
        ("age >= 65", "binomial", OutcomeUndeclaredError),
        ({"column": "sex", "level": "f"}, "binomial", None),
        ({"column": "sex", "level": "x"}, "binomial", LevelUnknownError),
        ({"column": "open", "level": "x"}, "binomial", None),
        ("below", "gaussian", None),
        ("free", "gaussian", RangeMissingError),
    ],
)
def test_the_outcome_of_a_task(target, family, error):
    asked = task(
        target=target,
        family=family,
        features=[coded("ill", "false", "true")] if "ill" not in target else [{"name": "age"}],
    )
    if error is None:
        check_outcome(asked, DICTIONARY)
    else:
        with pytest.raises(error):
            check_outcome(asked, DICTIONARY)


def question(beta, fill=(50.0,), centre=(50.0, 0.1), scale=(10.0, 0.3)):
    return BetaForm(list(beta), Layout(tuple(fill), (0, 1), tuple(centre), tuple(scale)))


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (question([0.5, 1.0, -1.0]), True),
        (question([99.0, 8.0, 30.0]), True),
        (question([101.0, 0.0, 0.0]), False),
        (question([0.0, 8.5, 0.0]), False),
        (question([0.0, 0.0, -31.0]), False),
        (question([0.0, 0.0, 0.0], fill=[121.0]), False),
        (question([0.0, 0.0, 0.0], fill=[120.0 + 1e-9]), True),  # rounding of a mean
        (question([0.0, 0.0, 0.0], centre=[-1.0, 0.1]), False),
        (question([0.0, 0.0, 0.0], centre=[50.0, 1.1]), False),
        (question([0.0, 0.0, 0.0], scale=[1e-5, 0.3]), False),
        (question([0.0, 0.0, 0.0], scale=[121.0, 0.3]), False),
    ],
)
def test_a_question_stays_within_the_ranges(asked, holds):
    assert ranges(task(), DICTIONARY).holds(task(), asked) is holds


def test_gaussian_predictors_are_measured_in_the_range_of_the_target():
    asked = task(target="below", family="gaussian")
    allowed = ranges(asked, DICTIONARY)
    assert (allowed.middle, allowed.unit) == (0.0, 10.0)
    assert allowed.holds(asked, question([999.0, 80.0, 0.0]))
    assert not allowed.holds(asked, question([0.0, 85.0, 0.0]))
    inside = np.linspace(-50.0, 50.0, 101)
    assert allowed.clipped(inside) == pytest.approx(inside, abs=1e-7)
    assert np.abs(allowed.clipped(np.array([1e6, -1e6]))) == pytest.approx([150.0, 150.0])


def test_a_number_without_a_range_has_none():
    with pytest.raises(RangeMissingError):
        ranges(task(features=[{"name": "free"}]), DICTIONARY)


def test_the_clip_is_the_identity_where_honest_predictors_are_and_smooth_beyond():
    middle = np.linspace(-5.0, 5.0, 101)
    assert np.abs(soft(middle) - middle).max() < 1e-8
    far = np.linspace(-40.0, 40.0, 8001)
    made = soft(far)
    assert (np.diff(made) >= 0.0).all()
    assert np.abs(made).max() <= STEEPEST + 1e-12
    step = far[1] - far[0]
    assert np.abs(np.diff(made, 2)).max() / step**2 <= 0.51  # a hard corner would have 1 / step = 100
    assert soft(np.array([1e308, -1e308])).tolist() == [STEEPEST, -STEEPEST]
