"""Epochs and grants: form, signatures, ids, and who can open their ops."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.codec.sizes import BUCKETS
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import NoAccess, RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.operations import Add, Create, pad_to_bucket
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import (
    GRANT,
    MAX_RECORD,
    Epoch,
    Grant,
    grant,
    open_op,
    parse_record_untrusted,
)
from peergos_collab.objects.wraps import SLOT, Recipient
from support.circle import account_principal, found, make_circle
from support.forge import child_epoch

RANDOM = random.Random(6).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.READ], RANDOM)
OTHER = make_circle(Kind.DOCUMENT, [], RANDOM)
ANA, BOB, READER = CIRCLE.members
EPOCHS = {CIRCLE.epoch_id: CIRCLE.epoch}


def rebuilt(raw: bytes, *, core: dict[int, Any] | None = None, outer: dict[int, Any] | None = None) -> bytes:
    """A record with some fields changed, and of an allowed size again where that is possible."""
    record = decode_untrusted(raw, MAX_RECORD)
    public = decode_untrusted(record[0], MAX_RECORD)
    fields = decode_untrusted(public[0], MAX_RECORD)
    for at, value in (core or {}).items():
        fields[at] = value
    public[0] = encode(fields)
    record[0] = encode(public)
    for at, value in (outer or {}).items():
        record[at] = value
    return encode(record)


def test_an_epoch_says_who_made_the_object() -> None:
    """Its id is the object's; its op opens with the epoch's own keys and names its creator."""
    epoch = Epoch.parse_untrusted(CIRCLE.epoch.raw)
    epoch.verify({})
    signed = open_op(epoch, {epoch.id: ANA.keys})

    assert epoch.object == ObjectId(epoch.id)
    assert epoch.first
    assert isinstance(signed.op, Create)
    assert signed.author.name == "p0"
    assert len(epoch.raw) in BUCKETS


def test_a_grant_says_who_joins() -> None:
    """Readers of the epoch open its op; it belongs to the epoch it names."""
    record = Grant.parse_untrusted(CIRCLE.grants[0].raw)
    record.verify(EPOCHS)
    signed = open_op(record, {CIRCLE.epoch_id: READER.keys})

    assert isinstance(signed.op, Add)
    assert signed.op.principal.id == BOB.actor.principal
    assert record.epoch == CIRCLE.epoch_id


def test_who_has_no_key_opens_no_op() -> None:
    """Members of other objects learn nothing from a record."""
    with pytest.raises(NoAccess):
        open_op(CIRCLE.epoch, {OTHER.epoch_id: OTHER.members[0].keys})


def test_an_op_cannot_be_moved_to_other_keys() -> None:
    """The sealed op of one record does not open under the core of another."""
    mine, theirs = (decode_untrusted(r.raw, MAX_RECORD) for r in CIRCLE.grants)
    public, foreign = (decode_untrusted(record[0], MAX_RECORD) for record in (mine, theirs))
    public[1:] = foreign[1:]
    record = Grant.parse_untrusted(encode([encode(public), *mine[1:]]))

    with pytest.raises(RemoteProtocolError):
        open_op(record, {CIRCLE.epoch_id: ANA.keys})


def test_a_false_key_opens_no_op() -> None:
    """The keys of another epoch under this one's name are found out."""
    with pytest.raises(RemoteProtocolError):
        open_op(CIRCLE.epoch, {CIRCLE.epoch_id: OTHER.members[0].keys})


@pytest.mark.parametrize(
    "change", [{0: 2}, {1: 2}, {2: b"short"}, {3: [b"short"]}, {4: []}, {5: [1]}, {6: b"x"}]
)
def test_the_core_of_an_epoch_has_one_form(change: dict[int, Any]) -> None:
    """Version, kind, object, parents, keys, back-links and wraps are each checked."""
    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(rebuilt(CIRCLE.epoch.raw, core=change))


def test_back_links_belong_to_a_later_version() -> None:
    """An epoch with one is refused, not half understood."""
    with pytest.raises(RemoteProtocolError, match="at most 0"):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, {5: [b"link"]}))


def _resized(epoch: Epoch | Grant, core: dict[int, Any]) -> bytes:
    """A record with a changed core, padded by its sealed op to an allowed size."""
    record = decode_untrusted(rebuilt(epoch.raw, core=core), MAX_RECORD)
    public = decode_untrusted(record[0], MAX_RECORD)

    def build(padded: bytes) -> bytes:
        return encode([encode([public[0], public[1], padded]), *record[1:]])

    return pad_to_bucket(b"", build)


@pytest.mark.parametrize(
    "outer", [{1: bytes(32)}, {1: RANDOM(33)}, {2: 1}, {2: 0}, {2: 4}, {3: bytes(64)}, {3: bytes(63)}]
)
def test_the_outer_signature_of_an_epoch_is_checked(outer: dict[int, Any]) -> None:
    """Another signer, a reader's level, a level that does not exist, or another signature."""
    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(rebuilt(CIRCLE.epoch.raw, outer=outer)).verify(EPOCHS)


