"""Arithmetic that gives the same bits on every processor.

A number is an integer v that stands for v * 2**-96. Integers are added and multiplied exactly. Floats occur where
IEEE 754 fixes every bit of the result: + - * / and the square root, elementwise, without any reduction (numpy's and
BLAS's add in an order that depends on the processor, and their exp and log on the library), and the quotient of two
integers, which Python rounds correctly. Logarithms are those of `decimal`, which are rounded correctly too.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import islice
from operator import mul

import numpy as np

from medspace.privacy.disclosure import Matrix, Vector

FRACTION = 96  # bits behind the point: from 1e-28 upwards
ONE = 1 << FRACTION
CLOSE = 64  # a step solves its equations to 2^-64 of their terms, see `solves`
REFINED = 16  # refinements of a step at most; each gains ten digits, or a few where columns resemble each other
ROUNDING = 2.0**-44  # of the floats that a site adds up, relative
_DECIMALS = Context(prec=60, rounding=ROUND_HALF_EVEN, Emin=-9999, Emax=9999)

Rows = list[list[int]]  # of a symmetric matrix, in full


def fixed(value: float) -> int:
    """The integer that stands for a finite float: the nearest one."""
    return round(math.ldexp(value, FRACTION))


def number(value: int) -> float:
    """The float nearest to the number of an integer."""
    return value / ONE


def logarithm(value: float) -> int:
    """The natural logarithm of a positive float."""
    found = _DECIMALS.ln(Decimal(value))
    return int(_DECIMALS.multiply(found, Decimal(ONE)).to_integral_value(context=_DECIMALS))


def symmetric(triangle: Sequence[int], width: int) -> Rows:
    """The rows of the symmetric matrix whose upper triangle, row by row, is given."""
    rows: Rows = [[0] * width for _ in range(width)]
    numbers = iter(triangle)
    for k, row in enumerate(rows):
        row[k:] = islice(numbers, width - k)
        for j in range(k + 1, width):
            rows[j][k] = row[j]
    return rows


def triangle(rows: Iterable[Sequence[int]]) -> list[int]:
    """The upper triangle of a matrix, row by row."""
    return [value for k, row in enumerate(rows) for value in row[k:]]


def product(left: Sequence[int], right: Sequence[int]) -> int:
    """The sum of the products, with the bits behind the point of both."""
    return sum(map(mul, left, right))


def residuals(rows: Rows, step: Sequence[int], gradient: Sequence[int]) -> list[int]:
    """The residual of `rows @ step = gradient`, with 2 * 96 bits behind the point."""
    return [(slope << FRACTION) - product(row, step) for row, slope in zip(rows, gradient, strict=True)]


def solves(rows: Rows, step: Sequence[int], gradient: Sequence[int]) -> bool:
    """Whether a step solves `rows @ step = gradient`, each equation to 2^-64 of the terms that it may hold at most.

    By Cauchy and Schwarz the term j of equation k is at most sqrt(h_k h_j) |step_j|, h the diagonal. Whoever proposes
    a step is free within that. One person among 1e8 rows is 2^-27 of such a term, so what is free moves the equations
    by 2^-37 of what that person does. Where columns resemble each other as much as `factor` lets pass (2^-40), the
    step itself is free by about 2^-24 of it. One unit of the grid is free for each coefficient besides.
    """
    roots = [math.isqrt(row[k] << FRACTION) for k, row in enumerate(rows)]
    reach = product(roots, [abs(value) for value in step]) + (sum(roots) << CLOSE)
    left = residuals(rows, step, gradient)
    return all(
        abs(rest) << CLOSE <= (root * reach >> FRACTION) + (abs(slope) << FRACTION)
        for rest, root, slope in zip(left, roots, gradient, strict=True)
    )


def times(left: Matrix, right: Matrix) -> Matrix:
    """The product of two matrices, summed in one order on every processor."""
    made = np.zeros((left.shape[0], right.shape[1]))
    for column, row in zip(left.T, right, strict=True):
        made += column[:, None] * row[None, :]
    return made


@dataclass(frozen=True, slots=True)
class Factor:
    """A positive definite matrix A, factored: A**-1 = half.T @ half. `diagonal` is that of A**-1."""

    half: Matrix
    diagonal: Vector

    def inverse(self) -> Matrix:
        """A**-1, the same on every processor."""
        return times(self.half.T, self.half)

    def solved(self, vector: Vector) -> Vector:
        """The approximate solution of A x = vector, the same on every processor."""
        found: Vector = times(self.half.T, times(self.half, vector[:, None]))[:, 0]
        return found


def factor(rows: Rows, least: float) -> Factor | None:
    """Factor a matrix (Cholesky), elementwise, so that every processor gets the same result.

    None where a squared pivot, on unit diagonal, is below `least`: its column is all but a combination of others.
    """
    if any(row[k] <= 0 for k, row in enumerate(rows)):
        return None
    width = len(rows)
    made = np.array([[number(value) for value in row] for row in rows], dtype=np.float64).reshape(width, width)
    unit = 1.0 / np.sqrt(np.diag(made))  # with unit diagonal, a pivot says how much of a column is its own
    made = made * unit[:, None] * unit[None, :]
    half, diagonal = np.diag(unit), np.zeros(width)
    for k in range(width):
        if not made[k, k] >= least:
            return None
        root = math.sqrt(made[k, k])
        below = made[k + 1 :, k] / root
        made[k + 1 :, k + 1 :] -= below[:, None] * below[None, :]
        half[k, : k + 1] /= root
        half[k + 1 :, : k + 1] -= below[:, None] * half[k, : k + 1][None, :]
        diagonal[: k + 1] += half[k, : k + 1] * half[k, : k + 1]
    return Factor(half, diagonal)


def solution(rows: Rows, apart: Factor, gradient: Sequence[int]) -> list[int] | None:
    """The step that solves `rows @ step = gradient`; None where refinement does not get there.

    Each refinement solves for the exact residual. Columns may resemble each other in ways that no single pivot shows.
    """
    step = [0] * len(rows)
    for _ in range(REFINED):
        rest = [value / (ONE * ONE) for value in residuals(rows, step, gradient)]
        more = apart.solved(np.array(rest, dtype=np.float64)).tolist()
        if not all(map(math.isfinite, more)):
            return None
        step = [value + fixed(change) for value, change in zip(step, more, strict=True)]
        if solves(rows, step, gradient):
            return step
    return None
