"""Checks a question about a net against all rules of a site, as `glm.judging` does for its table.

What a round of training sums is judged by the residuals of the rows at the weights that it begins with: whether
enough persons carry it, and what all answers together reveal (docs/decisions/0043).
"""

from dataclasses import dataclass, replace

import msgspec
import numpy as np

from medspace.core.misfits import MisfitError, fit
from medspace.core.text import msgid
from medspace.core.usage import Admission, Step
from medspace.learning.errors import StepInvalidError
from medspace.learning.glm import grouping, mitigating
from medspace.learning.glm.answers import BetaForm
from medspace.learning.glm.auditing import SumQuery, asked, by_person, cells_of
from medspace.learning.glm.design import (
    APART,
    DesignBlock,
    Layout,
    Marks,
    Mask,
    Matrix,
    Vector,
    design,
    holdout,
    marks_of,
)
from medspace.learning.glm.errors import LevelUnknownError, NothingLeftError
from medspace.learning.glm.judging import (
    COUNTING,
    PreparedRows,
    asked_of,
    groups_of,
    invalid,
    mitigated_labels,
    split_key,
    with_group_vectors,
    with_groups,
)
from medspace.learning.glm.ranges import Ranges, codes
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.weighing import carrying, check_part, check_weights
from medspace.learning.net.following import MOST_WEIGHT, network_of
from medspace.learning.net.images import ChannelRows
from medspace.learning.net.network import TrainableNetwork
from medspace.learning.net.task import NetTask, parse
from medspace.privacy.disclosure import Labels, number
from medspace.privacy.errors import DisclosureError
from medspace.privacy.rounding import BITS, UPDATE_BITS

NAMES = {  # as a GLM would be asked
    "moments": "moments",
    "training": "newton",
    "evaluation": "evaluation",
    mitigating.MITIGATION: mitigating.MITIGATION,
    mitigating.THRESHOLDS: mitigating.THRESHOLDS,
}


class NetForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the questions after the first ask about; `previous` and `control` are those of SCAFFOLD.

    `groups` are those that the net is judged for (`glm.grouping`), `mitigated` is what is done for some of them.
    `trial` is that of a search whose values count.
    """

    weights: list[float]
    layout: Layout
    balance: tuple[float, float] = (1.0, 1.0)
    previous: list[float] = []
    control: list[float] = []
    groups: list[list[int]] = []
    mitigated: mitigating.MitigatedForm | None = None
    trial: int = 0


@dataclass(frozen=True, slots=True)
class WeighedNet:
    """A question at some weights: the columns and labels of its rows, their (clipped) logits, what each carries."""

    part: DesignBlock
    labels: Vector
    columns: Matrix
    eta: Matrix
    straight: Vector  # the logits as they were before they were clipped, each output less its mean
    weights: Vector  # ones: no Hessian is summed
    slopes: Matrix  # the derivative of each row's loss to its logits

    @property
    def residuals(self) -> Vector:
        """What each row carries of the gradient: its slope, or how large its slopes are together."""
        return self.slopes[:, 0] if self.slopes.shape[1] == 1 else np.abs(self.slopes).sum(axis=1)

    @property
    def cohort(self) -> int:
        """The persons who carry the sums."""
        return carrying(self)


@dataclass(frozen=True, slots=True)
class NetStep:
    """One step on the rows of one site, after all public checks."""

    admission: Admission
    step: Step
    task: NetTask
    asked: NetForm | None
    ranges: Ranges | None
    parts: PreparedRows

    @classmethod
    def read(cls, admission: Admission, step: Step, parts: PreparedRows) -> "NetStep":
        """The question of a step, after all public checks.

        Raises:
            InvalidInputError: nobody can answer it, or not with this data dictionary.
        """
        task = parse(step.task)
        if task.images is not None:
            parts = PreparedRows(admission, ChannelRows.of(parts.rows, task.images), parts.samples)
        form = None if step.name == "moments" else _form(task, step)
        allowed = asked_of(task.table, _as_of_table(step, form), parts)[1]
        if not codes(parts.rows.dictionary.column(task.table.target.column)) <= {*task.classes} and task.classes:
            raise LevelUnknownError(column=task.table.target.column)
        return cls(admission, step, task, form, allowed, parts)

    @property
    def network(self) -> TrainableNetwork:
        """The net that is asked about."""
        return network_of(self.task, 0 if self.asked is None else len(self.asked.layout.kept))

    @property
    def table(self) -> GlmTask:
        """Its columns."""
        return self.task.table

    def fitted(self) -> DesignBlock:
        """The rows that the net is trained on."""
        return self.block(measured=False)

    def summed(self) -> tuple[DesignBlock, WeighedNet | None]:
        """The rows that the step sums, and what they carry of it, if it is about weights."""
        if self.step.name == mitigating.THRESHOLDS:
            part = self.validated()
        else:
            part = self.block(measured=self.step.name == "evaluation")
            if not len(part.target):
                raise NothingLeftError if self.admission.min_cohort <= 1 else DisclosureError("release.cohort")
        if self.asked is None or self.step.name == mitigating.MITIGATION or not len(part.target):
            return part, None
        return part, self._weigh(part, self.asked)

    def block(self, *, measured: bool) -> DesignBlock:
        """The rows that the net is trained on, or measured on: those held out, if any are."""
        sample, usable = self.parts.sample(self.task.table), self._usable()
        if measured and self.task.table.evaluation.holdout > 0.0:
            return sample.part(usable & sample.held_out)
        return sample.part(usable & ~sample.held_out & ~self._set_apart())

    def apart(self) -> WeighedNet | None:
        """The rows set apart, with their logits; None where there are none, or of too few persons to be summed."""
        if not self.task.validation or self.asked is None:
            return None
        part = self.validated()
        found = self._weigh(part, self.asked) if len(part.target) else None
        return None if found is None or found.cohort < self.admission.min_cohort else found

    def validated(self) -> DesignBlock:
        """The rows set apart; none where they are of too few persons to be summed."""
        sample = self.parts.sample(self.task.table)
        part = sample.part(self._usable() & ~sample.held_out & self._set_apart())
        try:
            self._check(part)
        except DisclosureError:
            return sample.part(np.zeros_like(sample.usable))
        return part

    def _usable(self) -> Mask:
        """Rows with a target that the task knows."""
        return self.parts.sample(self.task.table).usable & np.isfinite(self._labels())

    def _labels(self) -> Vector:
        """The place of each row's class, NaN where it has none of them."""
        if not self.task.classes:
            return self.parts.sample(self.task.table).target
        place = {name: float(at) for at, name in enumerate(self.task.classes)}
        found = self.parts.rows.codes(self.task.table.target.column)
        return np.array([np.nan if code is None else place.get(code, np.nan) for code in found], dtype=np.float64)

    def labels_of(self, part: DesignBlock) -> Vector:
        """The place of the class of each row of a part."""
        return self._labels()[part.rows]

    def _check(self, part: DesignBlock) -> None:
        """Whether enough persons are in a part, and have each class that anybody in it has.

        Raises:
            DisclosureError: not enough.
        """
        if not self.task.classes:
            check_part(self.task.table, part, self.admission)
            return
        least, labels = self.admission.min_cohort, self.labels_of(part)
        if part.cohort < least:
            raise DisclosureError("release.cohort")
        having = [number(part.persons[labels == place]) for place in np.unique(labels)]
        if self.admission.brakes.outcomes and least > 1 and min(having) < least:
            raise DisclosureError("release.outcome")

    def _set_apart(self) -> Mask:
        key = split_key(self.admission) + APART
        return holdout(marks_of(self.parts.rows, key)[0], self.task.validation)

    def _weigh(self, part: DesignBlock, form: NetForm) -> WeighedNet:
        columns = self._columns(part, form.layout)
        look = self.network.logits if self.step.name == "training" else self.network.scored
        with np.errstate(over="ignore", invalid="ignore"):
            straight = look(np.asarray(form.weights, dtype=np.float64), columns)
        if not np.isfinite(straight).all():
            raise invalid(self.step, msgid("the net is not finite on the rows of this site"))
        eta = straight if self.ranges is None else self.ranges.clipped(straight)
        labels = self.labels_of(part)
        centred = (straight - straight.mean(axis=0)).ravel() if len(straight) else straight.ravel()
        slopes = self.network.head.residuals(eta, labels)
        if self.step.name == "training" and self.task.table.mitigate is not None:
            counts, pulls = self.treatment(part)
            slopes = slopes * counts[:, None] + pulls[:, None]
        return WeighedNet(part, labels, columns, eta, centred, np.ones(len(eta)), slopes)

    def treated(self, part: DesignBlock) -> Labels:
        """The group of each row, of those that the net is mitigated for."""
        return mitigated_labels(self.task.table, part, self.parts.rows)

    def treatment(self, part: DesignBlock) -> tuple[Vector, Vector]:
        """How much each row counts, and what a penalty adds to the derivative of its loss to its logit."""
        plan, form = self.task.table.mitigate, None if self.asked is None else self.asked.mitigated
        if plan is None or form is None or not plan.balances:
            return np.ones(len(part.target)), np.zeros(len(part.target))
        labels = self.treated(part)
        return mitigating.weights(part, labels, form), mitigating.pulls(labels, form, plan.penalty)

    def _columns(self, part: DesignBlock, layout: Layout) -> Matrix:
        """What the net looks at: the scaled columns, or pixels, of some rows."""
        if isinstance(self.parts.rows, ChannelRows):
            return self.parts.rows.columns(part.rows, layout)
        return design(self.task.table, layout, part.values)[:, 1:]

    def weighed(self) -> tuple[DesignBlock, WeighedNet | None]:
        """The same, if enough persons carry it.

        Raises:
            DisclosureError: too few do.
        """
        part, found = self.summed()
        if len(part.target) or self.step.name != mitigating.THRESHOLDS:  # a site may have none to choose them on
            self._check(part)
        if found is not None:
            check_weights(found, self.ranges, self.admission)
        return part, found

    def query(self, persons: Marks) -> SumQuery:
        """Whom it sums, and with which weights (`glm.judging.Audited`)."""
        return self.query_of(*self.summed(), persons)

    def query_of(self, part: DesignBlock, found: WeighedNet | None, persons: Marks) -> SumQuery:
        """The same of rows and weights that are known already."""
        cells = {} if self.step.name in COUNTING else self._cells(part)
        own = replace(asked(None, part.rows, persons, cells), bits=self._bits)
        vectors = [own.vectors]
        if found is not None:
            vectors += [by_person(self._carried(found), part.rows, persons)]
        apart = self.apart()
        if apart is not None:
            vectors += [asked(None, apart.part.rows, persons).vectors]
        made = with_groups(replace(own, vectors=np.column_stack(vectors)), self.groups(), persons)
        plan = self.task.table.mitigate
        by_group = plan is not None and plan.balances and self.step.name in (mitigating.MITIGATION, "training")
        return with_group_vectors(made, part, self.treated(part), persons) if by_group else made

    def placed(self, part: DesignBlock) -> list[Labels]:
        """The group of each row, for each attribute that the net is judged for."""
        judge = self.task.table.judge
        return [] if judge is None else grouping.placed(judge, part, self.parts.rows)

    def divided(self) -> list[tuple[DesignBlock, Labels]]:
        """For each attribute whose groups the first question counts, the rows and the group of each."""
        if self.task.table.judge is None:
            return []
        part = self.block(measured=True)
        judged = [(part, labels) for labels in self.placed(part)]
        return judged + [(own, self.treated(own)) for own in self._mitigated()]

    def _mitigated(self) -> list[DesignBlock]:
        """The rows whose groups are counted for what is mitigated: those trained on, those set apart."""
        plan = self.task.table.mitigate
        if plan is None:
            return []
        fitted = [self.block(measured=False)] if plan.balances else []
        return fitted + ([self.validated()] if plan.equal is not None else [])

    def groups(self) -> list[tuple[str, DesignBlock, Matrix]]:
        """Who is in which group, of the rows of which the step counts groups.

        Raises:
            DisclosureError: two groups differ by few persons.
        """
        measured = lambda: self.block(measured=True)  # noqa: E731 - only where it is needed
        return groups_of(self.task.table, self.parts, self.step.name, measured, self._mitigated)

    def _carried(self, found: WeighedNet) -> Matrix:
        """What each row carries, as it is audited: of a net for images one number, as no vectors bound such a net."""
        return found.slopes if self.task.images is None else found.residuals[:, None]

    def _cells(self, part: DesignBlock) -> dict[str, Matrix]:
        """Who is summed by which code, the target's among them."""
        found = cells_of(self.task.table, part)
        if self.task.classes:
            labels = self.labels_of(part)
            has = labels[:, None] == np.arange(len(self.task.classes))
            found[self.task.table.target.column] = np.column_stack([np.ones(len(labels)), has])
        return found

    @property
    def _bits(self) -> int:
        """Those that what it sums is rounded to: an update less finely than other sums."""
        return UPDATE_BITS if self.step.name == "training" else BITS


