"""Random calls of every public function: a result without NaN, or one error that names what is wrong.

A call starts from ordinary arguments, found by the parameters' names. Then some of them are replaced: by other ordinary
values, by extreme ones, by other containers and shapes, or by what is no number. With ``--slow`` there are fifty times
as many calls.
"""

import inspect

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import theory
from tests.fuzz import MOST_SECONDS, call, numbers

FUNCTIONS = [name for name in theory.__all__ if inspect.isfunction(getattr(theory, name))]
MODEL = theory.FeatureModel(phi=[1.0, 2.0, 0.5], alpha=[0.5, 0.1, 0.2], sigma=0.3, dim=4)
COLLAPSING = theory.FeatureModel(phi=[1.0, 2.0], alpha=[1.0, 1.0], sigma=0.3, dim=4)
CODES = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]])
SPREAD = np.diag([2.0, 1.0, 0.5])
ORDINARY = {
    "model": MODEL,
    "scheme": theory.WeightDecay(0.01, 0.01),
    "metric": theory.Metric(0.3, 0.2),
    "classifier": "ridge",
    "loss": "inner",
    "views": "both",
    "vary": "alpha",
    "target": 0,
    "depth": 3,
    "embed_dim": 3,
    "width": 4,
    "rank": 2,
    "classes": 3,
    "class_features": [0],
    "steps": 3,
    "negatives": 4,
    "samples": 20,
    "dim": 5,
    "weights": np.array([1.0, 0.5, 0.2]),
    "codes": CODES,
    "times": [0.0, 0.5, 2.0],
    "start": 0.1,
    "cov": SPREAD,
    "cross_cov": np.diag([1.5, 0.6, 0.2]),
    "mean": np.array([1.0, 0.0, 0.5]),
    "network": CODES,
    "matrix": CODES[:, :2],
    "head": CODES[:, :2],
    "encoder": 0.1,
    "x1": np.array([[1.0, 0.2], [0.1, -1.0], [0.3, 0.3]]),
    "x2": np.array([[0.9, 0.1], [0.2, -1.1], [0.1, 0.4]]),
    "strengths": np.array([1.0, 0.5]),
    "gains": np.array([1.0, 2.0]),
    "shares": np.array([0.5, 0.5]),
    "kappas": np.array([0.5, 0.0]),
    "n": 6,
    "pairs": 10_000,
    "low": 0.0,
    "high": 1.0,
    "penalty": 0.8,
    "batch": 8,
    "step_size": 0.1,
    "basis": None,
    "temperature": None,
    "noise_cov": SPREAD,
}
SPECIAL = {  # where a name means something else than in the other functions
    "imbalance": {"encoder": np.eye(2), "head": np.ones((1, 2))},
    "frozen_head_encoder": {"matrix": np.ones((1, 2)), "network": np.ones((1, 3)), "start": np.eye(2, 3)},
    "null_space_energy": {"start": np.eye(2), "head": np.ones((1, 2))},
    "collapse_asymptote": {"times": [0.5, 2.0], "model": COLLAPSING},
    "accuracy_after_projector": {"temperature": 0.8},
    "cosine_loss": {"temperature": 0.8},
    "reversal_onset": {"classifier": "logistic", "sample_ratio": 3.0},
    "decayed_imbalance": {"start": np.eye(2), "time": 1.0},
    "drop_strength": {"retention": 0.8},
    "half_time": {"head": True},
    "learning_curve": {"start": [0.1, 0.1, 0.1]},
    "thresholded_path": {"times": [0.0, 0.5]},
}
SLOW = {
    "finite_negatives_metric": 20.0,
    "thresholded_path": 10.0,
}  # most seconds for each number of the result
INFINITE = {
    "barlow_twins_gain": "all outputs hold the signal alone from n = p on",
    "vicreg_gain": "all outputs hold the signal alone from n = p on",
    "optimal_penalty": "averaging, the limit of a large penalty, is best",
}


K = MODEL.num_features


def rows(arguments):
    """One row of feature weights after each layer."""
    return int(arguments.get("depth", 2)), K


def over_time(arguments):
    """Feature weights at every time."""
    return *np.shape(arguments["times"]), K


def leading(name, *others):
    """All axes of an argument but the last, with all those of others."""
    return lambda arguments: np.broadcast_shapes(
        np.shape(arguments[name])[:-1], *(np.shape(arguments[other]) for other in others)
    )


def of_path(arguments):
    features, times = np.size(arguments["phi"]), np.size(arguments["times"])
    return [(times, features), (times,)]


