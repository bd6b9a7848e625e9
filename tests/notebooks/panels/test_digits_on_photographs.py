from dataclasses import replace

import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS
from notebooks.panels.digits_on_photographs import (
    draw_drop,
    draw_levels,
    draw_views,
    drop_runs,
    format_drop,
    summarise_drop,
    view_data,
)
from synthetic.images.runs import BASE

P_DROPS = (0.0, 0.5, 1.0)


@pytest.fixture
def summary():
    """Linear gap .1, .2, .4, untrained .15, and .1 more without ReLU; member 1 has .02 more, other probes half."""
    scores = {}
    for top, more in (("ReLU", 0.0), ("linear", 0.1)):
        for p, gap in zip((*P_DROPS, None), (0.1, 0.2, 0.4, 0.15), strict=True):
            gaps = gap + more + np.array([0.0, 0.02])
            scores[top, p] = {"effective_rank_h": np.full(2, 9.0), "effective_rank_z": np.full(2, 4.0)}
            for name, share in (("digit_linear", 1), ("digit_knn", 0.5), ("digit_few_shot", 0.5)):
                scores[top, p] |= {f"{name}_h": np.full(2, 0.8), f"{name}_z": 0.8 - share * gaps}
    assert scores.keys() == drop_runs(BASE, P_DROPS).keys()
    return summarise_drop(scores)


def test_runs_differ_in_p_drop_and_last_layer_alone(seed):
    base = replace(BASE, seed=seed)
    runs = drop_runs(base, P_DROPS)
    assert runs["ReLU", 0.0] == base
    assert [run.data.p_drop for run in runs.values()] == [*P_DROPS, BASE.data.p_drop] * 2
    assert [run.epochs for run in runs.values()] == [10, 10, 10, 0] * 2
    assert [run.encoder.last_relu for run in runs.values()] == [True] * 4 + [False] * 4


def test_summary_pairs_by_member(summary):
    for top, more in (("ReLU", 0.0), ("linear", 0.1)):
        part = summary[top]
        assert np.allclose(part["trained"]["digit_linear_gap"]["mean"], np.array([0.11, 0.21, 0.41]) + more)
        assert np.allclose(part["growth"]["linear"]["mean"], 0.3)
        assert np.allclose(part["growth"]["linear"]["half_width"], 0, atol=1e-12)
        assert part["trained"]["digit_linear_gap"]["half_width"].min() > 0.1
        assert np.allclose(part["above_untrained"]["knn"]["mean"], [-0.025, 0.025, 0.125])
        assert np.allclose(part["trained"]["effective_rank_gap"]["mean"], 5)


def test_table_shows_the_contrasts(summary):
    table = format_drop(summary)
    assert "p = 0.5" in table and "untrained" in table and "encoder without last ReLU" in table
    assert (
        "linear probe: growth of the gap +0.300 +- 0.000; last gap minus untrained +0.250 +- 0.000" in table
    )


def test_figures_show_every_series(summary):
    levels, drop = draw_levels(summary), draw_drop(summary)
    for figure in (levels, drop):
        assert [len(axes.containers) for axes in figure.axes] == [2, 2]
        assert [len(axes.patches) for axes in figure.axes] == [2, 2]
        assert all("$p_{drop}$" in axes.get_xlabel() for axes in figure.axes)
    line = levels.axes[1].containers[1].lines[0]
    assert np.allclose(line.get_ydata(), summary["ReLU"]["trained"]["digit_knn_z"]["mean"])
    line = drop.axes[1].containers[0].lines[0]
    assert np.allclose(line.get_ydata(), summary["linear"]["trained"]["digit_linear_gap"]["mean"])


def test_view_figure_loses_the_digit_in_the_last_row(seed):
    data = view_data(seed)
    assert set(data["photo"]) <= set(PHOTOGRAPHS) and data["digit"] == list(range(6))
    strips = {
        name: np.array([np.frombuffer(bytes.fromhex(image), dtype=np.uint8) for image in data[name]]).astype(
            int
        )
        for name in ("first", "kept", "dropped")
    }
    assert all(strip.shape == (6, 16 * 16 * 3) for strip in strips.values())
    # Same patches, crops and colours; the digit only adds light.
    assert (strips["kept"].sum(1) > strips["dropped"].sum(1)).all()
    mosaic = np.asarray(draw_views(data).axes[0].images[0].get_array())
    assert mosaic.shape == (3 * 18 - 2, 6 * 18 - 2, 3)
    assert np.array_equal(mosaic[18:34, 18:34].ravel(), strips["kept"][1])
    assert (mosaic[16:18] == 255).all()
