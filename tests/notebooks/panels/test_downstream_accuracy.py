"""Notebook 07: what its figures are fed with."""

import numpy as np

import theory
from notebooks.panels import downstream_accuracy as figures


def test_lines_and_dots_are_those_of_the_same_points():
    """Feeding theory as simulation puts every dot on its line."""
    points = figures.simulations(0, dim=100)

    def exact(point):
        penalty = point.penalty or None
        ratio = point.samples / point.dim
        row = theory.downstream_accuracy(
            point.classifier, point.signal_norm, ratio, np.array(point.kappas), penalty
        )
        return np.stack([row, row])

    data = figures.accuracy_data({key: np.array([exact(p) for p in group]) for key, group in points.items()})
    for name, line in data["kappa"]["theory"].items():
        dots = np.interp(figures.KAPPAS, data["kappa"]["fine"], line)
        np.testing.assert_allclose(data["kappa"]["simulated"][name]["mean"], dots, atol=2e-4)
    for key in ("ratio", "penalty"):
        for i in range(len(figures.SHOWN_KAPPAS)):
            line = np.interp(np.log(data[key]["value"]), np.log(data[key]["fine"]), data[key]["theory"][i])
            np.testing.assert_allclose(data[key]["simulated"]["mean"][i], line, atol=2e-4)
    assert len(figures.draw_kappa(data).axes) == 1 and len(figures.draw_samples(data).axes) == 2
