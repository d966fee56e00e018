"""What may be learned of survival, as data: proportional hazards, declared.

The canonical form holds no fractions, as that of a GLM (`glm.task`), whose columns, target and rules on rows it has.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.engine import MASKED_SUMS
from medspace.core.hashing import digest
from medspace.core.misfits import MisfitError, fit
from medspace.core.text import Fact, Text, msgid
from medspace.learning.glm.task import Fraction, GlmTask, fraction
from medspace.learning.glm.task import parse as parse_table
from medspace.learning.reading import remembering
from medspace.privacy.masking.ring import MOST_NUMBERS
from medspace.runs.errors import TaskInvalidError

COX = "cox"
Ties = Literal["efron", "breslow"]
Errors = Literal["model", "robust"]
MOST_TIMES = 240  # of a grid: months of twenty years
LONGEST = 1e9  # of a time

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


@dataclass(frozen=True)
class CoxTask:
    """Proportional hazards: exp(x beta) multiplies the hazard that a site's patients have at each time.

    Every site is a stratum: only patients of one site are compared, so nobody learns when something happened where.
    With a `grid`, the ends of intervals that times are rounded up to, all sites have one baseline (`shared`).
    `errors` says which standard errors the model has: its own, or `robust` ones (Lin and Wei 1989), by persons.
    `time` is the column that says how long a patient was observed, `event` (the target of `table`) whether that
    ended by the event. With `entry`, a patient is at risk only after that time (left truncation). Events at the same
    time are handled as `ties` says (Efron 1977; Breslow 1974). `table` is the task of a GLM on the event, with the
    same features and rows: from it come columns, missing values, penalty, split, rounds, and what sites demand.
    """

    table: GlmTask
    time: str
    entry: str | None = None
    ties: Ties = "efron"
    errors: Errors = "model"
    grid: tuple[float, ...] = ()

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
        errors = {} if self.errors == "model" else {"errors": self.errors}
        grid = {"grid": [repr(end) for end in self.grid]} if self.grid else {}
        return table | {
            "task": COX,
            "time": self.time,
            "event": event,
            "ties": self.ties,
            "holdout": evaluation["holdout"],
            **entry,
            **errors,
            **grid,
        }

    def digest(self) -> str:
        """The digest of the canonical form."""
        return digest(self.document())


class _EvenForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A grid of intervals that are equally long."""

    every: Fraction
    until: Fraction


class _CoxForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """The fields of its own; the others are those of a GLM, and are read by it."""

    time: Name
    event: Any
    features: Any
    purpose: Any
    task: Literal["cox"]
    entry: Name | None = None
    ties: Ties = "efron"
    errors: Errors = "model"
    grid: Annotated[list[Fraction], msgspec.Meta(max_length=MOST_TIMES)] | _EvenForm = []
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
    task = CoxTask(_table(form), form.time, form.entry, form.ties, form.errors, _grid(form.grid))
    _check(task)
    return task


def _table(form: _CoxForm) -> GlmTask:
    """The GLM on the event.

    Raises:
        TaskInvalidError: it cannot be one.
    """
    own = ("time", "event", "entry", "ties", "errors", "grid", "holdout", "task")
    shared = {name: getattr(form, name) for name in form.__struct_fields__ if name not in own}
    return parse_table(shared | {"family": "binomial", "target": form.event, "evaluation": {"holdout": form.holdout}})


def _grid(given: "list[Fraction] | _EvenForm") -> tuple[float, ...]:
    """The ends of the intervals, each later than the one before.

    Raises:
        TaskInvalidError: they are not.
    """
    if isinstance(given, _EvenForm):
        every, until = (fraction("grid", one, 1e-6, LONGEST) for one in (given.every, given.until))
        if until / every > MOST_TIMES + 1e-9:
            raise _refused(msgid("grid has more than {most} intervals"), most=MOST_TIMES)
        return tuple(every * k for k in range(1, max(round(until / every), 1) + 1))
    ends = tuple(fraction("grid", one, 1e-6, LONGEST) for one in given)
    if any(one >= other for one, other in pairwise(ends)):
        raise _refused(msgid("the ends of the intervals of grid must grow"))
    return ends


def _check(task: CoxTask) -> None:
    times = [task.time] if task.entry is None else [task.time, task.entry]
    named = [task.table.target.column, *(feature.name for feature in task.table.features)]
    if len(set(times)) < len(times):
        raise _refused(msgid("entry and time are the same column"))
    for time in times:
        if time in named:
            raise _refused(msgid("the time {name} is also the event or a feature"), name=time)
    width, places = len(task.columns), len(task.grid)
    if places and sums_of(width, places) > MOST_NUMBERS:
        raise _refused(
            msgid("{columns} columns at {times} times are more sums than the {most} of one question"),
            columns=width,
            times=places,
            most=MOST_NUMBERS,
        )


def sums_of(width: int, times: int) -> int:
    """How many sums one question of a fit has at most; with `times`, of a common baseline."""
    second = width * (width + 1) // 2
    return 3 + width + (2 * times * (1 + width + second) if times else second)


def _refused(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))
