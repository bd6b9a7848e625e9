"""Untrained networks pass no claim on training; which claims must have an adversary."""

import pytest

from synthetic.claims import CLAIMS
from tests.claims.untrained import adds_to_untrained, adversaries

IMAGES = [claim for name, claim in CLAIMS.items() if name.startswith("images-")]
ADVERSARIES = adversaries()


@pytest.mark.parametrize("claim", IMAGES, ids=[claim.id for claim in IMAGES])
def test_every_claim_on_images_is_held_against_untrained_networks(claim):
    """Identities and laws of descent need no comparison, nor does a sentence that is not supported or undecided."""
    affirmed = claim.check.replicated and claim.expected not in ("not supported", "undecided")
    if affirmed and claim.source != "identity" and claim.id != "images-balance-drift-order":
        assert (claim.untrained is not None) != adds_to_untrained(claim)


@pytest.mark.slow
@pytest.mark.parametrize("name", ADVERSARIES)
def test_no_claim_on_training_agrees_with_untrained_networks(name, seed):
    rejected, numbers = ADVERSARIES[name](CLAIMS[name], seed)
    assert rejected, numbers
