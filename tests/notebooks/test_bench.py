"""Speed goals of the theory functions, with room for a loaded machine."""

from notebooks.bench import format_timings, theory_timings


def test_goals_are_met():
    timings = theory_timings(repeats=1)
    assert {t.name for t in timings} >= {
        "ridge",
        "hinge",
        "logistic",
        "hard-margin",
        "inner gain",
        "euclidean gain",
    }
    for timing in timings:
        assert timing.per_point < 2 * timing.goal, timing
    assert len(format_timings(timings).splitlines()) == len(timings) + 1
