"""Signed sums of scores, member by member."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import LinearConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import load_or_train
from synthetic.images.contrasts import (
    gap,
    measure_contrasts,
    measures,
    measures_beyond_untrained,
    score,
)

RUN = PretrainConfig(
    data=DigitsOnPhotographs(train_size=200, patches=4),
    encoder=SmallConvConfig(2),
    head=LinearConfig(4),
    epochs=1,
    batch=64,
)


@dataclass(frozen=True)
class Means:
    def __call__(self, features):
        return {f"mean_{layer}": float(features.train.layers[layer].mean()) for layer in "hz"}


@pytest.fixture(autouse=True)
def own_store(monkeypatch, tmp_path):
    monkeypatch.setenv("PROJHEAD_CACHE", str(tmp_path))


def test_differences_and_gaps_add_up_term_by_term():
    other = replace(RUN, epochs=2)
    contrast = gap(RUN, "mean") - score(other, "mean_h")
    assert contrast.terms == ((1, RUN, "mean_h"), (-1, RUN, "mean_z"), (-1, other, "mean_h"))
    start = contrast.untrained()
    assert {run.epochs for _, run, _ in start.terms} == {0}
    assert [(sign, name) for sign, _, name in start.terms] == [
        (sign, name) for sign, _, name in contrast.terms
    ]


def test_values_are_paired_by_member_and_belong_to_the_seed(seed):
    contrasts = (gap(RUN, "mean"), score(RUN, "mean_h") - score(replace(RUN, epochs=0), "mean_h"))
    values = measure_contrasts(seed, contrasts=contrasts, measurement=Means(), members=2)
    assert values.shape == (2, 2)
    for member in range(2):
        trained, start = (
            Means()(load_or_train(replace(RUN, epochs=epochs, seed=seed, member=member))) for epochs in (1, 0)
        )
        expected = [trained["mean_h"] - trained["mean_z"], trained["mean_h"] - start["mean_h"]]
        assert np.array_equal(values[member], expected)


def test_a_claim_comes_with_its_untrained_networks_or_measures_what_training_adds(seed):
    contrasts = [gap(RUN, "mean")]
    raw = measures(contrasts, Means(), 2)
    (added,) = measures_beyond_untrained(contrasts, Means(), 2).values()
    trained, before = raw["measure"](seed), raw["untrained"](seed)
    assert trained.shape == before.shape == (2, 1) and not np.array_equal(trained, before)
    assert np.allclose(added(seed), trained - before, rtol=0, atol=1e-15)
