"""What may be shown of groups: no small cell, and none that follows from what is shown."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.core.canonical import canonical, exact
from medspace.learning.evaluation import hiding
from medspace.learning.evaluation.counts import Grid, ScoredRows, counted, read
from medspace.learning.evaluation.figures import AttributeCells, judged
from medspace.learning.evaluation.plan import GroupAttribute, JudgePlan
from medspace.learning.glm.task import parse
from medspace.privacy.masking.thresholds import LEAST_SITES
from medspace.runs.errors import TaskInvalidError
from tests.unit.learning import hearts

cells = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 40)), min_size=1, max_size=8).map(
    lambda found: [(sites if persons else 0, persons if sites else 0) for sites, persons in found]
)
LEAST = 11


@given(cells)
def test_neither_a_group_nor_what_is_left_is_of_one_or_two_hospitals(found):
    sites, persons = zip(*found, strict=True)
    shown = hiding.shown_groups(sites, persons)
    assert all(sites[at] >= LEAST_SITES for at in shown)
    left = [at for at in range(len(found)) if at not in shown and persons[at]]
    assert not left or not shown or max(sites[at] for at in left) >= LEAST_SITES


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8))
def test_outcomes_of_few_do_not_follow_from_what_is_shown(found):
    cases, controls = zip(*found, strict=True)
    shown = hiding.both_outcomes(cases, controls, LEAST)
    for side in (cases, controls):
        assert all(side[at] >= LEAST for at in shown)
        left = sum(side[at] for at in range(len(side)) if at not in shown)
        other = sum(sum(both) for at, both in enumerate(found) if at not in shown)
        assert not shown or not other or left >= LEAST


@given(
    st.lists(st.lists(st.integers(0, 15), min_size=6, max_size=6), min_size=1, max_size=4),
    st.permutations(range(8)),
    st.booleans(),
)
def test_between_two_cuts_there_is_nobody_or_enough(parts, wanted, single):
    made = hiding.cuts(parts, LEAST, wanted, single=single)
    if not made:
        return
    for part in parts:
        for start, end in pairwise((0, *made, 6)):
            persons = sum(part[start:end]) if single else max(part[start:end])
            assert persons == 0 or persons >= LEAST


@st.composite
def tables(draw):
    source = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(30, 200))
    groups = source.choice(4, rows, p=source.dirichlet([1.0, 1.0, 0.3, 0.2]))
    chance = source.beta(1.0, 2.0, rows)
    return groups, (source.random(rows) < chance).astype(float), chance


def published(groups, target, chance, thresholds=(0.2, 0.25, 0.5)):
    """What is told of one hospital's rows, as if three had the same."""
    plan = JudgePlan((GroupAttribute("g", ("a", "b", "c")),), thresholds, LEAST)
    grid = Grid.of(10, thresholds, 20)
    rows = ScoredRows(target, chance, (chance * 20).astype(int), np.arange(len(target)))
    counts = [read(grid, counted(grid, rows.of(groups == at))) for at in range(3)]
    having = {at: one for at, one in enumerate(counts) if one.persons >= LEAST}
    everyone = read(grid, counted(grid, rows))
    assert everyone.consistent
    found = AttributeCells("g", ("a", "b", "c"), (3, 3, 3), having)
    return judged(plan, grid, everyone, 3, [found])


def small(count):
    return 0 < count < LEAST


@given(tables())
def test_tables_of_a_judgement_give_no_small_cell_away_by_taking_groups_off_the_whole(table):
    told = published(*table)
    everyone, *groups = told.groups
    shown = [one for one in groups if one.cases is not None]
    if everyone.cases is None or not shown:
        return
    for one in shown:
        assert one.cases >= LEAST
        assert one.rows - one.cases >= LEAST
    left = everyone.cases - sum(one.cases for one in shown), everyone.rows - sum(one.rows for one in shown)
    assert not small(left[0])
    assert not small(left[1] - left[0])
    sides = ("true_positives", "false_positives", "false_negatives", "true_negatives")
    for whole in everyone.confusion:
        parts = [one for group in shown for one in group.confusion if one.threshold == whole.threshold]
        assert len(parts) in (0, len(shown))
        for side in sides:
            counts = [getattr(one, side) for one in parts]
            rest = [getattr(whole, side) - sum(counts)] if parts else []
            assert not any(map(small, [getattr(whole, side), *counts, *rest]))
    for group in (everyone, *shown):
        for below, above in pairwise(group.confusion):
            assert not small(below.true_positives - above.true_positives)
            assert not small(below.false_positives - above.false_positives)


@given(tables())
def test_a_judgement_is_canonical_and_its_figures_lie_in_their_intervals(table):
    told = published(*table)
    canonical(exact(msgspec.to_builtins(told)))
    for group in told.groups:
        for name in ("auc", "average_precision", "brier", "ece", "slope", "intercept"):
            found = getattr(group, name)
            assert found is None or found.low <= found.value <= found.high


@pytest.mark.parametrize(
    "judge",
    [
        {"groups": [{"column": "age"}]},
        {"groups": [{"column": "age", "bands": [50], "codes": ["1", "2"]}]},
        {"groups": ["age"]},
        {"groups": ["sex", "sex"]},
        {"groups": [{"column": "age", "bands": [60, 50]}]},
        {"groups": [{"column": "age", "bands": ["x"]}]},
        {"groups": [{"column": "age", "bands": [50, 50.0000000001]}]},
        {"groups": [{"column": "w", "codes": ["a", "a"]}]},
        {
            "groups": [
                {"column": "w", "codes": [str(n) for n in range(20)]},
                {"column": "v", "bands": [1, 2, 3, 4, 5]},
            ]
        },
        {"thresholds": [0.0]},
        {"thresholds": [0.5, 0.4]},
        {"thresholds": [1.5]},
        {"least": 1},
        {"other": 1},
    ],
)
def test_a_task_whose_groups_mean_nothing_is_refused(judge):
    with pytest.raises(TaskInvalidError):
        parse(hearts.task(protection="masked-sums", judge=judge))


@pytest.mark.parametrize(
    "changes",
    [
        {"protection": "coordinator-sees-sums"},
        {"family": "gaussian", "target": "num"},
        {"noise": {"epsilon": 1.0}, "min_sites": 4},
        {
            "evaluation": {"bins": 100, "thresholds": 1000},
            "judge": {"groups": [{"column": "w", "codes": list("abcdefghijklmnopqrstuvwx")}]},
        },
    ],
)
def test_a_task_that_cannot_be_judged_by_groups_is_refused(changes):
    with pytest.raises(TaskInvalidError):
        parse(hearts.task(**{"protection": "masked-sums", "judge": {"groups": ["sex"]}} | changes))


def test_the_document_of_a_task_reads_as_the_same_task():
    judge = {"groups": ["sex", {"column": "age", "bands": [50, 65]}], "thresholds": [0.3, 0.5]}
    task = parse(hearts.task(protection="masked-sums", judge=judge))
    assert parse(task.document()) == task
    assert [one.groups for one in task.judge.attributes] == [("0", "1"), ("< 50", "50 - 65", ">= 65")]
    assert "judge" not in parse(hearts.task()).document()
