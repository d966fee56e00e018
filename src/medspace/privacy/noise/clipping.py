"""What each person adds to a noisy sum: rows added up, clipped to a norm, rounded to integers.

Neighbouring tables differ in one person, who is replaced by another or by nobody: how many there are is public. The
integers of one person have a length of at most norm * scale + sqrt(d) / 2, as rounding moves each of d numbers by at
most a half; so two tables' sums differ by at most twice that (`sensitivity`).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, isfinite, isqrt

import numpy as np
from numpy.typing import NDArray

from medspace.core.text import Text, msgid
from medspace.privacy.errors import NoiseInvalidError

Vectors = NDArray[np.float64]
Persons = NDArray[np.int64]

SLACK = Fraction(1, 1 << 30)  # relative: a norm of up to 2**20 doubles is off by less than 2**-32
MOST = 2**30  # of a person's integers, so that sums over 2**32 persons fit 63 bits
_ROOT = 1 << 40


@dataclass(frozen=True, slots=True)
class Clipped:
    """Vectors within a norm, and which were longer: only the holder is told how many."""

    vectors: Vectors
    shortened: NDArray[np.bool_]


def grouped(vectors: Vectors, persons: Persons) -> Vectors:
    """The sum of the rows of each person, one row a person; numbers that are not finite count as 0."""
    finite = np.where(np.isfinite(vectors), vectors, 0.0)
    _, place = np.unique(persons, return_inverse=True)
    made: Vectors = np.zeros((int(place.max()) + 1 if len(place) else 0, vectors.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):  # `clipped` makes nothing of what is infinite
        np.add.at(made, place, finite)
    return made


def clipped(vectors: Vectors, norm: float) -> Clipped:
    """The vectors, those that are longer than a norm scaled down to it. One that is not finite becomes 0.

    Raises:
        NoiseInvalidError: the norm is not a positive number.
    """
    _check_positive(norm)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.sqrt(np.square(vectors).sum(axis=1))
        long = ~(lengths <= norm)
        factors = np.divide(norm, lengths, out=np.ones_like(lengths), where=long)
        made: Vectors = vectors * factors[:, None]
    made[~np.isfinite(made).all(axis=1)] = 0.0
    return Clipped(made, long)


def quantised(vectors: Vectors, scale: float) -> list[int]:
    """The sum of the vectors' integers: each number times the scale, rounded to the nearest.

    Raises:
        NoiseInvalidError: the scale is not a positive number, or a number is too large with it.
    """
    _check_positive(scale)
    whole = np.rint(vectors * scale)
    if not (np.abs(whole) <= MOST).all():
        raise NoiseInvalidError(reason=Text(msgid("the numbers are too large for the scale")))
    total: list[int] = whole.astype(np.int64).sum(axis=0).tolist()
    return total


def sensitivity(norm: float, scale: float, numbers: int) -> int:
    """How far apart, in L2, the integers of two tables are at most that differ in one person.

    Raises:
        NoiseInvalidError: norm or scale is not a positive number.
    """
    _check_positive(norm)
    _check_positive(scale)
    length = Fraction(norm) * Fraction(scale) * (1 + SLACK)
    rounding = Fraction(isqrt(numbers * _ROOT * _ROOT) + 1, 2 * _ROOT)
    return ceil(2 * (length + rounding))


def scale_for(sensitivity: int, norm: float, numbers: int) -> float:  # the inverse of the function of that name
    """The largest scale, to 20 bits, with which vectors of a norm have at most that sensitivity.

    Raises:
        NoiseInvalidError: the norm is not a positive number, or rounding alone makes more.
    """
    _check_positive(norm)
    rounding = Fraction(isqrt(numbers * _ROOT * _ROOT) + 1, 2 * _ROOT)
    length = (Fraction(sensitivity, 2) - rounding) / (Fraction(norm) * (1 + SLACK))
    units = int(length * (1 << 20))
    if units < 1:
        raise NoiseInvalidError(reason=Text(msgid("the budget is too small for so many numbers")))
    return units / (1 << 20) if units < 1 << 53 else float(units >> 20)


def _check_positive(value: float) -> None:
    if not (isfinite(value) and value > 0.0):
        raise NoiseInvalidError(reason=Text(msgid("a norm or a scale is not a positive number")))
