"""What may be learned of survival, as data: proportional hazards, declared.

The canonical form holds no fractions, as that of a GLM (`glm.task`), whose columns, target and rules on rows it has.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.core.hashing import digest
from medspace.core.misfits import MisfitError, fit
from medspace.core.text import Fact, Text, msgid
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.task import parse as parse_table
from medspace.learning.reading import remembering
from medspace.runs.errors import TaskInvalidError

COX = "cox"
Ties = Literal["efron", "breslow"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


@dataclass(frozen=True)
class CoxTask:
    """Proportional hazards: exp(x beta) multiplies the hazard that a site's patients have at each time.

    Every site is a stratum: only patients of one site are compared, so nobody learns when something happened where.
    `time` is the column that says how long a patient was observed, `event` (the target of `table`) whether that
    ended by the event. With `entry`, a patient is at risk only after that time (left truncation). Events at the same
    time are handled as `ties` says (Efron 1977; Breslow 1974). `table` is the task of a GLM on the event, with the
    same features and rows: from it come columns, missing values, penalty, split, rounds, and what sites demand.
    """

    table: GlmTask
    time: str
    entry: str | None = None
    ties: Ties = "efron"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that features make (`GlmTask.columns`); there is no intercept."""
        return self.table.columns

    def document(self) -> JsonObject:
        """The canonical form: JSON without fractions."""
        table = self.table.document()
        event, evaluation = table.pop("target"), table.pop("evaluation")
        del table["family"], table["intercept"]
        entry = {} if self.entry is None else {"entry": self.entry}
        return table | {
            "task": COX,
            "time": self.time,
            "event": event,
            "ties": self.ties,
            "holdout": evaluation["holdout"],
            **entry,
        }

    def digest(self) -> str:
        """The digest of the canonical form."""
        return digest(self.document())


class _CoxForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The fields of its own; the others are those of a GLM, and are read by it."""

    time: Name
    event: Any
    features: Any
    purpose: Any
    task: Literal["cox"]
    entry: Name | None = None
    ties: Ties = "efron"
    holdout: Any = 0.0
    l2: Any = 0.0
    standardise: Any = True
    missing: Any = "indicator+mean"
    max_rounds: Any = 25
    tolerance: Any = 1e-6
    min_sites: Any = 2
    min_cohort: Any = 1
    site_faults: Any = "fail"
    protection: Any = MASKED_SUMS


@remembering
def parse(document: Json) -> CoxTask:
    """The task that a JSON object declares.

    Raises:
        TaskInvalidError: with the field and what is wrong with it.
    """
    try:
        form = fit(document, _CoxForm)
    except MisfitError as error:
        raise TaskInvalidError(reason=error.reason) from None
    if form.protection != MASKED_SUMS:
        raise _refused(msgid("protection must be one of {names}"), names=MASKED_SUMS)
    task = CoxTask(_table(form), form.time, form.entry, form.ties)
    _check(task)
    return task


def _table(form: _CoxForm) -> GlmTask:
    """The GLM on the event.

    Raises:
        TaskInvalidError: it cannot be one.
    """
    own = ("time", "event", "entry", "ties", "holdout", "task")
    shared = {name: getattr(form, name) for name in form.__struct_fields__ if name not in own}
    return parse_table(shared | {"family": "binomial", "target": form.event, "evaluation": {"holdout": form.holdout}})


def _check(task: CoxTask) -> None:
    times = [task.time] if task.entry is None else [task.time, task.entry]
    named = [task.table.target.column, *(feature.name for feature in task.table.features)]
    if len(set(times)) < len(times):
        raise _refused(msgid("entry and time are the same column"))
    for time in times:
        if time in named:
            raise _refused(msgid("the time {name} is also the event or a feature"), name=time)


def _refused(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))
