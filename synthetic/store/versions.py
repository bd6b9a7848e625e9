"""The versions that numbers are recorded with."""

import functools
import platform
from importlib import metadata

PACKAGES = ("numpy", "scipy", "torch", "scikit-learn", "scikit-image", "kornia")


def recorded_versions(*others):
    """Versions of Python and of the packages that numbers depend on.

    Parameters
    ----------
    *others : str
        Further packages to record, such as the one that draws.

    Returns
    -------
    dict of str to str
    """
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in (*PACKAGES, *others)},
    }


_version = functools.cache(metadata.version)  # looking it up takes about a millisecond
