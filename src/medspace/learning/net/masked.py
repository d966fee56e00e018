"""Neural networks under masks (`runs.masked.ports`): nobody sees more than the mean of the sites' updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.core.usage import Measure
from medspace.learning.evaluation.model import Judgement
from medspace.learning.glm.counting import CountedGroups, evaluation_phase, moments_phase
from medspace.learning.glm.demanded import measures
from medspace.learning.glm.design import Layout
from medspace.learning.glm.evaluation import Quality
from medspace.learning.glm.masked import own_quality
from medspace.learning.glm.mitigating import (
    MitigationStand,
    as_asked,
    balance_phase,
    published,
    scored,
    thresholds_phase,
)
from medspace.learning.glm.outcome import uncarried
from medspace.learning.glm.totals import EvaluationTotal, MomentsTotal, TotalCheck
from medspace.learning.mitigation.model import Mitigated
from medspace.learning.net import following
from medspace.learning.net.classes import ClassQuality, check_classes, class_shape, class_total, graded_measures
from medspace.learning.net.following import MOST_WEIGHT, network_of
from medspace.learning.net.judging import NetForm
from medspace.learning.net.model import NetFitted, NetPhase, NetState, TrialRecord, read
from medspace.learning.net.searching import records
from medspace.learning.net.summing import NetSumming
from medspace.learning.net.task import NET, NetTask, parse
from medspace.learning.net.totals import check_training, training_shape, training_total
from medspace.learning.phases import Phase, Walk
from medspace.runs.errors import RunError
from medspace.runs.masked.ports import State
from medspace.runs.ports import Result


class _NetOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The result that the sites of a run hand over; fractions are text. `best_round` is of rounds of training."""

    rows: int
    persons: int
    layout: Layout
    weights: list[float]
    best_round: int
    losses: list[float]
    checked: list[float]
    quality: Quality | None = None
    graded: ClassQuality | None = None
    judged: Judgement | None = None
    mitigated: Mitigated | None = None
    trials: list[TrialRecord] = []


