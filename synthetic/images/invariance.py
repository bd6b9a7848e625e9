"""How far the parts of a representation change with the style of an image: another patch, crop and colour."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neural.training.features import head_matrix, row_and_null_part
from neural.training.pretraining import PretrainConfig, Pretrained, Purpose, pretrain
from synthetic.images.runs import with_data


def measure_style_shares(config: PretrainConfig) -> dict[str, float]:
    r"""Train a network, then compare pairs of views of the same digit and photograph, on test images.

    A pair of views shares its digit and its photograph; all else is style. The style share of a part x of the
    representation is

    .. math:: \frac{\tfrac12 E|x_1 - x_2|^2}{\mathrm{tr}\,\mathrm{Cov}(x)},

    which is 0 where the part does not change with style, and 1 where the views of a pair are as unlike as those of
    different images. Both views always have the digit, whatever `p_drop` was in training.

    Parameters
    ----------
    config : PretrainConfig
        On `DigitsOnPhotographs`.

    Returns
    -------
    dict
        `style_h`, `style_z`; with a linear head without bias also `style_h_r` and `style_h_n`, of the parts of h in
        its row space and in its null space.

    Notes
    -----
    Source: derived here, as the intraclass correlation of pairs subtracted from 1.
    """
    run = pretrain(config)
    test = with_data(config, p_drop=0.0).build_data()[1].to(run.train.digits.device)
    augmentation = config.stream(Purpose.AUGMENTATION)
    pairs = test.pairs(torch.arange(len(test)), config.stream(Purpose.PAIRS))
    with torch.inference_mode():
        first, second = (_read_parts(run, config.augment(half, augmentation)) for half in pairs)
    return {f"style_{name}": style_share(first[name], second[name]) for name in first}


def _read_parts(run: Pretrained, views: Tensor) -> dict[str, np.ndarray]:
    h, matrix = run.encoder(views), head_matrix(run.head)
    parts = {"h": h, "z": run.head(h)}
    if matrix is not None:
        parts["h_r"], parts["h_n"] = row_and_null_part(h, matrix)
    return {name: part.double().cpu().numpy() for name, part in parts.items()}


def style_share(first: np.ndarray, second: np.ndarray) -> float:
    """Half the mean squared distance of the two members of a pair, over the variance of all rows.

    Parameters
    ----------
    first, second : (n, p) array
        Row i of both is one pair.

    Examples
    --------
    >>> style_share(np.array([[0.0], [1.0]]), np.array([[0.0], [1.0]]))
    0.0
    """
    within = np.mean(np.sum((first - second) ** 2, axis=1)) / 2
    return float(within / np.concatenate([first, second]).var(axis=0).sum())
