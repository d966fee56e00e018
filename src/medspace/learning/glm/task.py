"""What may be learned, as data: a generalised linear model, declared. Sites run their own code, never the user's.

The canonical form holds no fractions (they are written as the text that `repr` gives), so that a task has one
digest everywhere; `parse` takes fractions as numbers or as such text.
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from medspace.core.canonical import Json, JsonObject
from medspace.core.dictionary import Comparison, OutcomeDefinition
from medspace.core.engine import COORDINATOR_SEES_SUMS, MASKED_GROUPS, MASKED_SUMS, Unit
from medspace.core.hashing import digest
from medspace.core.misfits import MisfitError, fit
from medspace.core.text import Fact, Text, msgid
from medspace.learning.evaluation.counts import Grid
from medspace.learning.evaluation.plan import JudgeForm, JudgePlan, planned
from medspace.learning.glm.errors import RobustExactError
from medspace.learning.mitigation.plan import MitigationForm, MitigationPlan, mitigation
from medspace.learning.reading import remembering
from medspace.privacy.masking.ring import MOST_NUMBERS
from medspace.privacy.masking.thresholds import LEAST_SITES
from medspace.runs.errors import TaskInvalidError
from medspace.runs.masked.grouping import FEWEST_GROUPS, MOST_GROUPS, Robust
from medspace.runs.ports import SiteFaults

MOST_COLUMNS = 500  # of the design matrix, with indicators and intercept
MOST_CURVED = 100  # of them, where a total with noise has a number for each pair
MOST_LEVELS = 100
MOST_ROUNDS = 100
MOST_SITES = 10_000
LEAST_EPSILON, MOST_EPSILON, MOST_DELTA = 0.01, 100.0, 0.01
MOST_PERSONS = 10**10
FINER = 10  # under masks: bins of the predictor per bin of a run whose sites are seen one by one
NARROWEST, NARROW = 1e-100, 1e-9  # of a range, and beside its larger end: below, its numbers are rounding
MOST_MEASURING = 0.5  # of a budget, for how good the model is
PROTECTIONS = (COORDINATOR_SEES_SUMS, MASKED_SUMS, MASKED_GROUPS)
HOLDOUTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
JOINED = "(joined)"  # stands for the levels of a site that too few of its persons have

Family = Literal["binomial", "gaussian", "poisson"]
Missing = Literal["indicator+mean", "drop"]
Mechanism = Literal["gradient", "newton"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Fraction = float | str
_TARGET = re.compile(r"(?P<column>[^<>=]+?)\s*(?P<comparison>>=|<=|==|>|<)\s*(?P<value>[-+0-9.eE]+)")


@dataclass(frozen=True, slots=True)
class Target:
    """The outcome: a numeric column as it is, or compared with a value; or whether a coded column has a level.

    `span` is between which numbers one that is taken as it is counts, in a task with noise.
    """

    column: str
    comparison: Comparison | None = None
    value: float = 0.0
    level: str | None = None
    span: tuple[float, float] | None = None

    @property
    def binary(self) -> bool:
        """Whether it is made into 0 and 1."""
        return self.comparison is not None or self.level is not None

    @property
    def words(self) -> str:
        """It as people write it."""
        if self.level is not None:
            return f"{self.column} = {self.level}"
        return self.column if self.comparison is None else f"{self.column} {self.comparison} {self.value:g}"

    @property
    def outcome(self) -> OutcomeDefinition | None:
        """The threshold on a number, if it is one."""
        return None if self.comparison is None else OutcomeDefinition(self.column, self.comparison, self.value)

    def document(self) -> JsonObject:
        """The canonical form."""
        if self.level is not None:
            return {"column": self.column, "level": self.level}
        if self.comparison is not None:
            return {"column": self.column, "comparison": self.comparison, "value": repr(self.value)}
        said: JsonObject = {"column": self.column}
        return said if self.span is None else said | {"range": [repr(bound) for bound in self.span]}


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """A column that explains. Coded ones become one 0/1 column per level but the first, which is the reference.

    One more 0/1 column of theirs stands for the levels that too few persons of a site have: nobody is counted as
    having the reference who has it not.
    """

    name: str
    levels: tuple[str, ...] = ()
    span: tuple[float, float] | None = None  # between which numbers it counts, in a task with noise

    @property
    def coded(self) -> bool:
        """Whether it holds codes rather than numbers."""
        return bool(self.levels)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns in the design matrix, without the missing indicator."""
        if not self.levels:
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in (*self.levels[1:], JOINED))

    def document(self) -> JsonObject:
        """The canonical form."""
        if self.coded:
            return {"name": self.name, "kind": "coded", "levels": list(self.levels)}
        said: JsonObject = {"name": self.name, "kind": "numeric"}
        return said if self.span is None else said | {"range": [repr(bound) for bound in self.span]}


