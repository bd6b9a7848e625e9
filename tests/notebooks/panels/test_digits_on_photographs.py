import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS
from notebooks.panels.digits_on_photographs import (
    draw_gap,
    draw_views,
    estimate,
    format_table,
    summarise,
    sweep_points,
)

P_DROPS, MEMBERS = (0.0, 0.5, 1.0), 2


@pytest.fixture
def results():
    """Made-up runs: linear gap 0.1, 0.2, 0.3 by p_drop and 0.15 untrained; member 1 has 0.02 more."""
    gaps = [0.1, 0.2, 0.3, 0.15]
    runs = []
    for gap in (g + 0.02 * m for g in gaps for m in range(MEMBERS)):
        run = {"loss": [1.0], "seconds": 2.0, "effective_rank_h": 9.0, "effective_rank_z": 4.0}
        for name, share in (("digit_linear", 1), ("digit_knn", 0.5), ("photo_linear", 0), ("photo_knn", 0)):
            run |= {f"{name}_h": 0.8, f"{name}_z": 0.8 - share * gap}
        runs.append(run)
    return runs


@pytest.fixture
def summary(results):
    return summarise(results, p_drops=P_DROPS, members=MEMBERS)


def test_points_are_paired_by_member_and_end_with_the_untrained(seed):
    points = sweep_points(seed, "cpu", p_drops=P_DROPS, members=MEMBERS, epochs=3, width=8)
    assert [(p.data.p_drop, p.member, p.epochs) for p in points] == [
        *((p_drop, member, 3) for p_drop in P_DROPS for member in range(MEMBERS)),
        (0.0, 0, 0),
        (0.0, 1, 0),
    ]
    assert {p.seed for p in points} == {seed} and {p.encoder.width for p in points} == {8}


def test_estimate_is_the_student_interval():
    value = estimate(np.array([[1.0, 2.0, 3.0, 4.0, 5.0], [7.0] * 5]))
    # t(0.975; 4) = 2.776445105, sd = sqrt(2.5)
    assert np.allclose(value["mean"], [3, 7])
    assert np.allclose(value["half_width"], [2.776445105 * (2.5 / 5) ** 0.5, 0], atol=1e-8)
    with pytest.raises(ValueError, match="values must have at least 2 repetitions, got 1"):
        estimate(np.ones(1))


def test_summary_pairs_by_member(summary):
    assert np.allclose(summary["trained"]["digit_linear_gap"]["mean"], [0.11, 0.21, 0.31])
    assert np.allclose(summary["untrained"]["digit_knn_gap"]["mean"], 0.08)
    assert np.allclose(summary["growth"]["linear"]["mean"], 0.2)
    assert np.allclose(summary["growth"]["linear"]["half_width"], 0, atol=1e-12)
    assert summary["trained"]["digit_linear_gap"]["half_width"].min() > 0.1
    assert np.allclose(summary["above_untrained"]["linear"]["mean"], [-0.05, 0.05, 0.15])
    assert np.allclose(summary["trained"]["effective_rank_gap"]["mean"], 5)


def test_table_shows_the_contrasts(summary):
    table = format_table(summary)
    assert "p = 0.5" in table and "untrained" in table
    assert "gap at p = 1 minus gap at p = 0: 0.200 +- 0.000; minus untrained: 0.150 +- 0.000" in table


def test_gap_figure_shows_every_series(summary):
    figure = draw_gap(summary)
    assert [len(axes.containers) for axes in figure.axes] == [2, 2, 2]
    assert [len(axes.patches) for axes in figure.axes] == [2, 2, 2]
    line = figure.axes[2].containers[0].lines[0]
    assert np.allclose(line.get_ydata(), summary["trained"]["digit_linear_gap"]["mean"])
    for axes in figure.axes:
        assert "$p_{drop}$" in axes.get_xlabel() and axes.get_ylabel()


def test_view_figure_loses_the_digit_in_the_last_row(seed):
    figure, data = draw_views(seed)
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
