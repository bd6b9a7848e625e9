"""Lists of results as arrays."""

from collections.abc import Mapping, Sequence

import numpy as np


def stack_results(results: Sequence[Mapping]) -> dict[str, np.ndarray]:
    """Turn a list of results into one array for each quantity.

    Parameters
    ----------
    results : sequence of mapping
        One result for each member or replicate, at least one. All hold the same names, and each name holds a
        number or an array of the same shape everywhere.

    Returns
    -------
    dict of str to (len(results), ...) array

    Raises
    ------
    ValueError
        When there are no results, when their names differ, or when the shapes under one name differ.

    Examples
    --------
    >>> stack_results([{"accuracy": 0.5}, {"accuracy": 0.75}])
    {'accuracy': array([0.5 , 0.75])}
    """
    if len(results) == 0:
        raise ValueError("results must hold at least one result, got none")
    for index, result in enumerate(results):
        if result.keys() != results[0].keys():
            raise ValueError(
                f"results must all hold {sorted(results[0])}, but results[{index}] holds {sorted(result)}"
            )
    return {name: np.array([result[name] for result in results]) for name in results[0]}
