"""From augmentation and temperature to the gain of the projector, and from there to downstream accuracy."""

from __future__ import annotations

import numpy as np

from theory import checks
from theory.checks import AssumptionError
from theory.mixture.common import check_penalty, check_sample_ratio, flatten
from theory.mixture.downstream.accuracy import downstream_accuracy, is_named, known_classifier
from theory.mixture.projector.gain import LOSSES, projector_metric

__all__ = ["accuracy_after_projector"]


def accuracy_after_projector(
    classifier, loss, signal_norm, sigma, sample_ratio, penalty=None, *, temperature=None, views="both"
):
    r"""Downstream accuracy after the projector that minimises a contrastive loss.

    The minimiser is :math:`W = (\tau b)^{1/2}(I+\kappa uu^\top)` up to a rotation, with the weight b of
    `projector_metric` and :math:`1+\kappa` its gain. So the classifier behaves as after :math:`I+\kappa uu^\top` with
    the penalty :math:`\lambda/(\tau b)`: through the scale of W the temperature matters downstream, although the gain
    does not depend on it.

    Source: derived (docs/derivations/downstream-system.md#after-a-trained-projector).

    Parameters
    ----------
    classifier : {"ridge", "logistic", "hinge", "hard-margin", "averaging"} or MarginProx
    loss : {"spectral", "inner", "euclidean"}
    signal_norm, sigma, sample_ratio, penalty, views
        As in `downstream_accuracy` and `projector_gain`.
    temperature : float or array, > 0
        :math:`\tau`, needed for "inner" and "euclidean" with a penalty. The spectral loss has none.

    Returns
    -------
    float, or an array of the broadcast shape

    Raises
    ------
    AssumptionError
        For "cosine": that loss leaves the scale of W free, so that the penalty has no meaning.

    Examples
    --------
    >>> import theory
    >>> after = theory.accuracy_after_projector("logistic", "inner", 1.5, 0.8, 2.0, 0.1, temperature=0.5)
    >>> before = theory.downstream_accuracy("logistic", 1.5, 2.0, 0.0, 0.1)
    >>> print(round(before, 4), round(after, 4))
    0.9002 0.8933
    """
    if checks.choice("loss", loss, LOSSES) == "cosine":
        raise AssumptionError(
            "loss 'cosine' leaves the scale of the projector free: give the gain of `projector_gain` minus 1 to "
            "`downstream_accuracy`, with the penalty for the scale that you choose"
        )
    metric = projector_metric(loss, signal_norm, sigma, views=views)
    if is_named(known_classifier(classifier), "hard-margin", "averaging"):
        return downstream_accuracy(classifier, signal_norm, sample_ratio, metric.gain - 1, penalty)
    if penalty is None:
        raise ValueError("penalty must be given, a number >= 0, for a classifier that has one")
    if loss == "spectral":
        if temperature is not None:
            raise ValueError(
                f"temperature must be left out for 'spectral', which has none, got {temperature!r}"
            )
        temperature = 1.0
    elif temperature is None:
        raise ValueError(f"temperature must be given for {loss!r}: it sets the scale of the projector")
    shape, r, delta, lam, tau, a, b = flatten(
        signal_norm=checks.real("signal_norm", signal_norm),
        sample_ratio=check_sample_ratio(sample_ratio),
        penalty=check_penalty(penalty),
        temperature=checks.in_range("temperature", temperature, 0.0, open_low=True),
        sigma=metric.signal,
        sigma_noise=metric.noise,
    )
    accuracy = downstream_accuracy(classifier, r, delta, np.sqrt(a / b) - 1, lam / (tau * b))
    return np.reshape(accuracy, shape)[()]
