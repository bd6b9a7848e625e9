"""Notebook 20: gains of linear projectors on features of images, against the theory of two Gaussian classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import theory
from neural.training.pretraining import PretrainConfig
from notebooks.figure import apply_style
from notebooks.panels.shared import IMAGE_BASE, IMAGE_MEMBERS, PALETTE, estimate, plus_minus
from synthetic.images.bank import measure_bank
from synthetic.images.projectors import (
    AugmentedProjectors,
    Fit,
    NoiseSweep,
    TwoClasses,
    loss_fits,
    train_on_augmented_views,
)
from synthetic.images.runs import base_config, with_data, with_members, without_last_relu
from synthetic.mixture.samples import signal_gain
from synthetic.store.sweep import sweep

PROFILES = {
    "smoke": {
        "base": IMAGE_BASE["smoke"],
        "members": IMAGE_MEMBERS["smoke"],
        "p_drop": 0.0,
        "sigmas": (0.4, 1.5),
        "scales": (6.0,),
        "strengths": (0.0, 1.0),
        "components": 4,
        "steps": 40,
        "views": 8,
    },
    "quick": {
        "base": IMAGE_BASE["quick"],
        "members": IMAGE_MEMBERS["quick"],
        "p_drop": 0.0,
        "sigmas": (0.4, 0.8, 1.5, 2.5),
        "scales": (2.0, 6.0, 20.0),
        "strengths": (0.0, 0.5, 1.0, 1.5),
        "components": 8,
        "steps": 200,
        "views": 16,
    },
    "full": {
        "base": IMAGE_BASE["full"],
        "members": IMAGE_MEMBERS["full"],
        "p_drop": 0.0,
        "sigmas": (0.3, 0.5, 0.8, 1.1, 1.5, 2.0, 3.0),
        "scales": (1.0, 2.0, 6.0, 20.0, 60.0),
        "strengths": (0.0, 0.25, 0.5, 0.75, 1.0, 1.5),
        "components": 8,
        "steps": 800,
        "views": 48,
    },
}
NAMES = {
    "spectral": "spectral",
    "inner": "InfoNCE, inner product",
    "euclidean": "InfoNCE, squared distance",
    "cosine": "InfoNCE, cosine",
}
VIEW_SCALE = 6.0
FINE = 24
_MARKERS = "osD^v<>"


def encoders(seed: int, device: str, *, base: dict, p_drop: float, members: int) -> list[PretrainConfig]:
    """Encoders whose features the projectors see: SimCLR, MLP head, no ReLU at the end.

    Parameters
    ----------
    seed, device, base
        As for `base_config`.
    p_drop : float
    members : int
    """
    config = without_last_relu(base_config(seed, device, **base))
    return with_members({"encoder": with_data(config, p_drop=p_drop)}, members)["encoder"]


def predicted_gain(fit: Fit, signal_norm, sigma, dim: int):
    """Gain of two Gaussian classes with isotropic noise.

    Parameters
    ----------
    fit : Fit
    signal_norm, sigma : float or array
    dim : int
    """
    more = {"temperature": fit.scale / dim, "dim": dim} if fit.loss == "cosine" else {}
    return theory.projector_gain(fit.loss, signal_norm, sigma, **more)


def _prediction(point: dict):
    return predicted_gain(**point)


def noise_data(
    configs: Sequence[PretrainConfig],
    *,
    sigmas: Sequence[float],
    scales: Sequence[float],
    components: int,
    steps: int,
    jobs: int,
    label: str,
) -> dict:
    """Projectors on features with Gaussian noise: measured and predicted, over members.

    Parameters
    ----------
    configs : sequence of PretrainConfig
        Members of one encoder.
    sigmas : sequence of float
    scales, steps
        As for `loss_fits`.
    components : int
        Principal components of h that are kept.
    jobs, label
        As for `measure_bank`.

    Returns
    -------
    dict
        `sigma`, `signal_norm` (members,), `before` (estimate of the accuracy of averaging `labels` images) and
        `predicted_before`; `law`, the predicted accuracy over a grid of gains;
        `fits`: name -> `gain`, `error` (log of measured over predicted gain), `after` (estimates for each sigma),
        `predicted`, `predicted_after` (mean over members) and `fine`, the prediction at `fine_sigma` and mean r.
    """
    task, chosen = TwoClasses(components=components), loss_fits(scales, steps)
    results = {
        name: measure_bank(NoiseSweep(task, fit, tuple(sigmas)), configs, jobs=jobs, label=f"{label} {name}")
        for name, fit in chosen.items()
    }
    first = next(iter(results.values()))
    norms = np.array([one["signal_norm"] for one in first])
    fine = np.linspace(0.8 * min(sigmas), 1.1 * max(sigmas), FINE)
    points = [
        {"fit": fit, "signal_norm": r, "sigma": sigma, "dim": components}
        for fit in chosen.values()
        for r, sigma in ((norms, np.array(sigmas)[:, None]), (norms.mean(), fine))
    ]
    # The workers compute the predictions: the minimum of the cosine is searched, a third of a second for each gain.
    predictions = iter(sweep(_prediction, points, jobs=jobs, cache=None, label=f"{label} theory"))
    data = {
        "sigma": list(sigmas),
        "fine_sigma": fine,
        "labels": NoiseSweep.labels,
        "dim": components,
        "signal_norm": norms,
        "before": estimate(np.array([one["before"] for one in first])),
        "predicted_before": float(np.mean(_averaging(norms, 0.0, components))),
        "fits": {},
    }
    for name in chosen:
        gain, after = (np.array([one[key] for one in results[name]]).T for key in ("gain", "after"))
        predicted, line = next(predictions), next(predictions)
        data["fits"][name] = {
            "gain": estimate(gain),
            "error": estimate(np.log(gain / predicted)),
            "after": estimate(after),
            "predicted": predicted.mean(axis=1),
            "predicted_after": _averaging(norms, predicted - 1, components).mean(axis=1),
            "fine": line,
        }
    gains = [values["gain"]["mean"] for values in data["fits"].values()]
    fine = np.geomspace(0.9 * np.min(gains), 1.1 * np.max(gains), 60)
    line = _averaging(norms[:, None], fine - 1, components).mean(axis=0)
    return data | {"law": {"gain": fine, "accuracy": line}}


def _averaging(signal_norm, kappa, dim):
    return theory.averaging_projector_accuracy(signal_norm, NoiseSweep.labels, dim, kappa)


def draw_noise(data: dict) -> Figure:
    """Gains against noise, with a panel of its own for the cosine, and accuracy from few labels against the gain."""
    with apply_style():
        figure = Figure(figsize=(11.4, 4.6))
        left, middle, right = figure.subplots(1, 3)
        for i, (name, values) in enumerate(data["fits"].items()):
            cosine = name.startswith("cosine")
            axes, colour = (middle if cosine else left), PALETTE[i]
            text = rf"cosine, $\tau p = {name.split()[1]}$" if cosine else NAMES[name]
            axes.plot(data["fine_sigma"], values["fine"], color=colour, linewidth=1.2)
            gain, after = values["gain"], values["after"]
            axes.errorbar(
                data["sigma"], gain["mean"], gain["half_width"], fmt=_MARKERS[i], color=colour, label=text
            )
            right.errorbar(
                gain["mean"], after["mean"], after["half_width"], fmt=_MARKERS[i], color=colour, markersize=4
            )
        for axes, title in ((left, "three losses"), (middle, "cosine, by temperature times dimension")):
            axes.axhline(1, color="0.6", linewidth=0.8)
            axes.set(
                xlabel=r"Gaussian noise of both views, $\sigma$",
                ylabel=r"gain of the class difference, $1+\kappa$",
                title=title,
                yscale="log",
            )
            ticks = [t for t in (0.5, 0.7, 1, 1.5, 2, 4, 8) if axes.get_ylim()[0] < t < axes.get_ylim()[1]]
            axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
            axes.minorticks_off()
        _draw_accuracy(right, data)
        figure.legend(
            *[
                sum(parts, [])
                for parts in zip(*(a.get_legend_handles_labels() for a in figure.axes), strict=True)
            ],
            loc="outside lower center",
            ncols=4,
        )
    return figure


def _draw_accuracy(axes: Axes, data: dict) -> None:
    fine, line = (np.asarray(data["law"][key]) for key in ("gain", "accuracy"))
    before = data["before"]
    axes.plot(fine, line, color="0.3", linewidth=1.2, label="two Gaussian classes")
    axes.errorbar(
        1,
        before["mean"],
        before["half_width"],
        fmt="*",
        color="black",
        markersize=9,
        label="before the projector",
    )
    axes.set(
        xscale="log",
        xlabel=r"gain of the class difference, $1+\kappa$",
        ylabel=f"test accuracy of {data['labels']} averaged labels",
        title="after the projector",
    )
    ticks = [t for t in (0.5, 1, 2, 4, 8) if fine[0] < t < fine[-1]]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()


def format_noise(data: dict) -> str:
    """Measured and predicted gains and accuracies, as text."""
    norm = estimate(np.asarray(data["signal_norm"]))
    lines = [
        f"r = {norm['mean']:.2f} +- {norm['half_width']:.2f}, p = {data['dim']}; accuracy before the projector "
        f"{plus_minus(data['before'])}, two Gaussian classes {data['predicted_before']:.3f}",
        f"{'':>12}{'sigma':>7}{'gain':>18}{'predicted':>11}{'accuracy after':>19}{'predicted':>11}",
    ]
    for name, values in data["fits"].items():
        for i, sigma in enumerate(data["sigma"]):
            lines.append(
                f"{name:>12}{sigma:>7g}{plus_minus(values['gain'], i):>18}{values['predicted'][i]:>11.3f}"
                f"{plus_minus(values['after'], i):>19}{values['predicted_after'][i]:>11.3f}"
            )
    return "\n".join(lines)


def view_data(
    configs: Sequence[PretrainConfig],
    *,
    strengths: Sequence[float],
    components: int,
    steps: int,
    views: int,
    jobs: int,
    label: str,
) -> dict:
    """Projectors on real views through the frozen encoder: measured and predicted, over members.

    Parameters
    ----------
    configs : sequence of PretrainConfig
    strengths : sequence of float
        Relative to the augmentation of pretraining.
    components, steps
        As for `noise_data`.
    views : int
        Pairs of views of each image.
    jobs, label
        As for `sweep`.

    Returns
    -------
    dict
        `strength`; `signal_norm`, `noise_smallest`, `noise_mean`, `noise_largest` (estimates; variances of the
        augmentation in units of what the views share); loss -> estimates of the gains: `gain` on real views,
        `gaussian` on Gaussian views of the same moments, `isotropic` predicted for isotropic noise of the same mean
        variance, and, for "spectral", `matrix`, predicted from both second moments.
    """
    chosen = {fit.loss: fit for fit in loss_fits((VIEW_SCALE,), steps).values()}
    points = [
        AugmentedProjectors(
            config, TwoClasses(components=components), tuple(chosen.values()), tuple(strengths), views
        )
        for config in configs
    ]
    results = sweep(train_on_augmented_views, points, jobs=jobs, label=label)
    norms = np.array([one["signal_norm"] for one in results]).T
    noises = np.array([one["noise"] for one in results])
    variances = np.linalg.eigvalsh(noises).transpose(1, 0, 2)
    data = {
        "strength": list(strengths),
        "signal_norm": estimate(norms),
        "noise_smallest": estimate(variances[..., 0]),
        "noise_mean": estimate(variances.mean(axis=-1)),
        "noise_largest": estimate(variances[..., -1]),
    }
    sigma = np.sqrt(variances.mean(axis=-1))
    for loss, fit in chosen.items():
        data[loss] = {
            key: estimate(np.array([one[key][loss] for one in results]).T) for key in ("gain", "gaussian")
        }
        data[loss]["isotropic"] = estimate(predicted_gain(fit, norms, sigma, components))
    data["spectral"]["matrix"] = estimate(np.array([_matrix_gains(one) for one in results]).T)
    return data


def _matrix_gains(result: dict) -> list[float]:
    """Gains of the minimiser of the spectral loss for the second moments of each strength."""
    gains = []
    for mean, noise in zip(np.array(result["mean"]), np.array(result["noise"]), strict=True):
        shared = np.eye(len(mean)) + np.outer(mean, mean)
        metric = theory.spectral_minimizer(shared + noise, shared, len(mean))
        gains.append(float(signal_gain(metric, mean / np.linalg.norm(mean))))
    return gains


SERIES = {
    "gain": ("real views", "o", 0),
    "gaussian": ("Gaussian views of the same moments", "s", 2),
    "isotropic": ("theory, isotropic noise", "--", 1),
    "matrix": ("theory, both second moments", "-", 3),
}


def draw_views(data: dict) -> Figure:
    """Gains against the strength of real augmentation, one panel for each loss, and the spread of the noise."""
    with apply_style():
        figure = Figure(figsize=(12.4, 4.2))
        panels = figure.subplots(1, 5)
        for axes, (loss, name) in zip(panels, NAMES.items(), strict=False):
            for key, (label, style, colour) in SERIES.items():
                if key in data[loss]:
                    _draw_view_series(axes, data["strength"], data[loss][key], style, PALETTE[colour], label)
            axes.axhline(1, color="0.6", linewidth=0.8)
            axes.set(title=name, ylim=(0, None))
        panels[0].set_ylabel(r"gain of the class difference, $1+\kappa$")
        for i, (key, label) in enumerate(
            (("smallest", "smallest"), ("mean", "mean"), ("largest", "largest"))
        ):
            value = data[f"noise_{key}"]
            panels[4].errorbar(
                data["strength"],
                value["mean"],
                value["half_width"],
                fmt="vo^"[i],
                color=PALETTE[4 + i],
                label=label,
            )
        panels[4].set(yscale="log", title="variance of the noise\nby direction")
        panels[4].legend(loc="upper left", fontsize=7)
        for axes in panels:
            axes.set_xlabel("strength of augmentation")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw_view_series(axes: Axes, strengths, value: dict, style: str, colour, label: str) -> None:
    if style in ("-", "--"):
        axes.plot(strengths, value["mean"], linestyle=style, color=colour, label=label)
    else:
        places = np.asarray(strengths) + (0.02 if style == "s" else -0.02) * np.ptp(strengths)
        axes.errorbar(places, value["mean"], value["half_width"], fmt=style, color=colour, label=label)


def format_views(data: dict) -> str:
    """Gains on real views beside the predictions, as text."""
    lines = [f"{'':>12}" + "".join(f"{f'strength {s:g}':>19}" for s in data["strength"])]
    for name in ("signal_norm", "noise_smallest", "noise_mean", "noise_largest"):
        lines.append(_line(name.replace("_", " "), data[name]))
    for loss, name in NAMES.items():
        lines += [_line(f"{name}: {SERIES[key][0]}", value) for key, value in data[loss].items()]
    return "\n".join(lines)


def _line(name: str, value: dict) -> str:
    cells = "".join(f"{plus_minus(value, i):>19}" for i in range(len(value["mean"])))
    return f"{name}\n{'':>12}{cells}"
