"""One baseline for all sites: sums over those at risk at the common times of a grid that the task declares.

Times are rounded up to the end of their interval of the grid, so that sites share times. At a time at which d persons
of all sites have the event each site adds up, over its rows at risk, r = exp(eta), r x and r x x', and the same over
those with the event where Efron's ties need that (d > 1). From the totals follow deviance, gradient and Hessian
(`maths`), in integers: they are those of the pooled rows with the rounded times.

Times without an event are not asked about. Integers have 96 bits behind the point.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from medspace.core.text import msgid
from medspace.learning.cox.maths import Survival
from medspace.learning.cox.robust import Baseline
from medspace.learning.cox.task import CoxTask
from medspace.learning.exact import FRACTION, ONE, logarithm, number, symmetric, triangle
from medspace.learning.glm.totals import MOST_ROWS, SLACK, TotalCheck
from medspace.learning.newton import NewtonTotal
from medspace.privacy.disclosure import Mask, Matrix, Vector
from medspace.runs.masked.ports import Shape

STEEPEST = 24.0  # where predictors end: sites share no largest one that could be taken off
MOST_RISK = 1 << 35  # exp(24)
HEAD = 3  # numbers before those of columns
FINE = 64  # more bits behind the point of 1 / phi, which may be small


class BaselineForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`robust.Baseline` without its moments, as a question tells it: a row for each time with an event."""

    inverse: list[float]
    tied: list[float]
    means: list[list[float]]
    pulls: list[list[float]]
    tied_pulls: list[list[float]]


