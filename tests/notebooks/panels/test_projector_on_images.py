import numpy as np
import pytest

import theory
from notebooks.panels import projector_on_images as module
from notebooks.panels.projector_on_images import (
    NAMES,
    draw_noise,
    draw_views,
    encoders,
    format_noise,
    format_views,
    noise_data,
    predicted_gain,
    view_data,
)
from notebooks.panels.shared import IMAGE_BASE

SIGMAS, SCALES, DIM, MEMBERS = (0.5, 2.0), (2.0, 20.0), 8, 3
NORMS = (1.4, 1.5, 1.6)


@pytest.fixture(scope="module")
def noise():
    """Made-up runs whose gains are those of theory times 1.1."""

    def measured(measurement, configs, *, jobs, label):
        gains = [1.1 * predicted_gain(measurement.fit, r, np.array(SIGMAS), DIM) for r in NORMS]
        return [
            {"signal_norm": r, "gain": gain.tolist(), "before": 0.8, "after": [0.7, 0.9]}
            for r, gain in zip(NORMS, gains, strict=True)
        ]

    axes = {"sigmas": SIGMAS, "scales": SCALES, "components": DIM, "steps": 5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "measure_bank", measured)
        patch.setattr(module, "FINE", 3)
        return noise_data([None] * MEMBERS, **axes, jobs=1, label="test")


@pytest.fixture
def views(monkeypatch):
    """Made-up runs: noise of variances 1..8 at strength 0, twice that at strength 1; all gains .5 and .6."""

    def swept(function, points, *, jobs, label):
        noise = np.diag(np.arange(1.0, DIM + 1))
        found = {loss: [0.5, 0.6] for loss in NAMES}
        mean = np.eye(DIM)[0].tolist()
        return [
            {"signal_norm": [1.0, 1.0], "mean": [mean, mean], "noise": [noise.tolist(), (2 * noise).tolist()],
             "gain": found, "gaussian": found}
            for _ in points
        ]  # fmt: skip

    monkeypatch.setattr(module, "sweep", swept)
    configs = encoders(0, "cpu", base=IMAGE_BASE["smoke"], p_drop=0.0, members=MEMBERS)
    axes = {"strengths": (0.0, 1.0), "components": DIM, "steps": 5, "views": 2}
    return view_data(configs, **axes, jobs=1, label="test")


def test_encoders_have_no_last_relu_and_differ_by_member(seed):
    configs = encoders(seed, "cpu", base=IMAGE_BASE["smoke"], p_drop=0.0, members=MEMBERS)
    assert [(c.member, c.seed, c.encoder.last_relu) for c in configs] == [
        (m, seed, False) for m in range(MEMBERS)
    ]


def test_predictions_take_each_members_own_signal(noise):
    inner = noise["fits"]["inner"]
    expected = np.mean([theory.projector_gain("inner", r, np.array(SIGMAS)) for r in NORMS], axis=0)
    np.testing.assert_allclose(inner["predicted"], expected)
    np.testing.assert_allclose(inner["gain"]["mean"], 1.1 * expected)
    np.testing.assert_allclose(inner["error"]["mean"], np.log(1.1))
    np.testing.assert_allclose(inner["error"]["half_width"], 0, atol=1e-12)


def test_noise_is_drawn_and_tabulated(noise):
    figure = draw_noise(noise)
    assert [len(axes.containers) for axes in figure.axes] == [3, 2, 6]
    dots = figure.axes[0].containers[1].lines[0].get_ydata()
    np.testing.assert_allclose(dots, noise["fits"]["inner"]["gain"]["mean"])
    table = format_noise(noise)
    assert "accuracy before the projector +0.800 +- 0.000" in table and "cosine 20" in table


def test_isotropic_and_matrix_predictions_of_real_views(views):
    np.testing.assert_allclose(views["noise_mean"]["mean"], [4.5, 9.0])
    np.testing.assert_allclose(views["noise_largest"]["mean"], [8, 16])
    spectral = views["spectral"]
    np.testing.assert_allclose(
        spectral["isotropic"]["mean"], theory.projector_gain("spectral", 1.0, np.sqrt([4.5, 9.0]))
    )
    # Diagonal moments: the metric is (1 + r^2)/(1 + r^2 + noise)^2 along the signal, 1/(1 + noise)^2 across it.
    across = np.mean([1 / (1 + variance) ** 2 for variance in range(2, DIM + 1)])
    assert spectral["matrix"]["mean"][0] == pytest.approx(np.sqrt(2 / 9 / across))


def test_views_are_drawn_and_tabulated(views):
    figure = draw_views(views)
    assert [len(axes.containers) for axes in figure.axes] == [2, 2, 2, 2, 3]
    assert "Gaussian views of the same moments" in format_views(views)
    assert "matrix" not in views["inner"]
