"""A site's integers for one group, and what their total holds.

    rows, persons, persons with a case, persons with a control
    per interval of chances   rows and persons, cases and controls
    per fine bin of the score cases, controls
    the squared residuals, their squares, and per interval the sum of the chances

Intervals lie between the edges of the bins of chances and the thresholds, all together, so that one count serves
both; a chance at an edge belongs to the interval above. Whole numbers first, then numbers with a fraction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from medspace.learning.exact import FRACTION, fixed
from medspace.privacy.disclosure import Labels, Mask, Persons, Vector, heads, number


@dataclass(frozen=True, slots=True)
class Grid:
    """How chances and scores are divided: `edges` between 0 and 1, `bins` equal bins of chances, `fine` of scores."""

    edges: tuple[float, ...]
    thresholds: tuple[float, ...]
    bins: int
    fine: int

    @classmethod
    def of(cls, bins: int, thresholds: Sequence[float], fine: int) -> "Grid":
        """The intervals of so many bins and these thresholds."""
        edges = {at / bins for at in range(1, bins)} | set(thresholds)
        return cls(tuple(sorted(edges)), tuple(thresholds), bins, fine)

    @property
    def intervals(self) -> int:
        """How many there are."""
        return len(self.edges) + 1

    @property
    def whole(self) -> int:
        """How many numbers of a group are counts."""
        return 4 + 4 * self.intervals + 2 * self.fine

    @property
    def width(self) -> int:
        """How many numbers a group has."""
        return self.whole + 2 + self.intervals

    def cut(self, edge: float) -> int:
        """The interval that begins at an edge."""
        return self.edges.index(edge) + 1

    @property
    def cuts(self) -> tuple[int, ...]:
        """The intervals with which anything begins: first those of the thresholds, which people ask for."""
        wanted = tuple(self.cut(one) for one in self.thresholds)
        return (*wanted, *(one for one in self.bin_cuts if one not in wanted))

    @property
    def bin_cuts(self) -> tuple[int, ...]:
        """The intervals with which bins of chances begin, but for the first."""
        return tuple(self.cut(at / self.bins) for at in range(1, self.bins))


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """The rows of a site: outcome (1 or 0), chance, fine bin of the score, person."""

    target: Vector
    chance: Vector
    place: Labels
    persons: Persons

    def of(self, chosen: Mask) -> "ScoredRows":
        """Some of them."""
        return ScoredRows(self.target[chosen], self.chance[chosen], self.place[chosen], self.persons[chosen])


@dataclass(frozen=True, slots=True)
class GroupCounts:
    """The total of one group: counts as they are, the other numbers with 96 bits behind the point."""

    rows: int
    persons: int
    case_persons: int
    control_persons: int
    case_rows: tuple[int, ...]
    control_rows: tuple[int, ...]
    case_heads: tuple[int, ...]
    control_heads: tuple[int, ...]
    cases: tuple[int, ...]
    controls: tuple[int, ...]
    squared: int
    fourth: int
    chances: tuple[int, ...]

    @property
    def consistent(self) -> bool:
        """Whether all of it can be of the same rows."""
        cases, controls, slack = sum(self.cases), sum(self.controls), self.rows + 1 << FRACTION - 20
        return (
            (sum(self.case_rows), sum(self.control_rows)) == (cases, controls)
            and cases + controls == self.rows >= self.persons
            and max(self.case_persons, self.control_persons) <= self.persons
            and self.case_persons + self.control_persons >= self.persons
            and all(
                a <= b
                for a, b in zip(
                    (*self.case_heads, *self.control_heads, self.case_persons, self.control_persons),
                    (*self.case_rows, *self.control_rows, cases, controls),
                    strict=True,
                )
            )
            and 0 <= self.fourth <= self.squared + slack <= (self.rows << FRACTION) + 2 * slack
            and all(
                0 <= chance <= (a + b << FRACTION) + slack
                for chance, a, b in zip(self.chances, self.case_rows, self.control_rows, strict=True)
            )
        )


def counted(grid: Grid, rows: ScoredRows) -> list[int]:
    """The integers of one group at a site, each standing for v * 2**-96."""
    intervals, fine = grid.intervals, grid.fine
    inside = np.searchsorted(np.asarray(grid.edges), rows.chance, side="right").astype(np.int64)
    sides = [(rows.target == side, rows.persons[rows.target == side]) for side in (1.0, 0.0)]
    residuals = np.square(rows.target - rows.chance)
    counts: list[Iterable[int]] = [
        [len(rows.target), number(rows.persons), *(number(persons) for _, persons in sides)],
        *(np.bincount(inside[side], minlength=intervals) for side, _ in sides),
        *(heads(inside[side], persons, intervals) for side, persons in sides),
        *(np.bincount(rows.place[side], minlength=fine) for side, _ in sides),
    ]
    sums = [residuals.sum(), np.square(residuals).sum(), *np.bincount(inside, rows.chance, intervals)]
    return [int(one) << FRACTION for part in counts for one in part] + [fixed(float(one)) for one in sums]


def largest(grid: Grid, own: int) -> list[int]:
    """How large each number of one site can be that has `own` rows at most."""
    return [own] * grid.width


def read(grid: Grid, numbers: Sequence[int]) -> GroupCounts:
    """What stands where in the numbers of one group."""
    intervals, fine = grid.intervals, grid.fine
    widths = [4, *[intervals] * 4, fine, fine, 2, intervals]
    parts = [tuple(numbers[a:b]) for a, b in pairwise(accumulate(widths, initial=0))]
    first, case_rows, control_rows, case_heads, control_heads, cases, controls = (
        tuple(one >> FRACTION for one in part) for part in parts[:7]
    )
    return GroupCounts(
        rows=first[0],
        persons=first[1],
        case_persons=first[2],
        control_persons=first[3],
        case_rows=case_rows,
        control_rows=control_rows,
        case_heads=case_heads,
        control_heads=control_heads,
        cases=cases,
        controls=controls,
        squared=parts[7][0],
        fourth=parts[7][1],
        chances=parts[8],
    )
