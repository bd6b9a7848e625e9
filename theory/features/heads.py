"""One law for the feature weights before the head, given the weights after it and how the head is trained."""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.features.model import FeatureModel
from theory.features.penalties import penalised_weights
from theory.features.schemes import (
    Bilevel,
    FixedReweighting,
    FrozenHead,
    HeadSpeed,
    JointTraining,
    LayerOf,
    NoHead,
    Scheme,
    SparseHead,
    WeightDecay,
)
from theory.features.spectral import LOSSES, TIE, layer_weights

__all__ = [
    "EffectiveDimensions",
    "effective_dimensions",
    "inner_steps_ratio",
    "post_head_weights",
    "pre_head_weights",
]


def pre_head_weights(
    model: FeatureModel,
    scheme: Scheme,
    embed_dim: int | None = None,
    width: int | None = None,
    loss: str = "spectral",
    temperature: float | None = None,
) -> np.ndarray:
    r"""Feature weights :math:`\|W_1 v_i\|` before a linear head, for the given way to train the head.

    Let :math:`s_i` be the weight after the head of a feature that is kept. The weight before it is

    - :math:`s_i` for `NoHead`, :math:`s_i^{1/2}` for `JointTraining` and :math:`s_i^{l/L}` for `LayerOf`;
    - :math:`[(a^2 + (a^4 + 4 s_i^2/c)^{1/2})/2]^{1/2}` for `HeadSpeed`, because :math:`W_1W_1^T - W_2^TW_2/c` is
      conserved at :math:`a^2`; and :math:`a` for `Bilevel`, because :math:`W_1W_1^T` is conserved;
    - that of the global minimum of the penalised loss for `WeightDecay` and `SparseHead`, see `penalised_weights`;
    - :math:`s_i/a_i` for `FixedReweighting` and `FrozenHead`, where the largest s is divided by the largest singular
      value of the head, and so on: this encoder has the smallest norm.

    Source: derived (docs/derivations/one-law.md#joint-training), for the settings of Xue et al. (ICLR 2024), Gupta et
    al. (2022, equations 6 and 8) and Song et al. (2023). Assumes a linear encoder and training to the end. All but the
    penalties hold for any loss, given the weights after the head.

    Parameters
    ----------
    model : FeatureModel
    scheme : Scheme
        One of the frozen classes in `theory.features.schemes`.
    embed_dim : int >= 1, optional
        Number of outputs p of the head. By default the number of features, or of rows of a `FrozenHead`.
    width : int >= 1, optional
        Number of entries m of the representation; at most min(p, m) features are kept. By default it is large enough
        for every feature that the head keeps.
    loss, temperature
        As in `layer_weights`.

    Returns
    -------
    (k,) array
        Features that are not kept have weight 0, except under `HeadSpeed` and `Bilevel` with `width` >= `dim`, where
        they keep the weight a of the start.

    Raises
    ------
    AssumptionError
        If the scheme does not determine the weight. This happens for a dropped feature under `HeadSpeed` or `Bilevel`
        unless the width is the number of kept features or at least `dim` (otherwise it depends on Q), for equal
        weights s behind different singular values of a fixed head, and for a tie at the cut. Also for a penalty with
        `loss` "inner", which is not covered, and as for `layer_weights`.

    Examples
    --------
    >>> from theory import FeatureModel, JointTraining, NoHead
    >>> model = FeatureModel(phi=[1.0, 1.0], alpha=[0.0, 0.5], sigma=0.0)
    >>> pre_head_weights(model, NoHead())
    array([1. , 0.5])
    >>> pre_head_weights(model, JointTraining())
    array([1.        , 0.70710678])
    """
    return _weights(model, scheme, embed_dim, width, loss, temperature).before


def post_head_weights(
    model: FeatureModel,
    scheme: Scheme,
    embed_dim: int | None = None,
    width: int | None = None,
    loss: str = "spectral",
    temperature: float | None = None,
) -> np.ndarray:
    """Feature weights after the head: those of `layer_weights`, or smaller ones under a penalty.

    Arguments, result and errors are those of `pre_head_weights`.
    Source: derived (docs/derivations/one-law.md#setting).

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> theory.post_head_weights(model, theory.JointTraining()).round(3)
    array([0.459, 0.826, 0.44 ])
    """
    return _weights(model, scheme, embed_dim, width, loss, temperature).after


class EffectiveDimensions(NamedTuple):
    """Participation ratios of the squared weights and of the covariance eigenvalues on each side of the head.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> round(theory.effective_dimensions(model, theory.JointTraining()).weights_after, 3)
    2.157
    """

    weights_before: float
    weights_after: float
    spectrum_before: float
    spectrum_after: float


