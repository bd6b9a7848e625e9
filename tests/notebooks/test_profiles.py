"""Sizes of the notebooks: every notebook has a module of its panels, with the same settings at every profile."""

from importlib import import_module

import pytest

from notebooks.catalogue import PROFILES, notebook_names


@pytest.mark.parametrize("name", notebook_names())
def test_every_notebook_has_every_profile_with_the_same_settings(name):
    sizes = import_module(f"notebooks.panels.{name.partition('_')[2]}").PROFILES
    assert tuple(sizes) == PROFILES
    assert len({tuple(settings) for settings in sizes.values()}) == 1
