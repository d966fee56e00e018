"""Small linear systems in single floats, one operation after the other: the same bits on every processor.

Libraries add up in an order that depends on the processor, so that two sites would come to two models. + - * / and
square roots of single floats are rounded alike everywhere (IEEE 754, 5.4.1).
"""

from collections.abc import Sequence
from math import frexp, sqrt

Row = Sequence[float]
Rows = Sequence[Row]
LN2 = 0.6931471805599453


def factor(matrix: Rows, least: float) -> list[list[float]] | None:
    """The lower triangle L with L L' = matrix (Cholesky); None where a squared pivot is below `least` or 0."""
    lower: list[list[float]] = []
    for j, row in enumerate(matrix):
        made: list[float] = []
        for i in range(j):
            made.append((row[i] - dot(made, lower[i], i)) / lower[i][i])
        pivot = row[j] - dot(made, made, j)
        if not (pivot >= least and pivot > 0.0):
            return None
        lower.append([*made, sqrt(pivot)])
    return lower


def solved(lower: Rows, right: Row) -> list[float]:
    """The x with L L' x = right."""
    width = len(lower)
    half: list[float] = []
    for i in range(width):
        half.append((right[i] - dot(lower[i], half, i)) / lower[i][i])
    made = [0.0] * width
    for i in reversed(range(width)):
        left = half[i]
        for k in range(i + 1, width):
            left -= lower[k][i] * made[k]
        made[i] = left / lower[i][i]
    return made


def sandwich(lower: Rows, middle: Rows) -> list[list[float]]:
    """A^-1 M A^-1 for A = L L' and a symmetric M."""
    halves = [solved(lower, row) for row in middle]  # rows of M A^-1, as M is symmetric: columns of A^-1 M
    return [solved(lower, column) for column in zip(*halves, strict=True)]


def logarithm(value: float) -> float:
    """The natural logarithm of a positive number, by 2 artanh((m - 1) / (m + 1)) of its mantissa."""
    mantissa, exponent = frexp(value)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)  # between -1/3 and 0
    square, power, total = ratio * ratio, ratio, 0.0
    for odd in range(1, 61, 2):
        total += power / odd
        power *= square
    return exponent * LN2 + 2.0 * total


def dot(one: Row, other: Row, count: int) -> float:
    """The sum of the first products, added up one by one: `sum` compensates from Python 3.12 on."""
    total = 0.0
    for i in range(count):
        total += one[i] * other[i]
    return total
