"""Offline probes: how well a simple classifier on frozen features predicts a label.

Both probes are fitted on the training features only and return the accuracy (fraction of correct test
labels). The features come from the network in evaluation mode, one per image, without augmentation.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


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
    if not C > 0:
        raise ValueError(f"C must be > 0, got {C}")
    if max_iter < 1:
        raise ValueError(f"max_iter must be >= 1, got {max_iter}")
    data = _checked(train_x, train_y, test_x, test_y)
    if len(np.unique(data[1])) < 2:
        raise ValueError(f"train_y must have at least two classes, got only {data[1][0]}")
    return _accuracy(make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=max_iter)), *data)


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
    if not 1 <= k <= len(data[0]):
        raise ValueError(f"k must be in [1, {len(data[0])}] (number of training points), got {k}")
    return _accuracy(KNeighborsClassifier(n_neighbors=k, metric="cosine", algorithm="brute"), *data)


def _accuracy(classifier, train_x, train_y, test_x, test_y) -> float:
    return float(np.mean(classifier.fit(train_x, train_y).predict(test_x) == test_y))


def _checked(train_x, train_y, test_x, test_y) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    train_x, test_x = (np.asarray(x, dtype=np.float64) for x in (train_x, test_x))
    train_y, test_y = np.asarray(train_y), np.asarray(test_y)
    for name, x, y in (("train", train_x, train_y), ("test", test_x, test_y)):
        if x.ndim != 2 or y.shape != x.shape[:1] or not len(x):
            raise ValueError(
                f"{name}_x must be (n, p) and {name}_y (n,) with n >= 1, got shapes {x.shape} and {y.shape}"
            )
        if not np.isfinite(x).all():
            raise ValueError(
                f"{name}_x must be finite, got {np.count_nonzero(~np.isfinite(x))} non-finite values"
            )
    if train_x.shape[1] != test_x.shape[1]:
        raise ValueError(f"test_x must have {train_x.shape[1]} columns like train_x, got {test_x.shape[1]}")
    missing = np.setdiff1d(test_y, train_y)
    if len(missing):
        raise ValueError(f"test_y must hold labels that occur in train_y, got also {missing.tolist()}")
    return train_x, train_y, test_x, test_y