def effective_dimensions(
    model: FeatureModel,
    scheme: Scheme,
    embed_dim: int | None = None,
    width: int | None = None,
    loss: str = "spectral",
) -> EffectiveDimensions:
    r"""Effective dimensions :math:`(\sum_i x_i)^2/\sum_i x_i^2` before and after the head.

    This participation ratio is taken of the squared weights :math:`x_i = w_i^2` and of the eigenvalues
    :math:`x_i = w_i^2(\phi_i^2+\sigma^2)` that the features give to the covariance of representation and embedding.
    The two differ, because a strong feature carries a small weight. Noise directions that are not features have
    weight 0. Only `HeadSpeed` and `Bilevel` leave the start there, unless the width is the number of kept features.
    Source: derived here: the covariance of the weighted features is diagonal with the entries above.

    Raises
    ------
    AssumptionError
        If noise directions keep the weight of the start, if no feature is kept, and as for `pre_head_weights`.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 1.0, 2.0], alpha=[0.5, 0.1, 0.1], sigma=0.3)
    >>> dimensions = theory.effective_dimensions(model, theory.JointTraining())
    >>> round(dimensions.weights_before, 3), round(dimensions.weights_after, 3)
    (2.739, 2.157)
    """
    both = _weights(model, scheme, embed_dim, width, loss, None)
    kept = np.count_nonzero(both.after)
    if kept == 0:
        raise AssumptionError(f"no feature is kept under {scheme}, so there is no effective dimension")
    leaves_start = isinstance(scheme, HeadSpeed | Bilevel) and scheme.start > 0
    if leaves_start and model.dim > model.num_features and width != kept:
        raise AssumptionError(
            f"directions off the features keep the start under {scheme}: dim ({model.dim}) must equal the number "
            f"of features ({model.num_features}), or width the number of kept features ({kept}); got width = {width}"
        )
    squares = [weights**2 for weights in both]
    return EffectiveDimensions(
        *(_participation(x) for x in squares), *(_participation(x * model.variance) for x in squares)
    )


def inner_steps_ratio(steps: int, step_size: float, proximal: float = 0.0, momentum: float = 0.0) -> float:
    r"""Ratio c of the learning rates of head and encoder to which l inner steps on the head amount.

    l steps of size :math:`\eta` on :math:`L + \lambda\|g - g^k\|^2` move the head by
    :math:`-\eta\nabla L\sum_{j<l}(1-2\eta\lambda)^j` to first order in :math:`\eta`. Hence
    :math:`c = (1-(1-2\eta\lambda)^l)/(2\eta\lambda)`, which is l for :math:`\lambda = 0`. With momentum
    :math:`\beta`, whose velocity starts at 0 before the l steps, c is the sum of
    :math:`v_{j+1} = \beta v_j + 1 - 2\eta\lambda\sum_{i\le j} v_i`; for :math:`\lambda = 0` it is
    :math:`(l - \beta(1-\beta^l)/(1-\beta))/(1-\beta)`.
    Source: derived (docs/derivations/one-law.md#inner-steps), for Gupta et al. (2022), equation (8).

    Parameters
    ----------
    steps : int >= 1
        Number l of inner steps on the head for each step on the encoder.
    step_size : float > 0
        :math:`\eta`, the step size of both.
    proximal : float >= 0
        :math:`\lambda`, with :math:`2\eta\lambda < 1`.
    momentum : float in [0, 1)
        :math:`\beta`, of the steps on the head. Momentum on the encoder is not part of c.

    Examples
    --------
    >>> import theory
    >>> theory.inner_steps_ratio(5, 0.004)
    5.0
    >>> round(theory.inner_steps_ratio(5, 0.004, proximal=50.0), 4)
    2.3056
    """
    steps = checks.integer("steps", steps, 1)
    pull = (
        2
        * checks.scalar("step_size", step_size, 0.0, open_low=True)
        * checks.scalar("proximal", proximal, 0.0)
    )
    if pull >= 1:
        raise ValueError(f"2 * step_size * proximal must be < 1, got {pull:g}")
    momentum = float(checks.in_range("momentum", checks.scalar("momentum", momentum), 0.0, 1.0))
    if momentum == 1:
        raise ValueError("momentum must be < 1, got 1")
    if momentum == 0:
        return float(-np.expm1(steps * np.log1p(-pull)) / pull) if pull else float(steps)
    velocity = total = 0.0
    for _ in range(steps):
        velocity = momentum * velocity + 1 - pull * total
        total += velocity
    return total


class _Both(NamedTuple):
    before: np.ndarray
    after: np.ndarray


