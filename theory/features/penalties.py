r"""Training of encoder and head with a penalty: weight decay and the sparse head, feature by feature.

The penalty :math:`\lambda_1\|W_1\|_F^2 + \lambda_2\|W_2\|_{2,1} + \mu\|W_2\|_F^2` of a network
:math:`W = W_2 W_1` is smallest when the units of the representation align with the singular vectors of W. A feature
of weight c after the head then costs :math:`P(c) = \min_b\, \lambda_1 c^2/b^2 + \lambda_2 b + \mu b^2`. Its weight b
in the head solves :math:`2\mu b^4 + \lambda_2 b^3 = 2\lambda_1 c^2`, and its weight before the head is c/b.
Source: derived (docs/derivations/sparse-head.md#penalty-of-the-product).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.features.model import FeatureModel
from theory.features.schemes import SparseHead, WeightDecay
from theory.features.spectral import TIE, layer_weights

__all__ = [
    "Advantage",
    "PenalisedWeights",
    "before_head_advantage",
    "drop_penalty",
    "drop_strength",
    "penalised_weights",
]

_SMALLEST_SHARE = 2 / 3  # c^2 / s^2 of a feature that is kept at the global minimum is at least this
_OUT_OF_RANGE = 0.5  # of the bound of the head's weight: the share is below 1/8 + 1/16 there


class PenalisedWeights(NamedTuple):
    """Feature weights (k,) at the global minimum of the penalised loss, and what each feature adds to the minimum.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.penalised_weights(model, theory.WeightDecay(0.01, 0.01)).before.round(3)
    array([0.67 , 0.907, 0.663])
    """

    before: np.ndarray
    after: np.ndarray
    minimum: np.ndarray


def penalised_weights(
    model: FeatureModel, scheme: WeightDecay | SparseHead, rank: int | None = None
) -> PenalisedWeights:
    r"""Feature weights before and after the head at the global minimum of the penalised loss.

    After the head :math:`c_i` minimises :math:`-2 c_1 c^2 + c_2 c^4 + P(c)` with
    :math:`c_1 = \rho_i\phi_i^2`, :math:`c_2 = (\phi_i^2+\sigma^2)^2`. Weight decay:
    :math:`P = 2\sqrt{\lambda_1\lambda_2}\,c` and the weight before is
    :math:`(\lambda_2/\lambda_1)^{1/4} c^{1/2}`. Sparse head alone:
    :math:`P = 3\lambda_1^{1/3}(\lambda_2/2)^{2/3} c^{2/3}` (a Schatten-2/3 quasi-norm) and
    :math:`(\lambda_2 c/2\lambda_1)^{1/3}`. Zero is always a local minimum too, which training may reach instead.
    Source: derived (docs/derivations/sparse-head.md#each-feature). Features do not mix at the minimum if a larger
    :math:`\phi_i^2+\sigma^2` goes with a larger :math:`\rho_i\phi_i^2/(\phi_i^2+\sigma^2)`, or if there is one output
    (docs/derivations/sparse-head.md#do-features-mix). Otherwise this is assumed, and optimisation from many starts
    found nothing against it.

    Parameters
    ----------
    model : FeatureModel
    scheme : WeightDecay or SparseHead
    rank : int >= 1, optional
        Largest number of features that the network can hold. Those that lower the loss most are kept; by default all.

    Raises
    ------
    AssumptionError
        If features of equal minimum compete for the last place.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> weights = theory.penalised_weights(model, theory.SparseHead(encoder=0.01, head=0.1))
    >>> weights.before.round(3), weights.after.round(3)
    (array([1.273, 1.598, 1.298]), array([0.413, 0.816, 0.437]))
    """
    growth, decay = _coefficients(model)
    before, after, minimum = _global_minimum(growth, decay, _Penalty.of(scheme))
    dropped = _beyond_rank(minimum, rank)
    for part in (before, after, minimum):
        part[dropped] = 0.0
    return PenalisedWeights(before, after, minimum)


def drop_penalty(model: FeatureModel, encoder: float, head_decay: float = 0.0) -> np.ndarray:
    r"""Largest head penalty :math:`\lambda_2` of the sparse head at which each feature is kept.

    For :math:`\mu = 0` the global minimum keeps a feature iff
    :math:`3\lambda_1^{1/3}(\lambda_2/2)^{2/3} < 1.2\,c_1 (0.8\,c_1/c_2)^{2/3}`, and its weight jumps from
    :math:`\sqrt{0.8}\,s` to 0. For :math:`\mu > 0` the penalty is found by bisection below that value.
    Source: derived (docs/derivations/sparse-head.md#jumps).

    Parameters
    ----------
    model : FeatureModel
    encoder : float > 0
        :math:`\lambda_1`.
    head_decay : float >= 0
        :math:`\mu`.

    Returns
    -------
    (k,) array
        0 for a feature that is dropped at every penalty.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.drop_penalty(model, encoder=0.01).round(3)
    array([0.106, 2.012, 4.572])
    """
    encoder = checks.scalar("encoder", encoder, 0.0, open_low=True)
    head_decay = checks.scalar("head_decay", head_decay, 0.0)
    growth, decay = _coefficients(model)
    square = np.divide(growth, decay, out=np.zeros_like(growth), where=growth > 0)
    alone = 2 * (0.4 * growth * (0.8 * square) ** (2 / 3) / np.cbrt(encoder)) ** 1.5
    if head_decay == 0:
        return alone

    def kept(head):
        return _global_minimum(growth, decay, _Penalty(encoder, head, head_decay)).after > 0

    low, high = np.zeros_like(alone), np.where(kept(np.zeros_like(alone)), alone, 0.0)
    while np.any(high - low > 4 * np.finfo(float).eps * alone):
        middle = (low + high) / 2
        inside = kept(middle)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return (low + high) / 2


def drop_strength(scheme: WeightDecay | SparseHead, retention: float, sigma: float) -> float:
    r"""Feature strength :math:`\phi` below which the global minimum drops a feature.

    What a kept feature gains grows with :math:`\phi`, so there is one such strength. It is found by bisection.
    Source: derived (docs/derivations/sparse-head.md#jumps).

    Parameters
    ----------
    scheme : WeightDecay or SparseHead
    retention : float in (0, 1]
        :math:`\rho`.
    sigma : float >= 0

    Examples
    --------
    >>> import theory
    >>> round(theory.drop_strength(theory.SparseHead(encoder=0.01, head=0.1), retention=0.8, sigma=0.4), 4)
    0.309
    """
    penalty = _Penalty.of(scheme)
    retention = float(
        checks.in_range("retention", checks.scalar("retention", retention), 0, 1, open_low=True)
    )
    sigma = checks.scalar("sigma", sigma, 0.0)

    def kept(log_phi):
        square = np.exp(2 * log_phi)
        found = _global_minimum(np.array([retention * square]), np.array([(square + sigma**2) ** 2]), penalty)
        return found.after[0] > 0

    low, high = -1.0, 1.0
    while kept(low):
        low -= 2.0
    while not kept(high):
        high += 2.0
    while high - low > 4 * np.finfo(float).eps * max(1.0, abs(high)):
        middle = (low + high) / 2
        low, high = (low, middle) if kept(middle) else (middle, high)
    return float(np.exp((low + high) / 2))


class Advantage(NamedTuple):
    """Advantage of probing before the head, log(N_after / N_before), and its slope in the strength of the penalty.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.before_head_advantage(model, target=0).value > 0
    True
    """

    value: float
    slope: float


def before_head_advantage(
    model: FeatureModel, target: int, scheme: WeightDecay | SparseHead | None = None
) -> Advantage:
    r"""How much better feature j is learnt before the head than after it, and whether a larger penalty helps this.

    :math:`G = \log N_j^{\mathrm{after}} - \log N_j^{\mathrm{before}}` compares the indicators of
    `sample_complexity`; before is better where it is positive. The penalty costs :math:`P(c) = \kappa c^e`, with
    :math:`e = 1` and :math:`\kappa = 2\sqrt{\lambda_1\lambda_2}` for weight decay, and :math:`e = 2/3` and
    :math:`\kappa = 3\lambda_1^{1/3}(\lambda_2/2)^{2/3}` for the sparse head. The weights before the head go as
    :math:`c^{e/2}`. With :math:`p_i(t)` the share of feature i in
    :math:`\sum_i c_i^{2t}(\phi_i^2+\sigma^2)` and :math:`\delta_i = d\log c_i/d\kappa`,
    :math:`dG/d\kappa = \sum_i (2p_i(1) - e\,p_i(e/2))\,\delta_i - (2-e)\,\delta_j`.

    A penalty shrinks most the features of small :math:`\rho_i\phi_i^2s_i^{2-e}`. So the slope is negative for a very
    strong target, as in Figure 3d of Xue et al. (ICLR 2024), where before the head is more beneficial under a smaller
    weight decay, and positive for a target that is weak or disrupted: there this model says the opposite.
    Source: derived (docs/derivations/sparse-head.md#before-or-after-the-head).

    Parameters
    ----------
    model : FeatureModel
    target : int
        The feature j that the downstream label is, 0-based.
    scheme : WeightDecay or SparseHead, optional
        The penalty, a `SparseHead` without `head_decay`. By default a weight decay that vanishes.

    Raises
    ------
    AssumptionError
        If the target is not kept, or the penalty is not a single power of c.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> advantage = theory.before_head_advantage(model, target=0)
    >>> round(advantage.value, 3)
    0.184
    """
    target = model.feature(target)
    if isinstance(scheme, SparseHead) and scheme.head > 0 and scheme.head_decay > 0:
        raise AssumptionError(f"before_head_advantage needs a penalty that is a power of c, got {scheme}")
    after = layer_weights(model, 1)[0] if scheme is None else penalised_weights(model, scheme).after
    if after[target] == 0:
        raise AssumptionError(f"feature {target} is not kept: neither representation contains it")
    kept = after > 0
    c, variance, target = after[kept], model.variance[kept], int(np.count_nonzero(kept[:target]))
    growth, decay = model.retention[kept] * model.phi[kept] ** 2, variance**2
    power = 2 / 3 if isinstance(scheme, SparseHead) and scheme.head > 0 else 1.0
    pull = 4 * growth - 4 * decay * c**2  # kappa e c^(e-2) at the minimum, and 0 if the penalty vanishes
    curvature = 4 * growth - 12 * decay * c**2 - (power - 1) * np.maximum(pull, 0.0)
    rates = power * c ** (power - 2) / curvature

    def log_radius_and_shares(t):
        terms = variance * (c / c[target]) ** (2 * t)
        return np.log(terms.sum()), terms / terms.sum()

    (log_after, share_after), (log_before, share_before) = map(log_radius_and_shares, (1.0, power / 2))
    slope = np.sum((2 * share_after - power * share_before) * rates) - (2 - power) * rates[target]
    return Advantage(float(log_after - log_before), float(slope))


class _Penalty(NamedTuple):
    """Strengths of the three penalties: encoder |W_1|_F^2, group |W_2|_{2,1}, decay |W_2|_F^2."""

    encoder: float
    group: float
    decay: float

    @classmethod
    def of(cls, scheme):
        if isinstance(scheme, WeightDecay):
            return cls(scheme.encoder, 0.0, scheme.head)
        return cls(scheme.encoder, scheme.head, scheme.head_decay)


def _coefficients(model):
    return model.retention * model.phi**2, model.variance**2


def _global_minimum(growth, decay, penalty):
    r"""Weights (k,) before and after the head and the minimum, all 0 where dropping the feature is at least as good.

    With the weight b in the head as the unknown, the weight after it is explicit, and the loss is stationary where
    :math:`q(b) = 2c_1b^2-\frac{c_2}{\lambda_1}(2\mu b^6+\lambda_2b^5)-\lambda_1 = 0`. A kept feature has
    :math:`c \ge (2/3)^{1/2}s`. There q is concave and falls, so Newton's steps from above approach its largest root
    from above; where it has none, they leave this range.
    """
    found = PenalisedWeights(*np.zeros((3, growth.size)))
    some = np.flatnonzero(growth > 0)
    encoder, group, ridge, growth, decay = (
        np.broadcast_to(a, found.after.shape)[some] for a in (*penalty, growth, decay)
    )
    target = 2 * encoder * growth / decay  # of 2 mu b^4 + lambda_2 b^3 where c = s
    with np.errstate(divide="ignore", over="ignore"):
        highest = np.minimum(np.cbrt(target / group), (target / (2 * ridge)) ** 0.25)
        cost = encoder / (2 * growth * highest**2)
    cubic, quartic = group * highest**3 / target, 2 * ridge * highest**4 / target
    x = np.ones_like(highest)  # b / highest
    moving, share = np.ones_like(highest, dtype=bool), np.zeros_like(highest)  # of no feature at all, perhaps
    while moving.any():
        square = x * x
        share = square * x * (cubic + quartic * x)  # (c / s)^2
        slope = x * (2 - 5 * share - quartic * square * square)
        moving &= share >= _SMALLEST_SHARE
        new = x - (square * (1 - share) - cost) / np.where(moving, slope, -1.0)
        moving &= new < x
        x = np.where(moving, np.maximum(new, _OUT_OF_RANGE), x)
    kept = share >= _SMALLEST_SHARE
    growth, share, head = growth[kept], share[kept], x[kept] * highest[kept]
    after = np.sqrt(share * growth / decay[kept])
    before = after / head
    value = (
        growth * after**2 * (share - 2)
        + encoder[kept] * before**2
        + head * (group[kept] + ridge[kept] * head)
    )
    for whole, part in zip(found, (before, after, value), strict=True):
        whole[some[kept]] = np.where(value < 0, part, 0.0)
    return found


def _beyond_rank(minimum, rank):
    """Indices of the features that are dropped because only `rank` fit."""
    if rank is None or checks.integer("rank", rank, 1) >= minimum.size:
        return []
    order = np.argsort(minimum, kind="stable")
    inside, outside = minimum[order[rank - 1]], minimum[order[rank]]
    if outside < 0 and outside - inside <= TIE * abs(minimum[order[0]]):
        raise AssumptionError(
            f"rank = {rank} cuts between features that lower the loss equally, by {-inside:g}: which of them is kept "
            "is not determined"
        )
    return order[rank:]
