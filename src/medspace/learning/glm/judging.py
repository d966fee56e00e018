"""Checks a question against all rules of a site before anything about its rows leaves, in sums or under masks.

Three kinds of rules, in this order:

1. public ones, decided by task, dictionary and question alone (`bounds`); each has a sentence of its own;
2. private ones on the rows behind it (`weighing`): how many persons, and how heavy the heaviest;
3. the audit of all answers together (`auditing`).

The private ones have one error, whatever the reason. Only caches are kept between questions.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np

from medspace.core.dictionary import Dictionary
from medspace.core.errors import MedspaceError
from medspace.core.material import Material
from medspace.core.misfits import MisfitError, fit
from medspace.core.text import Text, msgid
from medspace.core.usage import Admission, Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.evaluation.membership import alike, members, sets
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.answers import HUGE, OUTPUTS, BetaForm
from medspace.learning.glm.auditing import Audit, SumQuery, asked, by_person, cells_of, identity
from medspace.learning.glm.design import DesignBlock, Marks, Matrix, Sample, Vector, marks_of, sample
from medspace.learning.glm.errors import BeyondRangesError, GroupsTooSmallError, GroupUnknownError, NothingLeftError
from medspace.learning.glm.ranges import Ranges, check_column, check_columns, check_outcome, codes, ranges
from medspace.learning.glm.samples import Samples
from medspace.learning.glm.task import Evaluation, GlmTask, parse
from medspace.learning.glm.weighing import Weighed, check_part, check_weights, weigh
from medspace.privacy.disclosure import Labels
from medspace.privacy.errors import DisclosureError

Key = TypeVar("Key")
Made = TypeVar("Made")
GROUPS = "(groups)"  # the name, in the audit, of all groups that models were judged for
COUNTING = ("evaluation", mitigating.THRESHOLDS)  # steps whose sums are of all rows, not of those of a code
MOST_PARTS = 2  # kept at a time: those that a run fits, and those that it is measured on


class Audited(Protocol):
    """A question of any kind of task, as the audit of all answers together takes it."""

    def query(self, persons: Marks) -> SumQuery:
        """Whom it sums, and with which weights; `persons` are the keyed marks of the table's rows.

        Raises:
            MedspaceError: it cannot be asked about this table.
        """
        ...


Reader = Callable[[Admission, Step, "PreparedRows"], Audited]


class JudgedQuestion(Audited, Protocol):
    """One that is answered now: its rows, and what they carry of it, are of its own kind."""

    @property
    def table(self) -> GlmTask:
        """The columns of its task, as those of a GLM."""
        ...

    @property
    def parts(self) -> "PreparedRows":
        """The rows of the site."""
        ...

    def fitted(self) -> DesignBlock:
        """The rows that the model is fitted to."""
        ...

    def weighed(self) -> tuple[Any, Any]:
        """The rows that it sums, and what they carry of it; None where it asks for their moments.

        Raises:
            DisclosureError: too few persons carry it.
        """
        ...

    def query_of(self, part: Any, found: Any, persons: Marks, /) -> SumQuery:  # noqa: ANN401 - of its own kind
        """What `query` gives, by rows that are known already."""
        ...


Question = TypeVar("Question", bound=JudgedQuestion)


class Judge:
    """Judges the questions asked about tables; thread-safe.

    `readers` read the questions of other kinds of task, by the names of their tasks: all that an asset has answered
    is audited together, whatever asked for it.
    """

    def __init__(self, readers: Mapping[str, Reader] = MappingProxyType({})) -> None:
        self._audit = Audit()
        self._samples = Samples()
        self._readers = {"glm": SiteStep.read, **readers}

    def judged(
        self,
        read: "Callable[[Admission, Step, PreparedRows], Question]",
        admission: Admission,
        step: Step,
        rows: Material | None,
    ) -> tuple[Question, Any, Any]:
        """A question that may be answered, the rows that it sums, and what they carry of it (None: their moments).

        Raises:
            TaskInvalidError, StepInvalidError: the question cannot be answered by anybody.
            ColumnUnknownError, LevelUnknownError, RangeMissingError, TargetInvalidError, OutcomeUndeclaredError: not
                with this data dictionary.
            DisclosureError: the answer could reveal single persons, or covers nobody.
        """
        parts = self.prepared(admission, rows)
        question = read(admission, step, parts)
        part, found = question.weighed()
        self.audit(step, parts, lambda persons: question.query_of(part, found, persons))
        return question, part, found

    def prepared(self, admission: Admission, rows: Material | None) -> "PreparedRows":
        """The rows of a step, as questions take them.

        Raises:
            NothingLeftError: there are none.
        """
        if rows is None:
            raise NothingLeftError
        return PreparedRows(admission, rows, self._samples)

    def audit(self, step: Step, parts: "PreparedRows", new: Callable[[Marks], SumQuery]) -> None:
        """Audit the question of a step, `new` by the marks of the persons, against all that was answered before.

        Raises:
            DisclosureError: together they would rest on one person, or differ by few.
        """
        admission = parts.admission
        least = admission.min_cohort
        if not admission.brakes.exposure or least <= 1:
            return
        persons, content = marks_of(parts.rows, admission.seed)

        def again(earlier: Step) -> SumQuery | None:
            reader = self._readers.get(str(earlier.task.get("task", "glm")))
            try:
                return None if reader is None else reader(admission, earlier, parts).query(persons)
            except MedspaceError:  # it was answered from another version of the table or the dictionary
                return None

        history = admission.history
        self._audit.check(admission.asset, persons, content, step, new(persons), history, again, least)


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """The rows of a site as tasks take them; kept while one step is answered, since many questions take the same."""

    admission: Admission
    rows: Material
    samples: Samples
    _samples: OrderedDict[GlmTask, Sample] = field(default_factory=OrderedDict)
    _parts: OrderedDict[tuple[GlmTask, bool], DesignBlock] = field(default_factory=OrderedDict)

    def sample(self, task: GlmTask) -> Sample:
        """The rows that a task can use."""
        looked = _looked(task)
        return _cached(self._samples, looked, lambda: self._sampled(looked))

    def part(self, task: GlmTask, *, measured: bool) -> DesignBlock:
        """The rows that a task fits, or is measured on."""
        looked = _looked(task)
        apart = measured and looked.evaluation.holdout > 0.0

        def made() -> DesignBlock:
            found = self.sample(task)
            return found.measured if apart else found.fitted

        return _cached(self._parts, (looked, apart), made)

    def validated(self, task: GlmTask) -> DesignBlock:
        """The rows that thresholds are chosen on; none where they are of too few persons to be counted."""
        found = self.sample(task)
        part = found.validated
        try:
            check_part(task, part, self.admission)
        except DisclosureError:
            return found.part(np.zeros_like(found.usable))
        return part

    def _sampled(self, task: GlmTask) -> Sample:
        admission = self.admission
        least, brakes, key = admission.min_cohort, admission.brakes, split_key(admission)

        def made() -> Sample:
            return sample(
                task, self.rows, key=key, least=least, apart=brakes.coarsening, coarse_target=brakes.outcomes
            )

        rules = (least, brakes.coarsening, brakes.outcomes, key)
        return self.samples.of((identity(admission.asset, *marks_of(self.rows, admission.seed)), task, rules), made)


def _looked(task: GlmTask) -> GlmTask:
    """The task reduced to what decides about rows."""
    return GlmTask(
        family=task.family,
        target=task.target,
        features=task.features,
        purpose="",
        missing=task.missing,
        evaluation=Evaluation(holdout=task.evaluation.holdout),
        mitigate=task.mitigate,
    )


def _cached(known: OrderedDict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """The cached value of a key, made now if missing; only the latest are kept."""
    if key not in known:
        known[key] = make()
    known.move_to_end(key)
    while len(known) > MOST_PARTS:
        known.popitem(last=False)
    return known[key]


@dataclass(frozen=True, slots=True)
class SiteStep:
    """One step on the rows of one site, after all public checks."""

    admission: Admission
    step: Step
    task: GlmTask
    asked: BetaForm | None
    ranges: Ranges | None
    parts: PreparedRows

    @classmethod
    def read(cls, admission: Admission, step: Step, parts: PreparedRows) -> "SiteStep":
        """The question of a step, after all public checks.

        Raises:
            InvalidInputError: nobody can answer it, or not with this data dictionary.
        """
        task = parse(step.task)
        form, allowed = asked_of(task, step, parts)
        parts.sample(task)
        return cls(admission, step, task, form, allowed, parts)

    @property
    def table(self) -> GlmTask:
        """The task."""
        return self.task

    def fitted(self) -> DesignBlock:
        """The rows that the model is fitted to."""
        return self.parts.part(self.task, measured=False)

    def summed(self) -> tuple[DesignBlock, Weighed | None]:
        """The rows that the step sums, and their weights, if any."""
        if self.step.name == mitigating.THRESHOLDS:
            part = self.parts.validated(self.task)
        else:
            part = self.parts.part(self.task, measured=self.step.name == "evaluation")
            if not len(part.target):
                raise NothingLeftError if self.admission.min_cohort <= 1 else DisclosureError("release.cohort")
        if self.asked is None or self.step.name == mitigating.MITIGATION or not len(part.target):
            return part, None
        return part, weigh(self.task, part, self.asked, self.ranges, self._counts(part))

    def _counts(self, part: DesignBlock) -> Vector | None:
        """How much each row counts in the fit."""
        form = None if self.asked is None else self.asked.mitigated
        if self.step.name != "newton" or form is None or not form.factors:
            return None
        return mitigating.weights(part, self.treated(part), form)

    def treated(self, part: DesignBlock) -> Labels:
        """The group of each row, of those that the model is mitigated for."""
        return mitigated_labels(self.task, part, self.parts.rows)

    def weighed(self) -> tuple[DesignBlock, Weighed | None]:
        """The same, if enough persons carry it.

        Raises:
            DisclosureError: too few do.
        """
        part, found = self.summed()
        if len(part.target) or self.step.name != mitigating.THRESHOLDS:  # a site may have none to choose them on
            check_part(self.task, part, self.admission)
        if found is not None:
            check_weights(found, self.ranges, self.admission)
        return part, found

    def query(self, persons: Marks) -> SumQuery:
        """Whom it sums, and with which weights (`Audited`)."""
        return self.query_of(*self.summed(), persons)

    def query_of(self, part: DesignBlock, weighed: Weighed | None, persons: Marks) -> SumQuery:
        """The same of rows and weights that are known already."""
        made = with_groups(asked(weighed, part.rows, persons, self.cells(part)), self.groups(), persons)
        if self.step.name != mitigating.MITIGATION:
            return made
        return with_group_vectors(made, part, self.treated(part), persons)

    def cells(self, part: DesignBlock) -> dict[str, Matrix]:
        """The rows of each code, where the step sums them: the sums of an evaluation are of all rows."""
        return {} if self.step.name in COUNTING else cells_of(self.task, part)

    def placed(self, part: DesignBlock) -> list[Labels]:
        """The group of each row, for each attribute that the model is judged for."""
        if self.task.judge is None:
            return []
        return grouping.placed(self.task.judge, part, self.parts.rows)

    def divided(self) -> list[tuple[DesignBlock, Labels]]:
        """For each attribute whose groups the first question counts, the rows and the group of each."""
        if self.task.judge is None:
            return []
        part = self.parts.part(self.task, measured=True)
        judged = [(part, labels) for labels in self.placed(part)]
        return judged + [(own, self.treated(own)) for own in self._mitigated()]

    def _mitigated(self) -> list[DesignBlock]:
        """The rows whose groups are counted for what is mitigated: those of the fit, those kept out of it."""
        plan = self.task.mitigate
        if plan is None:
            return []
        fitted = [self.parts.part(self.task, measured=False)] if plan.balances else []
        return fitted + ([self.parts.validated(self.task)] if plan.equal is not None else [])

    def groups(self) -> list[tuple[str, DesignBlock, Matrix]]:
        """Who is in which group, of the rows of which the step counts groups.

        Raises:
            DisclosureError: two groups differ by few persons.
        """
        measured = lambda: self.parts.part(self.task, measured=True)  # noqa: E731 - only where it is needed
        return groups_of(self.task, self.parts, self.step.name, measured, self._mitigated)


def mitigated_labels(task: GlmTask, part: DesignBlock, rows: Material) -> Labels:
    """The group of each row of a part, of those that a model is mitigated for."""
    plan = mitigating.plan_of(task)
    return members(plan.attribute, rows, part.rows, part.persons, plan.least)


def with_group_vectors(made: SumQuery, part: DesignBlock, labels: Labels, persons: Marks) -> SumQuery:
    """A question that sums over each group by itself."""
    own = np.column_stack([labels == place for place in range(int(labels.max(initial=0)) + 1)]).astype(np.float64)
    return replace(made, vectors=np.column_stack([made.vectors, by_person(own, part.rows, persons)]))


def groups_of(
    task: GlmTask,
    parts: PreparedRows,
    step: str,
    measured: Callable[[], DesignBlock],
    mitigated: Callable[[], Sequence[DesignBlock]],
) -> list[tuple[str, DesignBlock, Matrix]]:
    """Who is in which group, of the rows of which a step counts groups, by the name of these in the audit.

    Raises:
        DisclosureError: two groups differ by few persons.
    """
    plan, judge, found = task.mitigate, task.judge, []
    if judge is not None and judge.attributes and step in ("moments", "evaluation"):
        found.append((GROUPS, measured(), judge))
    if plan is not None and judge is not None and step in ("moments", *mitigating.STEPS):
        names = [mitigating.MITIGATION] * plan.balances + [mitigating.THRESHOLDS] * (plan.equal is not None)
        own = replace(judge, attributes=(plan.attribute,))
        for name, part in zip(names, mitigated(), strict=True):
            if step in ("moments", name) and len(part.target):
                found.append((f"{GROUPS} {name}", part, own))
    made = [(name, part, sets(one, parts.rows, part.rows, part.persons)) for name, part, one in found]
    for _, part, who in made:
        if alike(who, part.persons, parts.admission.min_cohort):
            raise DisclosureError("release.difference")
    return made


def with_groups(made: SumQuery, grouped: Sequence[tuple[str, DesignBlock, Matrix]], persons: Marks) -> SumQuery:
    """What a question sums, with who is counted in which group."""
    cells = dict(made.cells)
    for name, counted, found in grouped:
        cells |= asked(None, counted.rows, persons, {name: found}).cells
    return replace(made, cells=cells)


def asked_of(task: GlmTask, step: Step, parts: PreparedRows) -> tuple[BetaForm | None, Ranges | None]:
    """The beta that a step is about, if any, and the ranges that it was held against, after all public checks.

    Raises:
        InvalidInputError: nobody can answer the step, or not with this data dictionary.
    """
    steps = OUTPUTS.keys() if task.mitigate is None else {*OUTPUTS, *mitigating.STEPS}
    if step.name not in steps or not 1 <= step.round <= task.max_rounds:
        raise invalid(step, msgid("there is no such step"))
    form = None if step.name == "moments" else _beta(task, step)
    brakes, dictionary = parts.admission.brakes, parts.rows.dictionary
    check_columns(task, dictionary)
    _check_groups(task, dictionary, parts.admission.min_cohort)
    if brakes.outcomes:
        check_outcome(task, dictionary)
    allowed = ranges(task, dictionary) if brakes.bounds else None
    if form is not None and allowed is not None and not allowed.holds(task, form):
        raise BeyondRangesError(round=step.round)
    if (
        form is not None
        and not grouping.well_formed(task, form.groups if step.name == "evaluation" else ())
        and (step.name == "evaluation" or form.groups)
    ):
        raise invalid(step, msgid("it names groups that the task has not"))
    if form is not None and not mitigating.well_formed(task, form.mitigated):
        raise invalid(step, msgid("it names groups that the task has not"))
    return form, allowed


def _check_groups(task: GlmTask, dictionary: Dictionary, least: int) -> None:
    """Whether the groups that a model is judged for are columns of the table, and large enough for the contract."""
    if task.judge is None:
        return
    if task.judge.least < least:
        raise GroupsTooSmallError(asked=task.judge.least, least=least)
    for attribute in task.judge.attributes:
        column = check_column(dictionary, attribute.column, coded=attribute.coded)
        if attribute.coded and not codes(column) <= {*attribute.codes}:  # else a group could be left out unseen
            raise GroupUnknownError(column=attribute.column)


def split_key(admission: Admission) -> bytes:
    """What decides the site's split: the holder's secret; without that brake, what everybody knows."""
    if admission.brakes.split:
        return admission.seed
    return sha256(f"{admission.holder}\n{admission.asset}".encode()).digest()


def _beta(task: GlmTask, step: Step) -> BetaForm:
    try:
        asked = fit(step.inputs, BetaForm)
    except MisfitError as error:
        raise StepInvalidError(round=step.round, reason=error.reason) from None
    layout = asked.layout
    if not layout.suits(task) or len(layout.kept) != len(asked.beta) - task.intercept:
        raise invalid(step, msgid("beta and layout do not have the shape of the task"))
    numbers = np.concatenate([asked.beta, layout.fill, layout.centre, layout.scale])
    if not (np.isfinite(numbers).all() and (np.abs(numbers) <= HUGE).all() and all(s > 0.0 for s in layout.scale)):
        raise invalid(step, msgid("beta and layout must be finite, and scales positive"))
    return asked


def invalid(step: Step, sentence: str) -> StepInvalidError:
    """The error of a step that nobody can answer, with the reason."""
    return StepInvalidError(round=step.round, reason=Text(sentence))
