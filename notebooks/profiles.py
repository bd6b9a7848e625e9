"""Sizes of every notebook at each profile: smoke (tests), quick (the default), full (the papers' sizes)."""

from __future__ import annotations

from notebooks.catalogue import PROFILES

_SMALL = {"batch": 128, "encoder": "small-conv", "scale": 1, "precision": "float32"}
IMAGE_BASE = {
    "smoke": {**_SMALL, "epochs": 1, "width": 4},
    "quick": {**_SMALL, "epochs": 10, "width": 16},
    "full": {
        "epochs": 60,
        "batch": 256,
        "encoder": "resnet18",
        "width": 32,
        "scale": 2,
        "precision": "bfloat16",
    },
}
"""Run that all image notebooks start from; equal runs are trained once."""
IMAGE_MEMBERS = {"smoke": 2, "quick": 4, "full": 8}

_SPARSE_METHODS = {
    "SimCLR": 10.0,
    "SimCLR, MLP": 10.0,
    "BYOL": 10.0,
    "Barlow Twins": 10.0,
    "VICReg": 10.0,
    "spectral": 0.3,
}

_RANKS = {
    "heads": ("none", "linear", "MLP", "linear, full width", "MLP, full width"),
    "one_map": {"images": 597, "perplexity": 30.0, "iterations": 1000},
}

_HEADS = {
    "heads": (
        "no head",
        "random, fixed",
        "DirectCLR",
        "pre-trained, fixed",
        "PCA top",
        "PCA bottom",
        "slow, single step",
        "slow, to optimum",
        "trainable, joint",
        "trainable, alternating",
    ),
    "kinds": ("linear", "MLP", "MLP, batch norm", "MLP, alternating"),
    "groups": ("linear top", "easy", "SimSiam"),
}

_LAWS = {"energy_step": 0.005, "energy_time": 0.8}

