"""Probes: how well a simple classifier on frozen features predicts a label.

A probe is fitted on the training features only and returns its accuracy, the fraction of correct test labels. The
features come from the network in evaluation mode, one row per image, without augmentation.
"""

from reprlib import repr as brief

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import skip_init

from neural.checks import check_instance, check_integer, check_not_negative, check_positive
from neural.measures.spectra import as_array, as_finite
from neural.models.encoders import initialise


def linear_probe(train_x, train_y, test_x, test_y, *, C: float = 1.0, max_iter: int = 1000) -> float:
    """Test accuracy of multinomial logistic regression on standardised features.

    Each feature is shifted and scaled by its training mean and standard deviation; then the mean log loss
    over n training points plus |W|^2 / (2 C n) is minimised (bias not penalised) by L-BFGS in float64.
    Standardisation hides any invertible diagonal map of the features: use `knn_probe` to compare those.

    Parameters
    ----------
    train_x, test_x : array_like, shape (n, p) and (m, p)
        Features.
    train_y, test_y : array_like, shape (n,) and (m,)
        Integer labels; every test label must occur in training.
    C : float > 0
        Inverse penalty.
    max_iter : int >= 1
        Limit of L-BFGS iterations; scikit-learn warns when it is reached.

    Returns
    -------
    float
        Accuracy in [0, 1].

    Raises
    ------
    ValueError
        For shapes that do not match, non-finite features, labels missing in training, fewer than two classes.
    """
    check_positive("C", C)
    check_integer("max_iter", max_iter, 1)
    data = _checked(train_x, train_y, test_x, test_y)
    if len(np.unique(data[1])) < 2:
        raise ValueError(f"train_y must have at least two classes, got only {data[1][0]}")
    return _accuracy(make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=max_iter)), *data)


def adam_probe(
    train_x,
    train_y,
    test_x,
    test_y,
    *,
    generator: torch.Generator,
    epochs: int = 200,
    batch: int = 256,
    lr: float = 1e-3,
    weight_decay: float = 1e-6,
) -> float:
    """Test accuracy of an affine layer trained by Adam on the features as they are.

    Parameters
    ----------
    train_x, train_y, test_x, test_y : array_like
        As for `linear_probe`; the features are neither centred nor scaled, and the training is in float32.
    generator : torch.Generator
        CPU generator of the initial weights and of the order of the batches.
    epochs, batch : int >= 1
    lr : float > 0
    weight_decay : float >= 0
        In torch's convention, coupled.

    Returns
    -------
    float
        Accuracy in [0, 1].

    Raises
    ------
    ValueError
        As for `linear_probe`.

    Notes
    -----
    Source: paper (Gupta et al., 2022, section 5: 200 epochs, 1e-3 and 1e-6); batches of 256 are "reconstructed".
    """
    for name, count in (("epochs", epochs), ("batch", batch)):
        check_integer(name, count, 1)
    check_positive("lr", lr)
    check_not_negative("weight_decay", weight_decay)
    check_instance("generator", generator, torch.Generator)
    train_x, train_y, test_x, test_y = _checked(train_x, train_y, test_x, test_y)
    classes, labels = np.unique(train_y, return_inverse=True)
    x, y = torch.from_numpy(train_x).float(), torch.from_numpy(labels)
    layer = skip_init(nn.Linear, x.shape[1], len(classes))
    initialise(layer, generator)
    optimizer = torch.optim.Adam(layer.parameters(), lr=lr, weight_decay=weight_decay)
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(batch):
            optimizer.zero_grad()
            cross_entropy(layer(x[index]), y[index]).backward()
            optimizer.step()
    with torch.no_grad():
        chosen = layer(torch.from_numpy(test_x).float()).argmax(1)
    return float(np.mean(classes[chosen.numpy()] == test_y))


