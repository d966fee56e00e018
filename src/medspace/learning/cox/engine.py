"""The engine of survival tasks under `medspace:train`: all that leaves is masked (`summing`)."""

from collections.abc import Mapping

from medspace.core.canonical import JsonObject
from medspace.core.text import Text, msgid
from medspace.core.usage import Step
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.summing import OWN, CoxSumming
from medspace.learning.cox.task import CoxTask, parse
from medspace.learning.engine import MaskedEngine
from medspace.learning.glm.judging import Judge, Reader
from medspace.learning.glm.nearness import difference


class CoxEngine(MaskedEngine):
    """Serves `medspace:train` for survival tasks (`core.engine.Engine`).

    `readers` read the questions of all kinds of task that tables were asked, for the audit of all together.
    """

    def __init__(self, readers: Mapping[str, Reader] = OWN) -> None:
        super().__init__(MaskedCoxes(CoxSumming(Judge(readers))))

    def check(self, task: JsonObject) -> None:
        """Refuse an invalid survival task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        parse(task)

    def numbers(self, task: JsonObject) -> int:
        """Coefficients and covariance of a model (`core.engine.CountingEngine`)."""
        width = sum(max(len(feature.levels) - 1, 1) for feature in parse(task).table.features)
        return width + width * (width + 1) // 2

    def difference(self, one: JsonObject, other: JsonObject) -> Text | None:
        """One feature, level, time, grid, threshold or share held out (`core.engine.Comparing`)."""
        return _difference(parse(one), parse(other))

    def columns(self, step: Step) -> frozenset[str]:
        """Times, event and features of the task (`core.engine.SelectiveEngine`)."""
        task = parse(step.task)
        times = [task.time] if task.entry is None else [task.time, task.entry]
        return frozenset((*times, task.table.target.column, *(one.name for one in task.table.features)))


def _difference(one: CoxTask, other: CoxTask) -> Text | None:
    times = [(one.time, other.time), (one.entry or "", other.entry or "")]
    changed = [
        Text(msgid("the time {name}"), {"name": after or before}) for before, after in times if before != after
    ]
    if one.grid != other.grid:
        changed.append(Text(msgid("the times that are summed at")))
    if not changed:
        return difference(one.table, other.table)
    return changed[0] if len(changed) == 1 and one.table == other.table else None
