"""Features of a pretrained network, layer by layer, and the accuracy of probes on them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from neural.checks import check_choice, check_integer
from neural.data.images import ImageSplit
from neural.measures.probes import few_shot_probe, knn_probe, linear_probe
from neural.measures.spectra import centre, effective_rank
from neural.models.heads import FixedMatrixHead, LinearHead
from neural.training.methods import CrossEntropyObjective
from neural.training.pretraining import Pretrained

_BATCH = 1024


@dataclass(frozen=True, eq=False)
class Features:
    """Features and labels of the unaugmented images of one half of a data set.

    Attributes
    ----------
    layers : dict of name -> (n, p) float32 array
        `h` before the head and `z` after it. With a linear head also `h_r` and `h_n`, the parts of h in the row space
        and in the null space of its matrix (Gupta et al., eq. 4).
    labels : dict of name -> (n,) int64 array
    predicted : (n,) int64 array or None
        Class that the network's own classifier gives, for methods that have one.
    """

    layers: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    predicted: np.ndarray | None = None


@torch.inference_mode()
def extract(run: Pretrained, split: ImageSplit, *, stages: bool = False) -> Features:
    """Features of every image of a split, without augmentation and with the network in evaluation mode.

    Parameters
    ----------
    run : Pretrained
    split : ImageSplit
        `run.train` or `run.test`, or another one on the same device.
    stages : bool
        Whether to add the features of every stage of the encoder, averaged over positions, under its names for them.

    Returns
    -------
    Features
    """
    batches: dict[str, list[Tensor]] = {}
    predicted: list[Tensor] = []
    matrix = head_matrix(run.head)
    device = next(iter(split.labels.values())).device
    for index in torch.arange(len(split), device=device).split(_BATCH):
        views = run.config.augment.still(split.stills(index))
        layers = run.encoder.stages(views) if stages else {"h": run.encoder(views)}
        layers["z"] = run.head(layers["h"])
        if matrix is not None:
            layers["h_r"], layers["h_n"] = row_and_null_part(layers["h"], matrix)
        if isinstance(run.objective, CrossEntropyObjective):
            predicted.append(run.objective.predict(layers["z"]).cpu())
        for name, features in layers.items():
            batches.setdefault(name, []).append(features.float().cpu())
    return Features(
        {name: torch.cat(parts).numpy() for name, parts in batches.items()},
        {name: label.cpu().numpy() for name, label in split.labels.items()},
        torch.cat(predicted).numpy() if predicted else None,
    )


def head_matrix(head: nn.Module) -> Tensor | None:
    """Matrix A (p, m) of a head z = A h, on the device of the head; None for every other head.

    Parameters
    ----------
    head : nn.Module
        `LinearHead` and `FixedMatrixHead` have one.
    """
    if isinstance(head, FixedMatrixHead):
        return head.matrix
    return head.linear.weight.detach() if isinstance(head, LinearHead) else None


def row_and_null_part(h: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    r"""Parts of h in the row space and in the null space of a matrix: h_r = A^+ A h, h_n = h - h_r.

    Parameters
    ----------
    h : (n, m) tensor
    matrix : (p, m) tensor
        A, of any rank; singular values below max(p, m) machine epsilons of the largest count as zero.

    Returns
    -------
    h_r, h_n : (n, m) tensors
        Orthogonal; A h_n = 0.

    Notes
    -----
    Source: paper (Gupta et al., eq. 4, there for full row rank).
    """
    _, values, rows = torch.linalg.svd(matrix, full_matrices=False)
    tolerance = max(matrix.shape) * torch.finfo(matrix.dtype).eps * values[0]
    rows = rows[values > tolerance]
    row_part = (h @ rows.mT) @ rows
    return row_part, h - row_part


def probe_layers(
    train: Features,
    test: Features,
    label: str,
    layers: tuple[str, ...] = ("h", "z"),
    *,
    few_shot: int = 0,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Test accuracy of the probes for one label, on several layers.

    Images whose label is below 0 (unknown) are left out.

    Parameters
    ----------
    train, test : Features
    label : str
    layers : tuple of str
    few_shot : int >= 0
        Labelled images of each class for the nearest-class-mean probe, mean over 10 draws; 0 leaves it out. Where a
        class has fewer training images, that many of each class.
    seed : int
        Of these draws.

    Returns
    -------
    dict of layer -> dict
        `linear` (logistic regression on standardised features, C = 1), `knn` (20 neighbours by cosine, or all
        training images where there are fewer),
        `few_shot`, `effective_rank` (centred training features).
    """
    check_integer("few_shot", few_shot, 0)
    check_choice("label", label, train.labels)
    for name in layers:
        check_choice("layers", name, train.layers)
    known, known_test = train.labels[label] >= 0, test.labels[label] >= 0
    y, y_test = train.labels[label][known], test.labels[label][known_test]
    neighbours, shots = fit_probes_to(y, few_shot)
    scores = {}
    for name in layers:
        x, x_test = train.layers[name][known], test.layers[name][known_test]
        scores[name] = {
            "linear": linear_probe(x, y, x_test, y_test),
            "knn": knn_probe(x, y, x_test, y_test, k=neighbours),
            "effective_rank": effective_rank(centre(x)),
        }
        if shots:
            rng = np.random.default_rng(seed)
            scores[name]["few_shot"] = few_shot_probe(x, y, x_test, y_test, per_class=shots, rng=rng)
    return scores


def fit_probes_to(labels: np.ndarray, few_shot: int) -> tuple[int, int]:
    """Neighbours and labelled images of each class that `probe_layers` uses for these training labels.

    Parameters
    ----------
    labels : (n,) int array
        Below 0 where not known.
    few_shot : int >= 0
        Labelled images of each class that are asked for.

    Returns
    -------
    neighbours, shots : int
        20 and `few_shot`, or as many as there are.
    """
    counts = np.unique(labels[labels >= 0], return_counts=True)[1]
    return min(20, int(counts.sum())), min(few_shot, int(counts.min(initial=few_shot)))
