"""Quantities that gradient flow on two adjacent linear layers conserves, and how gradient noise changes them."""

from __future__ import annotations

import numpy as np

from theory import checks
from theory.features.model import FeatureModel
from theory.features.spectral import layer_weights

__all__ = ["batch_imbalance", "decayed_imbalance", "frozen_head_encoder", "imbalance", "null_space_energy"]


def imbalance(encoder, head, ratio: float = 1.0) -> np.ndarray:
    r"""Matrix :math:`W_1W_1^T - W_2^TW_2/c` that gradient flow conserves.

    With :math:`G = \partial L/\partial(W_2W_1)`: :math:`\dot W_1 = -W_2^TG` and :math:`\dot W_2 = -c\,GW_1^T`, so
    :math:`d(W_1W_1^T)/dt = -W_2^TGW_1^T - W_1G^TW_2 = d(W_2^TW_2)/dt / c`, whatever the loss, the data and the layers
    around these two are. Source: derived (docs/derivations/null-space.md#any-loss), after Arora et al. (2018).

    Parameters
    ----------
    encoder : (m, d) array
        W_1, the layer that produces the representation.
    head : (p, m) array
        W_2, the layer that reads it, without bias.
    ratio : float > 0
        Learning rate c of the head over the encoder's.

    Returns
    -------
    (m, m) array

    Examples
    --------
    >>> import theory
    >>> theory.imbalance(encoder=[[2.0, 0.0], [0.0, 1.0]], head=[[1.0, 0.0], [0.0, 1.0]])
    array([[3., 0.],
           [0., 0.]])
    """
    encoder, head = checks.real("encoder", encoder), checks.real("head", head)
    ratio = checks.scalar("ratio", ratio, 0.0, open_low=True)
    if encoder.ndim != 2 or head.ndim != 2 or head.shape[1] != encoder.shape[0]:
        raise ValueError(
            f"encoder and head must have shapes (m, d) and (p, m), got {encoder.shape} and {head.shape}"
        )
    return encoder @ encoder.T - head.T @ head / ratio


def decayed_imbalance(start, penalty: float, time: float) -> np.ndarray:
    r"""Imbalance after `time` of gradient flow with penalty :math:`\lambda(\|W_1\|_F^2 + \|W_2\|_F^2)`.

    It is :math:`e^{-4\lambda t}(W_1W_1^T - W_2^TW_2)(0)`, so weight decay balances the layers. Both layers have the
    same learning rate. Source: derived (docs/derivations/null-space.md#weight-decay).

    Parameters
    ----------
    start : (m, m) array
        Imbalance at time 0.
    penalty : float >= 0
        :math:`\lambda`, which is half of `weight_decay` in PyTorch.
    time : float >= 0

    Examples
    --------
    >>> import theory
    >>> import numpy as np
    >>> theory.decayed_imbalance(np.eye(2), penalty=0.1, time=5.0).round(4)
    array([[0.1353, 0.    ],
           [0.    , 0.1353]])
    """
    rate = 4 * checks.scalar("penalty", penalty, 0.0)
    return np.exp(-rate * checks.scalar("time", time, 0.0)) * checks.real("start", start)


