"""Small linear systems, held against numpy and the mathematics of the standard library."""

import ast
import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medspace.learning.glm.noisy import following, planning, solving, stepping
from medspace.learning.glm.noisy.solving import factor, logarithm, sandwich, solved


def positive(width, seed):
    """A positive definite matrix, a vector and a symmetric matrix."""
    chance = np.random.default_rng(seed)
    root = chance.normal(size=(width, width))
    other = chance.normal(size=(width, width))
    return root @ root.T + np.eye(width), chance.normal(size=width), other + other.T


@given(st.integers(1, 12), st.integers(0, 1000))
def test_systems_are_solved_as_numpy_solves_them(width, seed):
    matrix, right, middle = positive(width, seed)
    lower = factor(matrix.tolist(), 0.0)
    assert solved(lower, right.tolist()) == pytest.approx(np.linalg.solve(matrix, right))
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(sandwich(lower, middle.tolist()), inverse @ middle @ inverse, atol=1e-9)


@pytest.mark.parametrize("matrix", [[[1.0, 1.0], [1.0, 1.0]], [[-1.0]], [[math.nan]], [[0.0]]])
def test_what_is_not_positive_definite_has_no_factor(matrix):
    assert factor(matrix, 0.0) is None


def test_a_pivot_below_the_least_is_none():
    assert factor([[4.0, 0.0], [0.0, 1.0]], 1.0) == [[2.0], [0.0, 1.0]]
    assert factor([[4.0, 0.0], [0.0, 1.0]], 1.1) is None


@given(st.floats(1e-300, 1e300))
def test_the_logarithm_is_the_natural_one(value):
    assert logarithm(value) == pytest.approx(math.log(value), rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("module", [following, planning, solving, stepping])
def test_what_every_site_computes_uses_nothing_that_processors_or_versions_round_differently(module):
    """`**` is pow of the C library, and `sum` of floats is compensated from Python 3.12 on."""
    tree = ast.parse(inspect.getsource(module))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Pow)]
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {one.id for one in calls if isinstance(one, ast.Name)}
    counting = {"sum"} if module in (planning, following) else set()  # there it counts features
    assert not ({"sum", "pow", "exp", "log", "fsum"} - counting) & called
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert not imported & {"exp", "log", "pow", "fsum"}
