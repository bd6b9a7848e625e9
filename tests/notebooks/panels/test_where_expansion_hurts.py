"""Notebook 08: what its figures are fed with."""

import numpy as np

from notebooks.panels import where_expansion_hurts as figures


def test_map_hurts_only_at_small_penalties():
    data = figures.map_data(grid=8)
    hurts = [np.any(np.array(slope) < 0) for slope in data["slope"]]
    assert hurts == [True, True, False]
    assert "0.01: expansion hurts on 0.0%" in figures.format_map(data)
    assert figures.draw_map(data).axes[0].get_title().startswith(r"$\lambda = 10^{-5}$")
    assert figures._power(3e-3) == r"3\cdot10^{-3}"


def test_reversal_is_paired_with_no_projector():
    rng = np.random.default_rng(0)
    base = rng.uniform(size=(len(figures.PENALTIES), 6, 1))
    results = base + np.array(figures.KAPPAS) / 100
    data = figures.reversal_data(results)
    np.testing.assert_allclose(
        data["simulated"]["mean"], np.tile(np.array(figures.KAPPAS) / 100, (4, 1)), atol=1e-12
    )
    assert data["theory"][1][0] > 0 > data["theory"][3][0]
    figures.draw_reversal(data)


def test_turned_lines_meet_without_expansion():
    data = figures.turned_data(np.full((3, 4, 4), 0.9))
    starts = [line[0] for line in data["theory"]]
    np.testing.assert_allclose(starts, starts[0], atol=1e-12)
    assert data["theory"][0][-1] > data["theory"][1][-1] > data["theory"][2][-1]
    figures.draw_turned(data)
