"""The check that holds predicted gaps against measured ones."""

import numpy as np
import pytest

from synthetic.claims.images_verdict import HEADS, MEMBERS, METHODS, Tracks, networks
from synthetic.claims.rule import AGREES, DISAGREES, Estimate
from synthetic.images.runs import BASE, EMBED_DIM, head_runs

CHECK = Tracks(correlation=0.9, sign=0.75, worth=0.01)
MEASURED = np.array([0.05, 0.03, -0.04, -0.02, 0.005])


def outcome(predicted, measured=MEASURED):
    return CHECK.outcome(Estimate.of(measured, replicated=False), np.asarray(predicted))


def test_a_prediction_that_tracks_agrees():
    assert outcome(MEASURED) == AGREES
    assert outcome(3 * MEASURED) == AGREES
    assert outcome(MEASURED + [0, 0, 0, 0, -0.01]) == AGREES  # the sign of a difference below a point


@pytest.mark.parametrize(
    "predicted",
    [
        np.ones(5),  # always before
        -MEASURED,
        MEASURED + 0.045,  # correlation 1, two signs of four wrong
        [0.01, 0.2, -0.01, -0.2, 0.2],  # signs right, sizes unrelated
    ],
)
def test_a_prediction_fails_by_its_signs_or_by_its_correlation(predicted):
    assert outcome(predicted) == DISAGREES


def test_one_network_is_judged_by_its_sign():
    assert outcome([1.0], MEASURED[:1]) == AGREES and outcome([-1.0], MEASURED[:1]) == DISAGREES
    assert outcome([-1.0], MEASURED[4:]) == AGREES


def test_networks_are_shared_with_the_other_claims():
    runs = networks(BASE)
    assert len(set(runs.values())) == len(METHODS) * len(HEADS) * MEMBERS
    assert runs["SimCLR", "MLP", 0] == BASE
    assert runs["SimCLR", "linear", 0] == head_runs(BASE, EMBED_DIM)["trainable, joint"]
