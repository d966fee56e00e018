"""What many answers reveal together: query auditing (Chin and Ozsoyoglu 1982; Nabar et al. 2008).

Each released sum weighs persons. Sums with weights w1, w2, ... can be combined into one with any weights in their
span, so what counts is not one vector of weights but the span of all of them. `leverages` says how near the span
comes to a single person: with leverage h, no combination has more than the share h of its squared weight on that
person, and the best linear guess of a value of theirs misses by sqrt((1 - h) / h) standard deviations of the others.
"""

import numpy as np
from numpy.typing import NDArray

from medspace.privacy.rounding import BITS

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Marks = NDArray[np.uint64]

MOST_PLACES = 4096  # more persons share places by their marks
MOST_LEVERAGE = 0.8  # docs/decisions/0017


def places(marks: Marks) -> tuple[NDArray[np.int64], int]:
    """The place of each row's person in vectors of weights, and how many places there are."""
    found, place = np.unique(marks, return_inverse=True)
    if len(found) > MOST_PLACES:
        return (marks % np.uint64(MOST_PLACES)).astype(np.int64), MOST_PLACES
    return place.astype(np.int64), len(found)


def extended(basis: Matrix, weights: Matrix, bits: int = BITS) -> Matrix:
    """The orthonormal basis of the span with more vectors in it; both places x vectors.

    The new component of a vector is dropped if it is smaller than what rounding the sums to so many bits hides.
    """
    least = np.sqrt(len(basis)) * 2.0**-bits
    for vector in weights.T:
        size = float(np.linalg.norm(vector))
        if not size > 0.0:
            continue
        rest = vector / size
        for _ in range(2):  # the second pass removes what rounding left
            rest = rest - basis @ (basis.T @ rest)
        new = float(np.linalg.norm(rest))
        if new > least:
            basis = np.column_stack([basis, rest / new])
    return basis


def leverages(basis: Matrix) -> Vector:
    """How near the span comes to each person, from 0 to 1: the squared length of e_i in it."""
    found: Vector = np.square(basis).sum(axis=1)
    return found


def exposes(before: Matrix, after: Matrix, most: float = MOST_LEVERAGE) -> bool:
    """Whether the vectors that `after` adds to `before` push somebody above `most`."""
    if after.shape[1] == before.shape[1]:
        return False
    return bool((leverages(after) > most).any())


def differs_by_few(one: Mask, other: Mask, least: int) -> bool:
    """Whether two sets of persons differ, but by fewer than `least`."""
    return 0 < int((one ^ other).sum()) < least