SHAPES = {  # in all other functions all numbers broadcast against each other
    **dict.fromkeys(["batch_imbalance", "drop_penalty", "half_time", "penalised_weights"], lambda _: (K,)),
    **dict.fromkeys(["post_head_weights", "pre_head_weights"], lambda _: (K,)),
    **dict.fromkeys(
        ["before_head_advantage", "before_head_boundary", "best_depth", "best_layer"], lambda _: ()
    ),
    **dict.fromkeys(["drop_strength", "effective_dimensions", "inner_steps_ratio"], lambda _: ()),
    **dict.fromkeys(
        ["null_space_energy", "spectral_loss", "spectral_minimum", "thresholded_limit"], lambda _: ()
    ),
    **dict.fromkeys(["layer_weights", "supervised_layer_weights"], rows),
    "accuracy_from_pairs": lambda arguments: (
        arguments["depth"],
        *np.broadcast_shapes(np.shape(arguments["n"]), np.shape(arguments["pairs"])),
    ),
    "averaging_accuracy": leading("weights", "n"),
    "averaging_crossings": lambda _: [(count,) for count in range(20)],
    "class_pair_model": lambda _: [(K,), ()],
    "collapse_asymptote": lambda arguments: (np.size(arguments["times"]), 2),
    "frozen_head_encoder": lambda arguments: np.shape(arguments["start"]),
    "decayed_imbalance": lambda arguments: np.shape(arguments["start"]),
    "imbalance": lambda arguments: 2 * np.shape(arguments["encoder"])[:1],
    "learning_curve": over_time,
    "moment_accuracy": leading("mean", "n"),
    "moment_best_layer": leading("mean"),
    "moment_sample_complexity": lambda arguments: (arguments["depth"], *np.shape(arguments["mean"])[:-1]),
    "moment_layer_weights": lambda arguments: (arguments.get("depth", 2), np.shape(arguments["cov"])[-1]),
    "sample_complexity": leading("weights"),
    "spectral_minimizer": lambda arguments: np.shape(arguments["cov"]),
    "spectrum_accuracy": lambda arguments: np.broadcast_shapes(
        *(np.shape(arguments[name])[:-1] for name in ("strengths", "gains", "shares")),
        *(np.shape(arguments[name]) for name in ("sample_ratio", "penalty")),
    ),
    "spiked_accuracy": lambda arguments: np.broadcast_shapes(
        *(np.shape(arguments[name])[:-1] for name in ("strengths", "kappas")),
        *(np.shape(arguments[name]) for name in ("sample_ratio", "penalty")),
    ),
    "anisotropic_metric": lambda arguments: np.shape(arguments["noise_cov"]),
    "thresholded_path": of_path,
    "view_moments": lambda arguments: 2 * np.shape(arguments["x1"])[-1:],
}


NUMBERS = st.one_of(st.floats(0.01, 3.0), st.integers(1, 6), st.sampled_from([0.0, 0.5, 1.0, -0.5]))
EXTREME = st.sampled_from(
    [
        0,
        -0.0,
        -1.0,
        5e-324,
        1e-160,
        1e-12,
        1e12,
        1e160,
        1.7e308,
        -1e300,
        np.inf,
        -np.inf,
        np.nan,
        10**400,
        2**63,
    ]
)
CONTAINERS = [
    lambda value: np.asarray(value, dtype=np.float32),
    lambda value: np.asarray(value, dtype=float).tolist(),
    lambda value: tuple(np.ravel(value).tolist()),
    lambda value: np.asarray(value)[None],
    lambda value: np.stack([value, value]),
    lambda value: np.asarray(value)[..., None][:0],
    lambda value: np.ones((2, 1, 3)) * np.mean(value),
    lambda value: np.ravel(value)[:1],
]
NO_NUMBERS = [
    None, "2", "inner", b"2", True, [True, 0.5], 1j, np.array([1j]), [None], {}, {1.0}, object(), float, MODEL,
    np.array(["2020"], dtype="datetime64"), np.ma.masked_array([1.0, 2.0], mask=[True, False]), [[1.0], [1.0, 2.0]],
]  # fmt: skip
WORDS = {
    "loss": ["spectral", "inner", "euclidean", "cosine"],
    "classifier": ["ridge", "logistic", "hinge", "hard margin", "averaging"],
    "views": ["both", "clean anchor", "clean negatives"],
    "vary": ["alpha", "phi"],
}
SCHEMES = [
    theory.NoHead(),
    theory.JointTraining(),
    theory.SparseHead(0.1, 0.1),
    theory.HeadSpeed(0.5, 2.0),
    theory.FrozenHead(np.ones((2, 3))),
]


