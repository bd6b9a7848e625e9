"""What the modules of the feature model need of each other."""

import ast
from pathlib import Path

import theory.features


def imported(path):
    """Modules that a file names in import statements."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return whole | {node.module for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_model_needs_nothing_but_the_checks():
    """Measurements may use the model, and must not see a formula by way of it."""
    model = Path(theory.features.__file__).with_name("model.py")
    needed = {name for name in imported(model) if name.startswith("theory")}
    assert needed == {"theory", "theory.checks"}  # from theory import checks
