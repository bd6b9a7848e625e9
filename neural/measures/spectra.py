"""Spectra and ranks of representations: numpy in, numpy out."""

import numpy as np
from numpy.typing import ArrayLike


def spectrum(z: ArrayLike) -> np.ndarray:
    """Eigenvalues of the covariance of the rows, in descending order.

    Computed as s^2/n from the singular values s of the centred rows, so they are never negative.

    Parameters
    ----------
    z : (n, p) array, n >= 2
        One row per sample.

    Returns
    -------
    (p,) array
        Variances in units of z squared, with the 1/n normalisation; zeros beyond min(n, p).

    Raises
    ------
    ValueError
        If z is not a finite matrix with at least two rows.
    """
    rows = _matrix(z)
    if rows.shape[0] < 2:
        raise ValueError(f"z must have at least 2 rows, got {rows.shape[0]}")
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    eigenvalues = np.zeros(rows.shape[1])
    eigenvalues[: singular.size] = singular**2 / rows.shape[0]
    return eigenvalues


def numerical_rank(z: ArrayLike, tol: float | None = None) -> int:
    """Number of singular values above a tolerance (`numpy.linalg.matrix_rank`), rows not centred.

    Parameters
    ----------
    z : (n, p) array
    tol : float >= 0, optional
        Absolute threshold on the singular values; by default largest * max(n, p) * machine epsilon of the
        dtype of z, so embeddings computed in float32 should be passed in float32.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If z is not a finite matrix or tol is negative.
    """
    if tol is not None and not tol >= 0:
        raise ValueError(f"tol must be >= 0, got {tol}")
    return int(np.linalg.matrix_rank(_matrix(z), tol=tol))


def effective_rank(z: ArrayLike) -> float:
    """Entropy effective rank of Roy and Vetterli (2007), rows not centred.

    exp(-sum_i q_i log q_i) with q_i = s_i / sum_j s_j the normalised singular values (not their squares).

    Parameters
    ----------
    z : (n, p) array, not all zero

    Returns
    -------
    float
        Between 1 and min(n, p).

    Raises
    ------
    ValueError
        If z is not a finite matrix or is all zero.
    """
    singular = _singular_values(z)
    q = singular / singular.sum()
    q = q[q > 0]
    return float(np.exp(-np.sum(q * np.log(q))))


def participation_ratio(eigenvalues: ArrayLike) -> float:
    """Participation ratio (sum_i l_i)^2 / sum_i l_i^2 of non-negative eigenvalues.

    Parameters
    ----------
    eigenvalues : (p,) array, >= 0, not all zero
        For instance `spectrum(z)`, or squared feature weights.

    Returns
    -------
    float
        Between 1 and p.

    Raises
    ------
    ValueError
        If eigenvalues is not a finite non-negative vector with a positive entry.
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    if values.ndim != 1 or not np.all(np.isfinite(values)) or np.any(values < 0) or not np.any(values > 0):
        raise ValueError(
            f"eigenvalues must be a finite vector >= 0 with a positive entry, got {eigenvalues!r}"
        )
    shares = values / values.max()
    return float(shares.sum() ** 2 / np.sum(shares**2))


def stable_rank(z: ArrayLike) -> float:
    """Stable rank |Z|_F^2 / |Z|_2^2 = sum_i s_i^2 / s_1^2, rows not centred.

    Parameters
    ----------
    z : (n, p) array, not all zero

    Returns
    -------
    float
        Between 1 and the rank.

    Raises
    ------
    ValueError
        If z is not a finite matrix or is all zero.
    """
    singular = _singular_values(z)
    return float(np.sum((singular / singular[0]) ** 2))


def _matrix(z: ArrayLike) -> np.ndarray:
    rows = np.asarray(z)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"z must be a non-empty (n, p) matrix, got shape {rows.shape}")
    if not np.issubdtype(rows.dtype, np.floating):
        rows = rows.astype(np.float64)
    if not np.all(np.isfinite(rows)):
        raise ValueError("z must be finite, got NaN or infinite entries")
    return rows


def _singular_values(z: ArrayLike) -> np.ndarray:
    singular = np.linalg.svd(_matrix(z).astype(np.float64), compute_uv=False)
    if singular[0] == 0:
        raise ValueError("z must not be all zero")
    return singular
