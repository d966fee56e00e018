"""Tasks are read strictly and have one digest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.canonical import canonical
from medspace.learning.glm.task import HOLDOUTS, MOST_COLUMNS, FeatureColumn, Target, parse
from medspace.runs.errors import TaskInvalidError


def document(**changes):
    task = {
        "family": "binomial",
        "target": "num > 0",
        "features": [{"name": "age"}, {"name": "cp", "kind": "coded", "levels": ["1", "2", "3"]}],
        "purpose": "research",
    }
    return {**task, **changes}


def test_defaults_and_shape():
    task = parse(document())
    assert task.target == Target("num", ">", 0.0)
    assert task.features == (FeatureColumn("age"), FeatureColumn("cp", ("1", "2", "3")))
    assert task.columns == ("age", "cp=2", "cp=3", "cp=(joined)", "age is missing", "cp is missing")
    assert parse(document(missing="drop")).columns == ("age", "cp=2", "cp=3", "cp=(joined)")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("num", Target("num")),
        (" ejection fraction <= 4e1 ", Target("ejection fraction", "<=", 40.0)),
        ("num==-1.5", Target("num", "==", -1.5)),
        ({"column": "num", "comparison": ">=", "value": "2"}, Target("num", ">=", 2.0)),
        ({"column": "status", "level": "dead"}, Target("status", None, 0.0, "dead")),
    ],
)
def test_targets(given, meant):
    assert parse(document(target=given)).target == meant


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"family": "cox"}, "family"),
        ({"code": "print(1)"}, "code"),
        ({"task": "forest"}, "task"),
        ({"target": "num > zero"}, "target"),
        ({"target": "num > 1 or True"}, "target"),
        ({"target": {"column": "num", "comparison": ">"}}, "comparison"),
        ({"target": {"column": "num", "value": 1}}, "comparison"),
        ({"target": {"column": "num", "comparison": ">", "value": 1, "level": "1"}}, "level"),
        ({"target": "age > 50"}, "among the features"),
        ({"features": []}, "features"),
        ({"features": [{"name": "age"}, {"name": "age"}]}, "twice"),
        ({"features": [{"name": "cp", "kind": "coded"}]}, "levels"),
        ({"features": [{"name": "cp", "kind": "coded", "levels": ["1", "1"]}]}, "levels"),
        ({"features": [{"name": "cp", "kind": "coded", "levels": ["1", "1", "2"]}]}, "levels"),
        ({"features": [{"name": "age", "levels": ["1", "2"]}]}, "no levels"),
        ({"features": [{"name": "age", "kind": "free text"}]}, "kind"),
        ({"features": [{"name": ""}]}, "name"),
        ({"features": [{"name": "a=1"}, {"name": "a", "kind": "coded", "levels": ["0", "1"]}]}, "same name"),
        ({"l2": -1}, "l2"),
        ({"l2": "nan"}, "l2"),
        ({"l2": "much"}, "l2"),
        ({"l2": True}, "l2"),
        ({"tolerance": 0}, "tolerance"),
        ({"max_rounds": 2}, "max_rounds"),
        ({"max_rounds": 10_000}, "max_rounds"),
        ({"min_sites": 0}, "min_sites"),
        ({"evaluation": {"bins": 1}}, "bins"),
        ({"evaluation": {"holdout": 1.0}}, "holdout"),
        ({"intercept": False}, "standardising"),
        ({"family": "gaussian"}, "binomial"),
        ({"purpose": ""}, "purpose"),
    ],
)
def test_refused_with_the_field(changes, said):
    with pytest.raises(TaskInvalidError) as caught:
        parse(document(**changes))
    assert caught.value.code == "learning.task_invalid"
    assert said in str(caught.value)


@pytest.mark.parametrize("whole", [None, [], "glm", 3, {}])
def test_what_is_no_task_at_all(whole):
    with pytest.raises(TaskInvalidError):
        parse(whole)


def test_too_many_columns():
    features = [{"name": f"x{index}"} for index in range(MOST_COLUMNS // 2)]
    with pytest.raises(TaskInvalidError, match="500"):
        parse(document(features=features))
    assert len(parse(document(features=features, missing="drop")).columns) == MOST_COLUMNS // 2


@given(
    l2=st.floats(0, 1e6),
    tolerance=st.floats(1e-10, 0.1),
    holdout=st.sampled_from(HOLDOUTS),
    rounds=st.integers(3, 100),
    standardise=st.booleans(),
)
def test_the_canonical_form_reads_back_and_has_no_fractions(l2, tolerance, holdout, rounds, standardise):
    task = parse(
        document(
            l2=l2,
            tolerance=tolerance,
            evaluation={"holdout": holdout},
            max_rounds=rounds,
            standardise=standardise,
        )
    )
    written = canonical(task.document())
    assert parse(json.loads(written)) == task
    assert parse(json.loads(written)).digest() == task.digest()


def test_the_same_task_said_differently_has_the_same_digest():
    assert parse(document(l2=1)).digest() == parse(document(l2="1.0", task="glm", max_rounds=25)).digest()
    assert parse(document(l2=0.0)).digest() == parse(document(l2="-0")).digest()
    assert parse(document(l2=1)).digest() != parse(document(l2=1.5)).digest()


@pytest.mark.parametrize("given", ["inf", "-inf", "nan", float("inf"), float("nan")])
@pytest.mark.parametrize(
    "changes",
    [
        lambda given: {"l2": given},
        lambda given: {"noise": {"epsilon": given}},
        lambda given: {"noise": {"epsilon": 1.0, "delta": given}},
    ],
    ids=["l2", "epsilon", "delta"],
)
def test_what_is_no_finite_number_is_neither_a_penalty_nor_a_budget(changes, given):
    with pytest.raises(TaskInvalidError, match="must lie between"):
        parse(document(**changes(given)))
