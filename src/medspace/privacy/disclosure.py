"""What keeps a sum from being one person's: effective numbers of persons, coarser columns, groups of scores.

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


def coarsened(values: Matrix, widths: list[int], persons: Persons, least: int) -> Matrix:
    """The values of one site with nothing in a column that fewer than `least` persons (but some) stand out by.

    `widths` says how many columns each feature has: one for a number, one or more of 0 and 1 for codes (the first
    code has none); a feature is missing in all its columns at once. A feature that few have counts as missing; a gap
    that few have is filled with what is usual there; a code, or one of two values, that few have joins the others.
    """
    made = values.copy()
    start = 0
    for width in widths:
        block = made[:, start : start + width]  # a view: what is changed here is changed in `made`
        present = ~np.isnan(block[:, 0])
        if _few(present, persons, least):
            block[:] = np.nan
        elif present.any():
            _join_rare_codes(block, present, persons, least)
            if _few(~present, persons, least):
                block[~present] = _usual(block[present])
        start += width
    return made


def _usual(block: Matrix) -> Vector:
    """The most frequent row of codes, or the mean of measurements."""
    if np.isin(block, (0.0, 1.0)).all():
        rows, counts = np.unique(block, axis=0, return_counts=True)
        usual: Vector = rows[int(np.argmax(counts))]
        return usual
    mean: Vector = block.mean(axis=0)
    return mean


def _few(rows: NDArray[np.bool_], persons: Persons, least: int) -> bool:
    return 0 < len(np.unique(persons[rows])) < least


def _join_rare_codes(block: Matrix, present: NDArray[np.bool_], persons: Persons, least: int) -> None:
    if block.shape[1] == 1:
        _join_rare_value(block[:, 0], present, persons, least)
        return
    for column in block.T:
        if _few(column == 1.0, persons, least):
            column[present] = 0.0
    # The first code is where all columns are 0: the rarest of the others joins it until it is not rare either. There
    # is another one as long as it is rare, since those who have the feature at all are not few.
    while _few(present & (block == 0.0).all(axis=1), persons, least):
        carried = [(int((column == 1.0).sum()), at) for at, column in enumerate(block.T) if (column == 1.0).any()]
        block[present, min(carried)[1]] = 0.0


def _join_rare_value(column: Vector, present: NDArray[np.bool_], persons: Persons, least: int) -> None:
    """Of just two values, a rare one becomes the other one; a measurement has more values and stays."""
    found = np.unique(column[present])
    if len(found) == 2:  # noqa: PLR2004 - two values
        for value, other in ((found[0], found[1]), (found[1], found[0])):
            if _few(column == value, persons, least):
                column[column == value] = other
                return


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
