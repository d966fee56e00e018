"""How every kind of task that is judged as a GLM is answers a question under masks (`runs.masked.ports.Summing`).

Each question is judged as if its answer were seen: the rules on bounds, persons and the heaviest of them, and the
audit against all answers before, do not rely on masks. With masks, counts need not be of groups of
persons, and sums need not be rounded: nobody sees the counts of one site, or the last bits of its sums.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from medspace.core.canonical import JsonObject
from medspace.core.dictionary import Dictionary
from medspace.core.material import Material
from medspace.core.text import msgid
from medspace.core.usage import Admission, HolderNote, Step
from medspace.learning.glm.errors import ColumnTooLargeError
from medspace.learning.glm.judging import Judge, JudgedQuestion, PreparedRows, invalid
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import MOST_MEASURED, MOST_VALUE
from medspace.privacy.rounding import Rounding, rounded, unrounded
from medspace.runs.masked.ports import Shape, TaskQuestion

Question = TypeVar("Question", bound=JudgedQuestion)


class JudgedSumming(ABC, Generic[Question]):
    """Answers the questions of one kind of task; thread-safe. A kind says what it sums and what it shows."""

    def __init__(self, judge: Judge, read: Callable[[Admission, Step, PreparedRows], Question]) -> None:
        self._judge, self._read = judge, read

    @abstractmethod
    def vector(self, question: Question, part: Any, found: Any) -> list[int]:  # noqa: ANN401 - of its own kind
        """The integers that answer a question, by its rows and what they carry of it."""

    @abstractmethod
    def measured(self, question: Question, part: Any, found: Any, near: Rounding) -> JsonObject:  # noqa: ANN401 - the same
        """How good the model is at this site, by counts of groups of persons."""

    def measures(self, task: JsonObject) -> bool:
        """Whether that is known of such a task."""
        del task
        return True

    @abstractmethod
    def leaking(self, question: Question, part: Any) -> tuple[HolderNote, ...]:  # noqa: ANN401 - of its own kind
        """Which columns tell what is to be learned, for the holder alone."""

    def sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int]:
        """The site's integers and the persons behind them.

        Raises:
            InvalidInputError: nobody can answer this question, or not with this data dictionary.
            DisclosureError: the answer would rest on too few persons, or too heavily on one.
        """
        return self.told_sums(admission, task, asked, shape, material, step_round)[:2]

    def told_sums(
        self,
        admission: Admission,
        task: JsonObject,
        asked: TaskQuestion,
        shape: Shape,
        material: Material | None,
        step_round: int,
    ) -> tuple[list[int], int, tuple[HolderNote, ...]]:
        """The same, and notes for the holder alone: before the first fit, what leaks.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        question, part, found = self._judge.judged(self._read, admission, step, material)
        check_sizes(question.table, question.parts.rows.dictionary)
        made = self.vector(question, part, found)
        if not shape.holds(made):
            raise invalid(step, msgid("the sums are larger than masked sums can be"))
        if step.name == "moments":
            return made, part.cohort, self.leaking(question, part)
        least = max(admission.min_cohort, 1)  # of a site that has nobody to choose thresholds on
        return made, part.cohort or least if found is None else found.cohort, ()

    def own_quality(
        self, admission: Admission, task: JsonObject, asked: TaskQuestion, material: Material | None, step_round: int
    ) -> tuple[JsonObject, int] | None:
        """How good the model is at this site by itself, and the persons behind it.

        None where that is not what is asked.

        Raises:
            InvalidInputError, DisclosureError: as `sums`.
        """
        step = Step(task, step_round, asked.name, asked.inputs)
        if step.name != "evaluation" or not self.measures(task):
            return None
        question, part, found = self._judge.judged(self._read, admission, step, material)
        if found is None:
            return None
        shown = self.measured(question, part, found, rounded if admission.brakes.rounding else unrounded)
        fitted = question.fitted()
        return {"rows": len(fitted.target), "persons": fitted.cohort, **shown}, found.cohort


def check_sizes(task: GlmTask, dictionary: Dictionary) -> None:
    """Whether every number, as the dictionary bounds it, is one that masked sums carry.

    Raises:
        ColumnTooLargeError: one is not.
    """
    plain = [feature.name for feature in task.features if not feature.coded]
    measured = [] if task.target.binary or task.family == "binomial" else [task.target.column]
    most = dict.fromkeys(plain, MOST_VALUE)
    most |= dict.fromkeys(measured, MOST_MEASURED if task.family == "gaussian" else MOST_VALUE)
    for name, bound in most.items():
        span = dictionary.column(name).span
        if span is not None and max(map(abs, span)) > bound:
            raise ColumnTooLargeError(column=name, most=bound)
