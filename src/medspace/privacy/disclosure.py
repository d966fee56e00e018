"""What keeps a sum from being one person's: effective numbers of persons, scarce features, groups of scores.

The asker chooses beta, and a beta can be chosen that gives all weight to one row. So an output's cohort is not the
number of rows that were added up but the number that carries the sum: Kish's effective size (Kish, Survey Sampling,
1965). What this does not prevent: comparing the answers to two well-chosen questions. Masked aggregation and
noise do that; until they are there, the holder's means are how often it lets itself be asked, and by whom.
"""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Persons = NDArray[np.int64]


def effective(weights: Vector, persons: Persons) -> int:
    """How many persons carry a weighted sum: (sum of w)^2 / (sum of w^2), w added up for each person; rounded down.

    Equal weights give the number of persons, one weight alone gives 1, no weight at all 0.
    """
    _, place = np.unique(persons, return_inverse=True)
    total = np.bincount(place, weights=np.abs(weights))
    largest = float(total.max(initial=0.0))
    if not largest > 0.0 or not math.isfinite(largest):
        return 0
    shares = total / largest  # neither square overflows
    return math.floor(float(shares.sum()) ** 2 / float(np.square(shares).sum()) + 1e-9)


def without_scarce(values: Matrix, widths: list[int], persons: Persons, least: int) -> Matrix:
    """The values with each feature hidden that fewer than `least` persons have (but some): it counts as missing here.

    `widths` says how many columns each feature has; a feature is missing in all of them at once.
    """
    hidden = values.copy()
    start = 0
    for width in widths:
        present = ~np.isnan(values[:, start])
        if 0 < len(np.unique(persons[present])) < least:
            hidden[:, start : start + width] = np.nan
        start += width
    return hidden


def grouped(scores: Vector, persons: Persons, least: int) -> Vector:
    """The scores, averaged over neighbours in groups of at least `least` persons: whoever counts them counts groups.

    Fewer persons than that in all make one group.
    """
    order = np.argsort(scores, kind="stable")
    groups: list[list[int]] = []
    seen: set[int] = set()
    current: list[int] = []
    for row in order:
        current.append(int(row))
        seen.add(int(persons[row]))
        if len(seen) >= least:
            groups.append(current)
            current, seen = [], set()
    if groups:
        groups[-1] += current  # what is left is too small to stand alone
    else:
        groups = [current]
    averaged = np.empty_like(scores)
    for group in groups:
        averaged[group] = scores[group].mean() if group else 0.0
    return averaged
