"""A logistic model with noise, as masked rounds lead it (`runs.masked.ports.Summed`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from medspace.core.canonical import JsonObject, exact
from medspace.core.engine import RHO_ONE
from medspace.learning.glm.answers import question
from medspace.learning.glm.design import Layout
from medspace.learning.glm.model import Fit, Fitted, NoiseSpent
from medspace.learning.glm.noisy import following, robust
from medspace.learning.glm.noisy.following import Phase, Stand
from medspace.learning.glm.noisy.planning import Total, noise_of, plan
from medspace.learning.glm.outcome import terms
from medspace.learning.glm.proposals import empty
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import MOST_ROWS, Check
from medspace.privacy.noise.gaussian import LARGEST
from medspace.runs.errors import RunError
from medspace.runs.masked.ports import Asked, Shape, State
from medspace.runs.ports import Result


class _Outcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the sites hand over; fractions are text. `rows` is found with noise."""

    rows: float
    layout: Layout
    beta: list[float]


@dataclass(frozen=True, slots=True)
class NoisyGlm:
    """One task with noise."""

    task: GlmTask

    @property
    def groups(self) -> int:
        """Into how many the sites are divided (`runs.masked.grouping.Grouped`)."""
        return 1 if self.task.robust is None else self.task.robust.groups

    @property
    def trim(self) -> int:
        """How many of these may say whatever they like."""
        return 0 if self.task.robust is None else self.task.robust.trim

    def first(self) -> State:
        """Nothing is known yet."""
        return Stand().written()

    def asked(self, state: State) -> Asked | None:
        """Moments; then the gradient at a beta, of standardised columns."""
        stand = following.read(state)
        if stand.phase is Phase.DONE:
            return None
        if stand.layout is None:
            return Asked(stand.phase.value, {})
        return Asked(stand.phase.value, question(stand.beta, stand.layout))

    def shape(self, state: State) -> Shape:
        """As many integers as the total has numbers, with room for noise."""
        total = self._total(following.read(state))
        most = int(total.norm * total.scale) + 2  # of one person: rounding adds one half at most to each number
        return Shape(total.numbers, 0, MOST_ROWS * most + LARGEST, shares=self.task.min_sites)

    def _total(self, stand: Stand) -> Total:
        planned = plan(self.task)
        return planned.moments if stand.phase is Phase.MOMENTS else planned.gradient

    def check(self, state: State, total: Sequence[int], sites: int) -> None:
        """Whether a total is of so many sites; with noise, anything within its bound can be right.

        Raises:
            TotalInvalidError: it is not.
        """
        Check(self.task, following.read(state).round + 1, sites).within(self.shape(state), total)

    def propose(self, state: State, total: Sequence[int]) -> JsonObject:
        """Nothing: every site finds the next step by itself."""
        del state, total
        return {}

    def follow(self, state: State, total: Sequence[int], proposal: JsonObject) -> State:
        """The next state.

        Raises:
            ProposalInvalidError: something was proposed.
            NoiseHidesError: the noise hides how many rows there are.
        """
        stand, planned = following.read(state), plan(self.task)
        empty(proposal, stand.round + 1)
        if self.task.robust is not None:
            stand, total = robust.combined(self.task.robust, planned, stand, total)
        if stand.phase is Phase.MOMENTS:
            return following.after_moments(self.task, planned, stand, total).written()
        return following.after_gradient(planned, stand, total).written()

    def without(self, state: State) -> State | None:
        """What was found stands: it says as little of those who left as the budget lets it."""
        del state
        return None

    def persons(self, state: State) -> int:
        """About as many as there are rows; found with noise."""
        return round(following.read(state).rows)

    def objective(self, state: State) -> str | None:
        """Not known: it would cost."""
        del state
        return None

    def outcome(self, state: State) -> JsonObject:
        """Coefficients and layout.

        Raises:
            RunError: the fit is not done.
        """
        stand = following.read(state)
        if stand.phase is not Phase.DONE or stand.layout is None:
            raise RunError
        said: JsonObject = exact(msgspec.to_builtins(_Outcome(stand.rows, stand.layout, [*stand.beta])))
        return said

    def result(self, outcome: JsonObject, sites: Sequence[str], own: Mapping[str, JsonObject]) -> Result:
        """What a model of this task holds; sites say nothing of themselves.

        Raises:
            RunError: it is no outcome of this task.
        """
        del own
        made, noise, width = self._read(outcome), noise_of(self.task), plan(self.task).gradient.numbers
        nothing = tuple((0.0,) * width for _ in range(width))
        fit = Fit(layout=made.layout, beta=tuple(made.beta), covariance=nothing)
        spent = NoiseSpent(
            repr(noise.epsilon),
            repr(noise.delta),
            noise.unit,
            repr(plan(self.task).cost.total / RHO_ONE),
            self.task.robust,
        )
        fitted = Fitted(
            family=self.task.family,
            terms=tuple(replace(term, standard_error=None) for term in terms(self.task, fit, made.layout)),
            deviance="",
            sites=(),
            pooled=None,
            measured_on="",
            persons=round(made.rows),
            noise=spent,
        )
        return Result(msgspec.to_builtins(fitted), round(made.rows), tuple(sites))

    def _read(self, outcome: JsonObject) -> _Outcome:
        try:
            made = msgspec.convert(outcome, _Outcome, strict=False)
        except msgspec.ValidationError:
            raise RunError from None
        layout, width = made.layout, plan(self.task).gradient.numbers
        columns, values = len(self.task.columns), sum(len(feature.columns) for feature in self.task.features)
        fits = (
            len(made.beta) == width
            and layout.kept == tuple(range(columns))
            and len(layout.fill) == values
            and len(layout.centre) == len(layout.scale) == columns
            and all(scale > 0.0 for scale in layout.scale)
        )
        if not fits:
            raise RunError
        return made
