import re
from dataclasses import replace

import numpy as np
import pytest

from neural.data.digits import PHOTOGRAPHS
from neural.models.encoders import SmallConvConfig
from neural.models.sparsity import SparsePenalty
from notebooks.panels.sparse_head_images import (
    METHODS,
    draw_methods,
    draw_norms,
    draw_penalties,
    draw_spectra,
    draw_widths,
    format_table,
    sparse_runs,
    summarise,
    transfer_runs,
)
from synthetic.images.runs import BASE

AXES = {
    "penalties": (0.0, 3.0),
    "methods": {"SimCLR": 3.0, "BYOL": 5.0},
    "norms": {"l1": (2.0,), "group": (30.0,)},
    "widths": (4, 8),
}
MEMBERS = 3


@pytest.fixture
def settings(seed):
    return sparse_runs(replace(BASE, seed=seed, encoder=SmallConvConfig(4)), **AXES)


def made_up(penalty, units=16, linear=True):
    """Scores of one run: a penalty takes 1% of accuracy, one rank of z and a tenth of the units per unit."""
    members = np.arange(MEMBERS) / 100
    shares = np.exp(-np.arange(units, dtype=float))
    return {
        "digit_linear_h": 0.9 - 0.01 * penalty + members,
        "digit_knn_h": 0.8 - 0.01 * penalty + members,
        "digit_few_shot_h": 0.5 + members,
        "digit_linear_z": 0.7 + members,
        "effective_rank_h": 20 + members,
        "effective_rank_z": 15 - penalty + members,
        "participation_ratio_h": 5 + members,
        "participation_ratio_z": 4 + members,
        "kept_share": np.full(MEMBERS, 1 - 0.1 * penalty if linear else np.nan),
        "zero_share": np.full(MEMBERS, 0.1 * penalty if linear else np.nan),
        "eigenvalues_h": np.exp(-np.outer(0.5 * np.arange(1, MEMBERS + 1), np.arange(units))),
        "eigenvalues_z": np.stack([shares[:4]] * MEMBERS),
    }


@pytest.fixture
def summary(settings):
    results = {
        name: made_up(
            run.sparsity.penalty if run.sparsity else 0,
            4 * run.encoder.width,
            linear=name[0] != "no head",
        )
        for name, run in settings.items()
    }
    known = {f"{label}_{probe}_h" for label in ("digit", "photo") for probe in ("linear", "knn")}
    transfer = {
        group: {name: np.arange(MEMBERS) / 10 + more for name in known}
        for group, more in (("without", 0.5), ("with", 0.55))
    }
    return summarise(results, transfer)


def test_runs_differ_in_what_they_say_and_share_everything_else(settings, seed):
    for (group, name), run in settings.items():
        assert (run.seed, run.data.p_drop, run.epochs) == (seed, 0.0, 0 if group == "untrained" else 10)
        assert run.encoder.last_relu and run.encoder.width == (int(name) if "wide" in group else 4)
        assert run.method == (METHODS[name] if name in METHODS else METHODS["SimCLR"])[0]
    sparsity = {name: run.sparsity for name, run in settings.items()}
    assert sparsity["l21", "0"] is sparsity["without", "BYOL"] is sparsity["wide", "8"] is None
    assert sparsity["with", "BYOL"] == SparsePenalty(5.0)
    assert sparsity["l1", "2"] == SparsePenalty(2.0, "l1") and sparsity["group", "30"] == SparsePenalty(
        30.0, "group"
    )
    assert sparsity["wide, sparse", "8"] == SparsePenalty(3.0)
    assert settings["with", "SimCLR"] == settings["l21", "3"] == settings["wide, sparse", "4"]


def test_transfer_trains_on_half_of_the_photographs(settings):
    found = transfer_runs(settings)
    for group in ("without", "with"):
        ours, theirs = found[group], settings[group, "SimCLR"]
        assert ours.data.photos == PHOTOGRAPHS[:5]
        assert replace(ours, data=theirs.data) == theirs


def test_every_run_is_compared_with_its_own_without_penalty(summary):
    groups = summary["groups"]
    for values in (groups["l21"]["3"], groups["with"]["SimCLR"], groups["wide, sparse"]["8"]):
        assert np.isclose(values["linear_more"]["mean"], -0.03)
        assert np.isclose(values["er_z_more"]["mean"], -3)
        assert values["linear_more"]["half_width"] < 1e-12 < values["linear"]["half_width"]
    assert np.isclose(groups["with"]["BYOL"]["knn_more"]["mean"], -0.05)
    assert np.isclose(groups["wide"]["8"]["knn_more"]["mean"], 0)
    assert "kept" not in groups["no head"][""] and np.isclose(groups["l21"]["3"]["kept"]["mean"], 0.7)
    assert summary["units"] == {"4": 16, "8": 32}
    assert np.isclose(summary["transfer"]["photo_knn_h"]["more"]["mean"], 0.05)
    # Geometric mean of the shares of three geometric series.
    series = np.exp(-np.outer([0.5, 1.0, 1.5], np.arange(16)))
    shares = series / series.sum(1, keepdims=True)
    assert np.allclose(summary["spectra"]["no head"]["h"], shares.prod(0) ** (1 / 3))


def test_table_shows_differences_only_where_there_is_a_penalty(summary):
    cells = [re.split(r"\s{2,}", line) for line in format_table(summary).splitlines()]
    rows = {name: values for name, *values in cells}
    assert rows["l21 3"][:2] == ["0.880", "-0.030 +- 0.000"]
    assert rows["l21 3"][-1] == "70%" and rows["l21 0"][:2] == ["0.910", "0.810"]
    assert rows["SimCLR"] == ["-0.030 +- 0.000", "+0.0212"]
    assert rows["digit linear h"] == ["0.600", "+0.050 +- 0.000"]


def test_figures_show_every_setting(summary):
    spectra = draw_spectra(summary)
    labels = [line.get_label() for line in spectra.axes[0].lines]
    assert labels == ["penalty 0", "penalty 3", "no head", "untrained"]
    penalties = draw_penalties(summary).axes
    assert [len(axes.containers) for axes in penalties] == [3, 2, 1]
    assert np.allclose(penalties[0].containers[0].lines[0].get_ydata(), [0, -0.03])
    assert np.allclose(penalties[2].containers[0].lines[0].get_ydata(), [1, 0.7])
    methods = draw_methods(summary).axes
    assert [label.get_text() for label in methods[0].get_yticklabels()] == ["SimCLR", "BYOL"]
    assert [len(axes.containers) for axes in methods] == [3, 2]
    norms = draw_norms(summary).axes
    assert [label.get_text() for label in norms[0].get_yticklabels()] == [
        "2,1-norm, 3",
        "1-norm, 2",
        "groups of 8, 30",
    ]
    assert np.allclose(norms[1].containers[0].lines[0].get_xdata(), [-3, -2, -30])
    (widths,) = draw_widths(summary).axes
    assert len(widths.containers) == 4
    assert np.allclose(widths.containers[0].lines[0].get_ydata(), 20.01)
