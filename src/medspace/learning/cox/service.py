"""Survival models, as the coordinator leads them (`runs.ports.Algorithm`)."""

from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.learning.cox import description
from medspace.learning.cox.masked import MaskedCox
from medspace.learning.cox.task import COX, CoxTask, parse
from medspace.learning.model import KIND
from medspace.runs.masked.leading import MaskedProcedure, kinds
from medspace.runs.ports import Demands, Need


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
        table = task.table
        demands = Demands(table.min_sites, table.min_cohort, table.site_faults, table.protection)
        return MaskedProcedure(
            MaskedCox(task), kinds(self.name), task.document(), demands, _needs(task), description.describe
        )


def _needs(task: CoxTask) -> tuple[Need, ...]:
    """Times, event and every feature."""
    event = task.table.target
    wanted = Need(event.column) if event.level is None else Need(event.column, (event.level,), whole=False)
    times = [Need(task.time)] if task.entry is None else [Need(task.time), Need(task.entry)]
    return (*times, wanted, *(Need(feature.name, feature.levels) for feature in task.table.features))