SETTINGS = {
    "05_digits_on_photographs": {
        "smoke": {"p_drops": (0.0, 1.0), "members": 2, "epochs": 2, "width": 16},
        "quick": {"p_drops": (0.0, 0.25, 0.5, 0.75, 1.0), "members": 4, "epochs": 10, "width": 16},
        "full": {"p_drops": (0.0, 0.25, 0.5, 0.75, 1.0), "members": 32, "epochs": 40, "width": 32},
    },
    "14_figure3_digits": {
        "smoke": {
            "base": IMAGE_BASE["smoke"],
            "members": IMAGE_MEMBERS["smoke"],
            "p_drops": (0.0, 1.0),
            "p_drop": 0.75,
            "strengths": (0.3, 0.9),
            "weak": 0.3,
            "exchange": (0.3, 0.75),
            "decay_p_drop": 0.5,
            "decays": (1e-6, 1e-2),
        },
        "quick": {
            "base": IMAGE_BASE["quick"],
            "members": IMAGE_MEMBERS["quick"],
            "p_drops": (0.0, 0.25, 0.5, 0.75, 1.0),
            "p_drop": 0.75,
            "strengths": (0.1, 0.3, 0.5, 0.9),
            "weak": 0.3,
            "exchange": (0.3, 0.75),
            "decay_p_drop": 0.5,
            "decays": (1e-6, 1e-2, 3e-2),
        },
        "full": {
            "base": IMAGE_BASE["full"],
            "members": IMAGE_MEMBERS["full"],
            "p_drops": (0.0, 0.25, 0.5, 0.75, 1.0),
            "p_drop": 0.75,
            "strengths": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9),
            "weak": 0.3,
            "exchange": (0.3, 0.75),
            "decay_p_drop": 0.5,
            "decays": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2),
        },
    },
    "15_few_shot_shift": {
        "smoke": {
            "base": IMAGE_BASE["smoke"],
            "members": IMAGE_MEMBERS["smoke"],
            "coarse_strength": 0.6,
            "coarse_epochs": 1,
            "agreement": 0.95,
            "strengths": (0.3,),
            "decays": (1.2,),
            "per_group": (2, 20),
        },
        "quick": {
            "base": IMAGE_BASE["quick"],
            "members": IMAGE_MEMBERS["quick"],
            "coarse_strength": 0.6,
            "coarse_epochs": 20,  # the fixed head needs them
            "agreement": 0.95,
            "strengths": (0.3, 0.5),
            "decays": (1.2,),
            "per_group": (2, 5, 20, 100),
        },
        "full": {
            "base": IMAGE_BASE["full"],
            "members": IMAGE_MEMBERS["full"],
            "coarse_strength": 0.6,
            "coarse_epochs": 60,
            "agreement": 0.95,
            "strengths": (0.3, 0.5, 0.7),
            "decays": (1.05, 1.2),
            "per_group": (2, 5, 10, 20, 50, 100),
        },
    },
    "16_sparse_head_images": {
        "smoke": {
            "base": IMAGE_BASE["smoke"],
            "members": IMAGE_MEMBERS["smoke"],
            "penalties": (0.0, 10.0),
            "methods": {"SimCLR": 10.0},
            "norms": {"l1": (2.0,), "group": (30.0,)},
            "widths": (4,),
        },
        "quick": {
            "base": IMAGE_BASE["quick"],
            "members": IMAGE_MEMBERS["quick"],
            "penalties": (0.0, 3.0, 10.0, 20.0),
            "methods": _SPARSE_METHODS,
            "norms": {"l1": (4.0,), "group": (45.0,)},
            "widths": (16, 32),
        },
        "full": {
            "base": IMAGE_BASE["full"],
            "members": IMAGE_MEMBERS["full"],
            "penalties": (0.0, 1.0, 3.0, 6.0, 10.0, 20.0),
            "methods": _SPARSE_METHODS,
            "norms": {"l1": (1.0, 2.0, 4.0), "group": (15.0, 30.0, 45.0)},
            "widths": (8, 16, 32, 64),
        },
    },
    "17_rank_and_tsne": {
        profile: {
            "base": IMAGE_BASE[profile],
            "members": IMAGE_MEMBERS[profile],
            "p_drop": 0.75,
            "embed_dim": embed_dim,
            **more,
        }
        for profile, embed_dim, more in (
            (
                "smoke",
                8,
                {
                    "heads": ("none", "linear", "MLP"),
                    "one_map": {"images": 60, "perplexity": 10.0, "iterations": 250},
                },
            ),
            ("quick", 32, _RANKS),
            ("full", 128, _RANKS),
        )
    },
    "18_null_space_images": {
        "smoke": {
            "base": IMAGE_BASE["smoke"],
            "members": IMAGE_MEMBERS["smoke"],
            "p_drop": 0.75,
            "embed_dims": (8, 2),
            "laws": {
                **_LAWS,
                "steps": (0.01, 0.005),
                "time": 0.02,
                "energy_time": 0.04,
                "members": 2,
                "starts": 2,
            },
        },
        "quick": {
            "base": IMAGE_BASE["quick"],
            "members": IMAGE_MEMBERS["quick"],
            "p_drop": 0.75,
            "embed_dims": (32, 8, 4),
            "laws": {**_LAWS, "steps": (0.01, 0.005, 0.0025), "time": 0.1, "members": 5, "starts": 6},
        },
        "full": {
            "base": IMAGE_BASE["full"],
            "members": IMAGE_MEMBERS["full"],
            "p_drop": 0.75,
            "embed_dims": (128, 64, 32, 16, 8),
            "laws": {
                **_LAWS,
                "steps": (0.01, 0.005, 0.0025, 0.00125),
                "time": 0.2,
                "members": 8,
                "starts": 24,
            },
        },
    },
    "19_head_comparison": {
        profile: {
            "base": IMAGE_BASE[profile],
            "members": IMAGE_MEMBERS[profile],
            "p_drop": 0.75,
            "easy_p_drop": 0.0,
            **axes,
        }
        for profile, axes in {
            "smoke": {
                "embed_dim": 8,
                "monitor": 1,
                "inner_steps": (2,),
                "proximals": (1.0,),
                "heads": ("no head", "DirectCLR", "trainable, joint", "trainable, alternating"),
                "kinds": ("linear", "MLP"),
                "groups": (),
            },
            "quick": {
                "embed_dim": 32,
                "monitor": 2,
                "inner_steps": (1, 5, 10),
                "proximals": (0.0, 1.0),
                **_HEADS,
            },
            "full": {
                "embed_dim": 128,
                "monitor": 5,
                "inner_steps": (1, 2, 5, 10),
                "proximals": (0.0, 0.1, 1.0, 10.0),
                **_HEADS,
            },
        }.items()
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
