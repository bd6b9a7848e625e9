import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS
from notebooks.panels.digits_on_photographs import (
    draw_gap,
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
    """Made-up runs: linear gap 0.1, 0.2, 0.3 by p_drop and 0.15 untrained; member 1 has 0.02 more."""
    scores = {}
    for p, gap in zip((*P_DROPS, None), (0.1, 0.2, 0.3, 0.15), strict=True):
        gaps = gap + np.array([0.0, 0.02])
        scores[p] = {"effective_rank_h": np.full(2, 9.0), "effective_rank_z": np.full(2, 4.0)}
        for name, share in (("digit_linear", 1), ("digit_knn", 0.5), ("photo_linear", 0), ("photo_knn", 0)):
            scores[p] |= {f"{name}_h": np.full(2, 0.8), f"{name}_z": 0.8 - share * gaps}
    return summarise_drop(scores)


def test_runs_differ_in_p_drop_and_end_with_the_untrained():
    runs = drop_runs(BASE, P_DROPS)
    assert list(runs) == [*P_DROPS, None]
    assert [run.data.p_drop for run in runs.values()] == [*P_DROPS, BASE.data.p_drop]
    assert [run.epochs for run in runs.values()] == [10, 10, 10, 0]


def test_summary_pairs_by_member(summary):
    assert np.allclose(summary["trained"]["digit_linear_gap"]["mean"], [0.11, 0.21, 0.31])
    assert np.allclose(summary["untrained"]["digit_knn_gap"]["mean"], 0.08)
    assert np.allclose(summary["growth"]["linear"]["mean"], 0.2)
    assert np.allclose(summary["growth"]["linear"]["half_width"], 0, atol=1e-12)
    assert summary["trained"]["digit_linear_gap"]["half_width"].min() > 0.1
    assert np.allclose(summary["above_untrained"]["linear"]["mean"], [-0.05, 0.05, 0.15])
    assert np.allclose(summary["trained"]["effective_rank_gap"]["mean"], 5)


def test_table_shows_the_contrasts(summary):
    table = format_drop(summary)
    assert "p = 0.5" in table and "untrained" in table
    assert (
        "linear probe: growth of the gap +0.200 +- 0.000; last gap minus untrained +0.150 +- 0.000" in table
    )
    assert "+0.110 +- 0.127" in table


def test_gap_figure_shows_every_series(summary):
    figure = draw_gap(summary)
    assert [len(axes.containers) for axes in figure.axes] == [2, 2, 2]
    assert [len(axes.patches) for axes in figure.axes] == [2, 2, 2]
    line = figure.axes[2].containers[0].lines[0]
    assert np.allclose(line.get_ydata(), summary["trained"]["digit_linear_gap"]["mean"])
    for axes in figure.axes:
        assert "$p_{drop}$" in axes.get_xlabel() and axes.get_ylabel()


def test_view_figure_loses_the_digit_in_the_last_row(seed):
    data = view_data(seed)
    figure = draw_views(data)
    assert len(figure.axes) == 24
    assert set(data["photo"]) <= set(PHOTOGRAPHS) and data["digit"] == list(range(8))
    strips = {
        name: np.array([np.frombuffer(bytes.fromhex(image), dtype=np.uint8) for image in data[name]]).astype(
            int
        )
        for name in ("first", "kept", "dropped")
    }
    assert all(strip.shape == (8, 16 * 16 * 3) for strip in strips.values())
    # Same patches, crops and colours; the digit only adds light.
    assert (strips["kept"].sum(1) > strips["dropped"].sum(1)).all()
    assert np.array_equal(np.asarray(figure.axes[8].images[0].get_array()).ravel(), strips["kept"][0])
