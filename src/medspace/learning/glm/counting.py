"""The first and the last phase of a task on a table under masks, with what its `judge` adds to them (`grouping`).

Kinds of task share them: what begins after the moments, and what an evaluation ends, is theirs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from medspace.core.canonical import JsonObject
from medspace.core.text import msgid
from medspace.learning.evaluation.model import Judgement
from medspace.learning.exact import FRACTION
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.grouping import Groups
from medspace.learning.glm.mitigating import MitigationStand
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import (
    MOST_ROWS,
    EvaluationTotal,
    MomentsTotal,
    TotalCheck,
    evaluation_shape,
    evaluation_total,
    moments_shape,
    moments_total,
    most_measured,
)
from medspace.learning.phases import Phase, Standing
from medspace.runs.masked.ports import Shape


class JudgedStanding(Standing, Protocol):
    """Where a task stands whose model may be judged for groups."""

    @property
    def rows(self) -> int:
        """Those of the fit, at all sites; 0 before the first total."""
        ...

    @property
    def groups(self) -> Groups:
        """Of each attribute the groups that are counted."""
        ...

    @property
    def having(self) -> Groups:
        """How many sites have each of them."""
        ...

    @property
    def mitigation(self) -> MitigationStand | None:
        """What is known for groups that are mitigated for."""
        ...


Stand = TypeVar("Stand", bound=JudgedStanding)


@dataclass(frozen=True, slots=True)
class CountedGroups:
    """What the first total says of groups: which are judged, how many sites have each, what is mitigated."""

    shown: Groups
    having: Groups
    mitigation: MitigationStand | None


def moments_phase(task: GlmTask, begin: Callable[[Stand, MomentsTotal, CountedGroups], Stand]) -> Phase[Stand]:
    """Moments, and who has which group; `begin` is given what follows for groups."""
    plain = moments_shape(task)

    def check(stand: Stand, total: Sequence[int], sites: int) -> None:
        own, more = total[: plain.count], total[plain.count :]
        check = TotalCheck(task, stand.round + 1, sites)
        check.moments(own)
        check.counts(more)
        holds = grouping.cells_hold(task, more, sites, own[1] >> FRACTION)
        check.that(holds, msgid("its counts contradict each other"))

    def follow(stand: Stand, total: Sequence[int], proposal: JsonObject, sites: int) -> Stand:
        del proposal, sites
        found = moments_total(task, total[: plain.count])
        shown, having = grouping.chosen(task, total[plain.count :])
        judged = 0 if task.judge is None else len(task.judge.attributes)
        known = mitigating.begun(task, found.target_sum >> FRACTION, shown[judged:])
        return begin(stand, found, CountedGroups(shown[:judged], having[:judged], known))

    return Phase(lambda _: grouping.with_cells(task, plain, MOST_ROWS), check, follow)


def evaluation_phase(
    task: GlmTask,
    asked: Callable[[Stand], JsonObject],
    end: Callable[[Stand, EvaluationTotal, Judgement | None], Stand],
) -> Phase[Stand]:
    """Quality, over all rows and for each group.

    Which groups are counted was decided with all sites: once one has left, a task with groups begins again.
    """

    def parts(stand: Stand, total: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        width = evaluation_shape(task, stand.rows).count
        return total[:width], total[width:]

    def at(stand: Stand) -> GlmTask:
        return mitigating.judged_at(task, mitigating.stand_of(stand).cuts(task))

    def shape(stand: Stand) -> Shape:
        plain = evaluation_shape(task, stand.rows)
        return grouping.with_groups(at(stand), plain, stand.groups, most_measured(stand.rows))

    def check(stand: Stand, total: Sequence[int], sites: int) -> None:
        plain, more = parts(stand, total)
        check = TotalCheck(task, stand.round + 1, sites)
        check.evaluation(plain)
        found = evaluation_total(task, plain)
        holds = grouping.groups_hold(at(stand), more, found.rows, sum(found.cases))
        check.that(holds, msgid("its counts contradict each other"))

    def follow(stand: Stand, total: Sequence[int], proposal: JsonObject, sites: int) -> Stand:
        del proposal
        plain, more = parts(stand, total)
        judged = grouping.judgement(at(stand), more, stand.groups, stand.having, sites)
        return end(stand, evaluation_total(task, plain), judged)

    def inputs(stand: Stand) -> JsonObject:
        return asked(stand) | ({} if task.judge is None else grouping.named(stand.groups))

    return Phase(shape, check, follow, inputs=inputs, restarts=task.judge is not None)
