"""What of a total may be shown: no cell of few persons, and none that follows from what is shown.

Statistical disclosure control of tables: primary suppression of small cells, and secondary suppression of further
ones, so that totals minus what is shown do not give a small one away (Hundepool et al., Statistical Disclosure
Control, 2012, ch. 4).
"""

from bisect import bisect
from collections.abc import Sequence

from medspace.privacy.masking.thresholds import LEAST_SITES

Cells = Sequence[Sequence[int]]


def shown_groups(sites: Sequence[int], persons: Sequence[int]) -> tuple[int, ...]:
    """The places of the groups of one attribute that may be counted; the last cell is the rest, which has no group.

    A site is in a cell only with enough persons. A cell of one or two sites would have nobody to hide among, though:
    every site that opens the total knows its own part of it. The same holds of what is left of all rows.
    """
    groups = range(len(sites) - 1)
    shown = [at for at in groups if sites[at] >= LEAST_SITES]
    while shown and not _hides(sites, persons, shown):
        shown.remove(min(shown, key=lambda at: (persons[at], at)))
    return tuple(shown)


def _hides(sites: Sequence[int], persons: Sequence[int], shown: Sequence[int]) -> bool:
    left = [at for at in range(len(sites)) if at not in shown and persons[at]]
    return not left or max(sites[at] for at in left) >= LEAST_SITES


def both_outcomes(cases: Sequence[int], controls: Sequence[int], least: int) -> tuple[int, ...]:
    """The places of the groups whose outcomes may be shown; the last cell is the rest, which is never shown.

    Groups need enough persons of either outcome, and so do those that are not shown, taken together.
    """
    groups = range(len(cases) - 1)
    shown = [at for at in groups if cases[at] >= least and controls[at] >= least]

    def safe(cells: Sequence[int]) -> bool:
        return sum(cells[at] for at in range(len(cells)) if at not in shown) >= least

    while shown and _left(cases, controls, shown) and not (safe(cases) and safe(controls)):
        shown.remove(min(shown, key=lambda at: (min(cases[at], controls[at]), at)))
    return tuple(shown)


def _left(cases: Sequence[int], controls: Sequence[int], shown: Sequence[int]) -> bool:
    hidden = (at for at in range(len(cases)) if at not in shown)
    return any(cases[at] or controls[at] for at in hidden)


def cuts(parts: Cells, least: int, wanted: Sequence[int], *, single: bool) -> tuple[int, ...]:
    """Where the range of chances may be cut, so that each part has nobody or enough persons between two cuts.

    `parts` has the persons per interval, for each group and outcome; a cut `k` lies before interval `k`. Of the
    `wanted` cuts, the most wanted first, each is made that still can be. With a `single` row per person the persons
    of merged intervals add up; without, as many are counted as the largest of them has.
    """
    width = max((len(part) for part in parts), default=0)
    number = sum if single else max

    def enough(start: int, end: int) -> bool:
        return all(not any(part[start:end]) or number(part[start:end]) >= least for part in parts)

    made: list[int] = [0, width]
    for cut in wanted:
        at = bisect(made, cut)
        inside = 0 < cut < width and cut != made[at - 1]
        if inside and enough(made[at - 1], cut) and enough(cut, made[at]):
            made.insert(at, cut)
    return tuple(made[1:-1])
