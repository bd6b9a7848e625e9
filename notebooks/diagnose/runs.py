"""Features of a network that `neural.training.pretraining` trained, as `diagnose` takes them."""

from __future__ import annotations

import numpy as np
import torch

from neural.training.features import head_matrix
from neural.training.pretraining import Pretrained

_BATCH = 1024


@torch.inference_mode()
def view_features(trained: Pretrained, label: str) -> dict:
    """Two augmented views of every test image before and after the head, the labels, and the matrix of a linear head.

    Parameters
    ----------
    trained : Pretrained
    label : str
        Name of a label of the data set.

    Returns
    -------
    dict
        Keyword arguments of `notebooks.diagnose.diagnose`.
    """
    generator = torch.Generator().manual_seed(trained.config.seed)
    before, after = ([], []), ([], [])
    for index in torch.arange(len(trained.test)).split(_BATCH):
        for side, images in enumerate(trained.test.pairs(index, generator)):
            h = trained.encoder(trained.config.augment(images, generator))
            before[side].append(h.float().numpy())
            after[side].append(trained.head(h).float().numpy())
    matrix = head_matrix(trained.head)
    return {
        "before": tuple(np.concatenate(parts) for parts in before),
        "after": tuple(np.concatenate(parts) for parts in after),
        "labels": trained.test.labels[label].numpy(),
        "head": None if matrix is None else matrix.numpy(),
    }
