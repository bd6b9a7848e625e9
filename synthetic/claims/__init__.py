"""Claims: every statement held against a measurement that does not know it. By paper, images apart."""

from synthetic.claims import (
    gui_downstream,
    gui_downstream_general,
    gui_images,
    gui_other_losses,
    gui_projector,
    gupta,
    gupta_images,
    gupta_noise,
    gupta_null_space_images,
    images_verdict,
    song,
    song_images,
    xue_accuracy,
    xue_heads,
    xue_images,
    xue_moments,
    xue_samples,
    xue_weights,
)
from synthetic.claims.papers import title_of_module
from synthetic.claims.registry import Claim, ClaimResult, Prediction, run_claim
from synthetic.claims.rule import Equivalent, Estimate, Exact, Sign, Unsupported

_MODULES = (
    xue_weights,
    xue_samples,
    xue_accuracy,
    xue_heads,
    xue_moments,
    gui_projector,
    gui_other_losses,
    gui_downstream,
    gui_downstream_general,
    song,
    gupta,
    gupta_noise,
    xue_images,
    gupta_images,
    gupta_null_space_images,
    song_images,
    gui_images,
    images_verdict,
)
CLAIMS: dict[str, Claim] = {claim.id: claim for module in _MODULES for claim in module.CLAIMS}

PAPER_OF: dict[str, str] = {
    claim.id: title_of_module(module.__name__) for module in _MODULES for claim in module.CLAIMS
}
"""Title of the paper that each claim is about."""

__all__ = [
    "CLAIMS",
    "PAPER_OF",
    "Claim",
    "ClaimResult",
    "Equivalent",
    "Estimate",
    "Exact",
    "Prediction",
    "Sign",
    "Unsupported",
    "run_claim",
]
