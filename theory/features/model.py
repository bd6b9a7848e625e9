"""The feature model: the distribution of a positive pair of views, feature by feature.

Source: named after Xue et al. (ICLR 2024), Definitions 3.1 and 3.2. The text at hand gives only the names of the
numbered statements of that paper (except Theorem 3.3), so here and in the modules beside this one their exact form is
a reconstruction, and what is derived says where.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from theory import checks
from theory.checks import AssumptionError

__all__ = ["FeatureModel", "view_moments"]

_STANDARD_ERRORS = 6  # by which a moment may miss its range: by chance this happens once in 10^9


@dataclass(frozen=True, eq=False)
class FeatureModel:
    r"""Distribution of an input and of the two views of a positive pair.

    An input is :math:`x = \sum_i u_i \phi_i v_i + \xi` with orthonormal :math:`v_i`, balanced independent signs
    :math:`u_i = \pm 1` and noise :math:`\xi \sim N(0, \sigma^2 I_d)`. A view keeps :math:`u_i` with probability
    :math:`1-\alpha_i` and redraws it otherwise; it always redraws the noise. A positive pair consists of two views of
    one input (two-sided), or of one view and a second draw of the noise on the clean signs of the input (one-sided).

    Parameters
    ----------
    phi : (k,) array, > 0
        Strengths of the features. A scalar is used for every feature.
    alpha : (k,) array in [0, 1]
        Probability that a view's augmentation disrupts the feature. A scalar is used for every feature.
    sigma : float >= 0
        Standard deviation of the noise per coordinate; 0 only when `dim` equals k.
    dim : int >= k, optional
        Dimension d of the input; the number of features k when not given.
    two_sided : bool
        Whether both views are augmented, or only one.

    Attributes
    ----------
    retention : (k,) array
        :math:`\rho_i`, correlation of the feature's signs in the two views: :math:`(1-\alpha_i)^2` two-sided,
        :math:`1-\alpha_i` one-sided.
    variance : (k,) array
        :math:`\phi_i^2 + \sigma^2`, second moment of a view along the feature.
    correlation : (k,) array
        :math:`c_i = \rho_i \phi_i^2 / (\phi_i^2 + \sigma^2)`, correlation of the two views along the feature.
    cov, cross_cov : (d, d) arrays
        :math:`\Sigma` and :math:`\tilde\Sigma` in the basis whose first k vectors are the features.

    Raises
    ------
    ValueError
        For arguments outside these ranges, of different lengths, or not finite.

    Examples
    --------
    >>> import theory
    >>> model = theory.FeatureModel(phi=[1.0, 2.0], alpha=[0.5, 0.1], sigma=0.3)
    >>> model.retention
    array([0.25, 0.81])
    >>> model.correlation.round(3)
    array([0.229, 0.792])
    """

    phi: np.ndarray
    alpha: np.ndarray
    sigma: float
    dim: int = None  # type: ignore[assignment]  # replaced by the number of features
    two_sided: bool = True

    def __post_init__(self):
        phi = checks.in_range("phi", self.phi, 0.0, open_low=True)
        alpha = checks.in_range("alpha", self.alpha, 0.0, 1.0)
        if phi.ndim > 1 or alpha.ndim > 1 or (phi.ndim and alpha.ndim and phi.size != alpha.size):
            raise ValueError(
                f"phi and alpha must be vectors of one length, got shapes {phi.shape} and {alpha.shape}"
            )
        phi, alpha = (np.array(a) for a in np.broadcast_arrays(np.atleast_1d(phi), np.atleast_1d(alpha)))
        if phi.size == 0:
            raise ValueError("phi must hold at least one feature, got an empty array")
        sigma = checks.scalar("sigma", self.sigma, 0.0)
        dim = phi.size if self.dim is None else checks.integer("dim", self.dim, phi.size)
        if sigma == 0 and dim > phi.size:
            raise ValueError(
                f"sigma must be > 0 when dim ({dim}) exceeds the number of features ({phi.size})"
            )
        if not isinstance(self.two_sided, bool | np.bool_):
            raise ValueError(f"two_sided must be True or False, got {self.two_sided!r}")
        for array in (phi, alpha):
            array.flags.writeable = False
        for name, value in dict(phi=phi, alpha=alpha, sigma=sigma, dim=dim).items():
            object.__setattr__(self, name, value)

    def _key(self):
        return (self.phi.tobytes(), self.alpha.tobytes(), self.sigma, self.dim, bool(self.two_sided))

    def __eq__(self, other):
        return isinstance(other, FeatureModel) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    @property
    def num_features(self) -> int:
        """Number of features k."""
        return self.phi.size

    @property
    def retention(self) -> np.ndarray:
        """(k,) correlation of each feature's signs in the two views."""
        return (1 - self.alpha) ** (2 if self.two_sided else 1)

    @property
    def variance(self) -> np.ndarray:
        """(k,) second moment of a view along each feature."""
        return self.phi**2 + self.sigma**2

    @property
    def correlation(self) -> np.ndarray:
        """(k,) correlation of the two views along each feature."""
        return self.retention * self.phi**2 / self.variance

    @property
    def cov(self) -> np.ndarray:
        """(d, d) second moment of one view."""
        return np.diag(np.concatenate([self.variance, np.full(self.dim - self.phi.size, self.sigma**2)]))

    @property
    def cross_cov(self) -> np.ndarray:
        """(d, d) cross moment of the two views of a positive pair."""
        return np.diag(np.concatenate([self.retention * self.phi**2, np.zeros(self.dim - self.phi.size)]))

    def feature(self, target: int) -> int:
        """`target` checked as an index into the features, 0-based."""
        return checks.integer("target", target, 0, self.phi.size - 1)

    def with_feature(
        self, target: int, *, phi: float | None = None, alpha: float | None = None
    ) -> FeatureModel:
        """Copy in which feature `target` has another strength or disruption probability."""
        target = self.feature(target)
        new: dict[str, Any] = {"phi": np.array(self.phi), "alpha": np.array(self.alpha)}
        for name, value in (("phi", phi), ("alpha", alpha)):
            if value is not None:
                new[name][target] = value
        return replace(self, **new)

    @classmethod
    def from_views(cls, x1, x2, basis, *, two_sided: bool = True, sigma: float | None = None) -> FeatureModel:
        r"""Moment estimate of the model from the two views of many positive pairs.

        Along feature i the views have second moment :math:`\phi_i^2+\sigma^2` and cross moment
        :math:`\rho_i\phi_i^2`; the noise is measured in the directions orthogonal to the features. An estimate of
        :math:`\rho_i` that leaves [0, 1] by less than six standard errors is set to the nearer end.
        Source: derived here: these moments are solved for :math:`\sigma, \phi_i, \rho_i` (method of moments).

        Parameters
        ----------
        x1, x2 : (n, d) arrays
            The two views; each row is a positive pair.
        basis : (d, k) array
            Orthonormal feature directions in its columns.
        two_sided : bool
            Whether both views were augmented, which decides how the retention is turned into :math:`\alpha_i`.
        sigma : float, optional
            Noise level, if it is known. It is needed when k = d.

        Raises
        ------
        AssumptionError
            If k = d and `sigma` is not given, or if the moments cannot come from the model.
        """
        x1, x2 = _view_pair(x1, x2)
        basis = checks.real("basis", basis)
        n, d = x1.shape
        if basis.ndim != 2 or basis.shape[0] != d or not 1 <= basis.shape[1] <= d:
            raise ValueError(f"basis must have shape ({d}, k) with k in 1..{d}, got {basis.shape}")
        k = basis.shape[1]
        if np.abs(basis.T @ basis - np.eye(k)).max() > 1e-8:
            raise ValueError("basis must have orthonormal columns")
        a, b = x1 @ basis, x2 @ basis
        second = (a**2 + b**2) / 2
        if sigma is None:
            if k == d:
                raise AssumptionError(
                    f"sigma cannot be told from phi when the features fill the space (k = d = {d}); pass sigma"
                )
            total = ((x1**2).sum(1) + (x2**2).sum(1)) / 2
            sigma = np.sqrt(np.mean(total - second.sum(1)) / (d - k))
        sigma = checks.scalar("sigma", sigma, 0.0)
        signal = second.mean(0) - sigma**2
        cross = (a * b).mean(0)
        if np.any(signal <= 0):
            raise AssumptionError(f"a feature's second moment is below the noise: phi**2 estimated {signal}")
        slack = _STANDARD_ERRORS * (a * b - second).std(0) / np.sqrt(n)
        if np.any(cross > signal + slack) or np.any(cross < -_STANDARD_ERRORS * (a * b).std(0) / np.sqrt(n)):
            raise AssumptionError(f"cross moments {cross} do not lie in [0, phi**2] = [0, {signal}]")
        retention = np.clip(cross / signal, 0, 1)
        return cls(np.sqrt(signal), 1 - retention ** (0.5 if two_sided else 1.0), sigma, d, two_sided)


