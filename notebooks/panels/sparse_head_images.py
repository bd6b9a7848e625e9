"""Notebook 16: SparseHead (Song et al., 2023) on images: spectra, penalties, methods, norms, widths, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from neural.data.digits import PHOTOGRAPHS
from neural.models.heads import HeadConfig, IdentityConfig, LinearConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import BYOL, BarlowTwins, MethodConfig, SimCLR, Spectral, VICReg
from neural.training.pretraining import PretrainConfig
from notebooks.figure import NARROW, WIDE, apply_style
from notebooks.panels.shared import (
    FEW_SHOT,
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PROBE_LOOKS,
    Scores,
    band,
    errorbars,
    estimate,
    legend_below,
    mark_zero,
    plus_minus,
    text_table,
)
from synthetic.images.runs import EMBED_DIM, SPARSE_PENALTY, untrained, with_data, with_members
from synthetic.images.scores import HeadScores, ProbeScores
from synthetic.images.transfer import Transfer, measure_transfer
from synthetic.store.arrays import stack_results
from synthetic.store.sweep import sweep

_PENALTIES = dict.fromkeys(("SimCLR", "SimCLR, MLP", "BYOL", "Barlow Twins", "VICReg"), SPARSE_PENALTY) | {
    "spectral": 0.3
}
PROFILES = {
    profile: {
        "base": IMAGE_BASE[profile],
        "members": IMAGE_MEMBERS[profile],
        "penalties": penalties,
        "methods": methods,
        "norms": norms,
        "widths": widths,
    }
    for profile, penalties, methods, norms, widths in (
        ("smoke", (0.0, 10.0), {"SimCLR": SPARSE_PENALTY}, {"l1": (2.0,), "group": (30.0,)}, (4,)),
        ("quick", (0.0, 3.0, 10.0, 20.0), _PENALTIES, {"l1": (4.0,), "group": (45.0,)}, (16, 32)),
        (
            "full",
            (0.0, 1.0, 3.0, 6.0, 10.0, 20.0),
            _PENALTIES,
            {"l1": (1.0, 2.0, 4.0), "group": (15.0, 30.0, 45.0)},
            (8, 16, 32, 64),
        ),
    )
}
MEASUREMENT = HeadScores(ProbeScores(few_shot=10))
_LOOKS = {**PROBE_LOOKS, "few_shot": FEW_SHOT}
PROBES = {probe: look["label"] for probe, look in _LOOKS.items()}
RANKS = {"er_h": "$h$", "er_z": "$z$"}
TRAINED_ON, NEW = PHOTOGRAPHS[:5], PHOTOGRAPHS[5:]
PAPER_GAINS = {"SimCLR": 0.0212, "BYOL": 0.0105}
"""Top-1 accuracy of a linear probe on ImageNet, with SparseHead minus without (Song et al.)."""
_NORMED = MLPConfig(embed_dim=EMBED_DIM, batch_norm=True)
METHODS: dict[str, tuple[MethodConfig, HeadConfig]] = {
    "SimCLR": (SimCLR(), LinearConfig(EMBED_DIM)),
    "SimCLR, MLP": (SimCLR(), MLPConfig(embed_dim=EMBED_DIM)),
    "BYOL": (BYOL(momentum=0.9), _NORMED),
    "Barlow Twins": (BarlowTwins(trade_off=0.05), LinearConfig(EMBED_DIM)),
    "VICReg": (VICReg(), _NORMED),
    "spectral": (Spectral(), LinearConfig(EMBED_DIM)),
}
"""Method and head; linear heads have no bias, those of BYOL and VICReg a hidden layer with batch norm.

