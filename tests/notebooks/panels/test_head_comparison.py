from dataclasses import replace

import numpy as np
import pytest

from neural.models.encoders import SmallConvConfig
from neural.models.heads import IdentityConfig, MLPConfig
from neural.training.methods import SimSiam
from notebooks.panels.head_comparison import (
    comparison_runs,
    draw_curves,
    draw_deficit,
    draw_heads,
    draw_kinds,
    draw_ranks,
    draw_sweep,
    format_table,
    summarise,
)
from notebooks.panels.head_tables import (
    INNER,
    LINEAR,
    REFERENCE,
    TABLE_2,
    compare_sentences,
    format_sentences,
)
from synthetic.images.runs import BASE

MEMBERS = 3
COST = {REFERENCE: 100.0, "DirectCLR": 100.0, LINEAR: 110.0, INNER: 150.0}
GROUPS = {
    "heads": tuple(TABLE_2),
    "ReLU": (REFERENCE, LINEAR, "MLP", "MLP, batch norm", "MLP, alternating"),
    "linear top": (REFERENCE, LINEAR, "MLP"),
    "easy": (REFERENCE, "MLP"),
    "inner": ("1", "10"),
    "proximal": ("0.1",),
    "untrained": ("ReLU", "linear top"),
}


def made_up(accuracy, deficit):
    """Scores of one run: member m is better by m / 100; the rank of z is 10."""
    members = np.arange(MEMBERS) / 100
    return {
        "digit_linear_h": accuracy + members,
        "digit_knn_h": accuracy - 0.1 + members,
        "digit_linear_z": accuracy - 0.2 + members,
        "digit_knn_z": accuracy - 0.3 + members,
        "effective_rank_h": 10 + deficit + members,
        "effective_rank_z": 10 + members,
        "curve": accuracy + members[:, None] + np.array([-0.2, -0.1]),
    }


@pytest.fixture
def results():
    """Head i of each group has accuracy .5 + .02 i and deficit 2 i, so that they correlate perfectly."""
    return {
        (group, head): made_up(0.5 + 0.02 * i, 2.0 * i)
        for group, heads in GROUPS.items()
        for i, head in enumerate(heads)
    }


@pytest.fixture
def summary(results):
    return summarise(results, monitor=2, cost=COST)


def settings(seed):
    heads = tuple(head for head in TABLE_2 if head != "pre-trained, fixed")
    return comparison_runs(
        replace(BASE, seed=seed, encoder=SmallConvConfig(4)),
        members=2,
        embed_dim=8,
        inner_steps=(1, 10),
        proximals=(0.5,),
        heads=heads,
    )


def test_runs_differ_in_what_they_say_and_share_everything_else(seed):
    found = settings(seed)
    assert {len(members) for members in found.values()} == {2}
    for (group, head), members in found.items():
        for member, run in enumerate(members):
            assert (run.seed, run.member, run.batch) == (seed, member, 128), (group, head)
            assert run.data.p_drop == (0.0 if group == "easy" else 0.5)
            assert run.encoder == SmallConvConfig(4, last_relu=group != "linear top" and head != "linear top")
            assert isinstance(run.method, SimSiam) == (group == "SimSiam")
            assert run.epochs == (0 if group == "untrained" else 10)
    assert found["ReLU", REFERENCE] == found["heads", REFERENCE]
    assert found["ReLU", LINEAR] == found["heads", LINEAR]
    assert found["linear top", "MLP"][0].head == MLPConfig(embed_dim=8)
    assert found["easy", REFERENCE][0].head == IdentityConfig()
    assert found["inner", "10"][0].schedule.inner_steps == 10
    assert found["proximal", "0.5"][0].schedule.proximal == 0.5
    assert len({run for members in found.values() for run in members}) == 2 * (len(found) - 2)


def test_contrasts_are_paired_and_correlations_are_within_members(summary):
    heads, kinds = summary["groups"]["heads"], summary["groups"]["ReLU"]
    assert np.isclose(heads["DirectCLR"]["linear"]["mean"], 0.55)
    assert heads["DirectCLR"]["linear"]["half_width"] > 0.01
    assert np.isclose(heads["DirectCLR"]["linear_more"]["mean"], 0.04)
    assert heads["DirectCLR"]["linear_more"]["half_width"] < 1e-12
    assert np.isclose(kinds["MLP"]["er_h_more"]["mean"], 4)
    # The sweeps are compared with the joint linear head, whose accuracy is .52.
    assert np.isclose(summary["groups"]["inner"]["1"]["knn_more"]["mean"], -0.02)
    for correlation in summary["correlation"].values():
        assert np.isclose(correlation["mean"], 1)


def test_correlation_sees_a_head_that_does_not_fit(results):
    results["heads", INNER] = made_up(0.3, 18.0)
    r = summarise(results, monitor=2, cost=COST)["correlation"]["knn"]["mean"]
    x, y = 2.0 * np.arange(10), np.append(0.4 + 0.02 * np.arange(9), 0.2)
    assert np.isclose(r, np.corrcoef(x, y)[0, 1])


def test_paper_contradicts_itself_twice():
    verdicts = {sentence: fits for sentence, _, fits in compare_sentences()}
    assert [sentence for sentence, fits in verdicts.items() if not fits] == [
        "Slow-Single is better than all fixed heads",
        "Table 1 (non-linear head) and Table 2 (linear heads) are different runs",
    ]
    assert "NO  Slow-Single is better than all fixed heads: 33.06 against at most 33.08" in format_sentences()


def test_table_shows_the_paper_beside(summary):
    lines = format_table(summary).splitlines()
    (row,) = [line for line in lines if line.startswith("DirectCLR")]
    assert row.split() == "DirectCLR 0.550 +0.040 +- 0.000 0.450 +0.040 +- 0.000 14.0 10.0 33.08".split()
    assert any(line.startswith("linear probe") and "+1.00 +- 0.00" in line for line in lines)


def test_figures_show_every_head(summary):
    heads = draw_heads(summary)
    assert [label.get_text() for label in heads.axes[0].get_yticklabels()] == list(TABLE_2)
    assert np.allclose(heads.axes[2].lines[0].get_xdata(), list(TABLE_2.values()))
    assert np.allclose(heads.axes[1].containers[0].lines[0].get_xdata(), 0.51 + 0.02 * np.arange(10))
    for axes in draw_kinds(summary).axes:
        assert [len(c.lines[0].get_xdata()) for c in axes.containers] == [4, 2, 1]
    assert len(draw_deficit(summary).axes[0].containers) == 11
    (ranks,) = draw_ranks(summary).axes
    assert [label.get_text() for label in ranks.get_yticklabels()] == [*TABLE_2, "MLP", "untrained"]
    assert np.allclose(ranks.containers[0].lines[0].get_xdata()[:10], 10.01 + 2 * np.arange(10))
    curves = draw_curves(summary).axes
    assert np.allclose(curves[1].containers[3].lines[0].get_xdata(), [3, 6])  # 2 and 4 epochs at 1.5 the cost
    for group in ("inner", "proximal"):
        assert [len(axes.containers) for axes in draw_sweep(summary, group).axes] == [2, 2]
