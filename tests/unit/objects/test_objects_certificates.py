"""Certificates: a log may write in an epoch."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import LogId, ObjectId
from peergos_collab.crypto import BadSignature
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from support.circle import make_circle

RANDOM = random.Random(10).randbytes
CIRCLE = make_circle(Kind.CHAT, [], RANDOM)
EPOCHS = {CIRCLE.epoch_id: CIRCLE.epoch}
KEYS = CIRCLE.members[0].keys
GOOD = Certificate.issue(CIRCLE.object, CIRCLE.epoch_id, LogId(RANDOM(32)), KEYS.signing_key(Level.WRITE))


def test_a_writer_issues_one() -> None:
    """It comes back as it was, and holds."""
    again = Certificate.parse_untrusted(GOOD.raw).verify(EPOCHS)

    assert again == GOOD


@pytest.mark.parametrize("level", [Level.READ, Level.ADMIN])
def test_only_the_write_key_counts(level: Level) -> None:
    """One key has one use: an admin signs with the write key he derives."""
    ids = CIRCLE.object, CIRCLE.epoch_id, GOOD.log
    issued = Certificate.issue(*ids, KEYS.signing_key(level))
    with pytest.raises(BadSignature):
        Certificate.parse_untrusted(issued.raw).verify(EPOCHS)


def test_an_unknown_epoch_certifies_nothing() -> None:
    """Whoever signed."""
    with pytest.raises(RemoteProtocolError):
        Certificate.parse_untrusted(GOOD.raw).verify({})


@pytest.mark.parametrize(
    ("at", "value"), [(0, 2), (1, 0), (2, b"short"), (3, b"short"), (4, b"short"), (5, bytes(63))]
)
def test_its_fields_have_one_form(at: int, value: Any) -> None:
    """Version, kind, ids and signature."""
    fields = decode_untrusted(GOOD.raw, 256)
    fields[at] = value
    with pytest.raises(RemoteProtocolError):
        Certificate.parse_untrusted(encode(fields))


@pytest.mark.parametrize("at", [2, 3, 4])
def test_it_cannot_be_moved(at: int) -> None:
    """To another object, epoch or log."""
    fields = decode_untrusted(GOOD.raw, 256)
    fields[at] = RANDOM(32)
    moved = Certificate.parse_untrusted(encode(fields))
    epoch = replace(CIRCLE.epoch, object=moved.object)
    with pytest.raises(BadSignature):
        moved.verify({**EPOCHS, moved.epoch: epoch})


def test_it_belongs_to_the_object_of_its_epoch() -> None:
    """A writer of one object certifies nothing in another."""
    keys = KEYS.signing_key(Level.WRITE)
    foreign = Certificate.issue(ObjectId(RANDOM(32)), CIRCLE.epoch_id, GOOD.log, keys)
    with pytest.raises(RemoteProtocolError, match="not known"):
        Certificate.parse_untrusted(foreign.raw).verify(EPOCHS)