def _form(task: NetTask, step: Step) -> NetForm:
    try:
        form = fit(step.inputs, NetForm)
    except MisfitError as error:
        raise StepInvalidError(round=step.round, reason=error.reason) from None
    size = network_of(task, len(form.layout.kept)).size
    controls = (0, size) if task.server.strategy == "scaffold" else (0,)
    if len(form.weights) != size or len(form.previous) not in controls or len(form.control) not in controls:
        raise invalid(step, msgid("the weights do not have the shape of the task"))
    trials = 1 if task.search is None else len(task.search.trials)
    if not 0 <= form.trial < trials:
        raise invalid(step, msgid("the task has no such trial"))
    numbers = np.abs(np.concatenate([form.weights, form.previous, form.control, form.balance]))
    if not (numbers <= MOST_WEIGHT).all():
        raise invalid(step, msgid("the weights must be finite, and none too large"))
    return form


def _as_of_table(step: Step, form: NetForm | None) -> Step:
    """The step as a GLM would be asked, with coefficients of 0: its rules judge what is said of the columns."""
    name = NAMES.get(step.name, "")
    if form is None:
        return replace(step, name=name)
    beta = BetaForm([0.0] * (len(form.layout.kept) + 1), form.layout, form.groups, form.mitigated)
    return replace(step, name=name, inputs=msgspec.to_builtins(beta))