class SharedForm(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What questions after the first say of a common baseline: how many have the event at each time, of all sites."""

    deaths: list[int]
    baseline: BaselineForm | None = None

    def fits(self, task: CoxTask, width: int) -> bool:
        """Whether it has the shape of a task, for so many columns."""
        if len(self.deaths) != len(task.grid) or min(self.deaths) < 0 or not any(self.deaths):
            return False
        return self.baseline is None or self._suits(self.baseline, width)

    def _suits(self, given: BaselineForm, width: int) -> bool:
        count = sum(1 for deaths in self.deaths if deaths)
        tables = (given.means, given.pulls, given.tied_pulls)
        if not len(given.inverse) == len(given.tied) == count or any(len(table) != count for table in tables):
            return False
        if any(len(row) != width for table in tables for row in table):
            return False
        return all(bool(np.isfinite(values).all()) for values in (given.inverse, given.tied, *tables))

    def read(self) -> Baseline | None:
        """The baseline, if it is told."""
        said = self.baseline
        if said is None:
            return None
        moments = np.flatnonzero(self.deaths).astype(np.float64)
        return Baseline(moments, *(np.asarray(getattr(said, name)) for name in said.__struct_fields__))


def placed(times: Sequence[Vector], grid: Sequence[float]) -> list[Vector]:
    """Times, and entries if there are any, as places on the grid; the place after the last is behind its end.

    Rounded up: time 0 is at the first place, and an entry at 0 before it. Who enters at the place of the own time is
    at risk nowhere.
    """
    ends = np.asarray(grid)
    time, *entries = [np.searchsorted(ends, one, side="left").astype(np.float64) for one in times]
    return [time, *(np.where(start <= 0.0, -1.0, place) for start, place in zip(times[1:], entries, strict=True))]


def events_at(survival: Survival, cells: int) -> list[int]:
    """How many have the event at each place."""
    return [int(count) for count in np.bincount(survival.time[survival.event].astype(np.int64), minlength=cells)]


def at_risk(survival: Survival, place: int) -> Mask:
    """Which rows are at risk at a place."""
    since = survival.time >= place
    return since if survival.entry is None else since & (survival.entry < place)


def pairs_needed(task: CoxTask, deaths: int) -> bool:
    """Whether those with the event are summed by themselves."""
    return task.ties == "efron" and deaths > 1


@dataclass(frozen=True, slots=True)
class RiskSums:
    """Sums over rows at risk, or with the event, at one place: of r, r x, r x x'."""

    whole: int
    first: tuple[int, ...]
    second: tuple[int, ...]  # the upper triangle


@dataclass(frozen=True, slots=True)
class PlaceTotal:
    """The sums at one place of the grid; `dying` only where they are needed."""

    deaths: int
    risk: RiskSums
    dying: RiskSums | None

    @property
    def compared(self) -> Iterator[tuple[int, int]]:
        """For each comparison: l, and phi times d."""
        taken = 0 if self.dying is None else self.dying.whole
        for order in range(self.deaths):
            yield order if self.dying is not None else 0, self.deaths * self.risk.whole - order * taken


@dataclass(frozen=True, slots=True)
class SharedTotal:
    """The total of a Newton question: counts as they are, what rows with the event have, and all places."""

    rows: int
    events: int
    eta: int
    columns: tuple[int, ...]
    places: tuple[PlaceTotal, ...]


def site_sums(matrix: Matrix, survival: Survival, eta: Vector, task: CoxTask, deaths: Sequence[int]) -> list[float]:
    """The numbers of one site but the counts of rows and events."""
    risk = np.exp(eta)
    event = survival.event
    made = [float(eta[event].sum()), *matrix[event].sum(axis=0).tolist()]
    for place, count in enumerate(deaths):
        if count:
            made += _sums(matrix, risk, at_risk(survival, place))
        if count and pairs_needed(task, count):
            made += _sums(matrix, risk, event & (survival.time == place))
    return made


def _sums(matrix: Matrix, risk: Vector, chosen: Mask) -> list[float]:
    rows, weights = matrix[chosen], risk[chosen]
    second = (rows * weights[:, None]).T @ rows
    upper: list[float] = second[np.triu_indices(matrix.shape[1])].tolist()
    return [float(weights.sum()), *(weights @ rows).tolist(), *upper]


def kept(eta: Vector) -> Vector:
    """Predictors that end where the sums of sites would have no room."""
    return np.clip(eta, -STEEPEST, STEEPEST)


def size(width: int) -> int:
    """The numbers of one `RiskSums`."""
    return 1 + width + width * (width + 1) // 2


def shared_shape(task: CoxTask, deaths: Sequence[int], width: int, rows: int) -> Shape:
    """The vector of a Newton question; the squares of a scaled column add up to the rows of all sites."""
    own = min(rows, MOST_ROWS)
    value = int((2 * rows) ** 0.5) + 1
    sums = [own * MOST_RISK, *[own * MOST_RISK * value] * width, *[2 * rows * MOST_RISK] * (size(width) - 1 - width)]
    largest = [own, own, own * int(STEEPEST), *[own * value] * width]
    for count in deaths:
        largest += sums * ((1 + pairs_needed(task, count)) if count else 0)
    return Shape(len(largest), FRACTION, tuple(most << FRACTION for most in largest))


def shared_total(task: CoxTask, deaths: Sequence[int], width: int, total: Sequence[int]) -> SharedTotal:
    """What stands where in the total of a Newton question."""
    numbers = iter(total[HEAD + width :])

    def sums() -> RiskSums:
        found = [next(numbers) for _ in range(size(width))]
        return RiskSums(found[0], tuple(found[1 : 1 + width]), tuple(found[1 + width :]))

    places = tuple(
        PlaceTotal(count, sums(), sums() if pairs_needed(task, count) else None) for count in deaths if count
    )
    return SharedTotal(
        total[0] >> FRACTION, total[1] >> FRACTION, total[2], tuple(total[HEAD : HEAD + width]), places
    )


def check_shared(check: TotalCheck, found: SharedTotal, rows: int, events: int) -> None:
    """Refuse a total that cannot be right: those with the event are at risk, and all comparisons are with somebody.

    Raises:
        TotalInvalidError: it cannot.
    """
    check.that(found.rows == rows, msgid("its number of rows changed during the run"))
    check.that(found.events == events, msgid("its number of events changed during the run"))
    for place in found.places:
        slack = (place.risk.whole >> SLACK) + 1
        dying = 0 if place.dying is None else place.dying.whole
        check.that(0 <= dying <= place.risk.whole + slack, msgid("its sums contradict each other"))
        check.that(all(phi > 0 for _, phi in place.compared), msgid("its sums contradict each other"))
        for one in (place.risk, place.dying):
            if one is not None:
                check.semidefinite(symmetric(one.second, len(one.first)))


def newton_of(found: SharedTotal) -> NewtonTotal:
    """Deviance, gradient and Hessian that follow from a total, to the same bits everywhere."""
    width = len(found.columns)
    loss, gradient, hessian = -found.eta, list(found.columns), [0] * (width * (width + 1) // 2)
    for place in found.places:
        loss += sum(logarithm(phi / (place.deaths * ONE)) for _, phi in place.compared)
        weights = _Weights.of(place)
        for k, value in enumerate(weights.pull(place)):
            gradient[k] -= value
        for k, value in enumerate(weights.spread(place)):
            hessian[k] += value
    return NewtonTotal(found.rows, max(2 * loss, 0), tuple(gradient), symmetric(hessian, width))


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of the comparisons at a place, with s = l/d: the sums of 1/phi, s/phi, 1/phi^2, s/phi^2, s^2/phi^2.

    They have 64 bits more behind the point than totals.
    """

    inverse: int
    tied: int
    square: int
    tied_square: int
    twice_tied_square: int

    @classmethod
    def of(cls, place: PlaceTotal) -> "_Weights":
        deaths, one = place.deaths, ONE << FINE
        made = [0] * 5
        for order, phi in place.compared:
            inverse = deaths * one * ONE // phi
            square = inverse * inverse // one
            parts = (inverse, inverse * order // deaths, square, square * order // deaths)
            for k, part in enumerate((*parts, square * order * order // (deaths * deaths))):
                made[k] += part
        return cls(*made)

    def pull(self, place: PlaceTotal) -> list[int]:
        """The sum of the means under phi."""
        bits = FRACTION + FINE
        if place.dying is None:
            return [value * self.inverse >> bits for value in place.risk.first]
        return [
            (value * self.inverse - own * self.tied) >> bits
            for value, own in zip(place.risk.first, place.dying.first, strict=True)
        ]

    def spread(self, place: PlaceTotal) -> list[int]:
        """The upper triangle of the sum of the variances under phi."""
        bits, at_risk_now = FRACTION + FINE, place.risk
        first, own = at_risk_now.first, None if place.dying is None else place.dying.first
        products = triangle([[one * other for other in first] for one in first])
        made = [
            (both * self.inverse >> bits) - (product * self.square >> bits + FRACTION)
            for both, product in zip(at_risk_now.second, products, strict=True)
        ]
        if place.dying is None or own is None:
            return made
        mixed = triangle(
            [[a * d + c * b for c, d in zip(first, own, strict=True)] for a, b in zip(first, own, strict=True)]
        )
        squares = triangle([[one * other for other in own] for one in own])
        rest = zip(made, place.dying.second, mixed, squares, strict=True)
        return [
            value
            - (both * self.tied >> bits)
            + (cross * self.tied_square >> bits + FRACTION)
            - (product * self.twice_tied_square >> bits + FRACTION)
            for value, both, cross, product in rest
        ]


def baseline_of(found: SharedTotal) -> BaselineForm:
    """What rows at risk are compared with, as the question about robust errors tells it."""
    rows: dict[str, list[list[float]]] = {"means": [], "pulls": [], "tied_pulls": []}
    inverse, tied = [], []
    for place in found.places:
        weights, one = _Weights.of(place), ONE << FINE
        inverse.append(weights.inverse / one)
        tied.append(weights.tied / one)
        rows["means"].append([value / (place.deaths * ONE) for value in weights.pull(place)])
        rows["pulls"].append(_mixed(place, weights.square, weights.tied_square))
        rows["tied_pulls"].append(_mixed(place, weights.tied_square, weights.twice_tied_square))
    return BaselineForm(inverse, tied, **rows)


def _mixed(place: PlaceTotal, risk: int, dying: int) -> list[float]:
    own = (0,) * len(place.risk.first) if place.dying is None else place.dying.first
    bits = FRACTION + FINE
    return [number((one * risk - other * dying) >> bits) for one, other in zip(place.risk.first, own, strict=True)]
