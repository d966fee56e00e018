"""The vectors that sites add up for a survival model: what stands where, how large it can be, what cannot be right.

    moments     as a GLM on the event (`glm.totals`): its sum of the target is the number of events
                (with a grid, besides: how many have the event at each time)
    newton      rows, events, deviance, gradient, upper triangle of the Hessian (with a grid: `shared`)
    scores      rows, events, upper triangle of the sum over persons of the products of their scores
    evaluation  rows, persons, events, deviance, comparable pairs, twice the ordered pairs

Every number is an integer that stands for v * 2**-96, counts too. The bounds are public.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isqrt

from medspace.core.text import msgid
from medspace.learning.cox.task import CoxTask
from medspace.learning.exact import FRACTION, ONE, symmetric
from medspace.learning.glm.task import GlmTask
from medspace.learning.glm.totals import MOST_ROWS, SLACK, TotalCheck, moments_shape
from medspace.learning.newton import NewtonTotal
from medspace.runs.masked.ports import Shape

KEPT = 16  # shapes of each kind
MOST_SCORED = 2**29  # rows of all sites whose scores are summed: the squares of larger ones have no room under masks
MOST_LOSS = 128  # of an event: twice the logarithm of 2^32 rows, and a predictor within 15 units of its middle


@dataclass(frozen=True, slots=True)
class RankedTotal:
    """The last total: counts as they are, the deviance with 96 bits behind the point."""

    rows: int
    persons: int
    events: int
    deviance: int
    pairs: int
    ordered: int  # twice


@lru_cache(maxsize=KEPT)
def newton_shape(width: int, rows: int) -> Shape:
    """The vector of a Newton question to a fit of so many rows, at all sites.

    The squares of a scaled column add up to the rows of all sites, so no value is larger than their root. An event
    adds to a gradient the distance of two values, and to the Hessian a variance.
    """
    own, value = min(rows, MOST_ROWS), isqrt(2 * rows) + 1
    gradient = [2 * own * value] * width
    hessian = [own * value * value] * (width * (width + 1) // 2)
    return _shape([own, own, own * MOST_LOSS, *gradient, *hessian])


@lru_cache(maxsize=KEPT)
def timed_shape(task: GlmTask, times: int) -> Shape:
    """The vector of the first question of a task with a grid of so many times."""
    plain = moments_shape(task)
    assert isinstance(plain.largest, tuple)  # noqa: S101 - it bounds each number
    return replace(plain, count=plain.count + times, largest=(*plain.largest, *[MOST_ROWS << FRACTION] * times))


@lru_cache(maxsize=KEPT)
def scores_shape(width: int, rows: int) -> Shape:
    """The vector of the question about robust errors.

    All scores of a column add up, absolutely, to no more than twice the events times the distance of two values.
    """
    own = min(rows, MOST_SCORED)
    most = (4 * own * (isqrt(2 * own) + 1)) ** 2
    return _shape([own, own, *[most] * (width * (width + 1) // 2)])


@lru_cache(maxsize=KEPT)
def ranked_shape(rows: int) -> Shape:
    """The vector of the last question; of rows held out a site has hardly more than all fitted ones."""
    own = min(2 * rows + 2**20, MOST_ROWS)
    return _shape([own, own, own, own * MOST_LOSS, own * own, 2 * own * own])


def _shape(largest: list[int]) -> Shape:
    return Shape(len(largest), FRACTION, tuple(most << FRACTION for most in largest))


def newton_total(width: int, total: Sequence[int]) -> tuple[int, NewtonTotal]:
    """How many events there are, and what else stands in the total of a Newton question."""
    found = NewtonTotal(
        rows=total[0] >> FRACTION,
        deviance=max(total[2], 0),
        gradient=tuple(total[3 : 3 + width]),
        hessian=symmetric(total[3 + width :], width),
    )
    return total[1] >> FRACTION, found


def ranked_total(total: Sequence[int]) -> RankedTotal:
    """What stands where in the last total."""
    rows, persons, events = (count >> FRACTION for count in total[:3])
    pairs, ordered = (count >> FRACTION for count in total[4:])
    return RankedTotal(rows, persons, events, max(total[3], 0), pairs, ordered)


@dataclass(frozen=True, slots=True)
class SurvivalCheck:
    """Which totals of `sites` sites cannot be right. Nobody can tell whose fault one is."""

    task: CoxTask
    round: int
    sites: int

    @property
    def table(self) -> TotalCheck:
        """The same for the table."""
        return TotalCheck(self.task.table, self.round, self.sites)

    def newton(self, total: Sequence[int], width: int, rows: int, events: int) -> None:
        """The total of a Newton question to a fit of so many rows and events.

        Raises:
            TotalInvalidError: it cannot be right.
        """
        check = self.table
        check.counts(total[:2])
        counted, found = newton_total(width, total)
        check.that(found.rows == rows, msgid("its number of rows changed during the run"))
        check.that(counted == events, msgid("its number of events changed during the run"))
        check.that(total[2] >= -_slack(rows << FRACTION), msgid("its deviance is negative"))
        check.semidefinite(found.hessian)

    def timed(self, total: Sequence[int], times: int) -> None:
        """The first total, with the events at each time of a grid: each is of a row.

        Raises:
            TotalInvalidError: it cannot be right.
        """
        check, plain = self.table, total[: len(total) - times]
        check.moments(plain)
        check.counts(total[len(plain) :])
        events = sum(total[len(plain) :])
        check.that(events <= plain[-1], msgid("its counts contradict each other"))

    def scores(self, total: Sequence[int], width: int, rows: int, events: int) -> None:
        """The total of the question about robust errors: a sum of squares.

        Raises:
            TotalInvalidError: it cannot be right.
        """
        check = self.table
        check.counts(total[:2])
        check.that(total[0] >> FRACTION == rows, msgid("its number of rows changed during the run"))
        check.that(total[1] >> FRACTION == events, msgid("its number of events changed during the run"))
        check.semidefinite(symmetric(total[2:], width))

    def ranked(self, total: Sequence[int]) -> None:
        """The last total: pairs are of an event and another patient.

        Raises:
            TotalInvalidError: it cannot be right.
        """
        check = self.table
        check.counts([*total[:3], *total[4:]])
        found = ranked_total(total)
        check.people(found.rows, found.persons)
        check.that(total[3] >= -_slack(found.rows << FRACTION), msgid("its deviance is negative"))
        fits = (
            found.events <= found.rows
            and found.pairs <= found.events * found.rows
            and found.ordered <= 2 * found.pairs
        )
        check.that(fits, msgid("its counts contradict each other"))


def _slack(value: int) -> int:
    return (abs(value) >> SLACK) + ONE
