"""Maps of stored features."""

import numpy as np

from neural.training.features import Features
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import TrainedFeatures
from synthetic.images.maps import TSNEMap


def test_map_is_repeatable_and_keeps_the_order_of_the_labels(seed):
    rng = np.random.default_rng(seed)
    labels = {"digit": rng.integers(10, size=80), "photo": rng.integers(3, size=80)}
    half = Features({"h": rng.standard_normal((80, 5)).astype(np.float32)}, labels)
    features = TrainedFeatures(PretrainConfig(), half, half, None, None, ())
    measure = TSNEMap(images=40, perplexity=5.0, iterations=250)
    first, second = measure(features), measure(features)
    assert first == second and len(first["x"]) == len(first["y"]) == 40
    assert first["digit"] == labels["digit"][:40].tolist()
