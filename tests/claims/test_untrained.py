"""Untrained networks pass no claim on training; which claims must have an adversary."""

import pytest

from synthetic.claims import CLAIMS
from tests.claims.untrained import adds_to_untrained, adversaries

IMAGES = [claim for name, claim in CLAIMS.items() if name.startswith("images-")]
ADVERSARIES = adversaries()


@pytest.mark.parametrize("claim", IMAGES, ids=[claim.id for claim in IMAGES])
def test_every_claim_on_images_is_held_against_untrained_networks(claim):
    """Members are compared with their untrained networks; identities and laws of descent need no comparison."""
    compares_members = claim.check.replicated and claim.id != "images-balance-drift-order"
    held = (claim.untrained is not None) + adds_to_untrained(claim)
    assert held == (compares_members and claim.source != "identity")


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIES)
def test_no_claim_on_training_agrees_with_untrained_networks(name, seed):
    rejected, numbers = ADVERSARIES[name](CLAIMS[name], seed)
    assert rejected, numbers
