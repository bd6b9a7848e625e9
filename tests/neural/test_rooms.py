"""The sub-packages and modules directly inside neural: few of them, and no two that need each other."""

import grimp


def rooms_and_arrows():
    graph = grimp.build_graph("neural")
    arrows = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = tuple(".".join(name.split(".")[:2]) for name in (module, imported))
            if pair[0] != pair[1] and "neural" not in pair:
                arrows.add(pair)
    return graph.find_children("neural"), arrows


def test_there_are_few_rooms_and_few_arrows_between_them():
    rooms, arrows = rooms_and_arrows()
    assert len(rooms) <= 12 and len(arrows) <= 21


def test_no_room_needs_itself_through_others():
    rooms, arrows = rooms_and_arrows()
    left = set(rooms)
    while True:
        free = {room for room in left if not any(a == room and b in left for a, b in arrows)}
        if not free:
            break
        left -= free
    assert not left
