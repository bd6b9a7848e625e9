"""Notebook 12: weights, jumps and effective dimensions as the penalty on the head grows."""

import numpy as np
from matplotlib.figure import Figure

import theory
from notebooks.figure import WIDE, apply_style
from notebooks.panels.shared import AFTER, BEFORE, SERIES
from synthetic.features.settings import EIGHT_FEATURES, FOUR_FEATURES
from synthetic.features.sparse_heads import ENCODER, HEAD_DECAY, SparseTraining

PROFILES = {
    "smoke": {"penalties": (0.1,), "starts": 2, "points": 12},
    "quick": {"penalties": (0.0, 0.1, 0.2, 0.3, 0.42, 0.7, 1.1, 1.45), "starts": 16, "points": 120},
    "full": {"penalties": tuple(j / 20 for j in range(30)), "starts": 64, "points": 400},
}
"""Penalties on the head and random starts of the trainings; penalties at which theory alone is drawn."""

FIGURES = {
    "weights": {
        "caption": r"Feature weights before and after the head against the penalty $\lambda_2$ on the head. Lines are "
        "the global minimum, markers the best of several trainings of the full matrices. A line ends, and "
        "a stroke at the axis stands, where the minimum drops the feature; the marker at 0 is the first "
        "training that dropped it. Weights before the head grow with the penalty, those after it shrink "
        "slowly and then jump to 0.",
        "alt": "Two line plots against the penalty, four lines each. Before the head all weights grow with the "
        "penalty until the line ends. After the head they fall slowly until the line ends. The features "
        "end at penalties 0.24, 0.31 and 0.91; the strongest stays. Markers lie on the lines.",
        "simulated": {"trained": 0.0001},
    },
    "spectra": {
        "caption": "Eigenvalues that the features give to the covariance of the representation and of the embedding, "
        "in decreasing order, for four penalties. Lines are theory, markers the trainings of the figure "
        "above. At the largest penalty one feature is dropped, so that the last eigenvalue is 0 on both "
        "sides.",
        "alt": "Two line plots of eigenvalues against rank, one line a penalty. Before the head the eigenvalues "
        "grow with the penalty, up to 7.4. After the head they shrink slightly. At penalty 0.3 the fourth "
        "eigenvalue is 0 in both panels.",
        "simulated": {"trained": 0.001},
    },
    "dimensions": {
        "caption": "Effective dimension of eight features against the penalty on the head, theory only: of the "
        "squared weights (left) and of the eigenvalues of the covariance (right). Jumps are features that "
        "are dropped. The dimension of the weights rises before the head and falls after it; that of the "
        "covariance falls on both sides.",
        "alt": "Two line plots against the penalty. Left: the effective dimension of squared weights rises from "
        "6.3 to 7.1 before the head and stays near 4.2 after it, with steps down at 0.23 and 0.40. Right: "
        "that of the covariance falls from 7.7 before and from 7.3 after the head, with the same steps.",
    },
}
"""Caption and alternative text of each figure, and how far its simulated numbers may differ elsewhere."""

EIGHT_ENCODER = 0.01
SHOWN = 1e-3  # weight below which a trained network has dropped the feature


def weights_data(points: list[SparseTraining], trained: list[np.ndarray]) -> dict:
    """Weights against the penalty, by theory and training."""
    fine = np.linspace(0, 1.1 * max(point.head for point in points), 150)
    found = [
        theory.penalised_weights(FOUR_FEATURES, theory.SparseHead(ENCODER, head, HEAD_DECAY)) for head in fine
    ]
    return {
        "penalty": fine,
        "before": np.array([one.before for one in found]),
        "after": np.array([one.after for one in found]),
        "jumps": theory.drop_penalty(FOUR_FEATURES, ENCODER, HEAD_DECAY),
        "penalty_trained": [point.head for point in points],
        "trained": np.array(trained),
        "phi": FOUR_FEATURES.phi,
    }