def test_a_grant_is_signed_with_its_own_epochs_keys() -> None:
    """One signed elsewhere, or for an epoch that is not known, is refused."""
    record = Grant.parse_untrusted(CIRCLE.grants[0].raw)
    foreign = rebuilt(record.raw, outer={1: OTHER.epoch_id})

    with pytest.raises(RemoteProtocolError):
        record.verify({})
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(foreign).verify({**EPOCHS, OTHER.epoch_id: OTHER.epoch})
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(rebuilt(record.raw, outer={3: bytes(64)})).verify(EPOCHS)


@pytest.mark.parametrize("level", list(Level))
def test_any_member_may_sign_a_grant(level: Level) -> None:
    """The outer signature only keeps strangers out; the op decides."""
    held = EpochKeys(level, ANA.keys.secret(level).expose())
    principal = account_principal(found("Zoe", RANDOM))
    recipient = Recipient(principal.box, Level.READ)
    raw = grant(
        CIRCLE.object, CIRCLE.epoch_id, held, recipient, Add(principal, Level.READ), ANA.actor, (), RANDOM
    ).raw

    record = parse_record_untrusted(raw)
    record.verify(EPOCHS)

    assert record.kind == GRANT


def test_a_later_epoch_names_its_parent() -> None:
    """Its form is known already: signed by a write key of a parent, for the same object."""
    record = Epoch.parse_untrusted(child_epoch(CIRCLE, BOB, RANDOM))
    record.verify(EPOCHS)

    assert record.object == CIRCLE.object
    assert record.parents == (CIRCLE.epoch_id,)
    with pytest.raises(RemoteProtocolError):
        record.verify({})
    with pytest.raises(RemoteProtocolError):
        record.verify({EpochId(CIRCLE.epoch_id): OTHER.epoch})


@pytest.mark.parametrize("size", [1023, 1025, 0])
def test_other_sizes_are_refused(size: int) -> None:
    """Lengths tell nothing because there are only six of them."""
    with pytest.raises(RemoteProtocolError):
        parse_record_untrusted((CIRCLE.epoch.raw * 2)[:size])


def test_records_fit_a_frame() -> None:
    """The largest record that is accepted is far smaller than a frame of 1 MiB."""
    assert MAX_RECORD in BUCKETS
    assert MAX_RECORD < 1 << 20
    with pytest.raises(RemoteProtocolError):
        parse_record_untrusted(bytes(1 << 20))


def test_a_signature_for_a_grant_signs_no_epoch() -> None:
    """The two are signed under different tags."""
    record = decode_untrusted(CIRCLE.epoch.raw, MAX_RECORD)
    record[3] = ANA.keys.signing_key(Level.ADMIN).sign(Tag.SIGN_GRANT, record[0])

    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(encode(record)).verify(EPOCHS)


def test_a_stranger_signs_nothing() -> None:
    """A key that is none of the epoch's is refused for grants and epochs alike."""
    stranger = SigningKey.generate(RANDOM)
    for record, tag in ((CIRCLE.epoch, Tag.SIGN_EPOCH), (CIRCLE.grants[0], Tag.SIGN_GRANT)):
        fields = decode_untrusted(record.raw, MAX_RECORD)
        fields[3] = stranger.sign(tag, fields[0])

        with pytest.raises(RemoteProtocolError):
            parse_record_untrusted(encode(fields)).verify(EPOCHS)


@pytest.mark.parametrize("wraps", [b"x", bytes(32), bytes(32 + SLOT), bytes(33 + 2 * SLOT)])
def test_wraps_have_an_allowed_size(wraps: bytes) -> None:
    """In epochs and in grants, before anything else looks at them."""
    with pytest.raises(RemoteProtocolError, match="wraps"):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, {6: wraps}))
    with pytest.raises(RemoteProtocolError, match="wraps"):
        Grant.parse_untrusted(_resized(CIRCLE.grants[0], {4: wraps}))


@pytest.mark.parametrize("core", [[], [1, 0, b"", []], {}, 7])
def test_a_record_has_a_core(core: Any) -> None:
    """A list of at least five fields."""

    def build(padded: bytes) -> bytes:
        return encode([encode([encode(core), [], padded]), b"", 3, bytes(64)])

    with pytest.raises(RemoteProtocolError, match="core"):
        parse_record_untrusted(pad_to_bucket(b"", build))


def test_a_reader_signs_no_epoch() -> None:
    """His key may sign a grant; an epoch needs a write or an admin key."""
    fields = decode_untrusted(CIRCLE.epoch.raw, MAX_RECORD)
    fields[2] = int(Level.READ)
    fields[3] = ANA.keys.signing_key(Level.READ).sign(Tag.SIGN_EPOCH, fields[0])
    with pytest.raises(RemoteProtocolError, match="may not sign"):
        Epoch.parse_untrusted(encode(fields)).verify(EPOCHS)
