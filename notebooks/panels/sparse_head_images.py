"""Notebook 16: SparseHead (Song et al., 2023) on images: spectra, penalties, methods, norms, widths, transfer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neural.data.digits import PHOTOGRAPHS
from neural.models.heads import HeadConfig, IdentityConfig, LinearConfig, MLPConfig
from neural.models.sparsity import SparsePenalty
from neural.training.methods import BYOL, BarlowTwins, MethodConfig, SimCLR, Spectral, VICReg
from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.image_runs import base_config, with_members
from notebooks.panels.shared import PALETTE, estimate
from synthetic.images.heads import HeadScores
from synthetic.images.scores import ProbeScores

SCORES = HeadScores(ProbeScores(few_shot=10))
EMBED = 32
PROBES = {"linear": "linear probe", "knn": "20 nearest neighbours", "few_shot": "10 labels of each class"}
TRAINED_ON, NEW = PHOTOGRAPHS[:5], PHOTOGRAPHS[5:]
PAPER_GAINS = {"SimCLR": 0.0212, "BYOL": 0.0105}
"""Top-1 accuracy of a linear probe on ImageNet, with SparseHead minus without (Song et al.)."""
_NORMED = MLPConfig(embed_dim=EMBED, batch_norm=True)
METHODS: dict[str, tuple[MethodConfig, HeadConfig]] = {
    "SimCLR": (SimCLR(), LinearConfig(EMBED)),
    "SimCLR, MLP": (SimCLR(), MLPConfig(embed_dim=EMBED)),
    "BYOL": (BYOL(momentum=0.9), _NORMED),
    "Barlow Twins": (BarlowTwins(trade_off=0.05), LinearConfig(EMBED)),
    "VICReg": (VICReg(), _NORMED),
    "spectral": (Spectral(), LinearConfig(EMBED)),
}
"""Method and head; linear heads have no bias, those of BYOL and VICReg a hidden layer with batch norm.

