r"""One law for the weight before the head: what training leaves there, given the weights s after the head."""

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
from theory.features.spectral import layer_weights

_TIE = 1e-12


def pre_head_weights(
    model: FeatureModel, scheme: Scheme, embed_dim: int | None = None, width: int | None = None
) -> np.ndarray:
    r"""Feature weights :math:`\|W_1 v_i\|` before a linear head, by how the head is trained.

    With :math:`s_i` the weight after the head of a kept feature:

    - `NoHead` :math:`s_i`; `JointTraining` :math:`s_i^{1/2}`; `LayerOf` :math:`s_i^{l/L}`;
    - `HeadSpeed` :math:`[(a^2 + (a^4 + 4 s_i^2/c)^{1/2})/2]^{1/2}`, since :math:`W_1W_1^T - W_2^TW_2/c` is
      conserved at :math:`a^2`; `Bilevel` :math:`a`, since :math:`W_1W_1^T` is;
    - `WeightDecay` and `SparseHead`: global minimum, see `penalised_weights`;
    - `FixedReweighting` and `FrozenHead`: :math:`s_i/a_i`, the largest s over the head's largest singular value
      and so on, which is the encoder of smallest norm.

    Source: derived here (docs/derivations/one-law.md), after Xue et al. (ICLR 2024, Theorems 3.3 to 3.8), Gupta et
    al. (2022, equations 6 and 8) and Song et al. (2023). Assumes: linear encoder, spectral contrastive loss,
    training to the end.

    Parameters
    ----------
    model : FeatureModel
    scheme : Scheme
        Frozen class from `theory.features.schemes`.
    embed_dim : int >= 1, optional
        Outputs p of the head; the features when None, the rows of a `FrozenHead`.
    width : int >= 1, optional
        Entries m of the representation; at most min(p, m) features are kept. None: enough for all that are kept.

    Returns
    -------
    (k,) array
        Features that are not kept have weight 0, but under `HeadSpeed` and `Bilevel` they keep the start a when
        `width` >= `dim`.

    Raises
    ------
    AssumptionError
        If the weight is not determined by the scheme: a dropped feature under `HeadSpeed` or `Bilevel` at a width
        between the number of kept features and `dim` (it depends on Q) or not given; equal s over different
        singular values of a fixed head; a tie at the cut.

    Examples
    --------
    >>> from theory import FeatureModel, JointTraining, NoHead
    >>> model = FeatureModel(phi=[1.0, 1.0], alpha=[0.0, 0.5], sigma=0.0)
    >>> pre_head_weights(model, NoHead())
    array([1. , 0.5])
    >>> pre_head_weights(model, JointTraining())
    array([1.        , 0.70710678])
    """
    return _weights(model, scheme, embed_dim, width).before


def post_head_weights(
    model: FeatureModel, scheme: Scheme, embed_dim: int | None = None, width: int | None = None
) -> np.ndarray:
    r"""Feature weights after the head: s, but less than s under a penalty that does not vanish.

    Arguments, result and errors as for `pre_head_weights`. Source: derived here.
    """
    return _weights(model, scheme, embed_dim, width).after


class EffectiveDimensions(NamedTuple):
    """Participation ratios before and after the head, of squared weights and of the covariance's eigenvalues."""

    weights_before: float
    weights_after: float
    spectrum_before: float
    spectrum_after: float


def effective_dimensions(
    model: FeatureModel, scheme: Scheme, embed_dim: int | None = None, width: int | None = None
) -> EffectiveDimensions:
    r"""Effective dimensions :math:`(\sum_i x_i)^2/\sum_i x_i^2` before and after the head.

    Of the squared weights :math:`x_i = w_i^2`, and of the eigenvalues :math:`x_i = w_i^2(\phi_i^2+\sigma^2)` that the
    features give to the covariance of representation and embedding. They are two things: a strong feature carries
    a small weight. Noise directions off the features count for nothing here, as they weigh 0 unless
    `HeadSpeed` or `Bilevel` leave their start there: then AssumptionError when `dim` exceeds the features.
    Source: derived here.

    Raises
    ------
    AssumptionError
        As said, as for `pre_head_weights`, and when no feature is kept.
    """
    if isinstance(scheme, HeadSpeed | Bilevel) and scheme.start > 0 and model.dim > model.num_features:
        raise AssumptionError(
            f"directions off the features keep the start under {scheme}: dim ({model.dim}) must equal the number "
            f"of features ({model.num_features})"
        )
    both = _weights(model, scheme, embed_dim, width)
    if not both.after.any():
        raise AssumptionError(f"no feature is kept under {scheme}: no effective dimension")
    squares = [weights**2 for weights in both]
    return EffectiveDimensions(
        *(_participation(x) for x in squares), *(_participation(x * model.variance) for x in squares)
    )