def view_moments(x1, x2) -> tuple[np.ndarray, np.ndarray]:
    r"""Second moments of sampled views, symmetrised over the two views.

    :math:`\Sigma = (X_1^T X_1 + X_2^T X_2)/2n` and :math:`\tilde\Sigma = (X_1^T X_2 + X_2^T X_1)/2n` are the two
    matrices that `spectral_minimizer` takes. They are not centred, because the loss is not.
    Source: derived here: the loss depends on the sample through these two matrices only.

    Parameters
    ----------
    x1, x2 : (n, d) arrays
        The two views; each row is a positive pair.

    Returns
    -------
    cov, cross_cov : (d, d) arrays

    Examples
    --------
    >>> import theory
    >>> cov, cross_cov = theory.view_moments([[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [0.0, 2.0]])
    >>> cov
    array([[0.5 , 0.25],
           [0.25, 2.25]])
    """
    x1, x2 = _view_pair(x1, x2)
    cross = x1.T @ x2 / len(x1)
    return (x1.T @ x1 + x2.T @ x2) / (2 * len(x1)), (cross + cross.T) / 2


def _view_pair(x1, x2):
    x1, x2 = checks.real("x1", x1), checks.real("x2", x2)
    if x1.ndim != 2 or x1.shape != x2.shape or len(x1) < 2:
        raise ValueError(
            f"x1 and x2 must have one shape (n, d) with n >= 2, got shapes {x1.shape} and {x2.shape}"
        )
    return x1, x2
