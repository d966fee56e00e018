"""The vectors that sites add up under masks: what stands where, how large it can be, which total cannot be right.

    moments     rows, persons, per feature the missing values, per value column sum and square sum, sum of the target
    newton      rows, deviance, gradient, upper triangle of the Hessian
    evaluation  rows, persons, squared residuals, deviance; for yes and no: cases and controls per bin of the
                predictor, and per bin of chances the rows, the targets and the chances

Every number is an integer that stands for v * 2**-96 (`exact`), counts too. The bounds are public: they follow from
the task, the totals before, `MOST_ROWS` of one site and the largest numbers that masks carry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise

from medspace.core.text import Text, msgid
from medspace.learning.exact import FRACTION, ONE, Rows, symmetric
from medspace.learning.glm.task import FINER, Family, GlmTask
from medspace.learning.mitigation.balance import LARGEST_FACTOR
from medspace.learning.newton import NewtonTotal
from medspace.runs.masked.errors import TotalInvalidError
from medspace.runs.masked.ports import Shape

MOST_ROWS = 2**32  # of one site
MOST_TOTAL = 2**40  # rows over all sites
MOST_VALUE = 10**8  # of a number of a feature or a count, absolute
MOST_MEASURED = 10**7  # of a gaussian target, absolute
KEPT = 16  # shapes of each kind
SLACK = 20  # bits; totals of floats contradict each other where they differ by more than 2^-20


@dataclass(frozen=True, slots=True)
class RowBounds:
    """What one row can hold at most, as the predictor is clipped at 15 units (`ranges`)."""

    residual: int
    weight: int
    loss: int


LIMITS: dict[Family, RowBounds] = {
    "binomial": RowBounds(1, 1, 64),  # 2 (15 + 15 + log 2)
    "poisson": RowBounds(MOST_VALUE, 3_300_000, 70 * MOST_VALUE),  # exp(15); 2 y (log y + 15), y up to 1e8
    # The predictor lies within 15 ranges of the middle of the range, and a target within half of one.
    "gaussian": RowBounds(31 * MOST_MEASURED, 1, (31 * MOST_MEASURED) ** 2),
}


@dataclass(frozen=True, slots=True)
class MomentsTotal:
    """Counts as they are, the other numbers with 96 bits behind the point."""

    rows: int
    persons: int
    missing: tuple[int, ...]
    sums: tuple[int, ...]
    squares: tuple[int, ...]
    target_sum: int


@dataclass(frozen=True, slots=True)
class EvaluationTotal:
    """Alike; the lists are empty where the target is not yes or no."""

    rows: int
    persons: int
    squared: int
    deviance: int
    cases: tuple[int, ...] = ()
    controls: tuple[int, ...] = ()
    bin_rows: tuple[int, ...] = ()
    bin_targets: tuple[int, ...] = ()
    bin_means: tuple[int, ...] = ()


def thresholds(task: GlmTask) -> int:
    """How many bins of the predictor are counted."""
    return task.evaluation.thresholds * FINER


@lru_cache(maxsize=KEPT)
def moments_shape(task: GlmTask) -> Shape:
    """The vector of the first question."""
    coded = [feature.coded for feature in task.features for _ in feature.columns]
    largest = [MOST_ROWS] * (2 + len(task.features))
    largest += [MOST_ROWS * (1 if one else MOST_VALUE) for one in coded]
    largest += [MOST_ROWS * (1 if one else MOST_VALUE**2) for one in coded]
    target = {"binomial": 1, "poisson": MOST_VALUE, "gaussian": MOST_MEASURED}[task.family]
    return _shape([*largest, MOST_ROWS * target])


@lru_cache(maxsize=KEPT)
def newton_shape(task: GlmTask, width: int, rows: int) -> Shape:
    """The vector of a Newton question to a fit of so many rows.

    A column was scaled by the deviation of all rows, so its squares add up to the rows of all sites; 2 covers the
    rounding of a column that hardly varies. By Cauchy and Schwarz a gradient is at most the largest residual times
    the root of (squares * rows of the site), an element of the Hessian the largest weight times the squares.
    """
    limits, own, most = LIMITS[task.family], min(rows, MOST_ROWS), _heaviest(task)
    gradient = [2 * rows * limits.residual * most] * width
    hessian = [2 * rows * limits.weight * most] * (width * (width + 1) // 2)
    return _shape([own, own * limits.loss * most, *gradient, *hessian])


def _heaviest(task: GlmTask) -> int:
    """How much a row counts at most."""
    return int(LARGEST_FACTOR) if task.mitigate is not None and task.mitigate.reweighing else 1


@lru_cache(maxsize=KEPT)
def evaluation_shape(task: GlmTask, rows: int) -> Shape:
    """The vector of the last question. Of rows that were held out a site has hardly more than all fitted ones."""
    limits, own = LIMITS[task.family], most_measured(rows)
    counts = 0 if task.family != "binomial" else 2 * thresholds(task) + 3 * task.evaluation.bins
    return _shape([own, own, own * limits.residual**2, own * limits.loss, *[own] * counts])


def most_measured(rows: int) -> int:
    """How many rows one site can be measured on at most, after a fit on so many at all sites."""
    return min(2 * rows + 2**20, MOST_ROWS)


def _shape(largest: list[int]) -> Shape:
    return Shape(len(largest), FRACTION, tuple(most << FRACTION for most in largest))


def moments_total(task: GlmTask, total: Sequence[int]) -> MomentsTotal:
    """What stands where in the total of the first question."""
    features, values = len(task.features), sum(len(feature.columns) for feature in task.features)
    rest = total[2 + features :]
    return MomentsTotal(
        rows=total[0] >> FRACTION,
        persons=total[1] >> FRACTION,
        missing=tuple(count >> FRACTION for count in total[2 : 2 + features]),
        sums=tuple(rest[:values]),
        squares=tuple(rest[values:-1]),
        target_sum=rest[-1],
    )


def newton_total(width: int, total: Sequence[int]) -> NewtonTotal:
    """What stands where in the total of a Newton question."""
    return NewtonTotal(
        rows=total[0] >> FRACTION,
        deviance=max(total[1], 0),
        gradient=tuple(total[2 : 2 + width]),
        hessian=symmetric(total[2 + width :], width),
    )


def evaluation_total(task: GlmTask, total: Sequence[int]) -> EvaluationTotal:
    """What stands where in the total of the last question."""
    rows, persons = total[0] >> FRACTION, total[1] >> FRACTION
    plain = EvaluationTotal(rows, persons, total[2], max(total[3], 0))
    if task.family != "binomial":
        return plain
    fine, bins = thresholds(task), task.evaluation.bins
    ends = accumulate([fine, fine, bins, bins, bins], initial=4)
    cases, controls, counted, targets, means = (tuple(total[a:b]) for a, b in pairwise(ends))
    cases, controls, counted = (tuple(count >> FRACTION for count in each) for each in (cases, controls, counted))
    return replace(plain, cases=cases, controls=controls, bin_rows=counted, bin_targets=targets, bin_means=means)


@dataclass(frozen=True, slots=True)
class TotalCheck:
    """Which totals of `sites` sites cannot be right. Nobody can tell whose fault one is."""

    task: GlmTask
    round: int
    sites: int

    def that(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - it reads as a sentence
        """Refuse a total.

        Raises:
            TotalInvalidError: it does not hold.
        """
        if not holds:
            raise TotalInvalidError(round=self.round, reason=Text(otherwise))

    def moments(self, total: Sequence[int]) -> None:
        """The first total: counts that are counts, squares that suit their sums (Cauchy-Schwarz)."""
        task, features = self.task, len(self.task.features)
        self.counts(total[: 2 + features])
        found = moments_total(task, total)
        self.people(found.rows, found.persons)
        self.that(all(count <= found.rows for count in found.missing), msgid("its counts contradict each other"))
        self.that(task.missing != "drop" or not any(found.missing), msgid("its counts contradict each other"))
        start = 0
        for feature, missing in zip(task.features, found.missing, strict=True):
            end = start + len(feature.columns)
            self._column(found.sums[start:end], found.squares[start:end], found.rows - missing, coded=feature.coded)
            start = end
        if task.family == "binomial":
            self.counts([found.target_sum])
            self.that(found.target_sum >> FRACTION <= found.rows, msgid("its counts contradict each other"))
        self.that(task.family == "gaussian" or found.target_sum >= 0, msgid("its counts are not counts"))

    def _column(self, sums: Sequence[int], squares: Sequence[int], present: int, *, coded: bool) -> None:
        if coded:
            self.counts(sums)
            self.that(sums == squares, msgid("its counts are not counts"))
            self.that(sum(sums) >> FRACTION <= present, msgid("its counts contradict each other"))
            return
        for one, square in zip(sums, squares, strict=True):
            most = (square * present << FRACTION) + _slack(square * present << FRACTION) + ONE
            self.that(square >= 0 and one * one <= most, msgid("its sums contradict each other"))

    def newton(self, total: Sequence[int], width: int, rows: int) -> None:
        """The total of a Newton question to a fit of so many rows: a Hessian is positive semidefinite."""
        self.counts(total[:1])
        found = newton_total(width, total)
        self.that(found.rows == rows, msgid("its number of rows changed during the run"))
        self.that(total[1] >= -_slack(rows << FRACTION), msgid("its deviance is negative"))
        self.semidefinite(found.hessian)
        if self.task.intercept:
            self._intercept(found, rows << FRACTION)

    def semidefinite(self, hessian: Rows) -> None:
        """Whether a Hessian can be positive semidefinite.

        Raises:
            TotalInvalidError: it cannot.
        """
        diagonal = [row[k] for k, row in enumerate(hessian)]
        self.that(all(value >= 0 for value in diagonal), msgid("its Hessian is not positive semidefinite"))
        fits = all(  # by Cauchy and Schwarz
            value * value <= (most := own * other) + (most >> SLACK) + ONE
            for row, own in zip(hessian, diagonal, strict=True)
            for value, other in zip(row, diagonal, strict=True)
        )
        self.that(fits, msgid("its Hessian is not positive semidefinite"))

    def _intercept(self, found: NewtonTotal, rows: int) -> None:
        # The column of ones: a weight is at most 1/4 and a residual at most 1 (binomial), a weight is 1 (gaussian).
        rows *= _heaviest(self.task)
        weight, slope, slack = found.hessian[0][0], abs(found.gradient[0]), _slack(rows)
        fits = {
            "binomial": 4 * weight <= rows + slack and slope <= rows + slack,
            "gaussian": abs(weight - rows) <= slack,
            "poisson": True,
        }
        self.that(fits[self.task.family], msgid("its sums contradict each other"))

    def evaluation(self, total: Sequence[int]) -> None:
        """The last total: every row is a case or a control, and has its chance."""
        self.counts(total[:2])
        found = evaluation_total(self.task, total)
        self.people(found.rows, found.persons)
        slack = _slack(found.rows << FRACTION)
        self.that(found.squared >= 0 and total[3] >= -slack, msgid("its sums contradict each other"))
        if self.task.family != "binomial":
            return
        self.counts(total[4 : -2 * self.task.evaluation.bins])
        self.counts(found.bin_targets)
        fits = (
            sum(found.cases) + sum(found.controls) == found.rows == sum(found.bin_rows)
            and sum(found.bin_targets) == sum(found.cases) << FRACTION
            and all(
                targets <= rows << FRACTION and 0 <= means <= (rows << FRACTION) + slack
                for rows, targets, means in zip(found.bin_rows, found.bin_targets, found.bin_means, strict=True)
            )
        )
        self.that(fits, msgid("its counts contradict each other"))

    def counts(self, values: Sequence[int]) -> None:
        """Whether these are whole numbers and not negative."""
        whole = ONE - 1
        self.that(all(value >= 0 and not value & whole for value in values), msgid("its counts are not counts"))

    def people(self, rows: int, persons: int) -> None:
        """Whether enough persons are there, and each has a row."""
        self.that(0 < rows <= MOST_TOTAL, msgid("its number of rows is invalid"))
        least = max(self.task.min_cohort, 1) * self.sites
        self.that(least <= persons <= rows, msgid("it counts fewer persons than its sites must have"))


def _slack(value: int) -> int:
    return abs(value) >> SLACK
