"""Many scalar equations at once: roots to round-off, and errors that name the equation and its parameters."""

import numpy as np
import pytest

from theory import ConvergenceError
from theory.roots import find_roots


def cube(x, target):
    return x**3 - target


def test_roots_are_exact_and_keep_the_order():
    targets = np.array([8.0, 1e-12, 2.0, 0.0])
    found = find_roots(cube, 0.0, np.full(4, 3.0), (targets,), name="cube")
    np.testing.assert_allclose(found, [2.0, 1e-4, 2 ** (1 / 3), 0.0], rtol=1e-14)
    assert find_roots(cube, 0.0, np.empty(0), (np.empty(0),), name="cube").shape == (0,)


def test_a_bracket_without_a_change_of_sign_is_named():
    with pytest.raises(ConvergenceError, match=r"cube: no change of sign between 0 and 1 .*\(8\)"):
        find_roots(cube, 0.0, np.ones(2), (np.array([0.5, 8.0]),), name="cube")


def test_a_function_that_is_not_a_number_is_an_error():
    with pytest.raises(ConvergenceError, match="broken"):
        find_roots(lambda x: np.full_like(x, np.nan), 0.0, np.ones(1), name="broken")


def test_a_single_bracket_serves_many_equations():
    np.testing.assert_allclose(find_roots(cube, 0.0, 3.0, (np.array([8.0, 1.0]),), name="cube"), [2.0, 1.0])
    with pytest.raises(ConvergenceError, match=r"between 0 and 1 .*\(8\)"):
        find_roots(cube, 0.0, 1.0, (np.array([8.0]),), name="cube")
