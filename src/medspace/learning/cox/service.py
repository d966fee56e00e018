"""Survival models, as the coordinator leads them (`runs.ports.Algorithm`)."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.learning.cox import description, forecasting
from medspace.learning.cox.masked import MaskedCox
from medspace.learning.cox.task import COX, CoxTask, parse
from medspace.learning.glm.service import demands_of, needs_of
from medspace.learning.model import KIND
from medspace.runs.masked.leading import MaskedProcedure, kinds
from medspace.runs.ports import Forecast, Need


@dataclass(frozen=True, slots=True)
class CoxAlgorithm:
    """Reads survival tasks (`runs.ports.Algorithm`)."""

    kind: str = KIND
    name: str = COX
    protections: tuple[str, ...] = (MASKED_SUMS,)

    def prepare(self, document: JsonObject) -> MaskedProcedure:
        """Read a survival task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        task = parse(document)
        demands = demands_of(task.table)
        return MaskedProcedure(
            MaskedCox(task), kinds(self.name), task.document(), demands, _needs(task), description.describe
        )

    def forecast(self, task: JsonObject, sites: int) -> Forecast:
        """What it costs, and what is learned from so many hospitals (`runs.ports.Forecasting`).

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        del sites  # what is learned is the same from any number
        return forecasting.forecast(parse(task))


def _needs(task: CoxTask) -> tuple[Need, ...]:
    """Times, event and every feature."""
    times = [Need(task.time)] if task.entry is None else [Need(task.time), Need(task.entry)]
    return (*times, *needs_of(task.table))
