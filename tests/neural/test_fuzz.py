"""Random calls of the losses, probes and spectra: a number in its range, or one error that names what is wrong."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from neural import losses
from neural.measures import probes, spectra
from tests.fuzz import call, numbers

LOSSES = [
    "spectral",
    "info_nce",
    "nt_xent",
    "supervised_contrastive",
    "negative_cosine",
    "barlow_twins",
    "vicreg",
]
PROBES = ["linear_probe", "adam_probe", "knn_probe", "few_shot_probe", "group_probe"]
SPECTRA = [
    "centre",
    "spectrum",
    "numerical_rank",
    "effective_rank",
    "stable_rank",
    "participation_ratio",
]
EXTREME = [
    0.0,
    -0.0,
    -1.0,
    5e-324,
    1e-160,
    1e-30,
    1e12,
    1e30,
    1.7e308,
    np.inf,
    -np.inf,
    np.nan,
    10**400,
    2**63,
]
NO_NUMBERS = [
    None,
    "2",
    b"2",
    True,
    1j,
    [1j, 2.0],
    [None],
    [[1.0], [1.0, 2.0]],
    {},
    object(),
    float,
    np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
    np.array(["2020"], dtype="datetime64"),
    torch.ones(2, 3, dtype=torch.complex64),
    torch.ones(3, 2).to_sparse(),
]
SHAPES = [(4, 3), (2, 1), (1, 3), (3, 0), (0, 3), (3,), (), (2, 4, 3), (2, 0, 4, 3), (5, 4)]
KINDS = [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.uint8]
SCALES = [1.0, 1.0, 1.0, 0.0, 1e-30, 1e6, 1e30, np.inf, np.nan]


def tensor(shape, kind, scale, seed):
    """A tensor of normal numbers of some size; what its type cannot hold becomes infinite."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale
    return values.nan_to_num(0, 9, 9).to(kind) if kind in KINDS[4:] else values.to(kind)


TENSORS = st.builds(
    tensor, st.sampled_from(SHAPES), st.sampled_from(KINDS), st.sampled_from(SCALES), st.integers(0, 99)
)
PLAIN = st.one_of(
    st.floats(0.01, 2.0), st.sampled_from(EXTREME), st.sampled_from(NO_NUMBERS), st.integers(1, 4)
)
ARRAYS = st.one_of(
    TENSORS,
    TENSORS.map(lambda values: values.float().numpy()),
    TENSORS.map(lambda values: values.tolist()),
    PLAIN,
)
LABELS = st.one_of(
    st.sampled_from(
        [[0, 1, 0, 1], [2, 2, 2, 2], ["a", "b", "a", "b"], [0.5, 1.5, 0.5, 1.5], [0, 1], [[0, 1]] * 4]
    ),
    st.sampled_from([[-1, 7, -1, 7], [np.nan, 1.0, 0.0, 1.0], np.arange(4), torch.tensor([1, 0, 1, 0])]),
    st.sampled_from(
        [torch.zeros(4, dtype=torch.int64), torch.arange(4), torch.tensor([True, True, False, False])]
    ),
    st.sampled_from(NO_NUMBERS),
)


def ordinary(name):
    """Arguments of an ordinary call."""
    z1, z2 = (tensor((4, 3), torch.float32, 1.0, seed) for seed in (1, 2))
    if name in LOSSES:
        usual = {
            "info_nce": {"z1": z1, "z2": z2, "temperature": 0.5, "similarity": "cosine"},
            "nt_xent": {"z1": z1, "z2": z2, "temperature": 0.5},
            "supervised_contrastive": {"z": z1, "labels": torch.tensor([0, 1, 0, 1]), "temperature": 0.5},
            "negative_cosine": {"prediction": z1, "target": z2},
            "barlow_twins": {"z1": z1, "z2": z2, "trade_off": 0.01, "eps": 1e-5},
            "vicreg": dict.fromkeys(["invariance", "variance", "covariance", "target_std", "eps"], 1.0)
            | {"z1": z1, "z2": z2},
        }
        return usual.get(name, {"z1": z1, "z2": z2})
    if name in PROBES:
        data = {"train_x": z1, "train_y": [0, 1, 0, 1], "test_x": z2, "test_y": [1, 0, 1, 0]}
        return (
            data
            | {
                "linear_probe": {"C": 1.0, "max_iter": 100},
                "adam_probe": {
                    "generator": torch.Generator(),
                    "epochs": 2,
                    "batch": 3,
                    "lr": 0.1,
                    "weight_decay": 0.1,
                },
                "knn_probe": {"k": 2},
                "few_shot_probe": {"per_class": 1, "rng": np.random.default_rng(0), "draws": 2},
                "group_probe": {"train_group": [0, 1, 0, 1], "test_group": [1, 0, 1, 0]}
                | {"per_group": 1, "rng": np.random.default_rng(0), "draws": 1, "C": 0.1},
            }[name]
        )
    return {"eigenvalues": [2.0, 1.0, 0.0]} if name == "participation_ratio" else {"z": z1}


