"""How good a GLM is for whom, under masks: what the task's `judge` adds to the first and to the last question.

    moments     per attribute and group, and for the rest: sites that have enough persons of it, and these persons
    evaluation  the counts of everyone, then of each group that the question names (`evaluation.counts`)

The rows are those that quality is measured on. Which groups are counted at all follows from the first total, before
anything about outcomes is: see `evaluation.hiding`.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from medspace.core.canonical import JsonObject
from medspace.core.material import Material
from medspace.learning.evaluation import hiding
from medspace.learning.evaluation.counts import Grid, GroupCounts, ScoredRows, counted, largest, read
from medspace.learning.evaluation.figures import AttributeCells, judged
from medspace.learning.evaluation.membership import members
from medspace.learning.evaluation.model import Judgement
from medspace.learning.evaluation.plan import GroupAttribute, JudgePlan
from medspace.learning.exact import FRACTION
from medspace.learning.glm import mitigating
from medspace.learning.glm.design import DesignBlock
from medspace.learning.glm.evaluation import Scores
from medspace.learning.glm.task import GlmTask
from medspace.privacy.disclosure import Labels, number
from medspace.runs.masked.ports import Shape

FIGURES = 18  # of each group: counts, measures, intervals
TREATED = 9  # of each group that is mitigated for
Groups = tuple[tuple[int, ...], ...]
"""Of each attribute the places of the groups that are counted."""


def grid_of(task: GlmTask, plan: JudgePlan) -> Grid:
    """How chances and scores are divided."""
    return Grid.of(task.evaluation.bins, plan.thresholds, task.evaluation.thresholds)


def figures(task: GlmTask) -> int:
    """How many numbers a model publishes of its groups."""
    if task.judge is None:
        return 0
    groups = 1 + sum(len(one.groups) for one in task.judge.attributes)
    treated = 0 if task.mitigate is None else TREATED * len(task.mitigate.attribute.groups)
    return groups * (FIGURES + 4 * len(task.judge.thresholds) + 2 * task.evaluation.bins) + treated


def divided(task: GlmTask) -> tuple[GroupAttribute, ...]:
    """The attributes whose groups the first question counts: those that the model is judged by, and mitigated for."""
    return () if task.judge is None else (*task.judge.attributes, *mitigating.divided(task))


def with_cells(task: GlmTask, shape: Shape, most: int) -> Shape:
    """The first question's vector, with who has which group."""
    cells = sum(len(one.groups) + 1 for one in divided(task))
    return shape if task.judge is None else _longer(shape, [most] * (2 * cells))


def with_groups(task: GlmTask, shape: Shape, groups: Groups, most: int) -> Shape:
    """The last question's vector, with the counts of everyone and of the groups."""
    if task.judge is None:
        return shape
    return _longer(shape, largest(grid_of(task, task.judge), most) * (1 + sum(map(len, groups))))


def _longer(shape: Shape, more: list[int]) -> Shape:
    before = shape.largest if isinstance(shape.largest, tuple) else (shape.largest,) * shape.count
    return Shape(shape.count + len(more), FRACTION, (*before, *(most << FRACTION for most in more)))


def cell_sums(task: GlmTask, rows: Sequence[tuple[DesignBlock, Labels]]) -> list[int]:
    """A site's part of the first question; `rows` has, for each attribute, some rows and the group of each."""
    made: list[int] = []
    for attribute, (part, found) in zip(divided(task), rows, strict=True):
        for place in range(len(attribute.groups) + 1):
            persons = number(part.persons[found == place])
            made += [min(persons, 1), persons]
    return [one << FRACTION for one in made]


def group_sums(
    task: GlmTask, plan: JudgePlan, part: DesignBlock, made: Scores, groups: Groups, rows: Sequence[Labels]
) -> list[int]:
    """A site's part of the last question."""
    grid = grid_of(task, plan)
    scored = ScoredRows(part.target, made.mu, made.places(grid.fine), part.persons)
    numbers = counted(grid, scored)
    for shown, found in zip(groups, rows, strict=True):
        for place in shown:
            numbers += counted(grid, scored.of(found == place))
    return numbers


