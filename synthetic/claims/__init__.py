"""Claims: every statement held against a measurement that does not know it. One module per paper."""

from synthetic.claims import gui, gupta, song, xue, xue_heads
from synthetic.claims.registry import Claim, ClaimResult, Prediction, run_claim
from synthetic.claims.rule import Equivalent, Estimate, Exact, Sign

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in (*xue.CLAIMS, *xue_heads.CLAIMS, *gui.CLAIMS, *song.CLAIMS, *gupta.CLAIMS)
}

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "Equivalent",
    "Estimate",
    "Exact",
    "Prediction",
    "Sign",
    "run_claim",
]
