"""Two fits that one thing tells apart, in words."""

import pytest

from medspace.learning.glm.engine import GlmEngine
from medspace.learning.glm.nearness import difference
from medspace.learning.glm.task import parse
from tests.e2e.space import TASK

AGE, SBP, SEX = TASK["features"]


def sex(*levels):
    return {"name": "sex", "kind": "coded", "levels": list(levels)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"features": [AGE, SEX]}, "the feature sbp"),
        ({"features": [AGE, SBP, SEX, {"name": "bmi"}]}, "the feature bmi"),
        ({"features": [AGE, SBP]}, "the feature sex"),
        ({"features": [AGE, SBP, {"name": "sex"}]}, "the feature sex"),
        ({"features": [AGE, SBP, sex("f", "m", "x")]}, "the level x of sex"),
        ({"features": [AGE, SBP, sex("m", "f")]}, "the level m of sex"),
        ({"features": [AGE, SBP, sex("f", "x")]}, None),
        ({"features": [AGE]}, None),
        ({"target": "disease > 1"}, "the threshold of the outcome disease"),
        ({"target": "other > 0"}, None),
        ({"evaluation": {"holdout": 0.2}}, "the share that is held out"),
        ({"evaluation": {"holdout": 0.2}, "target": "disease > 1"}, None),
        ({"family": "gaussian", "target": "disease"}, None),
        ({"l2": 2.0, "features": [SEX, AGE]}, "the feature sbp"),  # however else it is fitted
    ],
)
def test_the_one_thing_is_named_in_both_directions(changes, said):
    one, other = parse(TASK), parse(TASK | changes)
    found = difference(one, other)
    assert (found and str(found)) == said
    assert (difference(other, one) is None) is (said is None)
    assert GlmEngine().difference(TASK, TASK | changes) == found


def test_how_many_numbers_a_model_will_have_is_known_from_its_task():
    assert GlmEngine().numbers(TASK) == 4 + 10  # intercept, age, sbp, sex=m: coefficients and their covariance
    wide = TASK | {"features": [AGE, SBP, sex("f", "m", "x")], "intercept": False, "standardise": False}
    assert GlmEngine().numbers(wide) == 4 + 10
