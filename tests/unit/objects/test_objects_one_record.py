"""Of an op there is one record: who can open it makes no second one, with another name or with none changed.

Else anybody who may write could repeat the removal of somebody who was added again since: the copy would
stand beside that add, as if its author had never heard of it, and take it away.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.sizes import BUCKETS, bucket, pad, unpad_untrusted
from peergos_collab.crypto import OpKey, Tag, WrapKey, copen, cseal, derive, hash256, open_once, seal_once
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.op_kinds import Leave, Target
from peergos_collab.objects.records import MAX_RECORD, Epoch, MembershipRecord, parse_record_untrusted
from support.members import Group

RANDOM = random.Random(81).randbytes
Change = Callable[[list[Any]], None]


def group() -> Group:
    """``a`` made it, ``e`` writes, ``b`` may be removed and comes again."""
    who = Group("abe", RANDOM)
    who.add("a", "e", Level.WRITE)
    who.add("a", "b", Level.WRITE, "e")
    return who


def resealed(who: Group, record: MembershipRecord, by: str, change: Change, signature: bytes = b"") -> bytes:
    """The record as one makes it anew who can open it: the same keys and op, something else changed.

    Args:
        signature: put in place of the device's.
    """
    epoch = next(epoch for epoch, _ in record.sealed.op_seals if epoch in who[by].membership.ring.ops)
    seal_key = derive(who[by].membership.ring.ops[epoch], Tag.OP_KEY, WrapKey)
    head, rest, signer, _, _, _ = decode_untrusted(record.raw, MAX_RECORD)
    links, history, wraps, seals, sealed_op, by_device = decode_untrusted(rest, MAX_RECORD)
    core = record.sealed.core_hash
    op_key = OpKey(copen(seal_key, Tag.SEAL, dict(map(tuple, seals))[epoch], core))
    fields = decode_untrusted(unpad_untrusted(copen(op_key, Tag.SEAL, sealed_op, core)), MAX_RECORD)
    change(fields)
    signature_key = derive(op_key, Tag.OP_SIGNATURE, WrapKey)
    hidden = seal_once(signature_key, signature or open_once(signature_key, by_device, b""), b"")
    plain = encode(fields)
    keys = who[by].membership.keys[signer]
    id_tag, tag = (
        (Tag.EPOCH_ID, Tag.SIGN_EPOCH) if isinstance(record, Epoch) else (Tag.GRANT_ID, Tag.SIGN_GRANT)
    )

    def build(length: int) -> bytes:
        sealed = cseal(op_key, Tag.SEAL, pad(plain, length), core, RANDOM)
        new = encode([links, history, wraps, seals, sealed, hidden])
        id_ = hash256(id_tag, head + hash256(Tag.RECORD_REST, new))
        made = keys.signing_key(keys.level).sign(tag, id_)
        return encode([head, new, signer, int(keys.level), made, []])

    length = len(plain) + 1
    wanted = bucket(len(build(length)))
    while len(raw := build(length)) not in BUCKETS:
        length += wanted - len(raw)
    return raw


def renamed(fields: list[Any]) -> None:
    fields[3] = "Somebody Else"


def without_log(fields: list[Any]) -> None:
    fields[2] = b""


def as_it_was(fields: list[Any]) -> None:
    pass


def taken(who: Group, raw: bytes) -> MembershipRecord:
    """The record, as everybody takes it whose outer signature holds."""
    epochs = who["a"].membership.ring.epochs
    record = parse_record_untrusted(raw).verify(epochs)
    who.tell(record)
    return record


@pytest.mark.parametrize("change", [renamed, without_log, as_it_was])
def test_a_removal_is_not_repeated_by_others(change: Change) -> None:
    """He who was removed and came again stays, whatever name the copy gives its author."""
    who = group()
    removal = who["a"].maker.remove([Target(who["b"].id)])
    who.tell(removal, "a", "e")
    who.add("a", "b", Level.WRITE, "e")
    copy = taken(who, resealed(who, removal, "e", change))

    assert copy.id != removal.id
    for name in "abe":
        view = who[name].view
        assert who["b"].id in view.members
        assert set(view.void) == {copy.id}
        assert removal.id not in view.void


@pytest.mark.parametrize("change", [renamed, without_log, as_it_was])
def test_a_leave_is_not_repeated_by_a_reader(change: Change) -> None:
    """He may sign a grant, but not in another's name."""
    who = group()
    leave = who["b"].maker.leave(Leave())
    who.tell(leave, "a", "e", "b")
    who.add("a", "b", Level.READ, "e")
    copy = taken(who, resealed(who, leave, "e", change))

    assert who["b"].id in who["a"].view.members
    assert copy.id in who["a"].view.void


def test_nobody_else_signs_it() -> None:
    """With another signature in its place it is as false."""
    who = group()
    news = who["b"].maker.tell_news()
    who.tell(news, "a", "e", "b")
    own = who["e"].maker.actor.device.sign(Tag.SIGN_OP, news.sealed.signed)
    copy = taken(who, resealed(who, news, "e", as_it_was, own))

    assert copy.id in who["a"].view.void


def test_the_seal_of_the_signature_has_one_form() -> None:
    """So not even its ciphertext can be changed."""
    who = group()
    news = who["b"].maker.tell_news()
    head, rest, *outer = decode_untrusted(news.raw, MAX_RECORD)
    fields = decode_untrusted(rest, MAX_RECORD)
    fields[5] = bytes([fields[5][0] ^ 1]) + fields[5][1:]
    keys = who["e"].membership.keys[outer[0]]
    new = encode(fields)
    id_ = hash256(Tag.GRANT_ID, head + hash256(Tag.RECORD_REST, new))
    signature = keys.signing_key(keys.level).sign(Tag.SIGN_GRANT, id_)
    copy = taken(who, encode([head, new, outer[0], int(keys.level), signature, []]))

    assert copy.id in who["a"].view.void
    assert news.id not in who["a"].view.void
    who.tell(news)
    assert news.id not in who["a"].view.void
