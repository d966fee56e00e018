"""Arithmetic of which every bit is fixed."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.glm.exact import (
    FRACTION,
    ONE,
    factor,
    fixed,
    logarithm,
    number,
    residuals,
    solves,
    symmetric,
    times,
    triangle,
)
from medspace.learning.glm.maths import SINGULAR

FLOATS = st.floats(-1e27, 1e27).filter(lambda value: value == 0.0 or abs(value) > 1e-12)


@given(FLOATS)
def test_a_float_comes_back_unless_it_is_smaller_than_the_grid(value):
    assert number(fixed(value)) == pytest.approx(value, rel=0.0, abs=2.0**-97)
    assert abs(Fraction(fixed(value), ONE) - Fraction(value)) <= Fraction(1, 2 * ONE)


@given(st.floats(1e-3, 1e9))
def test_logarithms_are_those_of_the_library_and_finer(value):
    found = logarithm(value)
    assert number(found) == pytest.approx(math.log(value), rel=1e-15, abs=1e-15)
    assert abs(found - fixed(math.log(value))) < 1 << FRACTION - 44


@pytest.mark.parametrize("width", [0, 1, 2, 5])
def test_a_triangle_and_its_matrix(width):
    numbers = list(range(width * (width + 1) // 2))
    rows = symmetric(numbers, width)
    assert triangle(rows) == numbers
    assert all(rows[k][j] == rows[j][k] for k in range(width) for j in range(width))


def scattered(width, seed, resemblance=0.0):
    source = np.random.default_rng(seed)
    columns = source.normal(size=(4 * width, width)) * 10.0 ** source.integers(-3, 4, width)
    columns[:, -1] = columns[:, 0] * 7.0 + resemblance * columns[:, -1] if resemblance else columns[:, -1]
    return columns.T @ columns, source.normal(size=width)


def exactly(matrix):
    return [[fixed(value) for value in row] for row in matrix.tolist()]


@pytest.mark.parametrize("width", [1, 2, 7, 30])
def test_the_factor_gives_inverse_diagonal_and_solution(width):
    matrix, vector = scattered(width, width)
    found = factor(exactly(matrix), SINGULAR)
    scale = np.sqrt(np.diag(matrix))
    inverse = np.linalg.inv(matrix / np.outer(scale, scale)) / np.outer(scale, scale)
    np.testing.assert_allclose(found.inverse() * np.outer(scale, scale), inverse * np.outer(scale, scale), atol=1e-10)
    np.testing.assert_allclose(found.diagonal, np.diag(found.inverse()), rtol=1e-12)
    np.testing.assert_allclose(matrix @ found.solved(vector) / scale, vector / scale, atol=1e-10)
    np.testing.assert_allclose(times(matrix, inverse), matrix @ inverse, atol=1e-8)


def test_no_factor_where_columns_explain_each_other_or_are_empty():
    matrix, _ = scattered(6, 3)
    matrix[:, 5], matrix[5] = matrix[:, 0], matrix[0]
    matrix[5, 5] = matrix[0, 0]
    assert factor(exactly(matrix), SINGULAR) is None
    matrix[5, 5] = 0.0
    assert factor(exactly(matrix), SINGULAR) is None
    assert factor([], SINGULAR) is not None


@pytest.mark.parametrize("resemblance", [1.0, 1e-3, 3e-6])
def test_only_what_solves_the_equations_passes(resemblance):
    matrix, vector = scattered(12, 5, resemblance)
    rows, gradient = exactly(matrix), [fixed(value) for value in vector.tolist()]
    apart, step = factor(rows, SINGULAR), [0] * 12
    assert not solves(rows, step, gradient)
    for _ in range(4):
        rest = np.array([value / ONE**2 for value in residuals(rows, step, gradient)])
        step = [value + fixed(change) for value, change in zip(step, apart.solved(rest).tolist(), strict=True)]
    assert solves(rows, step, gradient)
    size = np.sqrt(np.diag(matrix))
    largest = max(abs(number(value)) * own for value, own in zip(step, size, strict=True))
    for place in range(12):
        wrong = list(step)
        wrong[place] += fixed(largest / size[place] * 2.0**-30)
        assert not solves(rows, wrong, gradient)