def inner_steps_ratio(steps: int, step_size: float, proximal: float = 0.0) -> float:
    r"""Head speed c that l inner steps with a proximal term amount to, to first order in the step.

    l steps of size :math:`\eta` on :math:`L + \lambda\|g - g^k\|^2` move the head by
    :math:`-\eta\nabla L\sum_{j<l}(1-2\eta\lambda)^j`, hence :math:`c = (1-(1-2\eta\lambda)^l)/(2\eta\lambda)`, and l
    for :math:`\lambda = 0`. Source: derived here, for Gupta et al. (2022), equation (8), without momentum.

    Parameters
    ----------
    steps : int >= 1
        Inner steps l on the head for each step on the encoder.
    step_size : float > 0
        :math:`\eta`, of both.
    proximal : float >= 0
        :math:`\lambda`; :math:`2\eta\lambda < 1`.
    """
    steps = checks.integer("steps", steps, 1)
    pull = (
        2
        * checks.scalar("step_size", step_size, 0.0, open_low=True)
        * checks.scalar("proximal", proximal, 0.0)
    )
    if pull >= 1:
        raise ValueError(f"2 * step_size * proximal must be < 1, got {pull:g}")
    return float(-np.expm1(steps * np.log1p(-pull)) / pull) if pull else float(steps)


class _Both(NamedTuple):
    before: np.ndarray
    after: np.ndarray


def _weights(model, scheme, embed_dim, width) -> _Both:
    if not isinstance(model, FeatureModel):
        raise ValueError(f"model must be a FeatureModel, got {model!r}")
    if embed_dim is None:
        embed_dim = scheme.matrix.shape[0] if isinstance(scheme, FrozenHead) else model.num_features
    checks.integer("embed_dim", embed_dim, 1)
    if width is not None:
        checks.integer("width", width, 1)
    return _by_scheme(scheme, model, embed_dim, width)


def _after(model, embed_dim, width):
    return layer_weights(model, 1, embed_dim if width is None else min(embed_dim, width))[0]


@singledispatch
def _by_scheme(scheme, model, embed_dim, width) -> _Both:
    raise ValueError(f"scheme must be one of the classes in theory.features.schemes, got {scheme!r}")


@_by_scheme.register
def _(scheme: NoHead, model, embed_dim, width):
    after = _after(model, embed_dim, width)
    return _Both(after, after)


@_by_scheme.register
def _(scheme: JointTraining, model, embed_dim, width):
    after = _after(model, embed_dim, width)
    return _Both(np.sqrt(after), after)


@_by_scheme.register
def _(scheme: LayerOf, model, embed_dim, width):
    after = _after(model, embed_dim, width)
    return _Both(after ** (scheme.layer / scheme.depth), after)


@_by_scheme.register
def _(scheme: HeadSpeed, model, embed_dim, width):
    after = _after(model, embed_dim, width)
    start = scheme.start**2
    kept = np.sqrt((start + np.sqrt(start**2 + 4 * after**2 / scheme.ratio)) / 2)
    return _Both(np.where(after > 0, kept, _left_over(scheme, model, after, width)), after)


@_by_scheme.register
def _(scheme: Bilevel, model, embed_dim, width):
    after = _after(model, embed_dim, width)
    return _Both(np.where(after > 0, scheme.start, _left_over(scheme, model, after, width)), after)


@_by_scheme.register
def _(scheme: WeightDecay, model, embed_dim, width):
    return _penalised(scheme, model, embed_dim, width)


@_by_scheme.register
def _(scheme: SparseHead, model, embed_dim, width):
    return _penalised(scheme, model, embed_dim, width)


@_by_scheme.register
def _(scheme: FixedReweighting, model, embed_dim, width):
    scales = scheme.scales(embed_dim if width is None else min(embed_dim, width))
    return _smallest_norm(_after(model, embed_dim, width), scales)


@_by_scheme.register
def _(scheme: FrozenHead, model, embed_dim, width):
    if embed_dim != scheme.matrix.shape[0] or width not in (None, scheme.matrix.shape[1]):
        raise ValueError(
            f"embed_dim and width must be the shape of the head's matrix {scheme.matrix.shape}, "
            f"got {embed_dim} and {width}"
        )
    values = scheme.singular_values
    if values.size == 0:
        raise AssumptionError("the frozen head is zero: nothing is learnt through it")
    return _smallest_norm(layer_weights(model, 1, values.size)[0], values)


def _left_over(scheme, model, after, width) -> float:
    """Weight of the features that are not kept: the start's, rotated out of reach, or not determined."""
    kept = np.count_nonzero(after)
    if kept == after.size or scheme.start == 0:
        return 0.0
    if width is not None and width >= model.dim:
        return scheme.start
    if width == kept:
        return 0.0
    raise AssumptionError(
        f"a dropped feature under {scheme} depends on the start's directions unless width >= dim = {model.dim} or "
        f"width = {kept}, the number of kept features; got width = {width}"
    )


def _penalised(scheme, model, embed_dim, width):
    rank = embed_dim if width is None else min(embed_dim, width)
    found = penalised_weights(model, scheme, rank)
    return _Both(found.before, found.after)


def _smallest_norm(after, scales):
    """Encoder of least Frobenius norm: the largest weight after the head meets the largest scale, and so on."""
    kept = np.flatnonzero(after)
    order = kept[np.argsort(-after[kept], kind="stable")]
    scales = scales[: kept.size]
    equal = after[order[:-1]] - after[order[1:]] <= _TIE * after[order[:-1]]
    if np.any(equal & (scales[:-1] - scales[1:] > _TIE * scales[:-1])):
        raise AssumptionError(
            f"features of equal weight after the head ({after[order]}) behind different scales of the head: "
            "the weight before it depends on the start"
        )
    before = np.zeros_like(after)
    before[order] = after[order] / scales
    return _Both(before, after)


def _participation(values):
    return float(values.sum() ** 2 / np.sum(values**2))
