"""Adversary of the claims on training: every one of them is held against networks that were not trained.

A claim on images must not agree with the same networks before training, member by member. A claim whose networks are
trained in the feature model or in the mixture must stand neither at time 0 nor on random matrices: there the
measurement must disagree with the prediction, or the prediction must coincide with its control, so that the check
cannot tell the two apart. Identities, which hold for any network, are left out.

    python -m tests.claims.untrained [--seed N] [ID ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from notebooks.call_graph import names_used
from synthetic.claims import CLAIMS, Claim
from synthetic.claims.registry import run_claim
from synthetic.claims.rule import AGREES, Estimate
from tests.claims.no_training import TRAINING, no_training


def on_untrained_networks(claim: Claim, seed: int) -> tuple[bool, str]:
    """Whether the check of a claim on images rejects untrained networks, and the numbers."""
    measure = claim.untrained or _before_training(claim)
    estimate = Estimate.of(measure(seed), claim.check.replicated)
    outcome = claim.check.outcome(estimate, np.asarray(claim.predict(seed).value, dtype=float))
    numbers = ", ".join(f"{m:.4g} ± {se:.2g}" for m, se in zip(estimate.mean, estimate.se, strict=True))
    return outcome != AGREES, numbers


def _before_training(claim: Claim) -> Callable[[int], np.ndarray]:
    """The measurement of a claim on what training adds, with untrained networks in place of the trained ones."""
    contrasts = tuple(contrast.untrained() for contrast in claim.measure.keywords["contrasts"])
    return partial(claim.measure, contrasts=contrasts)


def without_training(claim: Claim, seed: int) -> tuple[bool, str]:
    """Whether a claim falls both where its networks stay at their start and where random matrices replace them."""
    outcomes = {
        place: _outcome(claim, seed, random=random)
        for place, random in (("at time 0", False), ("on random matrices", True))
    }
    return "agrees" not in outcomes.values(), ", ".join(
        f"{place}: {outcome}" for place, outcome in outcomes.items()
    )


def _outcome(claim, seed, *, random):
    """What the check says where nothing is trained; resolution is not asked, which only grows with replicates."""
    with no_training(random=random), np.errstate(all="ignore"):
        try:
            result = run_claim(claim, seed)
        except ValueError as error:
            if str(error) != "a measurement is not finite":
                raise
            return "no finite measurement"
    if result.verdict != claim.expected:
        return result.verdict
    return "agrees" if result.control.rejected else "agrees with its control as well"


def adds_to_untrained(claim: Claim) -> bool:
    """Whether a claim measures what training adds to untrained networks."""
    contrasts = getattr(claim.measure, "keywords", {}).get("contrasts", ())
    return bool(contrasts) and all(
        any(run.epochs == 0 for _, run, _ in contrast.terms) for contrast in contrasts
    )


def adversaries() -> dict[str, Callable[[Claim, int], tuple[bool, str]]]:
    """The adversary of every claim that has one, by id."""
    found = {
        name: on_untrained_networks
        for name, claim in CLAIMS.items()
        if (claim.untrained is not None and name.startswith("images-")) or adds_to_untrained(claim)
    }
    return found | {
        name: without_training
        for name, claim in CLAIMS.items()
        if claim.source != "identity" and names_used([claim.measure]) & TRAINING
    }


def main() -> int:
    """Print a line for every claim; the number of claims that an untrained network passes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("ids", nargs="*", metavar="ID", help="claims (all that have an adversary)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = {
        name: test for name, test in adversaries().items() if name in arguments.ids or not arguments.ids
    }
    passed = 0
    for name, test in chosen.items():
        rejected, numbers = test(CLAIMS[name], arguments.seed)
        passed += not rejected
        print(f"{'rejected' if rejected else 'PASSES':<10}{name:<40}{numbers}", flush=True)
    return passed


if __name__ == "__main__":
    raise SystemExit(main())
