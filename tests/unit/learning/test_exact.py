"""Arithmetic of which every bit is fixed."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.exact import (
    FRACTION,
    ONE,
    Factor,
    factor,
    fixed,
    logarithm,
    number,
    solution,
    solves,
    symmetric,
    times,
    triangle,
)
from medspace.learning.glm.design import Layout
from medspace.learning.glm.errors import SingularError
from medspace.learning.glm.following import MaskedFitState
from medspace.learning.glm.masked import MaskedGlms
from medspace.learning.glm.maths import SINGULAR
from medspace.learning.glm.model import FitPhase
from medspace.runs.masked.errors import ProposalInvalidError

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
    assert not solves(rows, [0] * 12, gradient)
    step = solution(rows, factor(rows, SINGULAR), gradient)
    assert solves(rows, step, gradient)
    size = np.sqrt(np.diag(matrix))
    largest = max(abs(number(value)) * own for value, own in zip(step, size, strict=True))
    for place in range(12):
        wrong = list(step)
        wrong[place] += fixed(largest / size[place] * 2.0**-55)
        assert not solves(rows, wrong, gradient)


def test_where_columns_all_but_explain_each_other_nobody_is_free_to_choose_a_step():
    # The smallest pivot that passes: what the other column leaves of this one is a millionth of it.
    rows = [[ONE, ONE - fixed(6e-13)], [ONE - fixed(6e-13), ONE]]
    gradient = [ONE, 2 * ONE]
    step = solution(rows, factor(rows, SINGULAR), gradient)
    assert solves(rows, step, gradient)
    for share in (1e-6, 1.0, 1e6):  # along the direction that hardly changes the sums
        change = fixed(number(step[0]) * share)
        assert not solves(rows, [step[0] + change, step[1] - change], gradient)


def kahan(width, cosine):
    """Each pivot is large enough by itself, and all together leave nothing of the last digits (Kahan 1966)."""
    sine = np.sqrt(1.0 - cosine**2)
    upper = np.diag(sine ** np.arange(width)) @ (np.eye(width) - cosine * np.triu(np.ones((width, width)), 1))
    return upper.T @ upper


@pytest.mark.parametrize(("width", "solvable"), [(60, True), (90, False)])
def test_what_refinement_does_not_solve_has_no_step(width, solvable):
    rows, gradient = exactly(kahan(width, 0.285)), [ONE] * width
    apart = factor(rows, SINGULAR)
    assert apart is not None
    assert (solution(rows, apart, gradient) is not None) is solvable


def test_a_factor_that_is_none_has_no_step():
    for wrong in (np.inf, 0.0):
        assert solution([[ONE, 0], [0, ONE]], Factor(np.full((2, 2), wrong), np.ones(2)), [ONE, ONE]) is None


@pytest.mark.parametrize(("width", "solvable"), [(60, True), (90, False)])
def test_whoever_has_no_step_to_propose_is_not_blamed(width, solvable):
    features = [{"name": f"x{place}"} for place in range(width)]
    document = {"family": "gaussian", "target": "y", "features": features, "purpose": "p", "missing": "drop"}
    summed = MaskedGlms().summed(document | {"intercept": False, "standardise": False, "l2": 1e-20})
    ones, none = (1.0,) * width, (0,) * width
    layout = Layout(none, tuple(range(width)), none, ones)
    state = MaskedFitState(phase=FitPhase.NEWTON, round=1, rows=9, layout=layout, beta=none, base=none).written()
    total = [9 * ONE, ONE, *[ONE] * width, *triangle(exactly(kahan(width, 0.285)))]
    proposal = summed.propose(state, total)
    assert bool(proposal) is solvable
    with pytest.raises(ProposalInvalidError if solvable else SingularError):
        summed.follow(state, total, {})
    if solvable:
        assert summed.follow(state, total, proposal)["round"] == 2
