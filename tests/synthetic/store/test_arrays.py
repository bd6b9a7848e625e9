import numpy as np
import pytest

from synthetic.store.arrays import stack_results


def test_results_become_one_array_for_each_quantity():
    stacked = stack_results([{"gain": 1.0, "path": [1, 2]}, {"gain": 3.0, "path": np.array([4, 5])}])
    assert list(stacked) == ["gain", "path"]
    np.testing.assert_array_equal(stacked["gain"], [1.0, 3.0])
    np.testing.assert_array_equal(stacked["path"], [[1, 2], [4, 5]])


@pytest.mark.parametrize(
    "results, message",
    [
        ([], "results must hold at least one result, got none"),
        ([{"a": 1}, {"b": 1}], r"results must all hold \['a'\], but results\[1\] holds \['b'\]"),
        ([{"a": 1}, {"a": 1, "b": 1}], r"results\[1\] holds \['a', 'b'\]"),
    ],
)
def test_results_that_do_not_match_are_refused(results, message):
    with pytest.raises(ValueError, match=message):
        stack_results(results)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError):
        stack_results([{"a": [1, 2]}, {"a": [1]}])
