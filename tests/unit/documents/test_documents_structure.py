"""One form for what a state is made of."""

from __future__ import annotations

import random

from peergos_collab.documents import Document
from peergos_collab.documents.structure import Struct, structure


def written(*words: str) -> Document:
    """By one client each, one behind the other."""
    document = Document(1)
    for client, word in enumerate(words, 1):
        other = document.fork(client)
        other.edit(len(other), len(other), word)
        document.apply_own(other.state())
    return document


def test_a_text_of_two_writers() -> None:
    """Who wrote what behind what."""
    assert structure(written("ab", "c").state()) == [
        Struct(1, 0, 2, None, None, b"ab"),
        Struct(2, 0, 1, (1, 1), None, b"c"),
    ]


def test_other_writers_of_one_text() -> None:
    """Two states that show the same, and are not the same."""
    one, other = written("ab", "c"), written("a", "bc")

    assert one.text == other.text
    assert not one.is_same_throughout(other)


def test_other_neighbours_of_one_text() -> None:
    """The same writers and clocks, put between other characters."""
    one, other = Document(1), Document(1)
    one.edit(0, 0, "aa")
    one.edit(2, 2, "a")
    other.edit(0, 0, "aa")
    other.edit(1, 1, "a")

    assert one.is_same(other)
    assert not one.is_same_throughout(other)


def test_characters_beyond_the_basic_plane_and_deleted_ones() -> None:
    """Clocks count UTF-16 units; what is deleted has no text."""
    document = Document(1)
    document.edit(0, 0, "a😀bc")
    document.edit(2, 3, "")

    assert structure(document.state()) == [
        Struct(1, 0, 3, None, None, "a😀".encode()),
        Struct(1, 3, 1, (1, 2), None, None),
        Struct(1, 4, 1, (1, 3), None, b"c"),
    ]


def test_one_history_in_any_order_is_one_structure() -> None:
    """However the engine cut and joined it on its way."""
    rng = random.Random(7)
    for _ in range(40):
        people = [Document(client) for client in (1, 2, 3)]
        updates: list[bytes] = []
        for person in people:
            person.on_update(updates.append)
        for _ in range(30):
            person = rng.choice(people)
            at = rng.randrange(len(person) + 1)
            end = min(len(person), at + rng.choice((0, 0, 2)))
            person.edit(at, end, rng.choice(("x", "yz", "😀", "")))
            if rng.random() < 0.2:
                rng.choice(people).apply_own(person.state())
        for person in people:
            for other in people:
                person.apply_own(other.state())
        first, *others = people

        assert all(first.is_same_throughout(other) for other in others)
        assert Document(9, first.state()).is_same_throughout(first)
