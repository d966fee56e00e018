"""What is summed before a fit that is to be fairer, and what follows from it; exact.

persons without and with the outcome, over all
per group  rows without and with the outcome, persons without and with it
per group, and over all, with a penalty on a linear score: the sum of each column of the design
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medspace.learning.evaluation.hiding import both_outcomes
from medspace.learning.exact import FRACTION, fixed, product
from medspace.learning.newton import NewtonTotal

LARGEST_FACTOR = 10.0  # and its inverse: how much more or less a row may count
HEAD, EACH = 2, 4  # numbers over all, and of each group

Factors = tuple[tuple[float, float], ...]
"""For each group how much a row counts without and with the outcome."""


@dataclass(frozen=True, slots=True)
class BalanceTotal:
    """The total over all sites: counts as they are, sums of columns with 96 bits behind the point."""

    persons: tuple[int, int]
    groups: tuple[tuple[int, int, int, int], ...]
    columns: tuple[tuple[int, ...], ...] = ()  # of each group, those of all rows last


def width(groups: int, columns: int) -> int:
    """How many numbers are summed."""
    return HEAD + EACH * groups + columns * (groups + 1 if columns else 0)


def read(groups: int, columns: int, total: Sequence[int]) -> BalanceTotal:
    """What stands where."""
    counts = [value >> FRACTION for value in total[: HEAD + EACH * groups]]
    own = [counts[at : at + EACH] for at in range(HEAD, len(counts), EACH)]
    rest = total[len(counts) :]
    sums = tuple(tuple(rest[at : at + columns]) for at in range(0, len(rest), columns)) if columns else ()
    return BalanceTotal((counts[0], counts[1]), tuple((a, b, c, d) for a, b, c, d in own), sums)


def consistent(total: BalanceTotal, rows: int, cases: int) -> bool:
    """Whether these counts can be of a fit on so many rows and cases."""
    without, having = ([one[side] for one in total.groups] for side in (0, 1))
    heads = ([one[2 + side] for one in total.groups] for side in (0, 1))
    return (
        sum(without) <= rows - cases
        and sum(having) <= cases
        and all(
            a <= b for side, own in zip(heads, (without, having), strict=True) for a, b in zip(side, own, strict=True)
        )
        and total.persons[0] <= rows - cases
        and total.persons[1] <= cases
    )


def usable(total: BalanceTotal, least: int) -> tuple[int, ...]:
    """The places of the groups with enough persons of either outcome, where what is left has enough too."""
    controls, cases = (
        [*own, max(total.persons[side] - sum(own), 0)]
        for side, own in ((side, [one[2 + side] for one in total.groups]) for side in (0, 1))
    )
    return both_outcomes(cases, controls, least)


def factors(total: BalanceTotal, rows: int, cases: int, least: int) -> Factors:
    """How much rows count: P(group) P(outcome) / P(group, outcome); 1 in groups that are too small."""
    counted, sides = usable(total, least), (rows - cases, cases)
    found = []
    for place, own in enumerate(total.groups):
        size = own[0] + own[1]
        if place not in counted:
            found.append((1.0, 1.0))
            continue
        pair = [min(max(size * sides[at] / (rows * own[at]), 1 / LARGEST_FACTOR), LARGEST_FACTOR) for at in (0, 1)]
        found.append((pair[0], pair[1]))
    return tuple(found)


def differences(total: BalanceTotal, rows: int, least: int) -> tuple[tuple[int, ...], ...]:
    """Of each usable group, the mean of each column less that of all others; none without sums of columns."""
    if not total.columns:
        return ()
    everyone, found = total.columns[-1], []
    for place in usable(total, least):
        size, own = total.groups[place][0] + total.groups[place][1], total.columns[place]
        if 0 < size < rows:
            pairs = zip(own, everyone, strict=True)
            found.append(tuple(one // size - (whole - one) // (rows - size) for one, whole in pairs))
    return tuple(found)


def penalised(total: NewtonTotal, beta: Sequence[int], apart: Sequence[Sequence[int]], penalty: float) -> NewtonTotal:
    """The total of a Newton question with rows * penalty * sum of (difference of mean scores)^2 in its deviance."""
    if not apart or not penalty:
        return total
    weight = fixed(penalty) * total.rows
    deviance, gradient, hessian = total.deviance, [*total.gradient], [[*row] for row in total.hessian]
    for one in apart:
        differs = product(one, beta) >> FRACTION
        deviance += (weight * (differs * differs >> FRACTION)) >> FRACTION
        pulls = [weight * value >> FRACTION for value in one]
        gradient = [slope - (pull * differs >> FRACTION) for slope, pull in zip(gradient, pulls, strict=True)]
        for k, value in enumerate(one):
            for j in range(k, len(one)):
                hessian[k][j] += weight * (value * one[j] >> FRACTION) >> FRACTION
                hessian[j][k] = hessian[k][j]
    return NewtonTotal(total.rows, deviance, tuple(gradient), hessian)
