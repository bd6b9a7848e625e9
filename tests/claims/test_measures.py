"""No measurement of a claim reaches a formula of `theory`: read from the syntax trees, through every call."""

from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pytest

import theory
from notebooks.call_graph import names_used
from synthetic.claims import CLAIMS

ALLOWED = "theory.features.model."
MODEL = theory.FeatureModel(phi=[1.0, 2.0], alpha=0.1, sigma=0.3)
WEIGHTS = theory.layer_weights(MODEL)
MEASURES = {
    f"{claim.id}-{kind}": measure
    for claim in CLAIMS.values()
    for kind in ("measure", "control_measure", "untrained")
    if (measure := getattr(claim, kind)) is not None
}


def formulas(measure):
    return {
        name for name in names_used([measure]) if name.startswith("theory.") and not name.startswith(ALLOWED)
    }


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_measurement_reaches_no_formula(measure):
    assert formulas(measure) == set()


def direct(seed):
    return theory.layer_weights(MODEL)


def through_an_import(seed):
    from theory.features.spectral import layer_weights

    return layer_weights(MODEL)


def through_a_constant(seed):
    return np.random.default_rng(seed).normal(size=2) + WEIGHTS[0]


def through_an_argument(function, seed):
    return function(MODEL)


def through_a_closure():
    def compute(seed):
        return direct(seed)

    return lambda seed: compute(seed)


@cache
def through_a_cache(seed):
    return [direct(seed) for _ in range(2)]


@dataclass(frozen=True)
class Measure:
    function: object = None

    def __call__(self, seed):
        return self.compute(seed)

    def compute(self, seed):
        return direct(seed)


class Quiet(Measure):
    def compute(self, seed):
        return self.function(seed)


@pytest.mark.parametrize(
    "measure",
    [
        direct,
        through_an_import,
        through_a_constant,
        partial(through_an_argument, theory.layer_weights),
        through_a_closure(),
        through_a_cache,
        Measure(),
        Quiet(partial(direct, 3)),
        lambda seed: Measure().compute(seed),
    ],
)
def test_a_formula_is_found_wherever_it_hides(measure):
    assert "theory.features.spectral.layer_weights" in formulas(measure)


def test_the_feature_model_is_no_formula():
    assert formulas(lambda seed: theory.FeatureModel.from_views(*np.ones((2, 2, 2)), np.eye(2))) == set()


def test_a_local_name_does_not_stand_for_a_function_of_the_module():
    def measure(seed):
        direct = seed
        return direct

    assert formulas(measure) == set()