@dataclass(frozen=True, slots=True)
class MaskedNet(Walk[NetState]):
    """One net under masks (`runs.masked.ports.Summed`)."""

    task: NetTask

    @property
    def phases(self) -> Mapping[str, Phase[NetState]]:
        """Moments, rounds of training, evaluation."""
        return {
            NetPhase.MOMENTS: moments_phase(self.task.table, self._begun),
            NetPhase.MITIGATION: balance_phase(self.task.table, lambda _: 0, self._asked, _balanced),
            NetPhase.TRAINING: Phase(
                shape=lambda stand: training_shape(self.task, len(stand.weights), stand.rows, self._scored(stand)),
                check=self._check_training,
                follow=lambda stand, total, *_: following.after_training(
                    self.task, stand, training_total(len(stand.weights), total, self._scored(stand))
                ),
                inputs=self._asked,
                restarts=True,
            ),
            NetPhase.THRESHOLDS: thresholds_phase(self.task.table, self._asked, _equalised),
            NetPhase.EVALUATION: self._evaluation,
        }

    def _begun(self, stand: NetState, total: MomentsTotal, found: CountedGroups) -> NetState:
        begun = following.after_moments(self.task, stand, total)
        return replace(begun, groups=found.shown, having=found.having, mitigation=found.mitigation)

    def _scored(self, stand: NetState) -> int:
        return scored(self.task.table, stand.mitigation)

    def _asked(self, stand: NetState) -> JsonObject:
        said = _asked(stand)
        if stand.mitigation is None:
            return said
        return said | {"mitigated": msgspec.to_builtins(stand.mitigation.form(self.task.table))}

    @property
    def _evaluation(self) -> Phase[NetState]:
        classes = len(self.task.classes)
        if not classes:
            return evaluation_phase(self.task.table, self._asked, _ended)
        return Phase(
            shape=lambda stand: class_shape(classes, stand.rows),
            check=lambda stand, total, sites: check_classes(self._check(stand, sites), classes, total),
            follow=lambda stand, total, *_: following.after_classes(self.task, stand, class_total(classes, total)),
            inputs=_asked,
        )

    def start(self) -> NetState:
        """Nothing is trained yet."""
        return NetState()

    def read(self, state: State) -> NetState:
        """What was written."""
        return read(state)

    def _check(self, stand: NetState, sites: int) -> TotalCheck:
        return TotalCheck(self.task.table, stand.round + 1, sites)

    def _check_training(self, stand: NetState, total: Sequence[int], sites: int) -> None:
        check = self._check(stand, sites)
        check_training(self.task, check, len(stand.weights), stand.rows, total, self._scored(stand))

    def outcome(self, state: State) -> JsonObject:
        """Weights, layout, the losses of each round, quality over all sites.

        Raises:
            RunError: the training is not done.
        """
        stand = self.read(state)
        if stand.layout is None or (stand.quality is None and stand.graded is None):  # one that is done has them
            raise RunError
        made = _NetOutcome(
            rows=stand.rows,
            persons=stand.persons,
            layout=stand.layout,
            weights=list(stand.weights),
            best_round=len(stand.losses) if stand.best is None else stand.best.round,
            losses=list(stand.losses),
            checked=list(stand.checked),
            quality=stand.quality,
            graded=stand.graded,
            judged=as_asked(self.task.table, stand.judged),
            mitigated=published(self.task.table, stand.mitigation, stand.judged),
            trials=[] if self.task.search is None else records(self.task.search, stand),
        )
        said: JsonObject = exact(msgspec.to_builtins(made))
        if not made.trials:
            del said["trials"]  # outcomes of tasks without a search are those of earlier versions
        return said

    def measures(self, state: State, own: JsonObject) -> tuple[Measure, ...]:
        """What terms may demand of the model (`runs.masked.ports.Measuring`)."""
        stand, table = self.read(state), self.task.table
        if stand.quality is None:
            return () if stand.graded is None else graded_measures(table, stand.graded)
        site = own_quality("", own, table.max_rounds).quality if own else None
        done = published(table, stand.mitigation, stand.judged)
        return measures(table, stand.quality, site, stand.judged, done)

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """The content of a model of this task; `own` has the sites that release something of their own.

        Raises:
            RunError: it is not an outcome of this task.
            AnswerInvalidError: what a site says of itself is not of that form.
        """
        made, table = self._content(outcome), self.task.table
        names = table.columns
        fitted = NetFitted(
            widths=network_of(self.task, len(made.layout.kept)).widths,
            inputs=tuple(names[place] for place in made.layout.kept),
            layout=made.layout,
            weights=tuple(map(repr, made.weights)),
            rounds=len(made.losses),
            best_round=made.best_round,
            losses=tuple(map(repr, made.losses)),
            checked=tuple(map(repr, made.checked)),
            sites=tuple(own_quality(site, own[site], table.max_rounds) for site in sites if site in own),
            pooled=made.quality,
            graded=made.graded,
            measured_on="held-out rows" if table.evaluation.holdout else "training rows",
            persons=made.persons,
            uncarried=uncarried(table, made.layout),
            classes=self.task.classes,
            images=self.task.images is not None,
            dense=self.task.images is not None and self.task.images.dense is not None,
            judged=made.judged,
            cycle=self.task.cycle,
            mitigated=made.mitigated,
            trials=tuple(made.trials),
        )
        return Result(msgspec.to_builtins(fitted), made.rows, tuple(sites))

    def _content(self, outcome: JsonObject) -> _NetOutcome:
        try:
            made = msgspec.convert(outcome, _NetOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        layout = made.layout
        fits = (
            layout.suits(self.task.table)
            and all(scale > 0.0 for scale in layout.scale)
            and len(made.weights) == network_of(self.task, len(layout.kept)).size
            and all(abs(weight) <= MOST_WEIGHT for weight in made.weights)
            and (made.graded if self.task.classes else made.quality) is not None
        )
        if not fits:
            raise RunError
        return made


def _ended(stand: NetState, total: EvaluationTotal, judged: Judgement | None) -> NetState:
    return replace(following.after_evaluation(stand, total), judged=judged)


def _balanced(stand: NetState, known: MitigationStand) -> NetState:
    return replace(stand, phase=NetPhase.TRAINING, round=stand.round + 1, mitigation=known)


def _equalised(stand: NetState, known: MitigationStand) -> NetState:
    return replace(stand, phase=NetPhase.EVALUATION, round=stand.round + 1, mitigation=known)


def _asked(stand: NetState) -> JsonObject:
    form = NetForm(list(stand.weights), stand.arranged, stand.balance, list(stand.previous), list(stand.control))
    if not stand.previous:  # SCAFFOLD's first round has no correction yet
        form = NetForm(list(stand.weights), stand.arranged, stand.balance)
    said: JsonObject = msgspec.to_builtins(form)
    del said["mitigated"]  # questions of tasks without it are those of earlier versions
    if stand.trials:
        return {**said, "trial": stand.trial}
    del said["trial"]  # questions of tasks without a search are those of earlier versions
    return said


@dataclass(frozen=True, slots=True)
class MaskedNets:
    """Nets under masks (`runs.masked.ports.MaskedTask`)."""

    summing: NetSumming = field(default_factory=NetSumming)
    name: str = NET

    def summed(self, task: JsonObject) -> MaskedNet:
        """Read the task of a net.

        Raises:
            TaskInvalidError: with the field and what is wrong with it.
        """
        return MaskedNet(parse(task))