@dataclass(frozen=True, slots=True)
class Noise:
    """That all totals carry noise, and how much: `epsilon` at `delta` is what the task costs each holder.

    `unit` is whom that protects: all rows of a patient together, or each row by itself. `persons` is about how many
    patients all hospitals publish that they have; with it the better `mechanism` is chosen where the task names none
    (`noisy.planning`). `evaluation` is the share of the budget that goes to how good the model is; 0: not measured.
    """

    epsilon: float
    delta: float = 1e-5
    unit: Unit = "patient"
    persons: int | None = None
    mechanism: Mechanism | None = None
    evaluation: float = 0.0

    def document(self) -> JsonObject:
        """The canonical form; what is not said is left out."""
        said: JsonObject = {"epsilon": repr(self.epsilon), "delta": repr(self.delta), "unit": self.unit}
        if self.persons is not None:
            said["persons"] = self.persons
        if self.mechanism is not None:
            said["mechanism"] = self.mechanism
        return said if not self.evaluation else said | {"evaluation": repr(self.evaluation)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How quality is measured.

    `holdout` is the share of each site's persons that is kept out of the fit and measured on (0: measured on the rows
    of the fit), each with all rows. The site decides who that is, and only a few shares can be asked for: two splits
    that differ by one person would tell that person's row. `thresholds` is how many bins of the linear predictor the
    pooled AUC is counted in.
    """

    bins: int = 10
    thresholds: int = 400
    holdout: float = 0.0

    def document(self) -> JsonObject:
        """The canonical form."""
        return {
            "bins": self.bins,
            "thresholds": self.thresholds,
            "holdout": repr(self.holdout),
        }


@dataclass(frozen=True)
class GlmTask:
    """A generalised linear model with canonical link.

    The fit minimises deviance / 2 + l2 / 2 * sum of squares of the coefficients, intercept left out, deviance summed
    (not averaged) over all rows of all sites: `l2` is 1/C of scikit-learn. With `standardise` the penalised
    coefficients are those of the columns scaled by the federation's means and standard deviations, else those of the
    columns as measured. `tolerance` is the length of the Newton step, in standard errors, at which the fit has
    converged. `max_rounds` counts every round: moments, Newton and evaluation. `min_cohort` is the fewest persons
    behind a site's sums; `site_faults` says whether the run goes on without a site that fails. `protection` says who
    sees a site's sums; a document without it is of a version whose coordinators saw them. With `noise` each total
    carries noise that a privacy budget is spent on (`noisy`): rounds are then fixed, nothing is joined or hidden, and
    `l2`, `tolerance` and `evaluation` (but for who is held out) have no meaning. With `robust` besides, sites are in
    groups with totals of their own, of which the outermost are left out, number by number. `judge` says for which
    groups of persons and at which thresholds the model is measured besides, under masks; `mitigate` what is done so
    that it is fairer to one kind of these groups.
    """

    family: Family
    target: Target
    features: tuple[FeatureColumn, ...]
    purpose: str
    l2: float = 0.0
    intercept: bool = True
    standardise: bool = True
    missing: Missing = "indicator+mean"
    max_rounds: int = 25
    tolerance: float = 1e-6
    evaluation: Evaluation = Evaluation()
    min_sites: int = 2
    min_cohort: int = 1
    site_faults: SiteFaults = "fail"
    protection: str = COORDINATOR_SEES_SUMS
    noise: Noise | None = None
    robust: Robust | None = None
    judge: JudgePlan | None = None
    mitigate: MitigationPlan | None = None

    @property
    def apart(self) -> float:
        """The share of each site's persons that is kept out of the fit to choose thresholds."""
        return 0.0 if self.mitigate is None else self.mitigate.validation

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns that features make: values first, then one missing indicator per feature (unless dropped)."""
        values = tuple(column for feature in self.features for column in feature.columns)
        if self.missing == "drop":
            return values
        return values + tuple(f"{feature.name} is missing" for feature in self.features)

    def document(self) -> JsonObject:
        """The canonical form: JSON without fractions; `protection` to `mitigate` only if there is one.

        So a task has the digest that versions without them gave it.
        """
        protection = {} if self.protection == COORDINATOR_SEES_SUMS else {"protection": self.protection}
        noise = {} if self.noise is None else {"noise": self.noise.document()}
        robust: JsonObject = {} if self.robust is None else {"robust": msgspec.to_builtins(self.robust)}
        judge = {} if self.judge is None else {"judge": self.judge.document()}
        mitigate = {} if self.mitigate is None else {"mitigate": self.mitigate.document()}
        return {
            "task": "glm",
            "family": self.family,
            "target": self.target.document(),
            "features": [feature.document() for feature in self.features],
            "purpose": self.purpose,
            "l2": repr(self.l2),
            "intercept": self.intercept,
            "standardise": self.standardise,
            "missing": self.missing,
            "max_rounds": self.max_rounds,
            "tolerance": repr(self.tolerance),
            "evaluation": self.evaluation.document(),
            "min_sites": self.min_sites,
            "min_cohort": self.min_cohort,
            "site_faults": self.site_faults,
            **protection,
            **noise,
            **robust,
            **judge,
            **mitigate,
        }

    def digest(self) -> str:
        """The digest of the canonical form."""
        return digest(self.document())


class _TargetForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    column: Name
    comparison: Comparison | None = None
    value: Fraction | None = None
    level: Name | None = None
    range: tuple[Fraction, Fraction] | None = None


class _FeatureForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    name: Name
    kind: Literal["numeric", "coded"] = "numeric"
    levels: Annotated[list[Name], msgspec.Meta(max_length=MOST_LEVELS)] = []
    range: tuple[Fraction, Fraction] | None = None


class _EvaluationForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    bins: Annotated[int, msgspec.Meta(ge=2, le=100)] = 10
    thresholds: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 400
    holdout: Fraction = 0.0


class _NoiseForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    epsilon: Fraction
    delta: Fraction = 1e-5
    unit: Unit = "patient"
    persons: Annotated[int, msgspec.Meta(ge=1, le=MOST_PERSONS)] | None = None
    mechanism: Mechanism | None = None
    evaluation: Fraction = 0.0


class _RobustForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    groups: int
    trim: int = 1


class _TaskForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    family: Family
    target: Name | _TargetForm
    features: Annotated[list[_FeatureForm], msgspec.Meta(min_length=1, max_length=MOST_COLUMNS)]
    purpose: Name
    task: Literal["glm"] = "glm"
    l2: Fraction = 0.0
    intercept: bool = True
    standardise: bool = True
    missing: Missing = "indicator+mean"
    max_rounds: Annotated[int, msgspec.Meta(ge=3, le=MOST_ROUNDS)] = 25
    tolerance: Fraction = 1e-6
    evaluation: _EvaluationForm = _EvaluationForm()
    min_sites: Annotated[int, msgspec.Meta(ge=1, le=MOST_SITES)] = 2
    min_cohort: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    site_faults: SiteFaults = "fail"
    protection: str = COORDINATOR_SEES_SUMS
    noise: _NoiseForm | None = None
    robust: _RobustForm | None = None
    judge: JudgeForm | None = None
    mitigate: MitigationForm | None = None


@remembering
def parse(document: Json) -> GlmTask:
    """The task that a JSON object declares.

    Raises:
        TaskInvalidError: with the field and what is wrong with it.
    """
    try:
        form = fit(document, _TaskForm)
    except MisfitError as error:
        raise TaskInvalidError(reason=error.reason) from None
    features = tuple(_feature(feature) for feature in form.features)
    levels = {feature.name: feature.levels for feature in features if feature.coded}
    judge = None if form.judge is None else planned(form.judge, levels)
    task = GlmTask(
        family=form.family,
        target=_target(form.target),
        features=features,
        purpose=form.purpose,
        l2=fraction("l2", form.l2, 0.0, 1e12),
        intercept=form.intercept,
        standardise=form.standardise,
        missing=form.missing,
        max_rounds=form.max_rounds,
        tolerance=fraction("tolerance", form.tolerance, 1e-10, 0.1),
        evaluation=_evaluation(form.evaluation),
        min_sites=form.min_sites,
        min_cohort=form.min_cohort,
        site_faults=form.site_faults,
        protection=form.protection,
        noise=_noise(form.noise),
        robust=_robust(form.robust),
        judge=judge,
        mitigate=None if form.mitigate is None else mitigation(form.mitigate, judge, fraction),
    )
    _check(task)
    return task


def _refuse(sentence: str, **facts: Fact) -> TaskInvalidError:
    return TaskInvalidError(reason=Text(sentence, facts))


def fraction(field: str, given: Fraction, least: float, most: float) -> float:
    """The number of a field, between these bounds.

    Raises:
        TaskInvalidError: it is none, or not between them.
    """
    try:
        value = float(given) + 0.0  # no negative zero: one value, one text
    except ValueError:
        raise _refuse(msgid("{field} is not a number"), field=field) from None
    if not (math.isfinite(value) and least <= value <= most):
        raise _refuse(msgid("{field} must lie between {least} and {most}"), field=field, least=least, most=most)
    return value


def _target(form: str | _TargetForm) -> Target:
    if isinstance(form, str):
        if not set("<>=") & set(form):
            return Target(form)
        found = _TARGET.fullmatch(form.strip())
        if found is None:
            raise _refuse(msgid("the target must read like `num` or `num > 0`"))
        form = msgspec.convert(found.groupdict(), _TargetForm)
    if (form.comparison is None) != (form.value is None) or (form.level is not None and form.value is not None):
        raise _refuse(msgid("the target has either a comparison with a value, or a level, or neither"))
    if form.range is not None and (form.comparison is not None or form.level is not None):
        raise _refuse(msgid("a yes/no target has no range"))
    value = 0.0 if form.value is None else fraction("target", form.value, -1e12, 1e12)
    return Target(form.column, form.comparison, value, form.level, _span(form.column, form.range))


def _feature(form: _FeatureForm) -> FeatureColumn:
    if form.kind == "numeric" and form.levels:
        raise _refuse(msgid("the numeric feature {name} has no levels"), name=form.name)
    if form.kind == "coded" and (len(set(form.levels)) < max(2, len(form.levels)) or JOINED in form.levels):
        raise _refuse(msgid("the coded feature {name} needs two or more different levels"), name=form.name)
    if form.kind == "coded" and form.range is not None:
        raise _refuse(msgid("the coded feature {name} has no range"), name=form.name)
    return FeatureColumn(form.name, tuple(form.levels), _span(form.name, form.range))


def _span(name: str, given: tuple[Fraction, Fraction] | None) -> tuple[float, float] | None:
    if given is None:
        return None
    low, high = (fraction("range", bound, -1e12, 1e12) for bound in given)
    if not low < high:
        raise _refuse(msgid("the range of {name} must be two numbers, the smaller one first"), name=name)
    if high - low < max(NARROWEST, NARROW * max(abs(low), abs(high))):
        raise _refuse(msgid("the range of {name} is too narrow"), name=name)
    return low, high


def _noise(form: _NoiseForm | None) -> Noise | None:
    if form is None:
        return None
    epsilon = fraction("epsilon", form.epsilon, LEAST_EPSILON, MOST_EPSILON)
    delta = fraction("delta", form.delta, 1e-15, MOST_DELTA)
    share = fraction("evaluation", form.evaluation, 0.0, MOST_MEASURING)
    return Noise(epsilon, delta, form.unit, form.persons, form.mechanism, share)


def _robust(form: _RobustForm | None) -> Robust | None:
    if form is None:
        return None
    try:
        return Robust(form.groups, form.trim)
    except ValueError:
        facts = {"fewest": FEWEST_GROUPS, "most": MOST_GROUPS, "groups": form.groups, "trim": form.trim}
        sentence = msgid(
            "robust takes {fewest} to {most} groups, and trims at least one and fewer than half of them: not {trim} "
            "of {groups}"
        )
        raise _refuse(sentence, **facts) from None


def _holdout(given: Fraction) -> float:
    share = fraction("holdout", given, 0.0, 1.0)
    if share not in HOLDOUTS:
        raise _refuse(msgid("holdout must be one of {shares}"), shares=", ".join(map(str, HOLDOUTS)))
    return share


def _evaluation(form: _EvaluationForm) -> Evaluation:
    return Evaluation(form.bins, form.thresholds, _holdout(form.holdout))


def _check(task: GlmTask) -> None:
    _check_robust(task)
    if task.protection not in PROTECTIONS:
        raise _refuse(msgid("protection must be one of {names}"), names=", ".join(PROTECTIONS))
    names = [feature.name for feature in task.features]
    if len(set(names)) < len(names):
        raise _refuse(msgid("a feature is named twice"))
    if task.target.column in names:
        raise _refuse(msgid("the target {name} is among the features"), name=task.target.column)
    if len(set(task.columns)) < len(task.columns):
        raise _refuse(msgid("two features yield columns of the same name"))
    if len(task.columns) + task.intercept > MOST_COLUMNS:
        raise _refuse(msgid("the design has more than {most} columns"), most=MOST_COLUMNS)
    if task.standardise and not task.intercept:
        raise _refuse(msgid("standardising moves the columns, so it needs the intercept"))
    if task.target.binary and task.family != "binomial":
        raise _refuse(msgid("a yes/no target needs the family binomial"))
    _check_parts(task)


def _check_parts(task: GlmTask) -> None:
    if task.noise is not None:
        _check_noise(task, task.noise)
    if task.judge is not None:
        _check_judge(task, task.judge)
    if task.mitigate is not None:
        _check_mitigation(task, task.mitigate)


def _check_judge(task: GlmTask, judge: JudgePlan) -> None:
    if task.protection != MASKED_SUMS or task.noise is not None:
        raise _refuse(msgid("judge counts under the protection masked-sums, without noise"))
    if task.family != "binomial":
        raise _refuse(msgid("judge needs the family binomial"))
    evaluation, groups = task.evaluation, sum(len(one.groups) for one in judge.attributes)
    width = Grid.of(evaluation.bins, judge.thresholds, evaluation.thresholds).width
    if task.mitigate is not None and task.mitigate.equal is not None:
        width += 5 * (len(task.mitigate.attribute.groups) + 1)  # as many thresholds more
    most = MOST_NUMBERS - 2 * FINER * evaluation.thresholds - 3 * evaluation.bins - 4
    if (1 + groups) * width > most:
        raise _refuse(
            msgid("judge counts too many numbers: name fewer groups, or fewer thresholds of the evaluation")
        )


def _check_mitigation(task: GlmTask, plan: MitigationPlan) -> None:
    if plan.equal is not None and not plan.validation:
        raise _refuse(msgid("thresholds of groups need validation: patients who are set apart"))
    if plan.validation not in HOLDOUTS or plan.validation + task.evaluation.holdout > HOLDOUTS[-1] + 1e-9:
        raise _refuse(
            msgid("validation must be one of {shares}, and with holdout no more than {most}"),
            shares=", ".join(map(str, HOLDOUTS)),
            most=HOLDOUTS[-1],
        )


def _check_robust(task: GlmTask) -> None:
    if task.robust is not None and task.noise is None:
        raise RobustExactError
    if (task.robust is not None) != (task.protection == MASKED_GROUPS):
        raise _refuse(
            msgid(
                "robust, such as {robust}, needs the protection {protection}: hospitals are asked in groups only "
                "where their contracts name it"
            ),
            robust="{ groups = 3, trim = 1 }",
            protection=MASKED_GROUPS,
        )


def _check_noise(task: GlmTask, noise: Noise) -> None:
    if task.protection not in (MASKED_SUMS, MASKED_GROUPS):
        raise _refuse(msgid("noise is added in shares under masks, so it needs the protection masked-sums"))
    if not task.standardise:  # which needs the intercept
        raise _refuse(msgid("a fit with noise standardises its columns"))
    if task.min_sites < LEAST_SITES:
        raise _refuse(msgid("noise is made up of shares of {least} sites or more: set min_sites"), least=LEAST_SITES)
    missing = next((one.name for one in task.features if not one.coded and one.span is None), None)
    if missing is not None:
        raise _refuse(
            msgid("noise needs the range of {name}, such as range = [0, 120]; not all hospitals publish one"),
            name=missing,
        )
    if noise.persons is not None and noise.delta * noise.persons >= 1.0:
        raise _refuse(msgid("delta must be below one in the number of patients"))
    _check_mechanism(task, noise)


def _check_mechanism(task: GlmTask, noise: Noise) -> None:
    if not task.target.binary and task.target.span is None and task.family != "binomial":
        raise _refuse(msgid("noise needs the range of the target {name}"), name=task.target.column)
    if task.family == "poisson" and task.target.span is not None and task.target.span[0] < 0.0:
        raise _refuse(msgid("the range of a target that counts begins at 0 or above"))
    if noise.mechanism == "gradient" and task.family != "binomial":
        raise _refuse(msgid("noisy gradients are available for the family binomial only"))
    if task.robust is not None and (task.family != "binomial" or noise.mechanism == "newton" or noise.evaluation):
        raise _refuse(
            msgid("a fit in groups uses noisy gradients, needs the family binomial, and measures no quality")
        )
    curved = noise.mechanism == "newton" or task.family != "binomial"
    if curved and len(task.columns) + task.intercept > MOST_CURVED:
        raise _refuse(msgid("noisy Newton sums are available for up to {most} columns"), most=MOST_CURVED)
