"""Notebook 16: SparseHead (Song et al., 2023) on images: spectra, penalties, methods, norms, widths, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from neural.data.digits import PHOTOGRAPHS
from neural.models.heads import HeadConfig, IdentityConfig, LinearConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import BYOL, BarlowTwins, MethodConfig, SimCLR, Spectral, VICReg
from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.shared import (
    IMAGE_BASE,
    IMAGE_MEMBERS,
    LAYERS,
    PALETTE,
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
PROBES = {"linear": "linear probe", "knn": "20 nearest neighbours", "few_shot": "10 labels of each class"}
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
    shown = {"no head": ("no head", "")} | {
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
    """Eigenvalues of the covariance of h and z, without a head and for every penalty.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    with apply_style():
        figure = Figure(figsize=(9.0, 3.8))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, layer in zip(panels, ("h", "z"), strict=True):
            for i, (name, spectra) in enumerate(summary["spectra"].items()):
                values = np.asarray(spectra[layer])
                look = {"marker": "os^Dv<>P"[i % 8], "color": PALETTE[i % 10], "label": name}
                axes.semilogy(np.arange(1, len(values) + 1), values, markersize=3, linewidth=0.8, **look)
            axes.set(xlabel="rank of the eigenvalue", title=f"covariance of ${layer}$", ylim=(1e-8, 1))
        panels[0].set_ylabel("eigenvalue, share of the sum")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return figure


def draw_penalties(summary: dict) -> Figure:
    """Accuracy, effective ranks and units that are read, against the penalty.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    found = summary["groups"]["l21"]
    places = np.arange(len(found))
    accuracies = {name: f"{words}, $h$" for name, words in PROBES.items()}
    panels = {
        "test accuracy of the digit": accuracies | {"linear_z": "linear probe, $z$"},
        "effective rank": RANKS,
        "share of nonzero columns": {"kept": "units of $h$ that the head reads"},
    }
    with apply_style():
        figure = Figure(figsize=(10.6, 3.9))
        for axes, (title, names) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            for i, (name, words) in enumerate(names.items()):
                value = stack_results([values[name] for values in found.values()])
                look = {"marker": "os^D"[i], "color": PALETTE[i], "label": words}
                errorbars(axes, places + 0.05 * (i - 1), value, **look)
            axes.set(ylabel=title, ylim=(0, None if title == "effective rank" else 1.05))
            axes.set_xticks(places, list(found))
            axes.set(xlabel=r"penalty $\lambda$ of the 2,1-norm", xlim=(-0.4, len(found) - 0.6))
            legend_below(axes, ncols=1)
        for i, name in enumerate(PROBES):
            band(figure.axes[0], summary["groups"]["untrained"][""][name], color=PALETTE[i])
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
        figure = Figure(figsize=(9.6, 3.8))
        panels = figure.subplots(1, 2, sharey=True)
        gains = {-list(found).index(name) + 0.2: gain for name, gain in PAPER_GAINS.items() if name in found}
        look = {"color": "0.2", "markersize": 12, "label": "Song et al., linear, ImageNet"}
        panels[0].plot(gains.values(), gains.keys(), "|", **look)
        ranks = {name: f"effective rank of {words}" for name, words in RANKS.items()}
        for axes, names in zip(panels, (PROBES, ranks), strict=True):
            for i, (name, words) in enumerate(names.items()):
                value = stack_results([values[f"{name}_more"] for values in found.values()])
                look = {"marker": "os^"[i], "color": PALETTE[i], "label": words}
                errorbars(axes, rows + 0.2 * (1 - i), value, horizontal=True, **look)
            mark_zero(axes, vertical=True)
            legend_below(axes)
        panels[0].set(xlabel="accuracy from $h$, with the penalty minus without")
        panels[1].set(xlabel="effective rank, with the penalty minus without")
        panels[0].set_yticks(rows, list(found))
    return figure


def draw_norms(summary: dict) -> Figure:
    """The three norms against what they do to the rank of z; and representations of more units.

    Parameters
    ----------
    summary : dict
        Of `summarise`.
    """
    groups = summary["groups"]
    labels = {"l21": "2,1-norm", "l1": "1-norm", "group": "groups of 8 columns"}
    with apply_style():
        figure = Figure(figsize=(10.6, 3.9))
        accuracy, zeros, wide = figure.subplots(1, 3)
        for i, (norm, words) in enumerate(labels.items()):
            found = [v for setting, v in groups[norm].items() if setting != "0"]
            rank = stack_results([v["er_z_more"] for v in found])
            for axes, name in ((accuracy, "knn_more"), (zeros, "zeros")):
                value = stack_results([v[name] for v in found])
                look = {"marker": "os^"[i], "color": PALETTE[i], "label": words}
                errorbars(axes, rank["mean"], value, xerr=rank["half_width"], **look)
        mark_zero(accuracy)
        accuracy.set(ylabel="kNN accuracy from $h$, minus no penalty")
        zeros.set(ylabel="share of zeros in the head", ylim=(-0.02, 1.02))
        for axes in (accuracy, zeros):
            axes.set(xlabel="effective rank of $z$, minus no penalty")
        sizes = np.array(list(summary["units"].values()))
        for i, (group, words) in enumerate({"wide": "no penalty", "wide, sparse": "penalty"}.items()):
            for j, layer in enumerate(LAYERS):
                value = stack_results([v[f"er_{layer}"] for v in groups[group].values()])
                look = {"marker": "os^D"[2 * i + j], "color": PALETTE[2 * i + j]}
                errorbars(wide, sizes * (1 + 0.04 * (2 * i - 1)), value, label=f"${layer}$, {words}", **look)
        wide.set(xlabel="units of $h$", ylabel="effective rank", xscale="log", ylim=(0, None))
        wide.set_xticks(sizes, [str(size) for size in sizes])
        wide.minorticks_off()
        for axes in figure.axes:
            legend_below(axes)
    return figure
