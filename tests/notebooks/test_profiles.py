import pytest

from notebooks.catalogue import PROFILES, notebook_names
from notebooks.profiles import SETTINGS, profile_settings


def test_every_notebook_has_every_profile():
    assert list(SETTINGS) == notebook_names()
    for sizes in SETTINGS.values():
        assert tuple(sizes) == PROFILES
        assert len({tuple(settings) for settings in sizes.values()}) == 1  # same names at every size


def test_unknown_names():
    with pytest.raises(ValueError, match="notebook must be one of 01_layer_weights.*got '99'"):
        profile_settings("99", "quick")
    with pytest.raises(ValueError, match="profile must be one of smoke, quick, full, got 'tiny'"):
        profile_settings("01_layer_weights", "tiny")
