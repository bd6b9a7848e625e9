from dataclasses import replace

import numpy as np
import pytest

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import FrozenGivenConfig, IdentityConfig, LinearConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images.bank import trained_features
from synthetic.images.heads import freeze_trained_heads, read_head_rows

SMALL = PretrainConfig(
    data=DigitsOnPhotographs(train_size=200, patches=4),
    encoder=SmallConvConfig(2),
    head=LinearConfig(4),
    epochs=1,
    batch=50,
)


@pytest.fixture(autouse=True)
def no_stored_results(monkeypatch):
    monkeypatch.setenv("PROJHEAD_CACHE", "off")


def test_trained_heads_are_held_fixed_from_the_same_start():
    (run,) = freeze_trained_heads([SMALL])
    trained, again = trained_features(SMALL), trained_features(run)
    assert np.array_equal(again.matrix, trained.matrix)
    assert run.head == FrozenGivenConfig(read_head_rows(trained)["rows"])
    assert not np.array_equal(again.train.layers["h"], trained.train.layers["h"])
    with pytest.raises(ValueError, match="head must be linear without bias, got IdentityConfig"):
        read_head_rows(trained_features(replace(SMALL, head=IdentityConfig(), epochs=0)))
