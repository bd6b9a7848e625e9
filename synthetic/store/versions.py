"""The versions that numbers are recorded with."""

import platform
from importlib.metadata import version

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
        **{package: version(package) for package in (*PACKAGES, *others)},
    }
