"""Nets, as the coordinator leads them (`runs.ports.Algorithm`)."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.learning.glm.service import demands_of, needs_of
from medspace.learning.model import KIND
from medspace.learning.net import description, forecasting
from medspace.learning.net.masked import MaskedNet
from medspace.learning.net.task import NET, NetTask, parse
from medspace.runs.masked.leading import MaskedProcedure, kinds
from medspace.runs.ports import Forecast, Need


@dataclass(frozen=True, slots=True)
class NetAlgorithm:
    """Reads the tasks of nets (`runs.ports.Algorithm`)."""

    kind: str = KIND
    name: str = NET
    protections: tuple[str, ...] = (MASKED_SUMS,)

    def prepare(self, document: JsonObject) -> MaskedProcedure:
        """Read the task of a net.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        task = parse(document)
        return MaskedProcedure(
            MaskedNet(task),
            kinds(self.name),
            task.document(),
            demands_of(task.table),
            _needs(task),
            description.describe,
        )

    def forecast(self, task: JsonObject, sites: int) -> Forecast:
        """What it costs, and what is learned from so many hospitals (`runs.ports.Forecasting`).

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        del sites  # what is learned is the same from any number
        return forecasting.forecast(parse(task))


def _needs(task: NetTask) -> tuple[Need, ...]:
    """The outcome, with all its classes if it has some, and every feature."""
    outcome, *features = needs_of(task.table)
    if task.images is not None:
        features = []  # which are made of the images
    return (Need(outcome.column, task.classes) if task.classes else outcome, *features)
