"""The outbox: letters that wait, whatever happens to the process."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import AccountId, ObjectId
from peergos_collab.crypto import LocalKey
from peergos_collab.errors import Damaged
from peergos_collab.objects.letters import LetterKind
from peergos_collab.ports import PutValue
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.outbox import OUTBOX, TOLD, Outbox

RANDOM = random.Random(51).randbytes
LOCAL = LocalKey.generate(RANDOM)
BEN, CAI = AccountId(RANDOM(32)), AccountId(RANDOM(32))
ONE, TWO, NONE = ObjectId(RANDOM(32)), ObjectId(RANDOM(32)), ObjectId(b"")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(durable_at_once=True)


async def test_letters_wait_until_they_are_dropped(store: MemoryStore) -> None:
    """Across restarts, oldest first."""
    outbox = Outbox(store, LOCAL)
    first = await outbox.put(BEN, LetterKind.SHARE, b"one", ONE)
    second = await outbox.put(CAI, LetterKind.SHARE, b"one", ONE)
    again = Outbox(store, LOCAL)
    assert {letter.id for letter in again.letters()} == {first.id, second.id}
    assert again.letters()[0].time <= again.letters()[1].time
    assert again.holds(first)
    again.drop(first)

    assert again.letters() == [second]
    assert not again.holds(first)


async def test_a_letter_takes_the_place_of_what_it_says_too(store: MemoryStore) -> None:
    """A newer share of the same object, and anything instead of a mere hello; nobody else's letters."""
    outbox = Outbox(store, LOCAL)
    await outbox.put(BEN, LetterKind.HELLO, b"", NONE)
    others = await outbox.put(CAI, LetterKind.HELLO, b"", NONE)
    await outbox.put(BEN, LetterKind.SHARE, b"reader", ONE)
    newer = await outbox.put(BEN, LetterKind.SHARE, b"writer", ONE)
    two = await outbox.put(BEN, LetterKind.SHARE, b"reader", TWO)
    cards = [await outbox.put(BEN, LetterKind.INTRODUCE, card, NONE) for card in (b"x", b"y")]

    assert {letter.id for letter in outbox.letters()} == {each.id for each in (others, newer, two, *cards)}


async def test_nothing_in_the_store_says_whom_one_knows(store: MemoryStore) -> None:
    """Neither the letters nor who was told of which key."""
    outbox = Outbox(store, LOCAL)
    waiting = await outbox.put(BEN, LetterKind.SHARE, b"a secret capability", ONE)
    assert "secret" not in repr(waiting)
    outbox.note_told(BEN, b"generation")
    raw = b"".join(key + value for space in (OUTBOX, TOLD) for key, value in store.values(space))

    assert not any(secret in raw for secret in (BEN, ONE, b"secret", b"generation"))


async def test_who_was_told(store: MemoryStore) -> None:
    """The last one counts; damage only means that it is told again."""
    outbox = Outbox(store, LOCAL)
    assert outbox.told(BEN) == b""
    outbox.note_told(BEN, b"1")
    outbox.note_told(BEN, b"2")
    assert (outbox.told(BEN), outbox.told(CAI)) == (b"2", b"")
    ((key, value),) = store.values(TOLD)
    store.write([PutValue(TOLD, key, value[:-1])])

    assert outbox.told(BEN) == b""


async def test_damage_ends_only_what_it_hit(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One letter that cannot be opened is passed over; a store that cannot be read has none."""
    outbox = Outbox(store, LOCAL)
    bad = await outbox.put(BEN, LetterKind.SHARE, b"one", ONE)
    good = await outbox.put(BEN, LetterKind.SHARE, b"two", TWO)
    store.write([PutValue(OUTBOX, bad.id, b"junk")])
    assert outbox.letters() == [good]

    def damaged(*_: object) -> None:
        raise Damaged("a page is damaged")

    monkeypatch.setattr(store, "values", damaged)
    monkeypatch.setattr(store, "value", damaged)
    assert outbox.letters() == []
    assert not outbox.holds(good)
