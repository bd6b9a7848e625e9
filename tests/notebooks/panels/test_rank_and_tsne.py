from dataclasses import replace

import numpy as np
import pytest

from neural.models.encoders import SmallConvConfig
from neural.models.heads import IdentityConfig, LinearConfig, MLPConfig
from notebooks.panels.rank_and_tsne import (
    HEADS,
    MEASURES,
    TOPS,
    UNTRAINED,
    draw_accuracy,
    draw_maps,
    draw_ranks,
    draw_spectra,
    format_table,
    map_runs,
    rank_runs,
    summarise,
)
from synthetic.images.runs import BASE

MEMBERS = 3


@pytest.fixture
def scores():
    """Made-up runs: the rank of h is 10 plus the number of the head, that of z half of it; member m has m more."""
    found = {}
    for top in TOPS:
        for i, head in enumerate((*HEADS, *UNTRAINED)):
            base = 10.0 + i + np.arange(MEMBERS)
            table = {}
            for layer, factor in (("h", 1.0), ("z", 0.5)):
                table |= {f"{measure}_{layer}": factor * base for measure in MEASURES}
                table |= {f"{probe}_{layer}": factor * base / 20 for probe in ("digit_linear", "digit_knn")}
                table[f"eigenvalues_{layer}"] = np.tile([4.0, 1.0, 0.01], (MEMBERS, 1))
            found[top, head] = table | {"share_digit": base / 100, "share_photo": base / 50}
    return found


def test_runs_differ_in_head_and_last_layer_only(seed):
    runs = rank_runs(replace(BASE, seed=seed, encoder=SmallConvConfig(4)), 8)
    assert set(runs) == {(top, head) for top in TOPS for head in (*HEADS, *UNTRAINED)}
    width = 16  # 4 times the width of the first convolution
    assert runs["ReLU", "none"].head == IdentityConfig() and runs["ReLU", "linear"].head == LinearConfig(8)
    assert runs["ReLU", "MLP"].head == MLPConfig(width, 8)
    assert runs["ReLU", "linear, full width"].head == LinearConfig(width)
    assert runs["linear", "MLP, full width"].head == MLPConfig(width, width)
    assert {config.encoder.last_relu for (top, _), config in runs.items() if top == "linear"} == {False}
    assert [config.epochs for (_, head), config in runs.items() if head in UNTRAINED] == [0] * 4
    assert {(c.data.p_drop, c.seed, c.member) for c in runs.values()} == {(0.5, seed, 0)}
    assert len(map_runs(runs)) == 6


def test_summary_pairs_by_member(scores):
    summary = summarise(scores)
    contrast = summary["contrasts"]["ReLU"]["effective rank of h, linear head minus none"]
    assert contrast["mean"] == pytest.approx(1) and contrast["half_width"] == pytest.approx(0, abs=1e-12)
    assert summary["linear"]["none"]["deficit_effective_rank"]["mean"] == pytest.approx(5.5)
    assert summary["ReLU"]["none"]["effective_rank_h"]["half_width"] > 1
    np.testing.assert_allclose(summary["ReLU"]["none"]["eigenvalues_h"]["mean"], [4, 1, 0.01])


def test_fewer_heads_leave_out_their_contrasts(scores):
    some = {key: value for key, value in scores.items() if key[1] in (*HEADS[:3], *UNTRAINED)}
    summary = summarise(some)
    assert not any("full width" in text for text in summary["contrasts"]["ReLU"])
    assert "full width" not in format_table(summary)
    draw_ranks(summary)


def test_table_shows_the_papers_deficit_beside_ours(scores):
    table = format_table(summarise(scores))
    assert "1173" in table and "1307" in table and "untrained MLP" in table
    assert "effective rank of h, linear head minus none: +1.000 +- 0.000" in table


def test_figures_show_every_head(scores):
    summary = summarise(scores)
    spectra, ranks, accuracy = draw_spectra(summary), draw_ranks(summary), draw_accuracy(summary)
    assert [len(axes.lines) for axes in spectra.axes] == [5, 5, 10] * 2
    first = spectra.axes[0].lines[0]
    np.testing.assert_allclose(first.get_ydata(), [1, 0.25, 0.0025])
    assert all(len(axes.containers) == 2 for axes in (*ranks.axes, *accuracy.axes))
    assert len(accuracy.axes[0].get_xticks()) == 7


def test_rank_against_tolerance_counts_singular_values(scores):
    line = draw_spectra(summarise(scores)).axes[2].lines[0]
    # Singular values relative to the largest: 1, .5, .05.
    expected = [sum(value > tolerance for value in (1, 0.5, 0.05)) for tolerance in line.get_xdata()]
    assert line.get_ydata().tolist() == expected


def test_maps_show_every_point_twice():
    points = {"x": [0.0, 1.0], "y": [1.0, 0.0], "digit": [3, 4], "photo": [0, 9]}
    figure = draw_maps({("ReLU", "none"): points, ("linear", "MLP"): points})
    panels = figure.axes[:4]
    assert all(len(axes.collections[0].get_offsets()) == 2 for axes in panels)
    assert panels[0].collections[0].get_array().tolist() == [3, 4]
    assert panels[2].collections[0].get_array().tolist() == [0, 9]
