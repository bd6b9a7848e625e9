"""What all drawings share: intervals and the look of before and after the head."""

import numpy as np
import seaborn as sns
from scipy.special import stdtrit

PALETTE = sns.color_palette("colorblind")
BEFORE = {"color": PALETTE[0], "marker": "o", "label": "before the head"}
AFTER = {"color": PALETTE[1], "marker": "s", "label": "after the head"}


def estimate(values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean over the last axis and half width of its Student 95% interval.

    Parameters
    ----------
    values : ndarray, shape (..., n), n >= 2

    Returns
    -------
    dict
        `mean` and `half_width` = t(0.975; n - 1) sd / sqrt(n), each of shape (...).
    """
    n = values.shape[-1]
    if n < 2:
        raise ValueError(f"values must have at least 2 repetitions, got {n}")
    spread = values.std(axis=-1, ddof=1) / np.sqrt(n)
    return {"mean": values.mean(axis=-1), "half_width": stdtrit(n - 1, 0.975) * spread}
