"""Training with InfoNCE on samples of the feature model."""

from dataclasses import replace

import numpy as np

from synthetic.features.info_nce import BLOCK, InnerProductTraining, train_block, train_with_info_nce

SHORT = InnerProductTraining(temperature=0.5, batch=32, steps=20)


def test_every_network_has_its_own_start_and_data():
    weights = train_with_info_nce(SHORT, 0)
    assert weights.shape == (3 * BLOCK, 3)
    assert len(np.unique(weights[:, 0])) == 3 * BLOCK
    np.testing.assert_array_equal(weights[BLOCK : 2 * BLOCK], train_block(replace(SHORT, block=1)))


def test_training_reduces_what_augmentation_disrupts():
    weights = train_with_info_nce(replace(SHORT, batch=128, steps=1500), 0, blocks=1).mean(0)
    assert weights[0] > weights[1] + 0.05 > weights[2] + 0.1
