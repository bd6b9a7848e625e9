"""Every public name shows how it is called; pytest runs what the docstrings show."""

import inspect

import theory


def test_every_public_name_has_an_example():
    assert [
        name for name in theory.__all__ if ">>>" not in (inspect.getdoc(getattr(theory, name)) or "")
    ] == []