def ordinary(name):
    """Arguments of an ordinary call of a function."""
    arguments = {}
    for parameter in inspect.signature(getattr(theory, name)).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        known = ORDINARY | SPECIAL.get(name, {})
        if parameter.default == "spectral":  # the features' functions
            known = known | {"loss": "spectral"}
        if parameter.name in known:
            arguments[parameter.name] = known[parameter.name]
        elif parameter.default is parameter.empty:
            arguments[parameter.name] = 0.8
    for word in ("temperature", "dim"):  # the other losses refuse them
        if name == "projector_gain":
            arguments.pop(word, None)
    return arguments


def replacements(name, value):
    """What may stand in place of an ordinary argument."""
    choices = [st.sampled_from(NO_NUMBERS)]
    if name in WORDS:
        choices.append(st.sampled_from(WORDS[name]))
    elif name == "scheme":
        choices.append(st.sampled_from(SCHEMES))
    elif not isinstance(value, str | theory.FeatureModel | theory.Metric):
        value = 1.0 if value is None else value  # stands for "not given"
        array = np.asarray(value, dtype=float)
        choices += [
            EXTREME,
            NUMBERS,
            NUMBERS.map(lambda factor: array * float(factor)),
            EXTREME.map(lambda entry: _with_entry(array, entry)),
            st.sampled_from(CONTAINERS).map(lambda change: change(value)),
        ]
    return st.one_of(choices)


def _with_entry(array, entry):
    changed = np.array(array, dtype=float, ndmin=1)
    if changed.size:
        changed.flat[0] = entry if abs(entry) < 10**309 else np.inf
    return changed


@st.composite
def calls(draw, name):
    arguments = ordinary(name)
    for parameter in draw(st.lists(st.sampled_from(sorted(arguments)), max_size=3, unique=True)):
        arguments[parameter] = draw(replacements(parameter, arguments[parameter]))
    return arguments


def check_result(name, arguments, result):
    """A result holds no NaN, infinity only where its documentation says so, and has its shape."""
    arrays = numbers(result)
    assert not any(np.isnan(array).any() for array in arrays)
    assert name in INFINITE or not any(np.isinf(array).any() for array in arrays)
    expected = SHAPES.get(name, broadcast_shape)(arguments)
    shapes = {array.shape for array in arrays}
    assert shapes <= set(expected) if isinstance(expected, list) else shapes == {expected}


def broadcast_shape(arguments):
    """Shape of all numbers among the arguments together, those of a metric included."""
    shapes = []
    for value in arguments.values():
        if isinstance(value, theory.Metric):
            shapes += [np.shape(value.signal), np.shape(value.noise)]
        elif value is not None and not isinstance(value, str):
            shapes.append(np.shape(value))
    return np.broadcast_shapes(*shapes)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_ordinary_call_has_a_result(name):
    result = call(getattr(theory, name), ordinary(name))
    assert result is not None
    check_result(name, ordinary(name), result)


def check_calls(name, count, measure_memory=False):
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(calls(name))
    def run(arguments):
        result = call(
            getattr(theory, name),
            arguments,
            measure_memory=measure_memory,
            seconds=SLOW.get(name, MOST_SECONDS),
        )
        if result is not None:
            check_result(name, arguments, result)

    run()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_calls_give_a_number_or_a_clear_error(name):
    check_calls(name, 2 if name in SLOW else 25)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_many_random_calls_give_a_number_or_a_clear_error(name):
    check_calls(name, 100 if name in SLOW else 1250)


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_random_calls_take_little_memory(name):
    check_calls(name, 4 if name in SLOW else 50, measure_memory=True)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_number_is_refused(name, value):
    function, arguments = getattr(theory, name), ordinary(name)
    parameters = inspect.signature(function).parameters
    for parameter, usual in arguments.items():
        default = parameters[parameter].default
        if (
            value is default
            or (value is None and default is None)
            or (isinstance(value, str) and value in WORDS.get(parameter, []))
        ):
            continue
        if isinstance(default, bool) and isinstance(value, bool):
            continue
        if isinstance(usual, theory.FeatureModel) and value is MODEL:
            continue
        with pytest.raises(ValueError, match="."):
            function(**arguments | {parameter: value})