def replacement(draw, parameter, usual):
    if parameter == "epochs":  # each takes its time
        return draw(st.sampled_from([1, 3, 0, -1, *NO_NUMBERS]))
    if parameter == "draws":
        return draw(st.sampled_from([1, 3, 0, -1, *NO_NUMBERS]))
    if parameter.endswith(("_y", "_group")) or parameter == "labels":
        return draw(LABELS if parameter != "labels" else st.one_of(LABELS, TENSORS))
    if parameter == "similarity":
        return draw(st.sampled_from(["inner", "euclidean", "other", *NO_NUMBERS]))
    if parameter == "temperature":
        return draw(st.one_of(PLAIN, TENSORS))
    return draw(ARRAYS if isinstance(usual, torch.Tensor | list) else PLAIN)


@st.composite
def calls(draw, name):
    arguments = ordinary(name)
    for parameter in draw(st.lists(st.sampled_from(sorted(arguments)), max_size=3, unique=True)):
        arguments[parameter] = replacement(draw, parameter, arguments[parameter])
    if name in LOSSES and draw(st.booleans()):  # two views of one shape
        both = [key for key in arguments if key in ("z1", "z2", "prediction", "target")]
        shared = draw(TENSORS)
        arguments |= {
            key: shared if key == both[0] else shared.flip(0) if shared.ndim else shared for key in both
        }
    return arguments


def check_result(name, arguments, result):
    """Losses of ordinary embeddings are finite, one for each member; accuracies lie in [0, 1], ranks in [0, p]."""
    arrays = numbers(result)
    if name in LOSSES:
        z = next(arguments[key] for key in ("z1", "z", "prediction") if key in arguments)
        assert result.shape == z.shape[:-2] and result.dtype == z.dtype
        given = [
            value for array in map(numbers, arguments.values()) for part in array for value in part.ravel()
        ]
        if z.dtype in (torch.float32, torch.float64) and all(1e-4 < abs(v) < 1e3 or v == 0 for v in given):
            assert np.isfinite(arrays[0]).all()
        return
    assert all(np.isfinite(array).all() for array in arrays)
    if name in PROBES:
        assert all((0 <= array).all() and (array <= 1).all() for array in arrays)
    elif name == "centre":
        assert result.shape == tuple(np.shape(arguments["z"])) and result.dtype == np.float64
    else:
        (array,) = arrays
        assert (array >= 0).all()
        size = np.shape(arguments.get("z", arguments.get("eigenvalues")))
        assert array.shape == (size[-1:] if name == "spectrum" else ())
        assert name == "spectrum" or array <= size[-1] * (1 + 1e-12)


def function(name):
    module = losses if name in LOSSES else probes if name in PROBES else spectra
    return getattr(module, name)


def check_calls(name, count):
    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(calls(name))
    def run(arguments):
        result = call(function(name), arguments, documented=(ConvergenceWarning,))  # at a small max_iter
        if result is not None:
            check_result(name, arguments, result)

    run()


@pytest.mark.parametrize("name", LOSSES + PROBES + SPECTRA)
def test_random_calls_give_a_number_or_a_clear_error(name):
    result = call(function(name), ordinary(name))
    assert result is not None
    check_result(name, ordinary(name), result)
    check_calls(name, 30)


@pytest.mark.slow
@pytest.mark.parametrize("name", LOSSES + PROBES + SPECTRA)
def test_many_random_calls_give_a_number_or_a_clear_error(name):
    check_calls(name, 1000)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=range(len(NO_NUMBERS)))
@pytest.mark.parametrize("name", LOSSES + PROBES + SPECTRA)
def test_what_is_no_number_is_refused(name, value):
    for parameter in ordinary(name):
        if parameter in ("similarity", "labels", "train_y", "test_y", "train_group", "test_group"):
            continue
        with pytest.raises(ValueError, match=rf"\b{parameter}\b"):
            function(name)(**ordinary(name) | {parameter: value})
