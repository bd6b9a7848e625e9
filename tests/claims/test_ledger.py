"""The page and the file of the ledger show what was measured."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

from synthetic.claims.ledger import entries_json, entries_markdown, read_entries, table_row, update_ledger
from synthetic.claims.registry import Claim, Prediction, run_claim
from synthetic.claims.rule import AtMost, Equivalent, Exact, Sign, Unsupported
from synthetic.store.versions import recorded_versions

PAPERS = dict.fromkeys(("a", "b", "test", "absent", "never measured"), "A paper")
NOISE = stats.norm.ppf((np.arange(16) + 0.5) / 16)[:, None]


def measured(identifier="test", **changes):
    """Entry of a claim that is measured here."""
    fields = dict(
        id=identifier,
        statement="s",
        latex="l",
        source="paper",
        reference="r",
        assumptions="a",
        control="c",
        check=Exact(1e-9),
        measure=lambda seed: [1.0, 3.0],
        predict=lambda seed: Prediction([1.0, 3.0], [2.0, 3.0]),
    )
    return run_claim(Claim(**{**fields, **changes})).to_json()


def absent_effect(identifier="absent"):
    return measured(
        identifier,
        check=Unsupported(0.1),
        expected="not supported",
        measure=lambda seed: 0.02 * NOISE,
        predict=lambda seed: Prediction([1.0], [np.nan]),
    )


def test_page_shows_power_of_an_absent_effect_only():
    absent, other = absent_effect(), measured()
    page = entries_markdown([absent, other], PAPERS).decode()
    assert page.count("- Power: ") == 1 and f"- Power: {absent['power']:.3f}." in page
    stored = json.loads(entries_json([absent, other]))
    assert [entry["power"] for entry in stored] == [absent["power"], None]
    assert [entry["replicates"] for entry in stored] == [16, 1]


def test_row_of_a_value_shows_the_comparison_farthest_from_its_prediction():
    entry = measured(
        check=Equivalent(1.0),
        measure=lambda seed: np.array([1.0, 3.0]) + 0.01 * NOISE,
        predict=lambda seed: Prediction([1.0, 3.5], [2.0, 5.0]),
    )
    row = table_row(entry)
    assert row["predicted"] == "3.5 ± 1" and row["measured"].startswith("3 ± 0.0")
    assert row["interval"] == f"[{entry['interval'][0][1]:.4g}, {entry['interval'][1][1]:.4g}]"
    assert row["control"] == "rejected" and int(row["resolution"]) >= 8


def test_row_of_a_bound_or_a_sign_shows_the_comparison_nearest_to_failing():
    bound = measured(
        check=AtMost(0.1),
        measure=lambda seed: np.array([-9.0, 0.9]) + 0.01 * NOISE,
        predict=lambda seed: Prediction([1.0, 1.0], [0.0, 0.0]),
    )
    assert table_row(bound)["measured"].startswith("0.9 ")
    side = measured(
        check=Sign(),
        measure=lambda seed: np.array([-9.0, -0.4]) + 0.01 * NOISE,
        predict=lambda seed: Prediction([-1.0, -1.0], [1.0, 1.0]),
    )
    assert table_row(side)["measured"].startswith("-0.4 ")


def test_row_of_an_exact_claim_has_no_interval():
    row = table_row(measured())
    assert (row["measured"], row["interval"], row["resolution"]) == ("1", "", "exact")


def test_entries_record_seed_and_versions():
    entry = measured()
    assert entry["seed"] == 0 and entry["versions"] == recorded_versions()


def test_not_a_number_is_refused():
    with pytest.raises(ValueError):
        entries_json([measured() | {"measured": [float("nan")]}])


def test_new_entries_replace_old_ones_in_the_order_of_the_claims(tmp_path):
    paths = tmp_path / "claims.json", tmp_path / "CLAIMS.md"
    update_ledger([measured("b"), measured("gone")], {"b": "A paper", "gone": "A paper"}, *paths)
    update_ledger(
        [measured("a"), measured("b", statement="new")],
        dict.fromkeys(("a", "b", "never measured"), "A paper"),
        *paths,
    )
    assert [(entry["id"], entry["statement"]) for entry in read_entries(paths[0])] == [
        ("a", "s"),
        ("b", "new"),
    ]
    assert paths[1].read_text().count("### ") == 2


def test_page_counts_verdicts_and_has_a_table_for_each_paper():
    entries = [
        measured("a"),
        measured("b", check=Exact(5.0), predict=lambda seed: Prediction([1.0, 3.0], [9.0, 3.0])),
    ]
    page = entries_markdown(entries, {"a": "First paper", "b": "Second paper"}).decode()
    assert "| holds | 2 |" in page and "| fails | 0 |" in page
    first, second = page.index("## First paper"), page.index("## Second paper")
    assert first < page.index("[a](#a)") < second < page.index("[b](#b)")
    assert "it differs in 1 of 2 comparisons" in page


def test_page_says_why_a_claim_is_undecided_and_what_would_decide_it():
    entry = measured(
        check=Sign(),
        expected="undecided",
        reason="sixteen members are too few",
        measure=lambda seed: 0.1 + 0.1 * NOISE,
        predict=lambda seed: Prediction([1.0], [-1.0]),
    )
    page = entries_markdown([entry], PAPERS).decode()
    assert (
        f"- Undecided because sixteen members are too few; {entry['replicates_needed']} replicates would decide, "
        "16 were measured." in page
    )


def test_page_shows_untrained_networks_and_the_quantity():
    entry = measured(
        check=Sign(),
        quantity="difference of accuracies",
        measure=lambda seed: 0.5 + 0.01 * NOISE,
        predict=lambda seed: Prediction([1.0], [-1.0]),
        untrained=lambda seed: 0.01 * NOISE[::-1],
    )
    page = entries_markdown([entry], PAPERS).decode()
    assert re.search(r"- Untrained networks: \S+ ± 0.00\d+ \(rejected\)\.", page)
    assert "| > 0 | difference of accuracies: 0.5 ± 0.00" in page


def test_runs_at_the_same_time_lose_no_entry_of_each_other(tmp_path):
    entry = measured()
    papers = {f"{run} {number}": "paper" for run in "ab" for number in range(20)}
    paths = tmp_path / "claims.json", tmp_path / "CLAIMS.md"

    def update(run):
        for number in range(20):
            update_ledger([entry | {"id": f"{run} {number}"}], papers, *paths)

    with ThreadPoolExecutor(2) as runs:
        list(runs.map(update, "ab"))
    assert [entry["id"] for entry in read_entries(paths[0])] == list(papers)