Barlow Twins weighs its off-diagonal entries ten times as much as its authors, who have 8,192 outputs where there are
32 here; with their weight the digit was read worse than from an untrained encoder.
"""

Settings = dict[tuple[str, str], list[PretrainConfig]]


def runs(
    seed: int,
    device: str,
    *,
    base: dict,
    members: int,
    penalties: Sequence[float],
    methods: Mapping[str, float],
    norms: Mapping[str, Sequence[float]],
    widths: Sequence[int],
) -> Settings:
    """All runs, by group and setting; both views always have the digit.

    Parameters
    ----------
    seed, device, base
        As for `base_config`.
    members : int >= 2
    penalties : sequence of float
        Rising, from 0, of L2,1 on SimCLR's linear head.
    methods : mapping of a name in `METHODS` to its penalty
    norms : mapping of "l1" and "group" to penalties
    widths : sequence of int
        Channels of the encoder's first convolution; each without penalty and with that of "SimCLR" in `methods`.

    Returns
    -------
    dict of (group, setting) to a list of PretrainConfig
        Groups: "no head", "l21", "l1" and "group" (setting: penalty), "without" and "with" (setting: method),
        "wide" and "wide, sparse" (setting: width), "untrained".
    """
    start = base_config(seed, device, **base)
    linear = replace(start, head=LinearConfig(EMBED))
    found = {
        ("no head", ""): replace(start, head=IdentityConfig()),
        ("untrained", ""): replace(linear, epochs=0),
    }
    found |= {("l21", f"{w:g}"): sparse(linear, w) for w in penalties}
    found |= {(norm, f"{w:g}"): sparse(linear, w, norm) for norm, weights in norms.items() for w in weights}
    for name, penalty in methods.items():
        method, head = METHODS[name]
        run = replace(start, method=method, head=head)
        found |= {("without", name): run, ("with", name): sparse(run, penalty)}
    for width in widths:
        run = replace(linear, encoder=replace(start.encoder, width=width))
        found |= {
            ("wide", f"{width}"): run,
            ("wide, sparse", f"{width}"): sparse(run, methods["SimCLR"]),
        }
    return {name: with_members([run], members) for name, run in found.items()}


def transfer_runs(settings: Settings) -> Settings:
    """SimCLR without and with penalty, trained on the first five photographs alone.

    Parameters
    ----------
    settings : dict
        Of `runs`.
    """
    return {
        ("transfer", group): [
            replace(run, data=replace(run.data, photos=TRAINED_ON)) for run in settings[group, "SimCLR"]
        ]
        for group in ("without", "with")
    }


def sparse(run: PretrainConfig, penalty: float, norm: str = "l21") -> PretrainConfig:
    """The same run with a penalty on its head; none at 0.

    Parameters
    ----------
    run : PretrainConfig
    penalty : float >= 0
    norm : {"l21", "l1", "group"}
    """
    return replace(run, sparsity=SparsePenalty(penalty, norm) if penalty else None)


def summarise(
    results: Mapping[tuple[str, str], Mapping], transfer: Mapping[tuple[str, str], Mapping]
) -> dict:
    """Means and intervals by group and setting, and contrasts paired by member.

    Parameters
    ----------
    results : dict of (group, setting) to a dict of arrays
        `SCORES` of every run of `runs`.
    transfer : dict
        The same of `transferred`, for `transfer_runs`.

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
    without, with_penalty = transfer["transfer", "without"], transfer["transfer", "with"]
    return {
        "groups": groups,
        "units": {
            width: scores["spectrum_h"].shape[1]
            for (group, width), scores in results.items()
            if group == "wide"
        },
        "spectra": {
            name: {layer: _mean_spectrum(results[key][f"spectrum_{layer}"]) for layer in ("h", "z")}
            for name, key in shown.items()
        },
        "transfer": {
            name: {
                "without": estimate(without[name]),
                "with": estimate(with_penalty[name]),
                "more": estimate(with_penalty[name] - without[name]),
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
    "pr_h": "participation_h",
    "pr_z": "participation_z",
    "kept": "kept_share",
    "zeros": "zero_share",
}


def _numbers(scores: Mapping, reference: Mapping) -> dict:
    found = {}
    for name, key in _NAMES.items():
        if np.isfinite(scores[key]).all():
            found[name] = estimate(scores[key])
            if np.isfinite(reference[key]).all():
                found[f"{name}_more"] = estimate(scores[key] - reference[key])
    return found


def _mean_spectrum(shares: np.ndarray) -> np.ndarray:
    """Geometric mean over members; the floor is below what float32 features resolve."""
    return np.exp(np.log(np.maximum(shares, 1e-12)).mean(0))


def format_table(summary: dict) -> str:
    """Every setting with its difference to no penalty, and the transfer, as text.

    Parameters
    ----------
    summary : dict
        Of `summarise`; +- is the half width of Student's 95% interval.
    """
    head = f"{'':<26}{'linear':>8}{'more':>18}{'kNN':>8}{'more':>18}{'few-shot':>10}{'er H':>7}{'er Z':>7}{'units':>7}"
    lines = [head]
    for group, found in summary["groups"].items():
        for setting, values in found.items():
            plain = group in ("no head", "untrained", "without", "wide") or setting == "0"
            more = ["" if plain else _plus_minus(values[name]) for name in ("linear_more", "knn_more")]
            kept = f"{values['kept']['mean']:7.0%}" if "kept" in values else ""
            lines.append(
                f"{f'{group} {setting}':<26}{values['linear']['mean']:8.3f}{more[0]:>18}{values['knn']['mean']:8.3f}"
                f"{more[1]:>18}{values['few_shot']['mean']:10.3f}{values['er_h']['mean']:7.1f}"
                f"{values['er_z']['mean']:7.1f}{kept}"
            )
    lines += ["", "on five photographs that the network has not seen: with the penalty minus without"]
    for name, values in summary["transfer"].items():
        lines.append(
            f"{name.replace('_', ' '):<26}{values['without']['mean']:8.3f}{_plus_minus(values['more']):>18}"
        )
    lines += ["", "linear probe, with the penalty minus without; Song et al. on ImageNet"]
    for name, gain in PAPER_GAINS.items():
        if name in summary["groups"]["with"]:
            ours = summary["groups"]["with"][name]["linear_more"]
            lines.append(f"{name:<26}{'':8}{_plus_minus(ours):>18}   paper {gain:+.4f}")
    return "\n".join(lines)


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
                axes.semilogy(
                    np.arange(1, len(values) + 1),
                    values,
                    marker="os^Dv<>P"[i % 8],
                    markersize=3,
                    linewidth=0.8,
                    color=PALETTE[i % 10],
                    label=name,
                )
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
    with apply_style():
        figure = Figure(figsize=(10.6, 3.9))
        accuracy, ranks, units = figure.subplots(1, 3)
        for i, (name, words) in enumerate(PROBES.items()):
            _series(accuracy, places, found.values(), name, i, f"{words}, $h$")
        _series(accuracy, places, found.values(), "linear_z", 3, "linear probe, $z$")
        _bands(accuracy, summary["groups"]["untrained"][""], PROBES)
        for i, (name, words) in enumerate({"er_h": "$h$", "er_z": "$z$"}.items()):
            _series(ranks, places, found.values(), name, i, words)
        _series(units, places, found.values(), "kept", 5, "units of $h$ that the head reads")
        accuracy.set(ylabel="test accuracy of the digit", ylim=(0, 1))
        ranks.set(ylabel="effective rank", ylim=(0, None))
        units.set(ylabel="share of nonzero columns", ylim=(0, 1.05))
        for axes in figure.axes:
            axes.set_xticks(places, list(found))
            axes.set(xlabel=r"penalty $\lambda$ of the 2,1-norm", xlim=(-0.4, len(found) - 0.6))
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18))
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
        ranks = {"er_h": "effective rank of $h$", "er_z": "effective rank of $z$"}
        gains = {-list(found).index(name) + 0.2: gain for name, gain in PAPER_GAINS.items() if name in found}
        label = "Song et al., linear, ImageNet"
        panels[0].plot(gains.values(), gains.keys(), "|", color="0.2", markersize=12, label=label)
        for axes, names in zip(panels, (PROBES, ranks), strict=True):
            for i, (name, words) in enumerate(names.items()):
                values = [v[f"{name}_more"] for v in found.values()]
                axes.errorbar(
                    [v["mean"] for v in values],
                    rows + 0.2 * (1 - i),
                    xerr=[v["half_width"] for v in values],
                    fmt="os^"[i],
                    color=PALETTE[i],
                    label=words,
                )
            axes.axvline(0, color="0.6", linewidth=0.8)
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
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
            for axes, name in ((accuracy, "knn_more"), (zeros, "zeros")):
                x, y = ([v[key] for v in found] for key in ("er_z_more", name))
                axes.errorbar(
                    [v["mean"] for v in x],
                    [v["mean"] for v in y],
                    [v["half_width"] for v in y],
                    [v["half_width"] for v in x],
                    fmt="os^"[i],
                    color=PALETTE[i],
                    label=words,
                )
        accuracy.axhline(0, color="0.6", linewidth=0.8)
        accuracy.set(ylabel="kNN accuracy from $h$, minus no penalty")
        zeros.set(ylabel="share of zeros in the head", ylim=(-0.02, 1.02))
        for axes in (accuracy, zeros):
            axes.set(xlabel="effective rank of $z$, minus no penalty")
        sizes = list(summary["units"].values())
        for i, (group, words) in enumerate({"wide": "no penalty", "wide, sparse": "penalty"}.items()):
            for j, layer in enumerate(("h", "z")):
                values = [v[f"er_{layer}"] for v in groups[group].values()]
                wide.errorbar(
                    np.array(sizes) * (1 + 0.04 * (2 * i - 1)),
                    [v["mean"] for v in values],
                    [v["half_width"] for v in values],
                    fmt="os^D"[2 * i + j],
                    color=PALETTE[2 * i + j],
                    label=f"${layer}$, {words}",
                )
        wide.set(xlabel="units of $h$", ylabel="effective rank", xscale="log", ylim=(0, None))
        wide.set_xticks(sizes, [str(size) for size in sizes])
        wide.minorticks_off()
        for axes in figure.axes:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


def _series(axes: Axes, places: np.ndarray, found, name: str, colour: int, label: str) -> None:
    values = [v[name] for v in found]
    axes.errorbar(
        places + 0.05 * (colour - 1),
        [v["mean"] for v in values],
        [v["half_width"] for v in values],
        fmt="os^Dv<"[colour],
        color=PALETTE[colour],
        label=label,
    )


def _bands(axes: Axes, untrained: dict, names: Mapping[str, str]) -> None:
    for i, name in enumerate(names):
        value = untrained[name]
        low, high = value["mean"] - value["half_width"], value["mean"] + value["half_width"]
        axes.axhspan(low, high, color=PALETTE[i], alpha=0.2, linewidth=0)


def _plus_minus(value: dict) -> str:
    return f"{value['mean']:+.3f} +- {value['half_width']:.3f}"
