"""The head against theory: what it keeps of the features before it, and what the best head for the loss would keep."""

from __future__ import annotations

import numpy as np

from notebooks.diagnose.moments import Layers
from notebooks.diagnose.pairs import find_shared_directions, within_pair_share

CONTROLS = ("identity", "whitening", "PCA")


def compare_head(layers: Layers) -> dict[str, float]:
    r"""How near the head's Gram matrix A'A is to the minimiser of the contrastive loss and to three simpler heads.

    A is the slope of the best linear prediction of z from h. Matrices are compared by their cosine after h was
    whitened, :math:`\langle V_1, V_2\rangle/(|V_1||V_2|)` with :math:`V = \Sigma^{1/2} A^TA\, \Sigma^{1/2}`: in these
    coordinates the minimiser (`theory.spectral_minimizer`) has the canonical correlations of the views as
    eigenvalues and the shared directions as eigenvectors. It holds for the spectral contrastive loss and, up to scale,
    for InfoNCE with Gaussian features.

    Returns
    -------
    dict
        `theory`, and for each control `identity` (z = h), `whitening`, `PCA` (the p largest variances): cosines;
        `shared_energy`: share of tr V in the p/8 (at least 1) directions that the views share most;
        `kept_angle`: angle, in degrees, between the space of the directions that the head weighs most and that of as
        many directions that the views share most, :math:`\arccos((\sum_i\cos^2\theta_i/k)^{1/2})` with their k
        principal angles; k is p, but at most half of the directions.
    """
    before, outputs = layers.before, len(layers.head)
    scale = before.principal[0]
    shared = find_shared_directions(before)
    head = layers.head @ before.cov @ before.whitening  # (p, k), from whitened features
    size = np.linalg.norm(head @ head.T)  # |V|
    energy = np.sum(head**2, axis=0)  # V's diagonal on the principal directions
    kept = np.maximum(shared.sample_correlation[:outputs], 0)
    on_shared = np.sum((layers.head @ before.cov @ shared.directions) ** 2, axis=0)

    def compare(diagonal: np.ndarray, weights: np.ndarray) -> float:
        length = size * np.linalg.norm(weights)
        return float(diagonal[: len(weights)] @ weights / length) if length > 0 else float("nan")

    modes = max(1, min(outputs, len(scale)) // 8)
    space = max(1, min(outputs, len(scale) // 2))
    strongest = np.linalg.svd(head, full_matrices=False)[2][:space]
    turned = before.whitening.T @ before.cov @ shared.directions[:, :space]
    overlap = np.sum((strongest @ turned) ** 2) / space
    return {
        "theory": compare(on_shared, kept),
        "identity": compare(energy, scale),
        "whitening": compare(energy, np.ones_like(scale)),
        "PCA": compare(energy, scale[:outputs]),
        "shared_energy": float(on_shared[:modes].sum() / max(energy.sum(), np.finfo(float).tiny)),
        "kept_angle": float(np.degrees(np.arccos(np.sqrt(np.clip(overlap, 0, 1))))),
    }


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of two matrices as vectors; nan where one is zero."""
    size = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.sum(first * second) / size) if size > 0 else float("nan")


def row_space(layers: Layers, tolerance: float = 1e-6) -> np.ndarray:
    """Orthonormal columns (m, r) that span the row space of the (linearised) head.

    Singular values below `tolerance` of the largest count as none.
    """
    _, values, rows = np.linalg.svd(layers.head, full_matrices=False)
    return rows[(values > tolerance * values[0]) & (values > 0)].T


def measure_null_space(layers: Layers) -> dict[str, float]:
    """What lies in the null space of the head, and what differs between two views of one example.

    Returns
    -------
    dict
        `energy`: share of the variance of h in the null space; `signal`: share of the variance between the classes
        there (only with labels); `within_z`, `within_h`, `within_h_r`, `within_h_n`: share of the variance of z, of h,
        and of its parts in the row space and in the null space, that differs between the views (only with two views).
    """
    before = layers.before
    row = row_space(layers)
    total, seen = np.trace(before.cov), np.sum((before.cov @ row) * row)
    found = {"energy": float(1 - seen / total)}
    if before.class_means is not None:
        used = before.class_counts > 0
        centred = before.class_means[used] - before.class_means[used].mean(0)
        found["signal"] = float(1 - np.sum((centred @ row) ** 2) / np.sum(centred**2))
    if before.cross_cov is not None:
        shared, seen_shared = np.trace(before.cross_cov), np.sum((before.cross_cov @ row) * row)
        found["within_h"] = float(1 - shared / total)
        found["within_h_r"] = float(1 - seen_shared / seen)
        if row.shape[1] < before.width and total - seen > 1e-9 * total:
            found["within_h_n"] = float(1 - (shared - seen_shared) / (total - seen))
        found["within_z"] = within_pair_share(layers.after)
    return found


def measure_balance(last_layer: np.ndarray, head: np.ndarray) -> float:
    """|W1 W1' - W2' W2| / (|W1 W1'| + |W2' W2|) of two adjacent linear maps: 0 where they are balanced, at most 1.

    Parameters
    ----------
    last_layer : (m, d) array
        W1, whose outputs are the features before the head.
    head : (p, m) array
        W2.
    """
    first, second = last_layer @ last_layer.T, head.T @ head
    return float(np.linalg.norm(first - second) / (np.linalg.norm(first) + np.linalg.norm(second)))


def shared_weights(layers: Layers, count: int = 16) -> dict[str, np.ndarray]:
    """Weight of the head on the most shared directions, measured and predicted.

    Returns
    -------
    dict
        `correlation` (k,): sample canonical correlations; `measured` (k,): a' A'A a along the whitened directions,
        scaled so that both columns have one sum; `predicted` (k,): the correlations that the minimiser keeps.
    """
    shared = find_shared_directions(layers.before)
    count = min(count, len(shared.correlation), len(layers.head))
    outputs = layers.head @ layers.before.cov @ shared.directions
    measured = np.sum(outputs**2, axis=0)
    predicted = np.maximum(shared.sample_correlation, 0)
    predicted[len(layers.head) :] = 0
    measured *= predicted.sum() / max(measured.sum(), np.finfo(float).tiny)
    return {
        "correlation": shared.correlation[:count],
        "measured": measured[:count],
        "predicted": predicted[:count],
    }
