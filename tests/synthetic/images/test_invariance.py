"""Style shares: of made-up pairs, and of a small network."""

from dataclasses import replace

import numpy as np
import pytest

from neural.data.digits import DigitsOnPhotographs
from neural.models.encoders import SmallConvConfig
from neural.models.heads import IdentityConfig, LinearConfig
from neural.training.pretraining import PretrainConfig
from synthetic.images.invariance import measure_style_shares, style_share

SMALL = PretrainConfig(
    data=DigitsOnPhotographs(train_size=200, patches=4),
    encoder=SmallConvConfig(2),
    head=LinearConfig(4),
    epochs=0,
    batch=64,
)


def test_share_is_the_part_of_the_variance_within_pairs(seed):
    rng = np.random.default_rng(seed)
    content, *style = rng.standard_normal((3, 20_000, 2))
    # Variance 4 of the content and 1 of the style in either view: 1 of 5 is style, five standard errors apart.
    share = style_share(2 * content + style[0], 2 * content + style[1])
    assert share == pytest.approx(0.2, abs=0.01)
    assert style_share(content, content) == 0
    assert style_share(style[0], style[1]) == pytest.approx(1, abs=0.05)


def test_no_head_and_its_representation_are_the_same(seed):
    found = measure_style_shares(replace(SMALL, seed=seed, head=IdentityConfig()))
    assert found.keys() == {"style_h", "style_z"} and found["style_h"] == found["style_z"]


def test_the_share_of_h_lies_between_those_of_its_two_parts(seed):
    run = replace(SMALL, seed=seed)
    found = measure_style_shares(run)
    assert found.keys() == {"style_h", "style_z", "style_h_r", "style_h_n"}
    # The whole is a weighted mean of two orthogonal parts.
    assert (
        min(found["style_h_r"], found["style_h_n"])
        < found["style_h"]
        < max(found["style_h_r"], found["style_h_n"])
    )
    assert measure_style_shares(replace(run, member=1)) != found
