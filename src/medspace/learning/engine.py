"""What engines have in common whose tasks on tables let nothing leave but masked sums (`core.engine.Engine`)."""

from collections.abc import Collection

from medspace.core.canonical import JsonObject
from medspace.core.engine import MASKED_SUMS, OutputForm, StepLimits, Workplace
from medspace.core.material import Form
from medspace.core.usage import Admission, Output, Step
from medspace.learning.model import KIND
from medspace.runs.masked.messages import ROWLESS, STEPS
from medspace.runs.masked.ports import MaskedTask
from medspace.runs.masked.site import MaskedSite


class MaskedEngine:
    """Serves `medspace:train` for one kind of task; a kind adds what it checks, counts and reads."""

    def __init__(self, task: MaskedTask) -> None:
        self.masked = MaskedSite(task)

    @property
    def kind(self) -> str:
        """`medspace:train`."""
        return KIND

    @property
    def task(self) -> str:
        """The name of the kind of task."""
        return self.masked.task.name

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

    def answer(self, admission: Admission, step: Step, workplace: Workplace) -> Output:
        """Do one step on the admitted rows.

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, RangeMissingError, OutcomeUndeclaredError: not with this data
                dictionary.
            DisclosureError: the answer could reveal single persons, or covers nobody.
        """
        return self.masked.answer(admission, step, workplace)

    def optional(self, output: Output) -> tuple[str, ...]:
        """The hospital's own quality (`core.engine.Withholding`)."""
        return self.masked.optional(output)

    def without(self, output: Output, parts: Collection[str]) -> Output:
        """The model without it."""
        return self.masked.without(output, parts)
