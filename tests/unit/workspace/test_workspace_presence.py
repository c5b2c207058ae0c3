"""Who is here, said by members in passing: each message counts only with its device's signature."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import DeviceId, RunId
from peergos_collab.crypto import LocalKey, SigningKey
from peergos_collab.objects.bindings import NO_LOG, introduce
from peergos_collab.objects.ephemeral import EphemeralKind, seal_ephemeral
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.sync.session_events import EphemeralCame
from peergos_collab.workspace.live_object import LiveObject
from peergos_collab.workspace.presence import PresenceBook
from support.circle import make_circle
from support.forge import replica_of

RANDOM = random.Random(41).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.READ], RANDOM)
ANA, BEN, EVE = CIRCLE.members
BENS_DEVICE = DeviceId(BEN.actor.device.public)
RUN, HERE_KEY, CURSOR_KEY = RunId(RANDOM(16)), RANDOM(16), RANDOM(16)


def anas_book() -> PresenceBook:
    live = LiveObject(replica_of(CIRCLE, ANA, RANDOM), LocalKey.generate(RANDOM), RANDOM)
    return PresenceBook(live, lambda: 1_000, RANDOM)


def said(
    kind: EphemeralKind,
    content: bytes,
    key: bytes,
    counter: int,
    *,
    device: SigningKey = BEN.actor.device,
    run: RunId = RUN,
    time: int = 1_000,
) -> EphemeralCame:
    """A message that says to be from Ben's device; true with the ``device`` that is his."""
    introduction = introduce(CIRCLE.object, CIRCLE.epoch_id, NO_LOG, BEN.actor)
    seal_key, where = EVE.keys.ephemeral, CIRCLE.object
    sealed = seal_ephemeral(
        where, CIRCLE.epoch_id, key, run, counter, kind, time, content, introduction, device, seal_key, RANDOM
    )
    return EphemeralCame(where, key, counter, sealed)


def greeting(counter: int, **how: object) -> EphemeralCame:
    return said(EphemeralKind.HERE, encode([False, b""]), HERE_KEY, counter, **how)  # type: ignore[arg-type]


def cursor(counter: int, anchor: bytes, **how: object) -> EphemeralCame:
    return said(EphemeralKind.CURSOR, encode([anchor, anchor, False]), CURSOR_KEY, counter, **how)  # type: ignore[arg-type]


def as_ben() -> SigningKey:
    """Names Ben's device, and signs as another one: what any member can make."""
    return SigningKey(BEN.actor.device.verify_key, EVE.actor.device._secret)


async def test_who_greets_is_here_and_moves() -> None:
    """So that what follows is refused for the signature and nothing else."""
    book = anas_book()
    book.take_untrusted(greeting(1), "node")
    book.take_untrusted(cursor(2, b"there"), "node")

    assert book.present[BENS_DEVICE].anchor == b"there"


async def test_nobody_is_made_to_appear_to_move_or_to_leave() -> None:
    """By another member, who can seal but not sign for him."""
    book = anas_book()
    book.take_untrusted(greeting(1, device=as_ben()), "node")
    assert book.present == {}

    book.take_untrusted(greeting(1), "node")
    book.take_untrusted(cursor(2, b"false", device=as_ben()), "node")
    book.take_untrusted(said(EphemeralKind.LEFT, b"", RANDOM(16), 3, device=as_ben()), "node")
    assert book.present[BENS_DEVICE].anchor == b""


async def test_nobody_is_silenced_by_a_false_message_under_his_key() -> None:
    """Its counter, far ahead, does not count: neither a cursor's nor that of a greeting from an older run."""
    book = anas_book()
    book.take_untrusted(greeting(1), "node")
    far, older = 2**40, RunId(RANDOM(16))
    book.take_untrusted(cursor(far, b"false", device=as_ben()), "node")
    false = said(
        EphemeralKind.HERE, encode([False, b""]), CURSOR_KEY, far, device=as_ben(), run=older, time=500
    )
    book.take_untrusted(false, "node")
    book.take_untrusted(cursor(2, b"true"), "node")

    assert book.present[BENS_DEVICE].anchor == b"true"


async def test_receipts_are_shown_by_who_is_here() -> None:
    """What somebody shows that a node signed is taken from who greeted, and signed it."""
    book, shown = anas_book(), list[bytes]()
    book.on_receipts.append(shown.append)
    book.take_untrusted(said(EphemeralKind.RECEIPTS, b"early", RANDOM(16), 1), "node")
    book.take_untrusted(greeting(2), "node")
    book.take_untrusted(said(EphemeralKind.RECEIPTS, b"false", RANDOM(16), 3, device=as_ben()), "node")
    book.take_untrusted(said(EphemeralKind.RECEIPTS, b"true", RANDOM(16), 4), "node")

    assert shown == [b"true"]


async def test_receipts_are_shown_once_to_whoever_is_met_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a greeting, so that he knows whose they are; the newest of each node. Who comes later shows his
    own."""
    book, sent = anas_book(), list[tuple[EphemeralKind, bytes]]()
    monkeypatch.setattr(PresenceBook, "_send", lambda self, kind, content: sent.append((kind, content)))
    for node, content in ((b"one", b"old"), (b"one", b"new"), (b"two", b"other")):
        book.show_when_met(node, content)
    book.start()
    assert [kind for kind, _ in sent] == [EphemeralKind.HERE]
    sent.clear()
    book.take_untrusted(greeting(1), "node")
    book.take_untrusted(greeting(2, run=RunId(RANDOM(16))), "node")
    shown = [content for kind, content in sent if kind is EphemeralKind.RECEIPTS]
    assert sent[0][0] is EphemeralKind.HERE
    assert shown == [b"new", b"other"]
    book.stop()
