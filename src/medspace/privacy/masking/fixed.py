"""Fixed point: an integer v stands for v * 2**-fraction, so that sums are exact and the same on every processor.

Quantisation: a value becomes the nearest integer (halves to the even one), so it moves by at most 2**-(fraction + 1),
and a sum over n sites by at most n times that (`quantisation`). Adding up moves nothing.

No overflow: if every site's integer has an absolute value of at most L, then that of a sum over any k <= n of them
is at most k * L <= n * L. Where n * L < 2**(bits - 1), the sum lies strictly between -2**(bits - 1) and
2**(bits - 1), where two's complement names each integer once; the words of the sum are right modulo 2**bits, so they
name this one. It does not matter that intermediate sums, masked ones above all, overflowed: the ring's addition is
that of the integers, reduced. `bound` gives such an L: |x| <= b implies |round(x * 2**f)| <= ceil(b * 2**f), as
rounding never passes a whole number. Squares of values up to 1e6 over 1e8 rows and 100 sites, with 96 bits of
fraction, need 170 bits and a sign: they fit 192.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medspace.core.text import Text, msgid
from medspace.privacy.masking.errors import NumberInvalidError
from medspace.privacy.masking.ring import Ring

MOST_FRACTION = 255  # bits; no ring has more
_INT64 = 2.0**63


def integers(values: ArrayLike, fraction: int) -> list[int]:
    """The integers that stand for doubles.

    Raises:
        NumberInvalidError: one is not finite, or so large that its integer has more than 1024 bits.
        ValueError: the number of fraction bits is invalid.
    """
    return list(map(int, _whole(values, fraction).tolist()))


def small_integers(values: ArrayLike, fraction: int) -> NDArray[np.int64]:
    """The same as an array, for values whose integers have 64 bits: big vectors in rings of one word.

    Raises:
        NumberInvalidError: one is not finite, or its integer has more bits.
        ValueError: the number of fraction bits is invalid.
    """
    whole = _whole(values, fraction)
    if whole.size and not (whole.min() >= -_INT64 and whole.max() < _INT64):
        raise _too_large()
    return whole.astype(np.int64)


def _whole(values: ArrayLike, fraction: int) -> NDArray[np.float64]:
    """The integers as doubles, which they are exactly.

    Scaling upwards by a power of two changes no digit of a double; `rint` rounds halves to even and leaves whole
    numbers alone, as all doubles from 2**52 on are. So this is exact, without any arithmetic of integers.
    """
    _check_fraction(fraction)
    read = np.asarray(values, np.float64).reshape(-1)
    if not np.isfinite(read).all():
        raise NumberInvalidError(reason=Text(msgid("it is not a finite number")))
    with np.errstate(over="ignore"):
        whole: NDArray[np.float64] = np.rint(np.ldexp(read, fraction))
    if not np.isfinite(whole).all():
        raise _too_large()
    return whole


def integer(value: Fraction | float, fraction: int) -> int:
    """The integer that stands for one number; of fractions, exactly the nearest.

    Raises:
        NumberInvalidError: it is not finite.
        ValueError: the number of fraction bits is invalid.
    """
    _check_fraction(fraction)
    try:
        exact = Fraction(value)
    except (ValueError, OverflowError):
        raise NumberInvalidError(reason=Text(msgid("it is not a finite number"))) from None
    return round(exact * (1 << fraction))


def exact(number: int, fraction: int) -> Fraction:
    """What an integer stands for."""
    return Fraction(number, 1 << fraction)


def nearest(number: int, fraction: int) -> float:
    """The double nearest to what an integer stands for (halves to even), the same on every processor."""
    return number / (1 << fraction)  # the quotient of integers is rounded once, and correctly


def quantisation(fraction: int, sites: int = 1) -> Fraction:
    """The largest error that fixed point adds to a sum over so many sites."""
    return Fraction(sites, 1 << (fraction + 1))


def bound(largest: Fraction | float, fraction: int) -> int:
    """The bound of the absolute value of integers that stand for values between -largest and largest.

    Raises:
        NumberInvalidError: it is not finite, or negative.
        ValueError: the number of fraction bits is invalid.
    """
    _check_fraction(fraction)
    try:
        exact = Fraction(largest)
    except (ValueError, OverflowError):
        exact = Fraction(-1)
    if exact < 0:
        raise NumberInvalidError(reason=Text(msgid("a bound is not a finite number, or negative")))
    return ceil(exact * (1 << fraction))


def fits(largest: int | Sequence[int], sites: int, ring: Ring) -> bool:
    """Whether no sum over so many sites can overflow, if no site's integer has an absolute value above `largest`.

    `largest` is one bound for all numbers, or one for each. The module says why this suffices.
    """
    bounds = (largest,) if isinstance(largest, int) else largest
    return sites > 0 and all(each >= 0 and each * sites <= ring.largest for each in bounds)


def in_range(total: Iterable[int], largest: int | Sequence[int], sites: int) -> bool:
    """Whether a sum can be right: none of its numbers is above `sites` times its bound.

    If masks remain, a number is uniform over the ring and rarely in range; a lie within the range goes
    unnoticed.

    Raises:
        ValueError: there are not as many bounds as numbers.
    """
    if isinstance(largest, int):
        return all(abs(number) <= largest * sites for number in total)
    return all(abs(number) <= each * sites for number, each in zip(total, largest, strict=True))


def _check_fraction(fraction: int) -> None:
    if not 0 <= fraction <= MOST_FRACTION:
        raise ValueError(f"fractions have 0 to {MOST_FRACTION} bits")


def _too_large() -> NumberInvalidError:
    return NumberInvalidError(reason=Text(msgid("it is too large")))
