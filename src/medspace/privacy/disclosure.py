"""What keeps a sum from being about one person: effective cohort sizes, coarser columns, groups of scores.

The asker chooses beta, and a beta can be chosen that gives all weight to one row. So an output's cohort is not the
number of rows that were added up but the number that carries the sum: Kish's effective size (Kish, Survey Sampling,
1965). What several answers reveal together is the subject of `exposure`.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]
Persons = NDArray[np.int64]
Labels = NDArray[np.int64]

MISSING = -1  # the label of a row without a value
DENSE = 8  # numbers below this multiple of the rows are dense
FEW_VALUES = 20  # a number with at most this many different values is treated as a code


def effective(weights: Vector, persons: Persons) -> int:
    """How many persons carry a weighted sum: (sum of w)^2 / (sum of w^2), w added up for each person; rounded down.

    Equal weights give the number of persons, a single weight gives 1, no weight at all 0.
    """
    total = _by_person(weights, persons)
    largest = float(total.max(initial=0.0))
    if not largest > 0.0 or not math.isfinite(largest):
        return 0
    shares = total / largest  # neither square overflows
    return math.floor(float(shares.sum()) ** 2 / float(np.square(shares).sum()) + 1e-9)


def heaviest(weights: Vector, persons: Persons) -> float:
    """The share of all weight that one person has at most, from 0 to 1; 1 where there is no weight at all.

    Kish's number misses it: half of the weight on one of a thousand persons leaves an effective size of four,
    a tenth of it leaves ninety.
    """
    total = _by_person(weights, persons)
    largest = float(total.max(initial=0.0))
    if not largest > 0.0 or not math.isfinite(largest):
        return 1.0
    return largest / float(total.sum())


def _by_person(weights: Vector, persons: Persons) -> Vector:
    place, _ = _numbered(persons)
    return np.bincount(place, weights=np.abs(weights)).astype(np.float64)


def heads(labels: Labels, persons: Persons, width: int) -> NDArray[np.int64]:
    """How many persons have each of the labels 0 to `width` - 1; labels below 0 are not counted."""
    inside = labels >= 0
    place, count = _numbered(persons[inside])
    pairs = np.sort(labels[inside] * max(count, 1) + place)
    new = np.ones(len(pairs), dtype=np.bool_)
    new[1:] = pairs[1:] != pairs[:-1]
    return np.bincount(pairs[new] // max(count, 1), minlength=width)[:width]


def _numbered(persons: Persons) -> tuple[Persons, int]:
    """The persons renumbered below the second result; unchanged if their numbers are small already."""
    if _dense(persons):
        return persons, int(persons.max(initial=-1)) + 1
    known, place = np.unique(persons, return_inverse=True)
    return place.astype(np.int64), len(known)


def _dense(persons: Persons) -> bool:
    """Whether the numbers are dense, so that counting is many times faster than sorting."""
    return not len(persons) or (int(persons.min()) >= 0 and int(persons.max()) < DENSE * len(persons))


def few(rows: Mask, persons: Persons, least: int) -> bool:
    """Whether some persons have it, but fewer than `least`."""
    return 0 < number(persons[rows]) < least


def number(persons: Persons) -> int:
    """How many different persons there are."""
    return int(np.count_nonzero(np.bincount(persons))) if _dense(persons) else len(np.unique(persons))


def joined(labels: Labels, names: Sequence[str], persons: Persons, least: int, *, hide: bool = True) -> Labels:
    """The labels of a coded column with nobody in a group of fewer than `least` persons.

    `labels` are places in `names`, `len(names)` for a code that has no name, MISSING. What fewer than `least` persons
    have gets the label `len(names)`, together. Where all of them are still too few, they count as missing, if that
    makes enough (and `hide` allows it), else the next rarest level joins them. Nobody gets the label of a level that
    is not theirs. A column that few have at all counts as missing; gaps that few have are filled with what most have.
    The order of `names` does not matter.
    """
    other = len(names)
    made = labels.copy()
    if few(made != MISSING, persons, least):
        return np.full_like(made, MISSING)
    counts = heads(made, persons, other)
    made[np.isin(made, np.flatnonzero((counts > 0) & (counts < least)))] = other
    if few(made == other, persons, least):
        gaps = (labels == MISSING) | (made == other)
        if hide and (labels == MISSING).any() and not few(gaps, persons, least):
            made[made == other] = MISSING
        rarest = sorted((int(count), names[place], place) for place, count in enumerate(counts) if count >= least)
        for _, _, place in rarest:
            if not few(made == other, persons, least):
                break
            made[made == place] = other
    if few(made == MISSING, persons, least):
        made[made == MISSING] = _usual(made, (*names, ""), persons)
    return made


def _usual(labels: Labels, names: Sequence[str], persons: Persons) -> int:
    counts = heads(labels, persons, len(names))
    return min(range(len(names)), key=lambda place: (-int(counts[place]), names[place]))


def merged(column: Vector, persons: Persons, least: int, *, hide: bool = True, level: bool = False) -> Vector:
    """The values of a numeric column, NaN where missing; none, and no gap, is one that fewer than `least` have.

    Numbers with few values are codes: a rare value becomes its neighbour, or, with `level`, both become the mean of
    all rows that have them, which keeps the sum (the long tail of a count would be cut off otherwise). Of two values
    that would be the opposite: there the whole column counts as missing (or, unless `hide`, everybody gets the mean).
    A column that few have counts as missing; gaps that few have are filled with the mean.
    """
    made = column.copy()
    gaps = np.isnan(made)
    if few(~gaps, persons, least):
        return np.full_like(made, np.nan)
    values, place = np.unique(made[~gaps], return_inverse=True)
    owners = persons[~gaps]
    if len(values) == 2 and min(heads(place, owners, 2)) < least:  # noqa: PLR2004 - a yes or no
        return np.full_like(made, np.nan if hide else float(made[~gaps].mean()))
    if len(values) <= max(FEW_VALUES, number(persons) // max(least, 1)):
        made[~gaps] = _neighbours(values, place.astype(np.int64), owners, least)[place]
        if level:
            made[~gaps] = _levelled(made[~gaps], column[~gaps])
    if few(gaps, persons, least) and not gaps.all():
        made[gaps] = made[~gaps].mean()
    return made


def _levelled(groups: Vector, own: Vector) -> Vector:
    """The mean of the own values of all rows that are in one group; a group of like values keeps them to the bit."""
    known, place = np.unique(groups, return_inverse=True)
    counts = np.bincount(place)
    means = known + np.bincount(place, weights=own - groups) / counts
    levelled: Vector = means[place]
    return levelled


def _neighbours(values: Vector, place: Labels, persons: Persons, least: int) -> Vector:
    """What each of the sorted `values` becomes: the rarest joins the nearest, until none is rare."""
    counts = heads(place, persons, len(values)).tolist()
    if min(counts, default=least) >= least:
        return values.copy()
    having = _Having(place, persons, len(values))
    says, members = values.tolist(), [[at] for at in range(len(values))]
    left = list(range(-1, len(values) - 1))
    right = [*range(1, len(values)), -1]
    queue = [(count, at) for at, count in enumerate(counts)]
    heapq.heapify(queue)
    while True:  # the last one left has nobody to join
        count, at = heapq.heappop(queue)
        if not members[at] or count != counts[at]:
            continue
        sides = [side for side in (left[at], right[at]) if side >= 0]
        if count >= least or not sides:
            break
        near = min(sides, key=lambda side: (abs(says[side] - says[at]), -counts[side], says[side]))
        counts[near] = having.joined(near, at)
        members[near] += members[at]
        members[at] = []
        if left[at] >= 0:
            right[left[at]] = right[at]
        if right[at] >= 0:
            left[right[at]] = left[at]
        heapq.heappush(queue, (counts[near], near))
    becomes = values.copy()
    for at, own in enumerate(members):
        becomes[own] = says[at]
    return becomes


class _Having:
    """Who has each of the values; gathered only of those that are joined."""

    def __init__(self, place: Labels, persons: Persons, width: int) -> None:
        self._sorted = persons[np.argsort(place, kind="stable")]
        self._ends = np.cumsum(np.bincount(place, minlength=width)).tolist()
        self._known: dict[int, set[int]] = {}

    def of(self, at: int) -> set[int]:
        """The persons of one value."""
        if at not in self._known:
            start = self._ends[at - 1] if at else 0
            self._known[at] = set(self._sorted[start : self._ends[at]].tolist())
        return self._known[at]

    def joined(self, near: int, at: int) -> int:
        """Let `near` have the persons of `at` as well; how many it has then."""
        who = self.of(near)
        who |= self.of(at)
        return len(who)


def small_cells(columns: Mapping[str, Labels], persons: Persons, least: int) -> Mapping[tuple[str, str], int]:
    """By pairs of coded columns, how many of their cells hold some persons, but fewer than `least`.

    The first Hessian of a task contains the sum of every cell. The holder should know this before offering: only a
    privacy budget protects these cells.
    """
    found = dict[tuple[str, str], int]()
    for (name, one), (second, other) in combinations(columns.items(), 2):
        width = int(other.max(initial=0)) + 1
        known = (one >= 0) & (other >= 0)
        cells, place = np.unique((one * width + other)[known], return_inverse=True)
        counts = heads(place, persons[known], len(cells))
        small = int(((counts > 0) & (counts < least)).sum())
        if small:
            found[name, second] = small
    return found


def ranked(scores: Vector, persons: Persons, least: int) -> Labels:
    """The group of each row: neighbours by score, of `least` persons or more, from 0 upwards.

    Only the order of the scores decides, not how finely they are to be counted: two counts of the same scores
    use the same groups. What is left at the end joins the group before it.
    """
    groups = np.zeros(len(scores), dtype=np.int64)
    group, seen, start = 0, set[int](), 0
    order = np.argsort(scores, kind="stable")
    for at, row in enumerate(order):
        groups[row] = group
        seen.add(int(persons[row]))
        if len(seen) >= least:
            group, seen, start = group + 1, set(), at + 1
    groups[order[start:]] = max(group - 1, 0)
    return groups


def grouped(scores: Vector, persons: Persons, least: int) -> Vector:
    """The scores, averaged over their groups (`ranked`), so that counting them counts groups."""
    groups = ranked(scores, persons, least)
    averaged: Vector = (np.bincount(groups, scores) / np.maximum(np.bincount(groups), 1))[groups]
    return averaged


def reach(places: Labels, groups: Labels, width: int) -> tuple[Labels, Labels]:
    """The first and the last place of each group, where the order of groups is that of their places.

    A group begins where the one before it ended, in the same place only if the two share it.
    """
    count = int(groups.max(initial=0)) + 1
    low, last = np.full(count, width - 1), np.zeros(count, dtype=np.int64)
    np.minimum.at(low, groups, places)
    np.maximum.at(last, groups, places)
    first = np.concatenate([[0], last[:-1] + (low[1:] > last[:-1])])
    last[-1] = width - 1
    return first.astype(np.int64), last