Barlow Twins weighs its off-diagonal entries ten times as much as its authors, who have 8,192 outputs where there are
32 here; with their weight the digit was read worse than from an untrained encoder.
"""
FIGURES = {
    "spectra": {
        "caption": "Eigenvalues of the covariance of $h$ and of $z$ as shares of their sum, geometric mean over "
        "networks, without penalty and for the two largest penalties on a linear head. A large penalty ends the "
        "spectrum of $z$ early and leaves that of $h$.",
        "alt": "Two panels of falling curves on a logarithmic scale. Left: all penalties coincide, no head lies "
        "below. Right: the largest penalty drops to zero at the twentieth eigenvalue.",
        "simulated": {"h": 0.02, "z": 0.02},
    },
    "penalties": {
        "caption": "Left: accuracy from $h$ minus that without penalty, member by member. Middle: effective ranks; "
        "bands: untrained. Right: share of the units of $h$ that the head reads. Mean and 95% interval.",
        "alt": "Left panel: differences at zero, falling to between minus 0.01 and minus 0.04 at the largest "
        "penalty. Middle: the rank of h stays near 42, that of z falls from 17 to 11. Right: the share falls from 1 "
        "to 0.33.",
    },
    "methods": {
        "caption": "What the penalty changes for six methods, with minus without it, member by member. Ticks: gains "
        "that Song et al. report on ImageNet. No method gains accuracy beyond its interval; the rank of $z$ falls or "
        "stays.",
        "alt": "Two panels with one row a method. Left: all differences of accuracy within 0.03 of zero. Right: "
        "ranks of z fall by up to 0.7, ranks of h stay.",
    },
    "norms": {
        "caption": "Three norms as penalties: zeros in the head, effective rank of $z$ and accuracy from $h$, the "
        "last two minus no penalty. The 1-norm makes most zeros and does not lower the rank of $z$.",
        "alt": "Three panels with one row a norm and penalty. Shares of zeros between 0 and 0.85; the rank of z "
        "falls by up to 6; accuracy is at or slightly below zero.",
    },
    "widths": {
        "caption": "Effective rank of $h$ and $z$ for encoders of different width, without and with the penalty.",
        "alt": "Effective rank of h rises from about 42 at 64 units to 72 at 128 units; that of z stays near 16. "
        "Filled and open markers coincide.",
    },
}
Runs = dict[tuple[str, str], PretrainConfig]


def sparse_runs(
    base: PretrainConfig,
    *,
    penalties: Sequence[float],
    methods: Mapping[str, float],
    norms: Mapping[str, Sequence[float]],
    widths: Sequence[int],
) -> Runs:
    """All runs, by group and setting; both views always have the digit.

    Parameters
    ----------
    base : PretrainConfig
    penalties : sequence of float
        Rising, from 0, of L2,1 on SimCLR's linear head.
    methods : mapping of a name in `METHODS` to its penalty
    norms : mapping of "l1" and "group" to penalties
    widths : sequence of int
        Channels of the encoder's first convolution; each without penalty and with that of "SimCLR" in `methods`.

    Returns
    -------
    dict of (group, setting) to PretrainConfig
        Groups: "no head", "untrained", "l21", "l1" and "group" (setting: penalty), "without" and "with" (setting:
        method), "wide" and "wide, sparse" (setting: width).
    """
    linear = replace(base, head=LinearConfig(EMBED_DIM))
    runs = {("no head", ""): replace(base, head=IdentityConfig()), ("untrained", ""): untrained(linear)}
    runs |= {("l21", f"{w:g}"): with_penalty(linear, w) for w in penalties}
    runs |= {
        (norm, f"{w:g}"): with_penalty(linear, w, norm) for norm, weights in norms.items() for w in weights
    }
    for name, penalty in methods.items():
        method, head = METHODS[name]
        run = replace(base, method=method, head=head)
        runs |= {("without", name): run, ("with", name): with_penalty(run, penalty)}
    for width in widths:
        run = replace(linear, encoder=replace(base.encoder, width=width))
        runs |= {
            ("wide", f"{width}"): run,
            ("wide, sparse", f"{width}"): with_penalty(run, methods["SimCLR"]),
        }
    return runs


def with_penalty(run: PretrainConfig, penalty: float, norm: str = "l21") -> PretrainConfig:
    """The same run with a penalty on its head; none at 0.

    Parameters
    ----------
    run : PretrainConfig
    penalty : float >= 0
    norm : {"l21", "l1", "group"}
    """
    return replace(run, sparsity=SparsePenalty(penalty, norm) if penalty else None)


def transfer_runs(runs: Runs) -> dict[str, PretrainConfig]:
    """SimCLR "without" and "with" penalty, trained on the first five photographs alone."""
    return {group: with_data(runs[group, "SimCLR"], photos=TRAINED_ON) for group in ("without", "with")}


def measure_new_photographs(runs: Runs, members: int, *, jobs: int, label: str) -> dict[str, Scores]:
    """`measure_transfer` of all members of the `transfer_runs`, to the other five photographs."""
    return {
        group: stack_results(
            sweep(measure_transfer, [Transfer(run, NEW) for run in configs], jobs=jobs, label=label)
        )
        for group, configs in with_members(transfer_runs(runs), members).items()
    }


def summarise(results: Mapping[tuple[str, str], Scores], transfer: Mapping[str, Scores]) -> dict:
    """Means and intervals by group and setting, and contrasts paired by member.

    Parameters
    ----------
    results : dict of (group, setting) to a dict of arrays
        `MEASUREMENT` of every run of `sparse_runs`.
    transfer : dict
        Of `measure_new_photographs`.

    Returns
    -------
    dict
        `groups`: group -> setting -> name -> `estimate`, names `linear`, `knn`, `few_shot` (accuracy of the digit
        from h), `linear_z`, `er_h`, `er_z` and `pr_h`, `pr_z` (effective ranks and participation ratios), `kept`
        (share of units that the head reads), `zeros` (share of zeros of a linear head), and each `<name>_more`, minus
        the same without penalty; names that a head has not are left out. `units`: of h, for each width.
        `spectra`: setting -> layer -> eigenvalue shares, geometric mean over members. `transfer`: name -> estimate of
        without, with and `more`.
    """
    groups: dict[str, dict] = {}
    for (group, setting), scores in results.items():
        reference = results[_reference(group, setting)]
        groups.setdefault(group, {})[setting] = _numbers(scores, reference)
    shown = {"no head": ("no head", ""), "untrained": ("untrained", "")} | {
        f"penalty {setting}": (group, setting) for group, setting in results if group == "l21"
    }
    without, sparse = transfer["without"], transfer["with"]
    return {
        "groups": groups,
        "units": {
            width: scores["eigenvalues_h"].shape[1]
            for (group, width), scores in results.items()
            if group == "wide"
        },
        "spectra": {
            name: {layer: _mean_spectrum(results[key][f"eigenvalues_{layer}"]) for layer in ("h", "z")}
            for name, key in shown.items()
        },
        "transfer": {
            name: {
                "without": estimate(without[name]),
                "with": estimate(sparse[name]),
                "more": estimate(sparse[name] - without[name]),
            }
            for name in ("digit_linear_h", "digit_knn_h", "photo_linear_h", "photo_knn_h")
        },
    }


def _reference(group: str, setting: str) -> tuple[str, str]:
    """The run without penalty that a run is compared with."""
    return {"with": ("without", setting), "wide, sparse": ("wide", setting)}.get(
        group, (group, setting) if group in ("without", "wide") else ("l21", "0")
    )


_NAMES = {
    "linear": "digit_linear_h",
    "knn": "digit_knn_h",
    "few_shot": "digit_few_shot_h",
    "linear_z": "digit_linear_z",
    "er_h": "effective_rank_h",
    "er_z": "effective_rank_z",
    "pr_h": "participation_ratio_h",
    "pr_z": "participation_ratio_z",
    "kept": "kept_share",
    "zeros": "zero_share",
}


def _numbers(scores: Scores, reference: Scores) -> dict:
    found = {}
    for name, key in _NAMES.items():
        if np.isfinite(scores[key]).all():
            found[name] = estimate(scores[key])
            if np.isfinite(reference[key]).all():
                found[f"{name}_more"] = estimate(scores[key] - reference[key])
    return found


def _mean_spectrum(eigenvalues: np.ndarray) -> np.ndarray:
    """Geometric mean of the shares over members; the floor is below what float32 features resolve."""
    shares = eigenvalues / eigenvalues.sum(axis=1, keepdims=True)
    return np.exp(np.log(np.maximum(shares, 1e-12)).mean(0))


def format_table(summary: dict) -> str:
    """Every setting with its difference to no penalty, the transfer, and the paper's gains, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise`; +- is the half width of Student's 95% interval.
    """
    rows = []
    for group, found in summary["groups"].items():
        for setting, values in found.items():
            plain = group in ("no head", "untrained", "without", "wide") or setting == "0"
            row = {"": f"{group} {setting}".strip()}
            for name in PROBES:
                row[name] = f"{values[name]['mean']:.3f}"
                row[f"{name}, more"] = "" if plain else plus_minus(values[f"{name}_more"])
            row |= {name: f"{values[name]['mean']:.1f}" for name in RANKS}
            rows.append(row | ({"units": f"{values['kept']['mean']:.0%}"} if "kept" in values else {}))
    new = [
        {
            "five new photographs": name.replace("_", " "),
            "without": f"{values['without']['mean']:.3f}",
            "with the penalty, more": plus_minus(values["more"]),
        }
        for name, values in summary["transfer"].items()
    ]
    gains = [
        {
            "linear probe, with the penalty minus without": name,
            "here": plus_minus(summary["groups"]["with"][name]["linear_more"]),
            "Song et al., ImageNet": f"{gain:+.4f}",
        }
        for name, gain in PAPER_GAINS.items()
        if name in summary["groups"]["with"]
    ]
    return "\n\n".join(text_table(part) for part in (rows, new, gains))


def draw_spectra(summary: dict) -> Figure:
    """Eigenvalues of the covariance of h and z: no head, every penalty, untrained.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    shown = summary["spectra"]
    penalties = [name for name in shown if name.startswith("penalty")]
    penalties = list(dict.fromkeys(penalties[:1] + penalties[-2:]))  # none, and the two largest
    ramp = sns.color_palette("crest", len(penalties))
    looks = {name: {"color": colour} for name, colour in zip(penalties, ramp, strict=True)}
    looks |= {
        "no head": {"color": "black", "linestyle": "--"},
        "untrained": {"color": "0.6", "linestyle": ":"},
    }
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.8))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, layer in zip(panels, ("h", "z"), strict=True):
            for name, look in looks.items():
                values = np.asarray(shown[name][layer])
                axes.semilogy(np.arange(1, len(values) + 1), values, label=name, **look)
            axes.set(xlabel="number of the eigenvalue", title=f"covariance of ${layer}$", ylim=(1e-8, 1))
        panels[0].set_ylabel("eigenvalue, share of the sum")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def draw_penalties(summary: dict) -> Figure:
    """Accuracy minus that without penalty, effective ranks and units that are read, against the penalty.

    Parameters
    ----------
    summary : dict
        Of `summarise`; bands: untrained network.
    """
    found = summary["groups"]["l21"]
    places = np.arange(len(found))
    start = summary["groups"]["untrained"][""]
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.0))
        accuracy, ranks, units = figure.subplots(1, 3)
        for i, (name, look) in enumerate(_LOOKS.items()):
            value = stack_results([values[f"{name}_more"] for values in found.values()])
            errorbars(accuracy, places + 0.16 * (i - 1), value, **look)
        mark_zero(accuracy)
        accuracy.set(title="accuracy from $h$,\nminus no penalty")
        for layer, look in LAYERS.items():
            errorbars(ranks, places, stack_results([v[f"er_{layer}"] for v in found.values()]), **look)
            band(ranks, start[f"er_{layer}"], color=look["color"], label="the same, untrained")
        ranks.set(title="effective rank", ylim=(0, None))
        kept = stack_results([values["kept"] for values in found.values()])
        errorbars(units, places, kept, color="0.2", marker="o", label="read by the head")
        units.set(title="share of the\nunits of $h$", ylim=(0, 1.05))
        for axes in figure.axes:
            axes.set_xticks(places, list(found))
            axes.set(xlabel=r"penalty $\lambda$", xlim=(-0.5, len(found) - 0.5))
            legend_below(axes, ncols=1)
    return figure


