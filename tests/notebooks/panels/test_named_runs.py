import numpy as np
import pytest

from notebooks.panels.named_runs import by_name, estimates, layer_scores, plus_minus


def test_results_are_collected_name_by_name():
    results = [{"a_h": i, "a_z": 10 * i} for i in range(6)]
    scores = by_name(results, ["x", ("y", 1)], 3)
    assert list(scores) == ["x", ("y", 1)]
    assert scores["x"]["a_h"].tolist() == [0, 1, 2] and scores["y", 1]["a_z"].tolist() == [30, 40, 50]
    with pytest.raises(ValueError, match="zip"):
        by_name(results, ["x"], 3)


def test_gap_is_before_minus_after_by_member():
    scores = [{"a_h": np.array([0.9, 0.8]), "a_z": np.array([0.5, 0.6])}] * 3
    table = layer_scores(scores, ["a"])
    assert table["a_gap"].shape == (3, 2)
    assert np.allclose(table["a_gap"][1], [0.4, 0.2])
    value = estimates(table)["a_gap"]
    assert np.allclose(value["mean"], 0.3)
    # t(0.975; 1) = 12.7062, sd / sqrt(2) = 0.1
    assert plus_minus(value, 2) == "+0.300 +- 1.271"
