"""Generalised linear models, as the coordinator leads them (`runs.ports.Algorithm`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medspace.core.canonical import JsonObject
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED, MASKED_GROUPS, MASKED_SUMS
from medspace.core.hashing import digest
from medspace.learning.glm import completing, description, forecasting, outcome
from medspace.learning.glm import fit as fitting
from medspace.learning.glm.answers import OUTPUTS
from medspace.learning.glm.errors import NotConvergedError, SeparatedError
from medspace.learning.glm.masked import summed
from medspace.learning.glm.model import Fit, FitPhase
from medspace.learning.glm.tallying import GlmSums
from medspace.learning.glm.task import GlmTask, parse
from medspace.learning.model import KIND
from medspace.runs.masked.leading import MaskedProcedure, kinds
from medspace.runs.ports import Demands, Forecast, ModelDescription, Need, Question, Result, Spans


@dataclass(frozen=True, slots=True)
class GlmProcedure:
    """One GLM task (`runs.ports.Procedure`); its states are fits as JSON."""

    task: GlmTask
    document: JsonObject

    @property
    def demands(self) -> Demands:
        """What the task demands of the sites."""
        return demands_of(self.task)

    @property
    def needs(self) -> tuple[Need, ...]:
        """The outcome, every feature, and the columns of the groups that the model is judged for."""
        return needs_of(self.task)

    def first(self) -> JsonObject:
        """Nothing is fitted yet."""
        return fitting.written(Fit())

    def questions(self, state: JsonObject, number: int) -> Question | None:
        """The step of the fit's phase.

        Raises:
            SeparatedError, NotConvergedError: the task allows fewer rounds.
        """
        fit = fitting.read(state)
        if fit.phase is FitPhase.DONE:
            return None
        if number > self.task.max_rounds:
            separated = fitting.separates(self.task, fit)
            raise SeparatedError if separated else NotConvergedError(rounds=self.task.max_rounds)
        return Question(fit.phase.value, OUTPUTS[fit.phase.value], fitting.inputs(fit))

    def gathering(self, state: JsonObject, number: int) -> GlmSums:
        """Takes the answers of the sites."""
        return GlmSums(self.task, digest(self.document), number, fitting.read(state))

    def without(self, state: JsonObject) -> JsonObject:
        """Restart the fit, unless only its evaluation is left."""
        return state if fitting.read(state).phase is FitPhase.EVALUATION else self.first()

    def objective(self, state: JsonObject) -> float | None:
        """Half the deviance and half the penalty."""
        return fitting.read(state).objective

    def result(self, state: JsonObject) -> Result:
        """Coefficients and quality."""
        return outcome.result(self.task, fitting.read(state))

    def describe(self, result: Result, names: Mapping[str, str]) -> ModelDescription:
        """Coefficients, and quality per hospital and overall (`runs.ports.Describing`)."""
        return description.describe(result, names)


def demands_of(task: GlmTask) -> Demands:
    """What a task on a table demands of the sites."""
    groups = 1 if task.robust is None else task.robust.groups
    bounded = task.noise is not None
    return Demands(task.min_sites, task.min_cohort, task.site_faults, task.protection, bounded, groups)


def needs_of(task: GlmTask) -> tuple[Need, ...]:
    """The outcome and every feature of a task on a table, and the columns of the groups that it judges."""
    target = task.target
    outcome = Need(target.column) if target.level is None else Need(target.column, (target.level,), whole=False)
    known = {target.column, *(feature.name for feature in task.features)}
    judge = () if task.judge is None else task.judge.attributes
    groups = (Need(one.column, one.codes, whole=False) for one in judge if one.column not in known)
    return (outcome, *(Need(feature.name, feature.levels) for feature in task.features), *groups)


@dataclass(frozen=True, slots=True)
class GlmAlgorithm:
    """Reads GLM tasks (`runs.ports.Algorithm`)."""

    kind: str = KIND
    name: str = "glm"
    protections: tuple[str, ...] = (MASKED_SUMS, MASKED_GROUPS, COORDINATOR_SEES_SUMS)

    def prepare(self, document: JsonObject) -> GlmProcedure | MaskedProcedure:
        """Read a GLM task.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        task = parse(document)
        plain = GlmProcedure(task, task.document())
        if task.protection not in MASKED:
            return plain
        return MaskedProcedure(
            summed(task), kinds(self.name), plain.document, plain.demands, plain.needs, description.describe
        )

    def lacks(self, task: JsonObject) -> bool:
        """Whether ranges are missing that noise needs (`runs.ports.Completing`)."""
        return completing.lacks(task)

    def completed(self, task: JsonObject, published: Sequence[Spans]) -> JsonObject:
        """The task with the ranges that all sites publish."""
        return completing.completed(task, published)

    def forecast(self, task: JsonObject, sites: int) -> Forecast:
        """What it costs, and what to expect of it (`runs.ports.Forecasting`).

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
            NoiseInvalidError: its epsilon is too small for its columns.
        """
        return forecasting.forecast(parse(task), sites)