def placed(plan: JudgePlan, part: DesignBlock, material: Material) -> list[Labels]:
    """The group of each row of a part, for each attribute."""
    return [members(one, material, part.rows, part.persons, plan.least) for one in plan.attributes]


def _told(attributes: Sequence[GroupAttribute], cells: Sequence[int]) -> Iterator[tuple[list[int], list[int]]]:
    """The sites and the persons of each cell, attribute by attribute."""
    ends = [0]
    for one in attributes:
        ends.append(ends[-1] + 2 * (len(one.groups) + 1))
    for start, end in pairwise(ends):
        said = [value >> FRACTION for value in cells[start:end]]
        yield said[::2], said[1::2]


def cells_hold(task: GlmTask, cells: Sequence[int], sites: int, persons: int) -> bool:
    """Whether the cells of the first total can be right; all of them are whole numbers."""
    if task.judge is None:
        return True
    whole = len(task.judge.attributes) if task.evaluation.holdout == 0.0 else 0
    for place, (having, heads) in enumerate(_told(divided(task), cells)):
        for at, (count, people) in enumerate(zip(having, heads, strict=True)):
            least = task.judge.least if at < len(having) - 1 else 1
            if not (count <= sites and count * least <= people and (count or not people)):
                return False
        if place < whole and max(heads) > persons:
            return False
    return True


def chosen(task: GlmTask, cells: Sequence[int]) -> tuple[Groups, Groups]:
    """Which groups are counted, and how many sites have each of them."""
    if task.judge is None:
        return (), ()
    told = list(_told(divided(task), cells))
    shown = tuple(hiding.shown_groups(sites, persons) for sites, persons in told)
    return shown, tuple(tuple(sites[at] for at in each) for each, (sites, _) in zip(shown, told, strict=True))


def _counts(task: GlmTask, plan: JudgePlan, numbers: Sequence[int]) -> list[GroupCounts]:
    grid = grid_of(task, plan)
    return [read(grid, numbers[at : at + grid.width]) for at in range(0, len(numbers), grid.width)]


def groups_hold(task: GlmTask, numbers: Sequence[int], rows: int, cases: int) -> bool:
    """Whether the counts of the last total can be right, with so many rows and cases in all."""
    if task.judge is None:
        return True
    grid = grid_of(task, task.judge)
    whole, one = grid.whole, (1 << FRACTION) - 1
    for at in range(0, len(numbers), grid.width):
        if any(value < 0 or value & one for value in numbers[at : at + whole]):
            return False
    everyone, *groups = _counts(task, task.judge, numbers)
    inside = all(group.rows <= rows and group.persons <= everyone.persons for group in groups)
    return (
        (everyone.rows, sum(everyone.cases)) == (rows, cases)
        and inside
        and all(group.consistent for group in (everyone, *groups))
    )


def judgement(task: GlmTask, numbers: Sequence[int], shown: Groups, having: Groups, sites: int) -> Judgement | None:
    """What is published of the last total, over so many sites."""
    if task.judge is None:
        return None
    everyone, *groups = _counts(task, task.judge, numbers)
    left = iter(groups)
    found = [
        AttributeCells(
            one.column,
            one.groups,
            tuple(dict(zip(places, counts, strict=True)).get(at, 0) for at in range(len(one.groups))),
            {place: next(left) for place in places},
        )
        for one, places, counts in zip(task.judge.attributes, shown, having, strict=True)
    ]
    return judged(task.judge, grid_of(task, task.judge), everyone, sites, found)


def well_formed(task: GlmTask, groups: Sequence[Sequence[int]]) -> bool:
    """Whether a question names groups that the task has."""
    if task.judge is None:
        return not groups
    return len(groups) == len(task.judge.attributes) and all(
        list(places) == sorted(set(places) & set(range(len(one.groups))))
        for places, one in zip(groups, task.judge.attributes, strict=True)
    )


def named(groups: Groups) -> JsonObject:
    """The groups as the last question names them."""
    return {"groups": [list(places) for places in groups]}
