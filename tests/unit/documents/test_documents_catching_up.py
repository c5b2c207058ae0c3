"""Catching up: many changes at once end as the same changes one by one do."""

from __future__ import annotations

from random import Random

import pytest

from peergos_collab.documents import Document, NotTogether, UpdateSummary, received_text, replica
from peergos_collab.documents.halves import Halves
from peergos_collab.errors import NotYet, Quarantined

WORDS = ("a", "bc ", "日", "😀", "é\n")


def told(random: Random, rounds: int) -> list[tuple[int, bytes]]:
    """What three people write who hear of each other now and then, in an order that puts causes first."""
    people = [Document(client) for client in (1, 2, 3)]
    said: list[tuple[int, bytes]] = []
    heard = [0, 0, 0]
    for person in people:
        person.on_update(lambda update, client=person.client: said.append((client, update)))
    for _ in range(rounds):
        at = random.randrange(3)
        person = people[at]
        if random.random() < 0.4:
            for client, update in said[heard[at] :]:
                if client != person.client:
                    person.apply_untrusted(update, client)
            heard[at] = len(said)
        start = random.randint(0, len(person))
        person.edit(start, min(len(person), start + random.randrange(3)), random.choice(WORDS))
    return said


def same(one: Document, two: Document) -> bool:
    """Equal, and either is nothing new to the other. Bytes of a state also tell how pieces were joined."""
    merged = Document(8, one.state())
    merged.apply_own(two.state())
    return one.text == two.text == merged.text and one.clocks() == two.clocks() == merged.clocks()


@pytest.mark.parametrize("seed", range(20))
def test_together_is_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, clocks, states and rows are equal, whoever wrote, and where updates come twice or overlap."""
    monkeypatch.setattr(replica, "_TOGETHER", (1, 60, 200, 1 << 10)[seed % 4])
    random = Random(seed)
    said = told(random, 60)
    half = random.randrange(len(said))
    start = Document(9)
    for client, update in said[:half]:
        start.apply_untrusted(update, client)
    plain, together = Document(9, start.state()), Document(9, start.state())
    for document in (plain, together):
        choose = Random(seed)
        with together.catching_up() if document is together else Document(8).catching_up():
            for client, update in said[half:]:
                if choose.random() < 0.2:
                    document.apply_own(update)
                    document.apply_untrusted(update, client, overlap=True)
                else:
                    document.apply_untrusted(update, client, overlap=choose.random() < 0.3)

    assert same(plain, together)
    assert together.lines.text() == together.text
    for document in (plain, together):
        choose = Random(seed)
        for _ in range(40):
            start = choose.randint(0, len(document))
            end = min(len(document), start + choose.randrange(4))
            document.edit(start, end, choose.choice(("", *WORDS)))
            document.edit(start, start, "typed")
            document.edit(start + 5, start + 5, " on")
            document.edit(start + 2, start + 4, "")
    assert together.text == together._replica.text() == plain.text == together.lines.text()


def test_what_overlaps_is_counted_once() -> None:
    """An update that begins within what is known and goes on beyond it, between others."""
    author = Document(1)
    author.edit(0, 0, "one ")
    first = author.state()
    author.edit(4, 4, "two ")
    both = author.state()
    later: list[bytes] = []
    author.on_update(later.append)
    author.edit(8, 8, "three")
    document = Document(9)
    with document.catching_up():
        document.apply_untrusted(first, 1)
        document.apply_untrusted(both, 1, overlap=True)
        document.apply_untrusted(later[0], 1)

    assert document.text == "one two three"
    assert document.clocks() == {1: 13}


def test_the_firewall_stands_while_catching_up() -> None:
    """What has a gap or splits a character that came in the same go is refused, and the rest counts."""
    author = Document(1)
    updates: list[bytes] = []
    author.on_update(updates.append)
    author.edit(0, 0, "x😀")
    author.edit(3 - 1, 3 - 1, "y")
    other = Document(2, author.state())
    other.on_update(updates.append)
    other.edit(3, 3, "z")
    document = Document(9)
    with document.catching_up():
        with pytest.raises(Quarantined, match="missing"):
            document.apply_untrusted(updates[1], 1)
        with pytest.raises(NotYet):
            document.apply_untrusted(updates[2], 2)
        document.apply_untrusted(updates[0], 1)
        with pytest.raises(Quarantined, match="splits"):
            document.apply_untrusted(b"\x00\x01\x01\x01\x01\x01", 1)
        document.apply_untrusted(updates[1], 1)
        document.apply_untrusted(updates[2], 2)

    assert document.text == other.text == "x😀yz"


def test_nobody_is_called_while_catching_up() -> None:
    """The text stays as it was until the end, and is all there then."""
    author = Document(1)
    author.edit(0, 0, "abc")
    document = Document(9)
    calls: list[object] = []
    document.on_change(calls.append)
    with document.catching_up():
        document.apply_untrusted(author.state(), 1)
        assert document.text == ""

    assert (document.text, calls) == ("abc", [])


@pytest.mark.parametrize(
    ("raw", "ends"),
    [
        pytest.param(b"\x01\x00\x06\x00\x00", {}, id="the engine panics"),
        pytest.param(b"\x00\x00", {6: 1}, id="it takes less than was promised"),
    ],
)
def test_what_the_engine_does_not_take_together(
    monkeypatch: pytest.MonkeyPatch, raw: bytes, ends: dict[int, int]
) -> None:
    """Should something get past the firewall that the engine does not take, catching up fails as a whole."""
    author = Document(6)
    author.edit(0, 0, "日😀 kept")
    document = Document(1)
    with pytest.raises(NotTogether), document.catching_up():  # noqa: PT012 - what is given before fails at the end
        document.apply_untrusted(author.state(), 6)
        ends = {client: document.clocks()[client] + more for client, more in ends.items()}
        summary = UpdateSummary(ends, Halves(), 1, 0)
        monkeypatch.setattr(received_text, "check_untrusted", lambda *_, **__: summary)
        document.apply_untrusted(raw, 6)
