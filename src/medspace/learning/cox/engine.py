"""The engine of survival tasks under `medspace:train`: all that leaves is masked (`summing`)."""

from collections.abc import Mapping
from types import MappingProxyType

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.material import Form
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Output, Step
from medspace.learning.cox.judging import CoxStep
from medspace.learning.cox.masked import MaskedCoxes
from medspace.learning.cox.summing import CoxSumming
from medspace.learning.cox.task import COX, CoxTask, parse
from medspace.learning.glm.judging import Judge, Reader
from medspace.learning.glm.nearness import difference
from medspace.learning.model import KIND
from medspace.runs.masked.messages import ROWLESS, STEPS
from medspace.runs.masked.site import MaskedSite


class CoxEngine:
    """Serves `medspace:train` for survival tasks (`core.engine.Engine`).

    `readers` read the questions of other kinds of task that tables were asked, for the audit of all together.
    """

    def __init__(self, readers: Mapping[str, Reader] = MappingProxyType({})) -> None:
        judge = Judge({COX: CoxStep.read} | dict(readers))
        self.masked = MaskedSite(MaskedCoxes(CoxSumming(judge)))

    @property
    def kind(self) -> str:
        """`medspace:train`."""
        return KIND

    @property
    def task(self) -> str:
        """`cox`."""
        return COX

    @property
    def outputs(self) -> tuple[OutputForm, ...]:
        """What the protocol of masks says."""
        return self.masked.outputs

    @property
    def forms(self) -> tuple[Form, ...]:
        """Tables, and whatever comes with a table of labels."""
        return (Form.TABLE, Form.IMAGES)

    @property
    def limits(self) -> StepLimits:
        """Seconds in a thread."""
        return StepLimits(rowless=ROWLESS)

    @property
    def steps(self) -> tuple[str, ...]:
        """Those of the protocol."""
        return STEPS

    def protection(self, task: JsonObject) -> str:
        """Nobody sees more than totals."""
        del task
        return MASKED_SUMS

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
        """One feature, level, time, threshold or share held out (`core.engine.Comparing`)."""
        return _difference(parse(one), parse(other))

    def columns(self, step: Step) -> frozenset[str]:
        """Times, event and features of the task (`core.engine.SelectiveEngine`)."""
        task = parse(step.task)
        times = [task.time] if task.entry is None else [task.time, task.entry]
        return frozenset((*times, task.table.target.column, *(one.name for one in task.table.features)))

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step on the admitted rows.

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, RangeMissingError, OutcomeUndeclaredError: not with this data
                dictionary.
            DisclosureError: the answer could reveal single persons, or covers nobody.
        """
        return self.masked.answer(admission, step, workplace)


def _difference(one: CoxTask, other: CoxTask) -> Text | None:
    times = [(one.time, other.time), (one.entry or "", other.entry or "")]
    changed = [
        Text(msgid("the time {name}"), {"name": after or before}) for before, after in times if before != after
    ]
    if not changed:
        return difference(one.table, other.table)
    return changed[0] if len(changed) == 1 and one.table == other.table else None