def knn_probe(train_x, train_y, test_x, test_y, *, k: int = 20) -> float:
    """Test accuracy of a vote among the k training points of largest cosine similarity.

    Each neighbour has one vote; the smallest label wins a tie. Features are neither centred nor scaled, so
    the result does not change when all features are rotated together, or when a single point is rescaled.

    Parameters
    ----------
    train_x, train_y, test_x, test_y : array_like
        As for `linear_probe`.
    k : int in [1, n]
        Number of neighbours.

    Returns
    -------
    float
        Accuracy in [0, 1].

    Raises
    ------
    ValueError
        As for `linear_probe`, and for k out of range.
    """
    data = _checked(train_x, train_y, test_x, test_y)
    check_integer("k", k, 1, len(data[0]), "number of training points")
    return _accuracy(KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute"), *data)


def few_shot_probe(train_x, train_y, test_x, test_y, *, per_class: int, rng, draws: int = 10) -> float:
    """Test accuracy of the nearest class mean of a few labelled points, averaged over draws of these points.

    Features are scaled to unit length first; the class of the mean of largest inner product with the test point,
    means scaled to unit length too, is chosen.

    Parameters
    ----------
    train_x, train_y, test_x, test_y : array_like
        As for `linear_probe`.
    per_class : int >= 1
        Labelled points of each class, at most the size of the smallest class.
    rng : numpy.random.Generator
        Source of the draws.
    draws : int >= 1

    Returns
    -------
    float
        Accuracy in [0, 1].

    Raises
    ------
    ValueError
        As for `linear_probe`, and when a class has fewer points than asked for.
    """
    train_x, train_y, test_x, test_y = _checked(train_x, train_y, test_x, test_y)
    members = [np.flatnonzero(train_y == label) for label in np.unique(train_y)]
    smallest = min(map(len, members))
    check_instance("rng", rng, np.random.Generator)
    check_integer("per_class", per_class, 1, smallest, "smallest class")
    classes, train_x, test_x = np.unique(train_y), _unit(train_x), _unit(test_x)
    check_integer("draws", draws, 1)
    correct = []
    for _ in range(draws):
        means = [train_x[rng.choice(group, per_class, replace=False)].mean(axis=0) for group in members]
        correct.append(np.mean(classes[np.argmax(test_x @ _unit(np.array(means)).T, axis=1)] == test_y))
    return float(np.mean(correct))


def group_probe(
    train_x,
    train_y,
    train_group,
    test_x,
    test_y,
    test_group,
    *,
    per_group: int,
    rng,
    draws: int = 8,
    C: float = 0.1,
) -> np.ndarray:
    """Test accuracy, in each group, of logistic regression fitted on a few labelled points of every group.

    Parameters
    ----------
    train_x, train_y, test_x, test_y : array_like
        As for `linear_probe`.
    train_group, test_group : array_like, shape (n,) and (m,)
        Integer groups, for instance class times background.
    per_group : int >= 1
        Training points drawn from each group, at most the size of the smallest group.
    rng : numpy.random.Generator
        Source of the draws.
    draws : int >= 1
        Fits on fresh draws; accuracies are averaged over them.
    C : float > 0
        Inverse penalty, see `linear_probe`.

    Returns
    -------
    ndarray, shape (number of groups,)
        Accuracy in [0, 1] in each group that occurs in training, in rising order of the groups; the worst group
        accuracy is its minimum.

    Raises
    ------
    ValueError
        As for `linear_probe`, when a group has fewer points than asked for, when the groups are not one for each
        point, or when a group occurs in one half only.
    """
    train_x, train_y, test_x, test_y = _checked(train_x, train_y, test_x, test_y)
    check_integer("draws", draws, 1)
    check_positive("C", C)
    check_instance("rng", rng, np.random.Generator)
    train_group, test_group = _labels("train_group", train_group), _labels("test_group", test_group)
    for name, group, y in (("train_group", train_group, train_y), ("test_group", test_group, test_y)):
        if group.shape != y.shape:
            raise ValueError(f"{name} must have one group per label, shape {y.shape}, got {group.shape}")
    groups = np.unique(train_group)
    if not np.array_equal(groups, np.unique(test_group)):
        only = np.setxor1d(groups, test_group).tolist()
        raise ValueError(f"train_group and test_group must hold the same groups, but one alone holds {only}")
    members = [np.flatnonzero(train_group == group) for group in groups]
    smallest = min(map(len, members))
    check_integer("per_group", per_group, 1, smallest, "smallest group")
    accuracies = []
    for _ in range(draws):
        chosen = np.concatenate([rng.choice(group, per_group, replace=False) for group in members])
        model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
        right = model.fit(train_x[chosen], train_y[chosen]).predict(test_x) == test_y
        accuracies.append([right[test_group == group].mean() for group in groups])
    return np.mean(accuracies, axis=0)


def _unit(x: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length; zero rows stay."""
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(float).tiny)


def _accuracy(classifier, train_x, train_y, test_x, test_y) -> float:
    return float(np.mean(classifier.fit(train_x, train_y).predict(test_x) == test_y))


def _labels(name: str, values) -> np.ndarray:
    """Labels: whole numbers, or texts."""
    try:
        array = as_array(values)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        array = np.array(None)
    whole = array.dtype.kind in "iubUS" or (array.dtype.kind == "f" and bool(np.all(array % 1 == 0)))
    if not whole:
        raise ValueError(f"{name} must hold whole numbers or texts, got {brief(values)}")
    return array


def _checked(train_x, train_y, test_x, test_y) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    train_x, test_x = (
        as_finite(name, x).astype(np.float64) for name, x in (("train_x", train_x), ("test_x", test_x))
    )
    train_y, test_y = _labels("train_y", train_y), _labels("test_y", test_y)
    for name, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
        if x.ndim != 2 or y.shape != x.shape[:1] or not len(x):
            raise ValueError(
                f"{name}_x must be (n, p) and {name}_y (n,) with n >= 1, got shapes {x.shape} and {y.shape}"
            )
    if train_x.shape[1] != test_x.shape[1]:
        raise ValueError(f"test_x must have {train_x.shape[1]} columns like train_x, got {test_x.shape[1]}")
    if (train_y.dtype.kind in "US") != (test_y.dtype.kind in "US"):
        raise ValueError(
            f"test_y must hold labels of one kind with train_y, got {test_y.dtype} and {train_y.dtype}"
        )
    missing = np.setdiff1d(test_y, train_y)
    if len(missing):
        raise ValueError(f"test_y must hold labels that occur in train_y, got also {missing.tolist()}")
    return train_x, train_y, test_x, test_y
