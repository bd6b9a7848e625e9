"""Notebook 06: what its figures are fed with."""

import numpy as np
import pytest

from notebooks.panels import expansion_or_shrinkage as figures


def test_gain_data_keeps_losses_and_augmentations_apart():
    sigmas = (0.5, 2.0)
    trainings = figures.gain_trainings(0, sigmas=sigmas, steps=5)
    assert [t.loss for t in trainings] == ["spectral"] * 2 + ["inner"] * 2 + ["euclidean"] * 2 + [
        "inner"
    ] * 2 + ["euclidean"] * 2
    assert {t.sigma for t in trainings} == {(0.5, 0.5), (2.0, 2.0), (0.5, 0.0), (2.0, 0.0)}
    gains = np.arange(20.0).reshape(10, 2)
    data = figures.gain_data(gains, sigmas=sigmas)
    np.testing.assert_array_equal(data["trained"]["inner product"]["mean"], [4.5, 6.5])
    np.testing.assert_allclose(data["theory"]["squared distance, clean negatives"], 1, atol=1e-9)
    lines = figures.draw_gain(data).axes[0].lines
    assert len(lines) >= 1 + 5 + 5


def test_phase_marks_expansion_and_shrinkage():
    grid = {"phase_sigmas": (0.3, 1.2), "scales": (2.0, 60.0)}
    assert [t.temperature for t in figures.phase_trainings(0, steps=5, **grid)][:2] == [0.25, 7.5]
    gains = np.array([[0.8, 0.81], [1.2, 1.21], [1.1, 1.11], [1.5, 1.51]])
    data = figures.phase_data(gains, **grid)
    assert np.array_equal(np.array(data["exact"]) > 1, gains[:, 0] > 1)
    labels = figures.draw_phase(data).axes[0].get_legend_handles_labels()[1]
    assert "trained (p = 8): shrinks" in labels and "trained (p = 8): not decided" not in labels


def test_local_panel_shows_the_measured_sign():
    descents = [np.array([[2.0, 1.0], [2.1, 1.0]]), np.array([[1.0, 2.0], [1.0, 2.1]])]
    data = figures.local_data(descents, local_sigmas=(0.5, 2.0))
    assert data["difference"]["mean"] == pytest.approx([1.05, -1.05])
    left = figures.draw_local(data).axes[0]
    marked = {line.get_label(): line.get_xdata() for line in left.lines if line.get_marker() in "^v"}
    assert marked["measured gradient, ratio expands"] == [0.5]
    assert marked["measured gradient, ratio shrinks"] == [2.0]
