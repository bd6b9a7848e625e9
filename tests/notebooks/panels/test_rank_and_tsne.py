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
    draw_tolerance,
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
    assert list(map_runs(runs)) == [("ReLU", head) for head in HEADS[:3]]


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
    draw_ranks(summary, "ReLU")


def test_table_shows_the_papers_deficit_beside_ours(scores):
    table = format_table(summarise(scores))
    assert "1173" in table and "1307" in table and "untrained MLP" in table
    assert "effective rank of h, linear head minus none: +1.000 +- 0.000" in table


def test_figures_show_every_head_and_the_control(scores):
    summary = summarise(scores)
    spectra, ranks, accuracy = (
        draw_spectra(summary, "linear"),
        draw_ranks(summary, "ReLU"),
        draw_accuracy(summary),
    )
    assert [line.get_label() for line in spectra.axes[0].lines] == [*HEADS, "untrained MLP"]
    np.testing.assert_allclose(spectra.axes[0].lines[0].get_ydata(), [1, 0.25, 0.0025])
    assert all(len(axes.containers) == 2 for axes in (*ranks.axes, *accuracy.axes))
    assert [text.get_text() for text in ranks.axes[0].get_yticklabels()] == [*HEADS, *UNTRAINED]
    np.testing.assert_allclose(ranks.axes[0].containers[1].lines[0].get_xdata(), (11 + np.arange(7)) / 2)
    np.testing.assert_allclose(accuracy.axes[1].containers[0].lines[0].get_xdata(), (11 + np.arange(7)) / 20)


def test_rank_against_tolerance_counts_singular_values(scores):
    line = draw_tolerance(summarise(scores)).axes[1].lines[0]
    # Singular values relative to the largest: 1, .5, .05.
    expected = [sum(value > tolerance for value in (1, 0.5, 0.05)) for tolerance in line.get_xdata()]
    assert line.get_ydata().tolist() == expected


def test_maps_show_every_point_and_name_four_kinds():
    points = {"x": [0.0, 1.0, 2.0], "y": [1.0, 0.0, 2.0], "digit": [3, 2, 9], "photo": [0, 7, 9]}
    for label, others in (("digit", 1), ("photo", 2)):
        figure = draw_maps({"none": points, "MLP": points}, label)
        for axes in figure.axes:
            sizes = [len(collection.get_offsets()) for collection in axes.collections]
            assert sizes[0] == others and sum(sizes) == 3
        assert figure.axes[1].get_title() == "head: MLP"
