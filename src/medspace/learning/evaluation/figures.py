"""From the counts of a total to figures with their intervals; the same bits on every processor.

AUC: half of the pairs of one fine bin count (Mann and Whitney), its variance that of DeLong et al., Biometrics 44
(1988). Average precision: the sum over fine bins of precision times the recall gained. Shares: Wilson, JASA 22
(1927). Brier score: by the fourth powers of the residuals. ECE: by the binomial variance of each bin. Gaps: Newcombe,
Stat. Med. 17 (1998), method 10. Only + - * / and square roots of floats occur, and integers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import attrgetter

from medspace.learning.evaluation import hiding
from medspace.learning.evaluation.counts import Grid, GroupCounts
from medspace.learning.evaluation.model import (
    EVERYONE,
    ConfusionMatrix,
    Estimate,
    Gap,
    GroupQuality,
    HiddenGroup,
    Judgement,
    ReliabilityBin,
)
from medspace.learning.evaluation.plan import JudgePlan
from medspace.learning.evaluation.recalibration import recalibrated
from medspace.learning.exact import FRACTION, ONE

Z95 = 1.959963984540054
# The measures that gaps are told of, and whether more is better.
MEASURES: dict[str, bool] = {"auc": True, "average_precision": True, "brier": False, "ece": False}


@dataclass(frozen=True, slots=True)
class AttributeCells:
    """What one attribute shows: per group whether it is counted, its sites, and the counts of those that are."""

    column: str
    groups: tuple[str, ...]
    sites: tuple[int, ...]
    counts: dict[int, GroupCounts]


def judged(
    plan: JudgePlan, grid: Grid, everyone: GroupCounts, sites: int, found: Sequence[AttributeCells]
) -> Judgement:
    """All that is published of a total of so many sites."""
    single = everyone.rows == everyone.persons
    sides = (everyone.case_heads, everyone.control_heads)
    allowed = hiding.cuts(sides, plan.least, grid.cuts, single=single)
    whole = GroupQuality(EVERYONE, "", sites, everyone.rows, everyone.persons)
    if min(everyone.case_persons, everyone.control_persons) < plan.least:
        return Judgement((whole,), (), tuple(_hidden(found)), grid.bins)
    groups, hidden = [_measured(whole, grid, everyone, allowed)], list(_hidden(found))
    for cells in found:
        groups += _attribute(plan, grid, everyone, cells, allowed, single=single)
    gaps = tuple(gap for cells in found for gap in _gaps(grid, [one for one in groups if one.column == cells.column]))
    return Judgement(tuple(groups), gaps, tuple(hidden), grid.bins)


def _hidden(found: Sequence[AttributeCells]) -> list[HiddenGroup]:
    return [
        HiddenGroup(cells.column, name)
        for cells in found
        for at, name in enumerate(cells.groups)
        if at not in cells.counts
    ]


def _attribute(
    plan: JudgePlan, grid: Grid, everyone: GroupCounts, cells: AttributeCells, allowed: Sequence[int], *, single: bool
) -> list[GroupQuality]:
    places = sorted(cells.counts)
    counts = [cells.counts[at] for at in places]
    cases = _with_rest(everyone.case_persons, [one.case_persons for one in counts])
    controls = _with_rest(everyone.control_persons, [one.control_persons for one in counts])
    shown = hiding.both_outcomes(cases, controls, plan.least)
    told = [counts[at] for at in shown]
    parts = [*_columns([one.case_heads for one in told], everyone.case_heads)]
    parts += _columns([one.control_heads for one in told], everyone.control_heads)
    wanted = [cut for cut in grid.cuts if cut in allowed]
    own = hiding.cuts(parts, plan.least, wanted, single=single)
    made = []
    for at, place in enumerate(places):
        one = counts[at]
        plain = GroupQuality(cells.column, cells.groups[place], cells.sites[place], one.rows, one.persons)
        made.append(_measured(plain, grid, one, own) if at in shown else plain)
    return made


def _with_rest(total: int, shown: Sequence[int]) -> list[int]:
    return [*shown, max(total - sum(shown), 0)]


def _columns(shown: Sequence[Sequence[int]], total: Sequence[int]) -> list[list[int]]:
    """The persons per interval of each group, and of all that are in none."""
    rest = [max(all_of_them - sum(some), 0) for all_of_them, *some in zip(total, *shown, strict=True)]
    return [*map(list, shown), rest]


def _measured(plain: GroupQuality, grid: Grid, counts: GroupCounts, allowed: Sequence[int]) -> GroupQuality:
    area, resolution = _area(counts)
    again = recalibrated(counts.case_rows, counts.control_rows, counts.chances)
    return replace(
        plain,
        cases=sum(counts.cases),
        auc=area,
        auc_resolution=resolution,
        average_precision=_precision(counts),
        brier=_brier(counts),
        ece=_ece(grid, counts),
        slope=None if again is None else _around(again.slope, again.slope_error),
        intercept=None if again is None else _around(again.intercept, again.intercept_error),
        confusion=tuple(_confusion(grid, counts, one) for one in grid.thresholds if grid.cut(one) in allowed),
        reliability=_reliability(grid, counts, [cut for cut in grid.bin_cuts if cut in allowed]),
    )


def _around(value: float, error: float, low: float = -math.inf, high: float = math.inf) -> Estimate:
    return Estimate(value, max(value - Z95 * error, low), min(value + Z95 * error, high))


def wilson(part: float, whole: int) -> Estimate:
    """A share of so many with its interval."""
    share, square = part / whole, Z95 * Z95
    middle = (share + square / (2 * whole)) / (1 + square / whole)
    reach = Z95 * math.sqrt(share * (1.0 - share) / whole + square / (4.0 * whole * whole)) / (1 + square / whole)
    return Estimate(share, min(max(middle - reach, 0.0), share), max(min(middle + reach, 1.0), share))


def _area(counts: GroupCounts) -> tuple[Estimate, float]:
    cases, controls = sum(counts.cases), sum(counts.controls)
    below = [*accumulate(counts.controls, initial=0)][:-1]
    above = [cases - one for one in accumulate(counts.cases)]
    # Twice the controls that a case stands above, and twice the cases that a control stands below.
    won = [2 * under + ties for under, ties in zip(below, counts.controls, strict=True)]
    lost = [2 * over + ties for over, ties in zip(above, counts.cases, strict=True)]
    pairs = 2 * cases * controls
    area = sum(n * one for n, one in zip(counts.cases, won, strict=True)) / pairs
    ties = sum(a * b for a, b in zip(counts.cases, counts.controls, strict=True)) / pairs
    spread = _spread(counts.cases, won) / (2 * controls) ** 2 + _spread(counts.controls, lost) / (2 * cases) ** 2
    return _around(area, math.sqrt(spread), 0.0, 1.0), ties


def _spread(counts: Sequence[int], values: Sequence[int]) -> float:
    """The variance of the mean of values that occur so often."""
    number = sum(counts)
    first = sum(n * value for n, value in zip(counts, values, strict=True))
    second = sum(n * value * value for n, value in zip(counts, values, strict=True))
    return (number * second - first * first) / (number * number * max(number - 1, 1))


def _precision(counts: GroupCounts) -> Estimate:
    cases, taken, right = sum(counts.cases), 0, 0
    terms = []
    for own, others in zip(reversed(counts.cases), reversed(counts.controls), strict=True):
        taken, right = taken + own + others, right + own
        if own:
            terms.append(own * right / (cases * taken))
    value = math.fsum(terms)
    bounds = wilson(value * cases, cases)
    return Estimate(value, bounds.low, bounds.high)


def _brier(counts: GroupCounts) -> Estimate:
    value, rows = counts.squared / (counts.rows * ONE), counts.rows
    fourth = counts.fourth / (rows * ONE)
    return _around(value, math.sqrt(max(fourth - value * value, 0.0) / rows), 0.0, 1.0)


def _ece(grid: Grid, counts: GroupCounts) -> Estimate:
    off, spread = 0, 0.0
    for start, end in pairwise((0, *grid.bin_cuts, grid.intervals)):
        cases, rows = sum(counts.case_rows[start:end]), _rows(counts, start, end)
        off += abs((cases << FRACTION) - sum(counts.chances[start:end]))
        spread += cases * (rows - cases) / rows if rows else 0.0
    return _around(off / (counts.rows * ONE), math.sqrt(spread) / counts.rows, 0.0, 1.0)


def _rows(counts: GroupCounts, start: int, end: int) -> int:
    return sum(counts.case_rows[start:end]) + sum(counts.control_rows[start:end])


def _confusion(grid: Grid, counts: GroupCounts, threshold: float) -> ConfusionMatrix:
    cut, cases, controls = grid.cut(threshold), sum(counts.cases), sum(counts.controls)
    found, wrong = sum(counts.case_rows[cut:]), sum(counts.control_rows[cut:])
    return ConfusionMatrix(
        threshold,
        found,
        wrong,
        cases - found,
        controls - wrong,
        *_flat(wilson(found, cases)),
        *_flat(wilson(controls - wrong, controls)),
    )


def _flat(share: Estimate) -> tuple[float, float, float]:
    return share.value, share.low, share.high


def _reliability(grid: Grid, counts: GroupCounts, shown: Sequence[int]) -> tuple[ReliabilityBin, ...]:
    made = []
    for start, end in pairwise((0, *shown, grid.intervals)):
        rows, cases = _rows(counts, start, end), sum(counts.case_rows[start:end])
        low, high = (0.0, *grid.edges)[start], (*grid.edges, 1.0)[end - 1]
        if rows:
            expected = sum(counts.chances[start:end]) / (rows * ONE)
            made.append(ReliabilityBin(low, high, rows, expected, *_flat(wilson(cases, rows))))
    return tuple(made)


def _gaps(grid: Grid, groups: Sequence[GroupQuality]) -> list[Gap]:
    found = [_gap(groups, name, None, attrgetter(name), more) for name, more in MEASURES.items()]
    at = [(threshold, name) for threshold in grid.thresholds for name in ("sensitivity", "specificity")]
    found += [_gap(groups, name, threshold, _at(threshold, name), more=True) for threshold, name in at]
    return [one for one in found if one is not None]


def _at(threshold: float, name: str) -> Callable[[GroupQuality], Estimate | None]:
    def read(one: GroupQuality) -> Estimate | None:
        matrix = next((matrix for matrix in one.confusion if matrix.threshold == threshold), None)
        return None if matrix is None else matrix.share(name)

    return read


def _gap(
    groups: Sequence[GroupQuality],
    measure: str,
    threshold: float | None,
    read: Callable[[GroupQuality], Estimate | None],
    more: bool,  # noqa: FBT001 - whether more is better
) -> Gap | None:
    known = [(found, one.group) for one in groups if (found := read(one)) is not None]
    if len(known) < 2:  # noqa: PLR2004 - one has no gap
        return None
    least, most = min(known, key=lambda one: one[0].value), max(known, key=lambda one: one[0].value)
    (low, lower), (high, higher) = least, most
    gap = high.value - low.value
    below = math.sqrt((high.value - high.low) ** 2 + (low.high - low.value) ** 2)
    above = math.sqrt((high.high - high.value) ** 2 + (low.value - low.low) ** 2)
    estimate = Estimate(gap, max(gap - below, 0.0), gap + above)
    best, worst = (higher, lower) if more else (lower, higher)
    return Gap(groups[0].column, measure, best, worst, estimate, threshold)
