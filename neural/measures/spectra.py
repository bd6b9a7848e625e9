"""Spectra and ranks of representations."""

from reprlib import repr as brief
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from neural.checks import check_not_negative

_LARGEST = 1e150  # the square of a larger number may overflow
_ROUND_OFF = (
    16  # units in the last place by which equal features may differ after a sum of some hundred terms
)


def as_array(values: Any) -> np.ndarray:
    """Numpy array of a list, an array or a torch tensor, on any device and of any precision.

    Parameters
    ----------
    values : array_like or torch.Tensor

    Returns
    -------
    ndarray
        Numbers of half precision (float16, bfloat16) become float32, because numpy's linear algebra has no half.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def as_finite(name: str, values: Any) -> np.ndarray:
    """Numpy array of real numbers whose squares float64 can hold; booleans count as 0 and 1.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    values : array_like or torch.Tensor

    Raises
    ------
    ValueError
        If the values are no real numbers, or one is not finite or above 1e150 in size.
    """
    try:
        array = as_array(values)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # ragged lists, sparse tensors
        array = np.array(None)
    if array.dtype.kind not in "fiub" or isinstance(values, np.ma.MaskedArray):
        raise ValueError(f"{name} must be an array of real numbers, got {brief(values)}")
    if array.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):  # of extended precision; what overflows is refused below
            array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be finite, got {np.count_nonzero(~np.isfinite(array))} non-finite values"
        )
    largest = float(np.abs(array).max(initial=0))
    if largest > _LARGEST:
        raise ValueError(f"{name} must be at most {_LARGEST:g} in size, got {largest:g}")
    return array


def centre(z: ArrayLike) -> np.ndarray:
    """Rows minus their mean, in float64 whatever the precision of z.

    The mean of many float32 rows that hardly differ is less exact than the differences between them. A column that
    varies by no more than the round-off of its own precision is constant, and becomes exactly zero.

    Parameters
    ----------
    z : (n, p) array or tensor

    Returns
    -------
    (n, p) float64 array

    Raises
    ------
    ValueError
        If z is not a finite matrix.
    """
    given = _matrix(z)
    rows = given.astype(np.float64)
    centred = rows - rows.mean(axis=0)
    round_off = _ROUND_OFF * np.finfo(given.dtype).eps * np.abs(rows).max(axis=0)
    return np.where(np.abs(centred).max(axis=0) <= round_off, 0.0, centred)


def spectrum(z: ArrayLike) -> np.ndarray:
    """Eigenvalues of the covariance of the rows, in descending order.

    They are s^2/n with s the singular values of the centred rows (see `centre`), so they are never negative.

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
    singular = np.linalg.svd(centre(rows), compute_uv=False)
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
    if tol is not None:
        check_not_negative("tol", tol)
    return int(np.linalg.matrix_rank(_matrix(z), tol=tol))


def effective_rank(z: ArrayLike) -> float:
    """Entropy effective rank of Roy and Vetterli (2007), rows not centred.

    exp(-sum_i q_i log q_i) with q_i = s_i / sum_j s_j the normalised singular values (not their squares).

    Parameters
    ----------
    z : (n, p) array
        For the rank of the variation around the mean, `centre(z)`.

    Returns
    -------
    float
        Between 1 and min(n, p); 0 if z is all zero.

    Raises
    ------
    ValueError
        If z is not a finite matrix.
    """
    singular = _singular_values(z)
    q = singular[singular > 0] / max(singular.sum(), np.finfo(float).tiny)
    return float(np.exp(-np.sum(q * np.log(q)))) if q.size else 0.0


def participation_ratio(eigenvalues: ArrayLike) -> float:
    """Participation ratio (sum_i l_i)^2 / sum_i l_i^2 of non-negative eigenvalues.

    Parameters
    ----------
    eigenvalues : (p,) array, >= 0
        For instance `spectrum(z)`, or squared feature weights.

    Returns
    -------
    float
        Between 1 and p; 0 if all eigenvalues are 0.

    Raises
    ------
    ValueError
        If eigenvalues is not a finite non-negative vector.
    """
    values = as_finite("eigenvalues", eigenvalues).astype(np.float64)
    if values.ndim != 1 or not values.size or np.any(values < 0):
        raise ValueError(f"eigenvalues must be a finite vector >= 0, got {brief(eigenvalues)}")
    if not values.any():
        return 0.0
    shares = values / values.max()
    return float(shares.sum() ** 2 / np.sum(shares**2))


def stable_rank(z: ArrayLike) -> float:
    """Stable rank |Z|_F^2 / |Z|_2^2 = sum_i s_i^2 / s_1^2, rows not centred.

    Parameters
    ----------
    z : (n, p) array

    Returns
    -------
    float
        Between 1 and the rank; 0 if z is all zero.

    Raises
    ------
    ValueError
        If z is not a finite matrix.
    """
    singular = _singular_values(z)
    return float(np.sum((singular / singular[0]) ** 2)) if singular[0] > 0 else 0.0


def _matrix(z: ArrayLike) -> np.ndarray:
    rows = as_finite("z", z)
    if rows.ndim != 2 or rows.size == 0:
        raise ValueError(f"z must be a non-empty (n, p) matrix, got shape {rows.shape}")
    return rows


def _singular_values(z: ArrayLike) -> np.ndarray:
    return np.linalg.svd(_matrix(z).astype(np.float64), compute_uv=False)
