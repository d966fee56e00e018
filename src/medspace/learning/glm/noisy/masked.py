"""A model with noise, as masked rounds lead it (`runs.masked.ports.Summed`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.core.engine import RHO_ONE
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout
from medspace.learning.glm.model import Fit, Fitted, NoiseSpent
from medspace.learning.glm.noisy import following, robust
from medspace.learning.glm.noisy.measuring import quality
from medspace.learning.glm.noisy.planning import NoisyPhase, Plan, newton_of, noise_of, plan
from medspace.learning.glm.outcome import covariance_of, terms, uncarried
from medspace.learning.glm.task import JOINED, MOST_SITES, GlmTask
from medspace.learning.glm.totals import MOST_ROWS
from medspace.learning.phases import within
from medspace.learning.proposals import empty
from medspace.privacy.noise.gaussian import LARGEST
from medspace.runs.errors import RunError
from medspace.runs.masked.ports import Shape, State, TaskQuestion
from medspace.runs.ports import Result


class _NoisyOutcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the sites hand over; fractions are text. `rows` is found with noise; see `following.NoisyFitState`.

    `shares` is how many sites have added noise to what was measured.
    """

    rows: float
    layout: Layout
    beta: list[float]
    covariance: list[float] = []
    measured: list[float] = []
    shares: int = 0


@dataclass(frozen=True, slots=True)
class NoisyGlm:
    """One task with noise."""

    task: GlmTask

    @property
    def plan(self) -> Plan:
        """Its totals."""
        return plan(self.task)

    @property
    def groups(self) -> int:
        """Into how many the sites are divided (`runs.masked.grouping.Grouped`)."""
        return 1 if self.task.robust is None else self.task.robust.groups

    @property
    def trim(self) -> int:
        """How many of these may be wrong."""
        return 0 if self.task.robust is None else self.task.robust.trim

    def first(self) -> State:
        """Nothing is known yet."""
        return following.NoisyFitState().written()

    def asked(self, state: State) -> TaskQuestion | None:
        """Moments; then what stands at a beta, of standardised columns."""
        stand = following.read(state)
        phase = self.plan.phase(stand.round)
        if phase is NoisyPhase.DONE:
            return None
        if stand.layout is None:
            return TaskQuestion(phase.value, {})
        return TaskQuestion(phase.value, question(stand.beta, stand.layout))

    def shape(self, state: State) -> Shape:
        """As many integers as the total has numbers, with room for noise."""
        total = self.plan.totals[following.read(state).round]
        most = int(total.norm * total.scale) + 2  # of one person: rounding adds one half at most to each number
        return Shape(total.numbers, 0, MOST_ROWS * most + LARGEST, shares=self.task.min_sites)

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Whether a total is of so many sites; with noise, anything within its bound can be right.

        Raises:
            TotalInvalidError: it is not.
        """
        within(self.shape(state), total, sites, following.read(state).round + 1)

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """Nothing: every site finds the next step by itself."""
        del state, total
        return {}

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject, sites: int = 0) -> State:
        """The next state.

        Raises:
            ProposalInvalidError: something was proposed.
            NoiseHidesError: the noise hides how many rows there are.
        """
        stand = following.read(state)
        empty(proposal, stand.round + 1)
        if self.task.robust is not None:
            stand, total = robust.combined(self.task.robust, self.plan, stand, total)
        return following.follow(self.task, self.plan, stand, total, sites).written()

    def without(self, state: State) -> State | None:
        """Results are kept: they reveal about those who left no more than the budget allows."""
        del state
        return None

    def persons(self, state: State) -> int:
        """About the number of rows; known only with noise."""
        return round(following.read(state).rows)

    def objective(self, state: State) -> str | None:
        """Not known: it would cost."""
        del state
        return None

    def outcome(self, state: State) -> JsonObject:
        """Coefficients and layout, what is known of how far they are off, and what says how good the model is.

        Raises:
            RunError: the fit is not done.
        """
        stand = following.read(state)
        if self.plan.phase(stand.round) is not NoisyPhase.DONE or stand.layout is None:
            raise RunError
        made = _NoisyOutcome(
            stand.rows, stand.layout, [*stand.beta], [*stand.covariance], [*stand.measured], stand.shares
        )
        said: JsonObject = exact(msgspec.to_builtins(made))
        return said

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """What a model of this task holds; sites say nothing of themselves.

        Raises:
            RunError: it is no outcome of this task.
        """
        del own
        made, noise = self._read(outcome), noise_of(self.task)
        spent = NoiseSpent(
            repr(noise.epsilon),
            repr(noise.delta),
            noise.unit,
            repr(self.plan.cost.total / RHO_ONE),
            self.plan.mechanism,
            self.task.robust,
        )
        found = terms(self.task, _fit(self.task, made), made.layout)
        last = self.plan.totals[-1].among(made.shares, self.task.min_sites)
        measured = quality(self.task, last, made.measured) if made.measured else None
        fitted = Fitted(
            family=self.task.family,
            terms=found if made.covariance else tuple(replace(term, standard_error=None) for term in found),
            deviance="",
            sites=(),
            pooled=measured,
            measured_on="" if measured is None else _measured_on(self.task),
            persons=round(made.rows),
            uncarried=tuple(name for name in uncarried(self.task, made.layout) if JOINED not in name),
            noise=spent,
        )
        return Result(msgspec.to_builtins(fitted), round(made.rows), tuple(sites))

    def _read(self, outcome: JsonObject) -> _NoisyOutcome:
        try:
            made = msgspec.convert(outcome, _NoisyOutcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        layout, columns, last = made.layout, len(self.task.columns), self.plan.totals[-1]
        width, curved = 1 + len(layout.kept), self.plan.mechanism == "newton"
        fits = (
            len(made.beta) == width
            and len(made.covariance) in (0, curved * width * (width + 1) // 2)
            and len(made.measured) == (last.phase is NoisyPhase.EVALUATION) * last.numbers
            and 0 <= made.shares <= MOST_SITES
            and list(layout.kept) == sorted(set(layout.kept) & set(range(columns)))
            and len(layout.fill) == sum(len(feature.columns) for feature in self.task.features)
            and len(layout.centre) == len(layout.scale) == len(layout.kept)
            and all(scale > 0.0 for scale in layout.scale)
        )
        if not fits:
            raise RunError
        return made


def _fit(task: GlmTask, made: _NoisyOutcome) -> Fit:
    """Coefficients and covariance in the unit of the target; those of gaussian were fitted over its range."""
    sums = newton_of(task)
    beta = [one * sums.half for one in made.beta]
    beta[0] += sums.middle
    width = len(beta)
    triangle = [one * sums.half**2 for one in made.covariance] or [0.0] * (width * (width + 1) // 2)
    return Fit(layout=made.layout, beta=tuple(beta), covariance=covariance_of(triangle, width))


def _measured_on(task: GlmTask) -> str:
    return "held-out rows" if task.evaluation.holdout else "training rows"
