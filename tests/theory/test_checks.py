"""What counts as a number, and what a public function of `theory` does with everything else."""

import pickle
import re

import numpy as np
import pytest

import theory
from theory import checks

MODEL = theory.FeatureModel(phi=[1.0, 2.0], alpha=0.1, sigma=0.3)
NO_NUMBERS = [
    True,
    np.True_,
    [True, 0.5],
    [[0.5], [False]],
    "2",
    ["1", "2"],
    None,
    [None, 1.0],
    1j,
    np.array([1 + 0j]),
    np.datetime64("2020-01-01"),
    np.ma.masked_array([1.0, 2.0], mask=[False, True]),
    10**400,
    {"a": 1},
    object(),
    [[1.0], [1.0, 2.0]],
]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
def test_no_number_is_refused_by_name(value):
    with pytest.raises(ValueError, match="width must be real numbers, got "):
        checks.numeric("width", value)


@pytest.mark.parametrize(
    "value", [1, np.int8(1), np.float32(1), 1.0, np.array(1), [1], (1.0,), np.ones(1, np.uint8)]
)
def test_every_real_number_is_taken_as_float64(value):
    array = checks.numeric("width", value)
    assert array.dtype == np.float64 and np.all(array == 1)


@pytest.mark.parametrize("value", [2.0, "2", True, None, 1 << 2000, -(10**5000)], ids=range(6))
def test_an_integer_is_an_integer_in_its_range(value):
    with pytest.raises(ValueError, match=r"depth must be an integer in 1\.\.9, got "):
        checks.integer("depth", value, 1, 9)


@pytest.mark.parametrize("value", ["other", np.array(["inner", "inner"]), ["inner"], None, 0])
def test_a_choice_is_one_of_the_words(value):
    with pytest.raises(ValueError, match="loss must be one of 'inner', 'cosine', got "):
        checks.choice("loss", value, ("inner", "cosine"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: theory.layer_weights([1.0, 2.0]), "model must be a FeatureModel, got [1.0, 2.0]"),
        (lambda: theory.best_depth(model=None, target=0), "model must be a FeatureModel, got None"),
        (lambda: theory.pre_head_weights(MODEL, 0.1), "scheme must be one of NoHead, JointTraining"),
        (lambda: theory.projector_loss("inner", 1.0, 1.0, (1.0, 1.0), 3), "metric must be a Metric"),
        (lambda: theory.averaging_accuracy(MODEL, [1.0, 1.0], 0, 4, exact=1), "exact must be True or False, got 1"),
        (lambda: theory.averaging_accuracy(MODEL, np.ones((3, 2)), 0, [4, 5]), "averaging_accuracy: the shapes"),
        (lambda: theory.layer_weights(MODEL, 10**7), "depth must be an integer in 1..1000000, got 10000000"),
        (lambda: theory.pre_head_weights(MODEL, theory.NoHead(), loss=np.ones(2)), "loss must be one of 'spectral'"),
        (lambda: theory.imbalance(np.full((2, 2), 1e200), np.ones((1, 2))), "imbalance: the numbers are too large"),
    ],
)  # fmt: skip
def test_a_public_function_says_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_the_guard_changes_neither_name_nor_result():
    guarded = checks.guard(_half)
    assert guarded.__doc__ == _half.__doc__ and guarded(3.0) == 1.5
    assert pickle.loads(pickle.dumps(theory.layer_weights)) is theory.layer_weights


def test_the_guard_turns_nan_and_overflow_into_an_error():
    for function in (_nan, _overflow, _singular):
        with pytest.raises(ValueError, match=f"{function.__name__}: .* got value = 1e\\+300"):
            checks.guard(function)(1e300)


def test_a_complaint_of_a_library_gets_the_names_of_the_arguments():
    with pytest.raises(ValueError, match=r"_too_long: .*Maximum allowed size exceeded.*got value = 1e\+300"):
        checks.guard(_too_long)(1e300)


def test_a_ragged_list_can_be_shown():
    with pytest.raises(ValueError, match="_too_long: the arguments do not fit .* got value = "):
        checks.guard(_too_long)([[1.0], [1.0, 2.0]])


def test_errors_of_a_function_itself_pass_the_guard():
    with pytest.raises(theory.AssumptionError, match="^as it was$"):
        checks.guard(_refuse)(1.0)


def _half(value):
    """Half."""
    return value / 2


def _nan(value):
    return (1.0, np.array([value, np.nan]))


def _overflow(value):
    return np.float64(value) ** 2


def _singular(value):
    return np.linalg.inv(np.zeros((2, 2)))


def _too_long(value):
    return np.arange(np.asarray(value))


def _refuse(value):
    raise theory.AssumptionError("as it was")
