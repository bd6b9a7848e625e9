"""Sizes of every notebook at each profile: smoke (tests), quick (the default), full (the papers' sizes).

`minutes` of the quick profile is each notebook's share of the time on two idle cores.
"""

from __future__ import annotations

from notebooks.catalogue import PROFILES

SETTINGS = {
    "01_layer_weights": {
        "smoke": {"replicates": 2, "steps": 1500},
        "quick": {"replicates": 16, "steps": 8000},
        "full": {"replicates": 64, "steps": 30_000},
    },
    "02_relu_feature_weights": {
        "smoke": {"replicates": 2, "steps_left": 1000, "steps_right": 2000},
        "quick": {"replicates": 16, "steps_left": 8000, "steps_right": 20_000},
        "full": {"replicates": 64, "steps_left": 20_000, "steps_right": 60_000},
    },
    "03_when_before_wins": {
        "smoke": {"draws": 200, "points": 5},
        "quick": {"draws": 4000, "points": 15},
        "full": {"draws": 40_000, "points": 41},
    },
    "04_best_layer": {
        "smoke": {"draws": 200, "depth": 4},
        "quick": {"draws": 4000, "depth": 8},
        "full": {"draws": 40_000, "depth": 16},
    },
    "05_digits_on_photographs": {
        "smoke": {"p_drops": (0.0, 1.0), "members": 2, "epochs": 2, "width": 16},
        "quick": {"p_drops": (0.0, 0.25, 0.5, 0.75, 1.0), "members": 5, "epochs": 10, "width": 16},
        "full": {"p_drops": (0.0, 0.25, 0.5, 0.75, 1.0), "members": 32, "epochs": 40, "width": 32},
    },
}


def profile_settings(notebook: str, profile: str) -> dict:
    """Keyword settings of one notebook at one profile.

    Parameters
    ----------
    notebook : str
        Name without ending.
    profile : {"smoke", "quick", "full"}

    Raises
    ------
    ValueError
        For an unknown notebook or profile, naming the choices.
    """
    if notebook not in SETTINGS:
        raise ValueError(f"notebook must be one of {', '.join(SETTINGS)}, got {notebook!r}")
    if profile not in PROFILES:
        raise ValueError(f"profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    return SETTINGS[notebook][profile]