def draw_weights(data: dict) -> Figure:
    """Weights before and after the head; every feature jumps to zero at its own penalty."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.4))
        for layer, (axes, name) in enumerate(zip(figure.subplots(1, 2), ("before", "after"), strict=True)):
            for i, phi in enumerate(data["phi"]):
                values = np.where(data[name][:, i] > 0, data[name][:, i], np.nan)
                axes.plot(data["penalty"], values, color=SERIES[i])
                trained = data["trained"][:, layer, i]
                shown = np.where(trained > SHOWN, trained, np.nan)
                look = {"linestyle": "none", "marker": "osD^"[i], "color": SERIES[i]}
                axes.plot(data["penalty_trained"], shown, label=rf"$\phi = {phi:g}$", **look)
                if np.isnan(shown).any():
                    axes.axvline(data["jumps"][i], ymax=0.06, color=SERIES[i])
                    first = np.flatnonzero(np.isnan(shown))[0]
                    axes.plot(data["penalty_trained"][first], 0, clip_on=False, **look)
            axes.set(
                xlabel=r"penalty on the head, $\lambda_2$",
                ylabel="feature weight" if name == "before" else None,
                title=f"{name} the head",
                ylim=(0, None),
            )
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def spectra_data(weights: dict, shown: int = 4) -> dict:
    """Sorted eigenvalues that the features give to the covariance, at the first penalties of `weights_data`.

    The eigenvalue of feature i is w_i^2 (phi_i^2 + sigma^2), in the representation and in the embedding.
    """
    penalties = weights["penalty_trained"][:shown]
    found = [
        theory.penalised_weights(FOUR_FEATURES, theory.SparseHead(ENCODER, head, HEAD_DECAY))
        for head in penalties
    ]
    exact = np.array([(one.before, one.after) for one in found])

    def sorted_spectrum(values):
        return -np.sort(-(values**2) * FOUR_FEATURES.variance, axis=-1)

    return {
        "penalty": penalties,
        "theory": sorted_spectrum(exact),
        "trained": sorted_spectrum(weights["trained"][:shown]),
    }


def draw_spectra(data: dict) -> Figure:
    """Eigenvalue spectra of representation and embedding, one colour a penalty."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.2))
        rank = np.arange(1, data["theory"].shape[-1] + 1)
        for layer, (axes, name) in enumerate(zip(figure.subplots(1, 2), ("before", "after"), strict=True)):
            for i, penalty in enumerate(data["penalty"]):
                axes.plot(rank, data["theory"][i, layer], color=SERIES[i])
                axes.plot(
                    rank,
                    data["trained"][i, layer],
                    linestyle="none",
                    marker="osD^"[i],
                    color=SERIES[i],
                    label=rf"$\lambda_2 = {penalty:g}$",
                )
            axes.set(
                xlabel="rank", ylabel="eigenvalue", title=f"{name} the head", xticks=rank, ylim=(-0.05, None)
            )
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def dimensions_data(points: int) -> dict:
    """Effective dimensions of eight features by theory (training checks four features and three penalties)."""
    penalty = np.linspace(0, 0.45, points)
    found = [
        theory.effective_dimensions(EIGHT_FEATURES, theory.SparseHead(EIGHT_ENCODER, head, EIGHT_ENCODER))
        for head in penalty
    ]
    return {"penalty": penalty, **{name: [getattr(one, name) for one in found] for name in found[0]._fields}}


def draw_dimensions(data: dict) -> Figure:
    """Effective dimension of squared weights and of covariance eigenvalues, before and after the head."""
    with apply_style():
        figure = Figure(figsize=(WIDE, 3.0))
        titles = {
            "weights": r"of squared weights, $w_i^2$",
            "spectrum": r"of the covariance, $w_i^2(\phi_i^2+\sigma^2)$",
        }
        for axes, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
            for side, style in (("before", BEFORE), ("after", AFTER)):
                axes.plot(data["penalty"], data[f"{name}_{side}"], color=style["color"], label=style["label"])
            axes.set(
                xlabel=r"penalty on the head, $\lambda_2$",
                ylabel="effective dimension of 8",
                title=title,
                ylim=(3, 8),
            )
        figure.axes[0].legend()
    return figure