def draw_methods(summary: dict) -> Figure:
    """What the penalty changes, method by method: accuracies and effective ranks with minus without.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    found = summary["groups"]["with"]
    rows = -np.arange(len(found))
    with apply_style():
        figure = Figure(figsize=(WIDE, 4.4))
        accuracy, ranks = figure.subplots(1, 2, sharey=True)
        for i, (name, look) in enumerate(_LOOKS.items()):
            value = stack_results([values[f"{name}_more"] for values in found.values()])
            errorbars(accuracy, rows + 0.2 * (1 - i), value, horizontal=True, **look)
        gains = {-list(found).index(name) + 0.2: gain for name, gain in PAPER_GAINS.items() if name in found}
        look = {"color": "black", "markersize": 12, "label": "Song et al., linear, ImageNet"}
        accuracy.plot(gains.values(), gains.keys(), "|", **look)
        for side, (layer, look) in zip((0.5, -0.5), LAYERS.items(), strict=True):
            value = stack_results([values[f"er_{layer}_more"] for values in found.values()])
            errorbars(ranks, rows + 0.2 * side, value, horizontal=True, **look)
        accuracy.set(title="accuracy from $h$", yticks=rows, yticklabels=list(found))
        ranks.set(title="effective rank")
        for axes in figure.axes:
            mark_zero(axes, vertical=True)
            axes.grid(axis="y", color="0.92")
            axes.set(xlabel="with minus without penalty")
            legend_below(axes, ncols=1)
    return figure


def draw_norms(summary: dict) -> Figure:
    """The three norms: share of zeros in the head, rank of z and accuracy from h, minus no penalty.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    labels = {"l21": "2,1-norm", "l1": "1-norm", "group": "groups of 8"}
    found = {
        f"{words}, {setting}": values
        for norm, words in labels.items()
        for setting, values in summary["groups"][norm].items()
        if setting != "0"
    }
    rows = -np.arange(len(found))
    panels = {
        "zeros": ("share of zeros\nin the head", {"color": "0.2", "marker": "o"}),
        "er_z_more": ("effective rank of $z$,\nminus no penalty", LAYERS["z"]),
        "knn_more": ("20-neighbour accuracy\nfrom $h$, minus no penalty", PROBE_LOOKS["knn"]),
    }
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.3))
        for axes, (name, (words, look)) in zip(
            figure.subplots(1, 3, sharey=True), panels.items(), strict=True
        ):
            value = stack_results([values[name] for values in found.values()])
            errorbars(axes, rows, value, horizontal=True, **look)
            mark_zero(axes, vertical=True)
            axes.grid(axis="y", color="0.92")
            axes.set(xlabel=words)
        figure.axes[0].set_yticks(rows, list(found))
    return figure


def draw_widths(summary: dict) -> Figure:
    """Effective rank of h and z against the units of h, without and with the penalty.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    sizes = np.array(list(summary["units"].values()))
    groups = {"wide": ("no penalty", {}), "wide, sparse": ("penalty", {"markerfacecolor": "none"})}
    with apply_style():
        figure = Figure(figsize=(NARROW, 3.6))
        axes = figure.subplots()
        for side, (group, (words, hollow)) in zip((-1, 1), groups.items(), strict=True):
            for layer, look in LAYERS.items():
                value = stack_results([v[f"er_{layer}"] for v in summary["groups"][group].values()])
                look = look | hollow | {"label": f"${layer}$, {words}"}
                errorbars(axes, sizes * (1 + 0.03 * side), value, **look)
        axes.set(xlabel="units of $h$", ylabel="effective rank", xscale="log", ylim=(0, None))
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
