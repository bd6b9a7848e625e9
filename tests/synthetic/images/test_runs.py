"""The named runs: what they share and in what they differ."""

from dataclasses import replace

from neural.models.heads import FixedReweightingConfig, IdentityConfig, LinearConfig, MLPConfig
from neural.training.methods import CrossEntropy, SupCon
from neural.training.schedules import SlowSingle
from synthetic.images.runs import (
    BASE,
    coarse_run,
    head_runs,
    reweighting_heads,
    shift_run,
    untrained,
    with_data,
    with_members,
    with_weight_decay,
    without_last_relu,
)


def test_every_change_changes_one_thing():
    assert replace(untrained(BASE), epochs=BASE.epochs) == BASE
    assert with_data(with_data(BASE, p_drop=0.5), p_drop=0.0) == BASE
    bare = without_last_relu(BASE)
    assert not bare.encoder.last_relu and replace(bare, encoder=BASE.encoder) == BASE
    decayed = with_weight_decay(BASE, 0.25)
    assert decayed.schedule.optimizer.weight_decay == 0.25
    assert with_weight_decay(decayed, BASE.schedule.optimizer.weight_decay) == BASE


def test_members_differ_in_their_number_and_share_further_changes():
    runs = with_members({"a": BASE, "b": without_last_relu(BASE)}, 3, seed=7)
    assert [run.member for run in runs["b"]] == [0, 1, 2]
    assert {run.seed for members in runs.values() for run in members} == {7}


def test_runs_with_labels():
    coarse, shifted = coarse_run(BASE, "SupCon", BASE.head), shift_run(BASE, "CE", 0.3, IdentityConfig())
    assert coarse.method == SupCon("coarse") and coarse.data.strength == 0.6
    assert shifted.method == CrossEntropy("parity") and shifted.head == IdentityConfig()
    assert (shifted.data.strength, shifted.data.agreement) == (0.3, 0.95)
    heads = reweighting_heads(BASE, (1.2,))
    assert heads == {"none": IdentityConfig(), "MLP": BASE.head, "fixed 1.2": FixedReweightingConfig(1.2)}


def test_heads_of_the_comparison_differ_in_head_and_schedule_alone():
    runs = head_runs(BASE, 16)
    assert len(set(runs.values())) == len(runs) == 12
    assert {replace(run, head=BASE.head, schedule=BASE.schedule) for run in runs.values()} == {BASE}
    assert runs["trainable, joint"].head == LinearConfig(16) and runs["no head"].head == IdentityConfig()
    assert runs["MLP"].head == MLPConfig(64, 16) and runs["MLP"].schedule == BASE.schedule
    assert isinstance(runs["slow, single step"].schedule, SlowSingle)
    alternating = runs["trainable, alternating"].schedule
    assert (alternating.inner_steps, alternating.proximal, alternating.restart) == (5, 0.0, False)
