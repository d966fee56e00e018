"""The engine of nets under `medspace:train`: training happens here, and all that leaves is masked (`summing`)."""

from collections.abc import Mapping
from dataclasses import replace

from medspace.core.canonical import JsonObject
from medspace.core.text import Text
from medspace.core.usage import Step
from medspace.learning.engine import MaskedEngine
from medspace.learning.glm import grouping
from medspace.learning.glm.engine import columns_of
from medspace.learning.glm.judging import Judge, Reader
from medspace.learning.glm.nearness import difference
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.summing import OWN, NetSumming
from medspace.learning.net.task import most_weights, parse


class NetEngine(MaskedEngine):
    """Serves `medspace:train` for nets (`core.engine.Engine`).

    `readers` read the questions of all kinds of task that tables were asked, for the audit of all together.
    """

    def __init__(self, readers: Mapping[str, Reader] = OWN) -> None:
        super().__init__(MaskedNets(NetSumming(Judge(readers))))

    def check(self, task: JsonObject) -> None:
        """Refuse an invalid task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        parse(task)

    def numbers(self, task: JsonObject) -> int:
        """The weights of a model, and the figures of its groups (`core.engine.CountingEngine`)."""
        read = parse(task)
        return most_weights(read) + grouping.figures(read.table)

    def difference(self, one: JsonObject, other: JsonObject) -> Text | None:
        """One feature, level, threshold or share held out (`core.engine.Comparing`)."""
        return difference(parse(one).table, parse(other).table)

    def columns(self, step: Step) -> frozenset[str]:
        """Target, groups and, unless images are looked at, features of the task (`core.engine.SelectiveEngine`)."""
        task = parse(step.task)
        return columns_of(task.table if task.images is None else replace(task.table, features=()))
