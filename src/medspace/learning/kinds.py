"""The kinds of task on tables: how their questions are read again, and what their sites follow under masks."""

from collections.abc import Mapping

from medspace.core.canonical import JsonObject
from medspace.core.errors import InvalidInputError
from medspace.learning.cox.judging import CoxStep
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.task import COX
from medspace.learning.glm.judging import Reader, SiteStep
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.net.judging import NetStep
from medspace.learning.net.masked import MaskedNets
from medspace.learning.net.task import NET
from medspace.runs.masked.ports import MaskedTask, Summed, SummedParts

# All answers are audited together, whatever asked for them.
READERS: Mapping[str, Reader] = {"glm": SiteStep.read, COX: CoxStep.read, NET: NetStep.read}
TASKS: tuple[MaskedTask, ...] = (MaskedGlms(), MaskedCoxes(), MaskedNets())


def summed(task: JsonObject) -> Summed | None:
    """A task of masked runs as its sites follow it; None for an unknown kind, or one that is no task."""
    kind = next((one for one in TASKS if one.name == task.get("task")), None)
    try:
        found = None if kind is None else kind.summed(task)
    except InvalidInputError:
        return None
    return None if isinstance(found, SummedParts) else found
