r"""Minimiser of InfoNCE with inner products on the feature model, with infinitely many negatives.

For :math:`f(x) = Wx`, :math:`M = W^TW` and temperature :math:`\tau` the loss is
:math:`-\mathrm{tr}(M\tilde\Sigma)/\tau + E_x\log E_{x'}\exp(x^TMx'/\tau)`. It is convex in M and does not change when a
feature changes its sign, so that the minimiser is diagonal: features do not mix.
Source: derived (docs/derivations/info-nce.md#no-mixing).
"""

from __future__ import annotations

import numpy as np

from theory.checks import AssumptionError
from theory.features.model import FeatureModel
from theory.mixture.common import posterior_pull
from theory.roots import find_roots

_MARGIN = 1e-9  # widens the bracket of log a, so that round-off does not put the root outside


def inner_product_gram(model: FeatureModel) -> np.ndarray:
    r"""Diagonal :math:`a_i` of :math:`W^TW/\tau` along the features at the minimum of the loss.

    It is the root of :math:`a\sigma^2(\phi^2+\sigma^2) + E[\phi x\tanh(a\phi x)] = \rho\phi^2` with
    :math:`x\sim N(\phi,\sigma^2)`, and 0 for :math:`\rho = 0`. It lies between the spectral :math:`s^2` and
    :math:`s^2(\phi^2+\sigma^2)/\sigma^2`. Source: derived (docs/derivations/info-nce.md#each-feature).

    Returns
    -------
    (k,) array

    Raises
    ------
    AssumptionError
        Without noise, if a feature is never disrupted: its weight then grows without bound.
    """
    gram = np.zeros(model.num_features)
    shared = model.retention > 0
    phi, rho, variance = model.phi[shared], model.retention[shared], model.variance[shared]
    if model.sigma == 0:
        if np.any(rho == 1):
            raise AssumptionError(
                "loss='inner' needs sigma > 0 or alpha > 0: the loss of a feature without noise or disruption falls "
                "for ever as its weight grows"
            )
        gram[shared] = np.arctanh(rho) / phi**2
        return gram
    low = np.log(rho * phi**2 / variance**2)
    high = np.log(rho * phi**2 / (variance * model.sigma**2))
    arguments = (phi, rho, np.full_like(phi, model.sigma))
    log_gram = find_roots(_lack, low - _MARGIN, high + _MARGIN, arguments, name="InfoNCE weight")
    gram[shared] = np.exp(log_gram)
    return gram


def retention_for(gram, phi, sigma):
    r"""Retention :math:`\rho` at which a feature has the diagonal entry `gram` of :math:`W^TW/\tau` at the minimum.

    Arrays of one shape; `sigma` is 0 everywhere or nowhere. The result may exceed 1, and then no augmentation gives
    the feature this weight.
    Source: derived (docs/derivations/info-nce.md#each-feature).
    """
    if sigma.any():
        pull = posterior_pull(phi, sigma**2, gram) / phi**2
    else:
        pull = np.tanh(gram * phi**2)
    return gram * sigma**2 * (1 + (sigma / phi) ** 2) + pull


def _lack(log_gram, phi, rho, sigma):
    return 1 - retention_for(np.exp(log_gram), phi, sigma) / rho
