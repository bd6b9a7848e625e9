"""Runs with names: trained and measured through the bank, compared member by member."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np

from neural.training.pretraining import PretrainConfig
from notebooks.panels.image_runs import with_members
from notebooks.panels.shared import estimate
from synthetic.images.bank import measure_bank

Scores = dict[str, np.ndarray]


def measure_named(
    measurement, runs: Mapping[Hashable, PretrainConfig], members: int, *, jobs: int = 1, label: str = ""
) -> dict[Hashable, Scores]:
    """Apply a measurement of the bank to all members of named runs.

    Parameters
    ----------
    measurement : callable
        See `synthetic.images.bank.measure_bank`; its results are dicts of numbers.
    runs : mapping of name to PretrainConfig
    members : int >= 1
    jobs, label
        As for `measure_bank`.

    Returns
    -------
    dict of name -> dict of (members,) arrays
    """
    results = measure_bank(measurement, with_members(list(runs.values()), members), jobs=jobs, label=label)
    return by_name(results, runs, members)


def by_name(results: Sequence[dict], names: Iterable[Hashable], members: int) -> dict[Hashable, Scores]:
    """Results of all members of every name, as one array for each quantity.

    Parameters
    ----------
    results : sequence of dict
        Member by member, name by name.
    names : iterable
    members : int >= 1
    """
    groups = (results[start : start + members] for start in range(0, len(results), members))
    return {
        name: {key: np.array([result[key] for result in group]) for key in group[0]}
        for name, group in zip(names, groups, strict=True)
    }


def layer_scores(scores: Sequence[Scores], stems: Iterable[str]) -> Scores:
    """Accuracy before the head, after it, and before minus after, run by run and member by member.

    Parameters
    ----------
    scores : sequence of Scores
        One for each run.
    stems : iterable of str
        Names without their ending `_h` or `_z`.

    Returns
    -------
    dict of name -> (len(scores), members) array
        `<stem>_h`, `<stem>_z`, `<stem>_gap`.
    """
    table = {}
    for stem in stems:
        before, after = (np.array([one[f"{stem}_{layer}"] for one in scores]) for layer in "hz")
        table |= {f"{stem}_h": before, f"{stem}_z": after, f"{stem}_gap": before - after}
    return table


def estimates(table: Scores) -> dict[str, dict]:
    """`estimate` of every array, over its last axis.

    Parameters
    ----------
    table : dict of name -> (..., members) array
    """
    return {name: estimate(values) for name, values in table.items()}


def plus_minus(value: dict, index: int | tuple = ()) -> str:
    """One estimate as text: mean +- Student 95% half width.

    Parameters
    ----------
    value : dict
        Of `estimate`.
    index : int or tuple
        Which of its entries.
    """
    return f"{value['mean'][index]:+.3f} +- {value['half_width'][index]:.3f}"
