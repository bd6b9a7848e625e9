"""The sliders compute and show what theory says."""

import json
import shutil
import subprocess

import numpy as np
import pytest

import theory
from synthetic.store.files import clone_root

POINTS = 1000
KNOTS = 20


SCRIPTS = clone_root() / "docs" / "site"


@pytest.fixture
def rng(seed):
    return np.random.default_rng(seed)


def in_javascript(expression, points):
    """Values of an expression in p at each point, computed by node with the models of the site."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed, so that the JavaScript of the sliders cannot be run")
    code = f"""
const m = require({json.dumps(str(SCRIPTS / "static" / "models.js"))});
const points = JSON.parse(require("fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(points.map((p) => {expression})));
"""
    done = subprocess.run(
        [node, "-e", code], input=json.dumps(points.tolist()), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout))


def test_weights_are_those_of_theory(rng):
    points = np.column_stack(
        [rng.uniform(0.01, 5, POINTS), rng.uniform(0, 1, POINTS), rng.uniform(0.01, 3, POINTS)]
    )
    found = in_javascript("m.layerWeights(p[0], p[1], p[2])", points)
    expected = [theory.layer_weights(theory.FeatureModel(*point))[:, 0] for point in points]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert np.abs(found[:, ::-1] - expected).max() > 0.1


def test_the_spectral_gain_is_that_of_theory(rng):
    points = np.column_stack([rng.uniform(0, 5, POINTS), rng.uniform(0, 5, POINTS)])
    found = in_javascript("m.spectralGain(p[0], p[1])", points)
    np.testing.assert_allclose(found, theory.projector_gain("spectral", *points.T), rtol=1e-12, atol=1e-12)


@pytest.fixture(scope="module")
def stored():
    import site_tables

    text = site_tables.tables_script()
    return json.loads(text.removeprefix("var projheadTables = ").removesuffix(";\n"))


def test_the_table_of_gains_is_that_of_theory(stored, rng):
    for _ in range(KNOTS):
        loss = rng.choice(["inner", "euclidean"])
        i, j = rng.integers(len(stored["signal"])), rng.integers(len(stored["sigma"]))
        expected = theory.projector_gain(loss, stored["signal"][i], stored["sigma"][j])
        assert abs(stored["gain"][loss][i][j] - expected) < 1e-4


def test_the_table_of_accuracies_is_that_of_theory(stored, rng):
    for _ in range(KNOTS):
        i, j = rng.integers(len(stored["alpha"])), rng.integers(len(stored["phi"]))
        alpha = [stored["alpha"][i], *[0.2] * 9]
        model = theory.FeatureModel([stored["phi"][j], *[1.0] * 9], alpha, 0.3)
        for layer, weights in enumerate(theory.layer_weights(model)):
            k = rng.integers(len(stored["labels"]))
            expected = theory.averaging_accuracy(model, weights, 0, stored["labels"][k])
            assert abs(stored["accuracy"][i][j][layer][k] - expected) < 1e-4