class _Setting(NamedTuple):
    """Arguments that the laws of all schemes share."""

    model: FeatureModel
    embed_dim: int
    width: int | None
    loss: str
    temperature: float | None

    @property
    def rank(self):
        """Most features that the network can hold."""
        return self.embed_dim if self.width is None else min(self.embed_dim, self.width)

    def after(self, rank=None):
        """Weights after a head that is not penalised."""
        rank = self.rank if rank is None else rank
        return layer_weights(self.model, 1, rank, self.loss, self.temperature)[0]


def _weights(model, scheme, embed_dim, width, loss, temperature) -> _Both:
    if not isinstance(model, FeatureModel):
        raise ValueError(f"model must be a FeatureModel, got {model!r}")
    if not isinstance(scheme, Scheme):
        raise ValueError(f"scheme must be one of the classes in theory.features.schemes, got {scheme!r}")
    if embed_dim is None:
        embed_dim = scheme.matrix.shape[0] if isinstance(scheme, FrozenHead) else model.num_features
    checks.integer("embed_dim", embed_dim, 1)
    checks.choice("loss", loss, LOSSES)
    if width is not None:
        checks.integer("width", width, 1)
    return _by_scheme(scheme, _Setting(model, embed_dim, width, loss, temperature))


@singledispatch
def _by_scheme(scheme, setting) -> _Both:
    raise NotImplementedError(f"no law for the scheme {scheme!r}")


@_by_scheme.register
def _(scheme: NoHead | JointTraining | LayerOf, setting):
    after = setting.after()
    return _Both(after**scheme.power, after)


@_by_scheme.register
def _(scheme: HeadSpeed, setting):
    after = setting.after()
    start = scheme.start**2
    kept = np.sqrt((start + np.sqrt(start**2 + 4 * after**2 / scheme.ratio)) / 2)
    return _Both(np.where(after > 0, kept, _left_over(scheme, setting, after)), after)


@_by_scheme.register
def _(scheme: Bilevel, setting):
    after = setting.after()
    return _Both(np.where(after > 0, scheme.start, _left_over(scheme, setting, after)), after)


@_by_scheme.register
def _(scheme: WeightDecay | SparseHead, setting):
    if setting.loss != "spectral" or setting.temperature is not None:
        raise AssumptionError(
            f"{scheme} is covered for loss='spectral' only, which has no temperature, got loss={setting.loss!r} and "
            f"temperature={setting.temperature!r}"
        )
    found = penalised_weights(setting.model, scheme, setting.rank)
    return _Both(found.before, found.after)


@_by_scheme.register
def _(scheme: FixedReweighting, setting):
    return _smallest_norm(setting.after(), scheme.scales(setting.rank))


@_by_scheme.register
def _(scheme: FrozenHead, setting):
    outputs, units = scheme.matrix.shape
    if setting.embed_dim != outputs or setting.width not in (None, units):
        raise ValueError(
            f"embed_dim and width must be the shape of the head's matrix {scheme.matrix.shape}, "
            f"got {setting.embed_dim} and {setting.width}"
        )
    values = scheme.singular_values
    if values.size == 0:
        raise AssumptionError("the frozen head is zero: nothing is learnt through it")
    return _smallest_norm(setting.after(values.size), values)


def _left_over(scheme, setting, after) -> float:
    """Weight of the features that are not kept: that of the start, 0, or not determined."""
    kept = np.count_nonzero(after)
    if kept == after.size or scheme.start == 0:
        return 0.0
    width, dim = setting.width, setting.model.dim
    if width is not None and width >= dim:
        return scheme.start
    if width == kept:
        return 0.0
    raise AssumptionError(
        f"a dropped feature under {scheme} depends on the start's directions unless width >= dim = {dim} or "
        f"width = {kept}, the number of kept features; got width = {width}"
    )


def _smallest_norm(after, scales):
    """Weights of the encoder of least norm: the largest weight after the head over the largest scale, and so on."""
    kept = np.flatnonzero(after)
    order = kept[np.argsort(-after[kept], kind="stable")]
    scales = scales[: kept.size]
    equal = after[order[:-1]] - after[order[1:]] <= TIE * after[order[:-1]]
    if np.any(equal & (scales[:-1] - scales[1:] > TIE * scales[:-1])):
        raise AssumptionError(
            f"features of equal weight after the head ({after[order]}) behind different scales of the head: "
            "the weight before it depends on the start"
        )
    before = np.zeros_like(after)
    before[order] = after[order] / scales
    return _Both(before, after)


def _participation(values):
    return float(values.sum() ** 2 / np.sum(values**2))
