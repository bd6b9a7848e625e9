"""Sizes of the notebooks: every notebook has its panels' module, with the same settings at every profile."""

from importlib import import_module

import pytest

from notebooks.catalogue import PROFILES, notebook_names
from notebooks.profiles import SETTINGS, profile_settings


@pytest.mark.parametrize("name", notebook_names())
def test_every_notebook_has_every_profile_with_the_same_settings(name):
    panel = import_module(f"notebooks.panels.{name.partition('_')[2]}")
    moved = hasattr(panel, "PROFILES")
    assert moved != (name in SETTINGS)
    sizes = panel.PROFILES if moved else SETTINGS[name]
    assert tuple(sizes) == PROFILES
    assert len({tuple(settings) for settings in sizes.values()}) == 1


def test_unknown_names():
    with pytest.raises(ValueError, match="notebook must be one of .*got '99'"):
        profile_settings("99", "quick")
    with pytest.raises(ValueError, match="profile must be one of smoke, quick, full, got 'tiny'"):
        profile_settings(next(iter(SETTINGS)), "tiny")