def batch_imbalance(model: FeatureModel, batch: int, step_size: float, momentum: float = 0.0) -> np.ndarray:
    r"""Expected change of the imbalance along each feature in one step of SGD at the balanced minimum.

    Gradient noise breaks the conservation: with two layers that keep every feature, batches of B pairs and step
    :math:`\eta`, the i-th diagonal entry of :math:`W_1W_1^T - W_2^TW_2` changes on average by

    .. math:: \frac{8\eta^2}{B}\, s_i\sum_{j\ne i} (s_i^2 - s_j^2)\, v_iv_j
              \left[(1 + c_ic_j)(1 + (c_i+c_j)^2) - 2(c_i+c_j)^2\right]

    to leading order in 1/B. Here :math:`v_i = \phi_i^2+\sigma^2`, c is the correlation, and j also runs over the
    directions without a feature, where s = c = 0 and :math:`v = \sigma^2`. The heaviest feature gains weight before the
    head and the lightest direction loses it: noise makes the representation before the head less equal. With momentum
    :math:`\beta` the step is :math:`\eta/(1-\beta)` in the long run, and the change per step grows with its square,
    by :math:`(1-\beta)^{-2}`; per unit of the time :math:`\eta/(1-\beta)` of a step, by :math:`(1-\beta)^{-1}`.
    Source: derived (docs/derivations/null-space.md#gradient-noise), for the batch estimate of the spectral contrastive
    loss whose negatives are the second views of the other pairs.

    Parameters
    ----------
    model : FeatureModel
    batch : int >= 2
        Pairs B of a batch.
    step_size : float > 0
        :math:`\eta`, of both layers.
    momentum : float in [0, 1)
        :math:`\beta` of heavy-ball momentum, :math:`V\leftarrow\beta V+G`, :math:`W\leftarrow W-\eta V`, once the
        velocity has forgotten its start.

    Returns
    -------
    (k,) array

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> (1e6 * theory.batch_imbalance(model, batch=64, step_size=0.01)).round(2)
    array([-1.1 , 16.14, -7.55])
    >>> (1e6 * theory.batch_imbalance(model, batch=64, step_size=0.01, momentum=0.9)).round(0)
    array([-110., 1614., -755.])
    """
    batch = checks.integer("batch", batch, 2)
    momentum = float(checks.in_range("momentum", checks.scalar("momentum", momentum), 0.0, 1.0))
    if momentum == 1:
        raise ValueError("momentum must be < 1, got 1")
    step_size = checks.scalar("step_size", step_size, 0.0, open_low=True)
    k, rest = model.num_features, model.dim - model.num_features
    weight = np.append(layer_weights(model, 1)[0], np.zeros(rest))
    variance = np.append(model.variance, np.full(rest, model.sigma**2))
    correlation = np.append(model.correlation, np.zeros(rest))
    total = (correlation[:, None] + correlation) ** 2
    noise = (
        8
        * variance[:, None]
        * variance
        * ((1 + correlation[:, None] * correlation) * (1 + total) - 2 * total)
    )
    change = weight * np.sum((weight[:, None] ** 2 - weight**2) * noise, axis=1)
    return (step_size / (1 - momentum)) ** 2 / batch * change[:k]


def null_space_energy(start, head) -> float:
    r"""Squared norm of the part of the encoder that the head does not see.

    For every n with :math:`W_2n = 0` at the end, :math:`\|W_1^Tn\|^2 = n^T C n`, where C is the conserved imbalance.
    The result is the sum over an orthonormal basis of the null space of :math:`W_2`, :math:`\mathrm{tr}(PCP)`. It is
    fixed by the start of the training. Source: derived (docs/derivations/null-space.md#any-loss), for the null space
    of Gupta et al. (2022), section 3.2.

    Parameters
    ----------
    start : (m, m) array
        `imbalance` at time 0, with the ratio of learning rates of the training.
    head : (p, m) array
        W_2 at the end.

    Examples
    --------
    >>> import theory
    >>> theory.null_space_energy(start=[[1.0, 0.0], [0.0, 2.0]], head=[[1.0, 0.0]])
    2.0
    """
    start, head = checks.real("start", start), checks.real("head", head)
    if head.ndim != 2 or start.shape != (head.shape[1],) * 2:
        raise ValueError(
            f"start and head must have shapes (m, m) and (p, m), got {start.shape} and {head.shape}"
        )
    return float(np.trace(_null_projector(head) @ start))


def frozen_head_encoder(matrix, network, start) -> np.ndarray:
    r"""Encoder that gradient flow through a fixed head reaches: :math:`W_1 = A^+W + (I - A^+A)W_1(0)`.

    Gradients of the encoder lie in the range of :math:`A^T`, so its part in the null space of A stays as it was at
    the start. The other part follows from the end-to-end map W that was reached.
    Source: derived (docs/derivations/null-space.md#fixed-head).

    Parameters
    ----------
    matrix : (p, m) array
        The fixed head A, of any rank.
    network : (p, d) array
        End-to-end map that was reached; its columns lie in the range of A.
    start : (m, d) array
        Encoder at time 0.

    Examples
    --------
    >>> import theory
    >>> theory.frozen_head_encoder(matrix=[[2.0, 0.0]], network=[[1.0, 3.0]], start=[[0.0, 0.0], [1.0, 1.0]])
    array([[0.5, 1.5],
           [1. , 1. ]])
    """
    matrix, network, start = (
        checks.real(name, value)
        for name, value in (("matrix", matrix), ("network", network), ("start", start))
    )
    if start.ndim != 2 or network.ndim != 2 or matrix.shape != (network.shape[0], start.shape[0]):
        raise ValueError(
            "matrix, network and start must have shapes (p, m), (p, d) and (m, d), got "
            f"{matrix.shape}, {network.shape} and {start.shape}"
        )
    return np.linalg.pinv(matrix) @ network + _null_projector(matrix) @ start


def _null_projector(matrix):
    return np.eye(matrix.shape[1]) - np.linalg.pinv(matrix) @ matrix
