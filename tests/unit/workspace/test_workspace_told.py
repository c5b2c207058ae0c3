"""What nodes signed about one object: which node it was, and what members tell each other of it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.crypto import SigningKey, VerifyKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.receipts import Receipt, UnverifiedReceipt
from peergos_collab.sync.session_events import ReceiptsShown
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.told import Told, name_of
from support.circle import make_circle
from support.forge import Forger

RANDOM = random.Random(63).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE], RANDOM)
LOG = Forger(CIRCLE, CIRCLE.members[1].actor, RANDOM)
for _ in range(3):
    LOG.write(b"x")
KEY = SigningKey.generate(RANDOM)
HERE, MOVED, OTHER = "pgc://zNode@one:1", "pgc://zNode@two:2", "pgc://zOther@one:1"


def told() -> Told:
    book = LogBook(CIRCLE.object, MemoryStore())
    book.store.write(book.take_records([*CIRCLE.records, LOG.certificate]).batch)
    book.store.write(book.take_segments([segment.raw for segment in LOG.segments]).batch)
    return Told(book)


def receipt(number: int, seq: int, key: SigningKey = KEY) -> Receipt:
    tips = [Tip(LOG.log, seq, LOG.segments[seq - 1].id)] if seq else []
    return Receipt.issue(key, CIRCLE.object, number, tips, [CIRCLE.epoch_id])


def shown(receipts: list[Receipt], node: str = MOVED) -> ReceiptsShown:
    unverified = [Receipt.parse_untrusted(each.fields()) for each in receipts]
    return ReceiptsShown(CIRCLE.object, name_of(node, CIRCLE.object), receipts[0].key, unverified)


def test_a_node_is_known_wherever_it_moves() -> None:
    """By its pin: what it signed at one address is held against it at another, and not against others."""
    here = told()
    here.take(HERE, receipt(1, 3), 0)
    assert here.covers_all(MOVED)
    assert not here.covers_all(OTHER)
    assert here.take(OTHER, receipt(2, 1), 0) is None
    assert here.take(MOVED, receipt(3, 1), 0) is not None
    again = told()
    again.restore(here.stored())
    assert again.stored() == here.stored()
    assert [(node, has_again) for node, _, has_again in again.faults()] == [("pgc://zNode", False)]


def test_members_name_nodes_so_that_only_who_knows_them_understands() -> None:
    """And in each object in another way: so it cannot be told that two objects are on one node."""
    here = told()
    here.take(HERE, receipt(2, 1), 0)
    fault = here.take_shown([OTHER, HERE], shown([receipt(1, 3)]))
    unknown = here.take_shown([HERE], shown([receipt(1, 3)], OTHER))

    assert fault is not None
    assert fault.fault is not None
    assert fault.node == "pgc://zNode"
    assert unknown is None
    assert name_of(HERE, CIRCLE.object) != name_of(HERE, ObjectId(bytes(32)))


def test_what_members_show_is_of_one_key() -> None:
    """The newest that the node used here. What is signed with another is not taken, and that is said."""
    here = told()
    here.take(HERE, receipt(1, 1, SigningKey.generate(RANDOM)), 0)
    here.take(HERE, receipt(2, 2), 0)
    ((name, receipts),) = here.to_show()
    other = here.take_shown([HERE], shown([receipt(1, 3, SigningKey.generate(RANDOM))]))

    assert (name, receipts) == (name_of(HERE, CIRCLE.object), [receipt(2, 2)])
    assert other is not None
    assert other.other_key
    assert other.fault is None


def test_what_is_shown_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is signed with; and what is shown once more costs nothing, whether it was of any use."""
    here, verified = told(), list[int]()
    verify = UnverifiedReceipt.verify

    def noted(it: UnverifiedReceipt, key: VerifyKey) -> Receipt:
        verified.append(it.number)
        return verify(it, key)

    monkeypatch.setattr(UnverifiedReceipt, "verify", noted)
    here.take(HERE, receipt(6, 2), 0)
    for _ in range(3):
        here.take_shown(
            [HERE], shown([receipt(6, 2), receipt(5, 1), receipt(7, 1), receipt(8, 3), receipt(8, 3)])
        )
    assert verified == [5, 7, 8]
    false = replace(shown([receipt(9, 3, SigningKey.generate(RANDOM))]), key=KEY.public)
    with pytest.raises(RemoteProtocolError):
        here.take_shown([HERE], false)
    assert here.take_shown([HERE], shown([receipt(9, 3)])) is not None
    assert verified == [5, 7, 8, 9, 9]


def test_who_was_told_more_makes_doubt() -> None:
    """A node that said to somebody that it has more than it ever said here is to be asked."""
    here = told()

    def doubts(number: int, seq: int) -> bool:
        found = here.take_shown([HERE], shown([receipt(number, seq)]))
        return found is not None and found.doubts

    assert doubts(5, 2)
    here.take(HERE, receipt(6, 2), 0)
    assert not doubts(5, 2)
    assert not doubts(7, 2)
    assert doubts(8, 3)
