"""Released sums are whole multiples of a power of two, 2^-24 of their bound.

Differences that only show in the last bits of a double disappear, and with them anybody whose data they would
reveal. The bound is the sum of the absolute terms, raised to a power of two: it reveals no more than the sum does.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

BITS = 24
ERROR_BITS = 12  # of variances and covariances: a standard error is good to four digits
UPDATE_BITS = 10  # of what a round of training moves the weights of a net
LEAST = 2.0**-900  # below this, the quantum would underflow

Numbers = NDArray[np.float64]
Given = Numbers | float
Rounding = Callable[[Given, Given], Numbers]  # sums and their bounds


def quanta(bounds: Numbers, bits: int = BITS) -> Numbers:
    """The step that sums with these bounds are rounded to, of the same shape; 0 where the bound is 0."""
    known = np.maximum(np.abs(bounds), LEAST)
    steps: Numbers = np.where(bounds == 0.0, 0.0, np.exp2(np.ceil(np.log2(known)) - bits))
    return steps


def rounded(sums: Given, bounds: Given, bits: int = BITS) -> Numbers:
    """The sums, each a multiple of its quantum; of the same shape."""
    steps = quanta(np.asarray(bounds, dtype=np.float64), bits)
    safe = np.where(steps == 0.0, 1.0, steps)
    made: Numbers = np.where(steps == 0.0, sums, np.round(sums / safe) * safe) + 0.0
    return made


def unrounded(sums: Given, bounds: Given) -> Numbers:  # noqa: ARG001 - what stands in for `rounded`
    """The sums as they are."""
    return np.asarray(sums, dtype=np.float64)
