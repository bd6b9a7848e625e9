"""The plan of the packages: few rooms, few arrows between them, all downwards, and no room too large."""

import subprocess

import grimp
import pytest

from synthetic.store.files import clone_root

ROOT = clone_root()
PACKAGES = ("notebooks", "synthetic", "neural", "theory")
"""From top to bottom: a package imports from those below it only, and `neural` not from `theory`."""
LIMITS = {"neural": (12, 21), "synthetic": (7, 12), "theory": (6, 8)}
LONGEST = 500


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def rooms_and_arrows(graph, package):
    """A package's direct children, and which of them imports from which."""
    rooms = graph.find_children(package)

    def room_of(module):
        names = [room for room in rooms if module == room or module.startswith(f"{room}.")]
        return max(names, key=len, default=None)

    arrows = {
        (room_of(module), room_of(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if not imported.startswith(f"{module}.")  # a package's __init__ names what its own modules offer
    }
    return rooms, {(start, end) for start, end in arrows if start and end and start != end}


@pytest.mark.parametrize("package", LIMITS)
def test_a_package_has_few_rooms_and_few_arrows(graph, package):
    rooms, arrows = rooms_and_arrows(graph, package)
    most_rooms, most_arrows = LIMITS[package]
    assert len(rooms) <= most_rooms, sorted(rooms)
    assert len(arrows) <= most_arrows, sorted(arrows)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_arrows_form_a_circle(graph, package):
    _, arrows = rooms_and_arrows(graph, package)
    while arrows:
        leaves = {end for _, end in arrows} - {start for start, _ in arrows}
        assert leaves, f"a circle among {sorted(arrows)}"
        arrows = {(start, end) for start, end in arrows if end not in leaves}


def test_no_modules_form_a_circle(graph):
    waiting = {
        module: graph.find_modules_directly_imported_by(module)
        for module in graph.modules
        if not graph.find_children(module)  # a package's __init__ imports from its own modules
    }
    while waiting:
        done = {module for module, imported in waiting.items() if not imported & waiting.keys()}
        assert done, f"a circle among {sorted(waiting)}"
        waiting = {module: imported for module, imported in waiting.items() if module not in done}


def test_no_arrow_goes_upwards(graph):
    for level, package in enumerate(PACKAGES):
        above = [*PACKAGES[:level], *(["theory"] if package == "neural" else [])]
        for module in {package} | graph.find_descendants(package):
            imported = graph.find_modules_directly_imported_by(module)
            assert not [name for name in imported if name.partition(".")[0] in above], module


def tracked(*patterns):
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}
