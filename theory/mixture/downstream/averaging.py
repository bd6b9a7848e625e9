r"""Exact mean accuracy of the averaging classifier after a projector, at finite numbers of samples and dimensions."""

from __future__ import annotations

import numpy as np
import scipy

from theory import checks
from theory.mixture.common import cost_of, signal


def averaging_projector_accuracy(signal_norm, samples: int, dim: int, kappa):
    r"""Expected accuracy of :math:`\hat w = \frac1n\sum y_iAh_i` over training sets of n samples in p dimensions.

    :math:`E\,\Phi(r\tau/(1+\tau^2)^{1/2})` with :math:`\tau = (1+\kappa)^2(r\sqrt n+\zeta)/\chi_{p-1}`,
    trapezoid rule in :math:`\zeta\sim N(0,1)` and in the logarithm of :math:`\chi_{p-1}`, to 1e-12.

    Source: derived.

    Parameters
    ----------
    signal_norm : float or array, >= 0
    samples : int >= 1
    dim : int >= 2
    kappa : float or array, > -1

    Returns
    -------
    float, or an array of the broadcast shape
    """
    samples, dim = checks.integer("samples", samples, 1), checks.integer("dim", dim, 2)
    r, cost = np.broadcast_arrays(signal(signal_norm), cost_of(kappa))
    normal, step = np.linspace(-9.0, 9.0, 181, retstep=True)
    weight = np.exp(-0.5 * normal**2) * step / np.sqrt(2 * np.pi)
    free = dim - 1
    reach = 9 / np.sqrt(2 * free)
    log_chi, chi_step = np.linspace(
        0.5 * np.log(free) - 4 * reach, 0.5 * np.log(free) + reach, 601, retstep=True
    )
    log_density = (
        free * log_chi
        - 0.5 * np.exp(2 * log_chi)
        - (free / 2 - 1) * np.log(2)
        - scipy.special.gammaln(free / 2)
    )
    density = np.exp(log_density) * chi_step
    noise = cost[..., None, None] * np.exp(log_chi)
    score = r[..., None, None] * np.sqrt(samples) + normal[:, None]
    accuracy = scipy.special.ndtr(r[..., None, None] * score / np.hypot(score, noise))
    return np.einsum("i,...ij,j->...", weight, accuracy, density)[()]
