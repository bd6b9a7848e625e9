"""Every claim against its measurement, with its control; and the committed ledger against the claims."""

import json
import os

import pytest
from joblib import parallel_config

from neural.devices import available_cores
from synthetic.claims import CLAIMS, PAPER_OF, run_claim
from synthetic.claims.ledger import entries_markdown
from synthetic.claims.rule import LEDGER_COMPARISONS
from synthetic.store.files import clone_root
from synthetic.store.versions import PACKAGES

WORKERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else available_cores()
"""Processes of one claim. Where pytest itself runs several, each claim keeps to its own."""
FIELDS = (
    *("statement", "latex", "source", "reference", "assumptions"),
    *("limits", "reason", "quantity", "expected"),
)


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_claim_has_its_verdict_and_rejects_its_control(claim, seed):
    with parallel_config(n_jobs=WORKERS):
        result = run_claim(claim, seed)
    shown = json.dumps(result.to_json(), indent=1)
    assert result.verdict == claim.expected, shown
    assert result.ok, shown


def committed():
    return json.loads((clone_root() / "figures" / "claims.json").read_text())


def test_ledger_holds_every_claim_as_declared():
    assert [entry["id"] for entry in committed()] == list(CLAIMS)
    for entry in committed():
        claim = CLAIMS[entry["id"]]
        for field in FIELDS:
            assert entry[field] == getattr(claim, field), (entry["id"], field)
        assert (entry["check"], entry["control"]["what"]) == (repr(claim.check), claim.control), entry["id"]
        assert entry["ok"] and entry["verdict"] == claim.expected
        assert entry["seed"] == 0 and set(entry["versions"]) == {"python", *PACKAGES}


def test_ledger_page_is_made_from_the_entries():
    assert (clone_root() / "CLAIMS.md").read_bytes() == entries_markdown(committed(), PAPER_OF)


def test_ledger_page_shows_every_claim_in_its_paper_s_table_and_in_detail():
    page = (clone_root() / "CLAIMS.md").read_text(encoding="utf-8")
    for claim in CLAIMS.values():
        assert f"| {claim.statement} [{claim.id}](#" in page
        assert f"### {claim.id}\n\n{claim.statement}" in page


def test_ledger_holds_no_more_comparisons_than_its_intervals_are_corrected_for():
    assert sum(len(entry["measured"]) for entry in committed()) <= LEDGER_COMPARISONS
