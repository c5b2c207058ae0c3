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
from peergos_collab.objects.history_seals import SEALED
from peergos_collab.objects.op_kinds import Add, Create, Rotate
from peergos_collab.objects.operations import pad_to_bucket
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import (
    GRANT,
    MAX_RECORD,
    SEALED_SIGNATURE,
    Epoch,
    Grant,
    Said,
    grant,
    make_grant,
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


def rebuilt(
    raw: bytes,
    *,
    head: dict[int, Any] | None = None,
    rest: dict[int, Any] | None = None,
    outer: dict[int, Any] | None = None,
) -> bytes:
    """A record with some fields changed, and otherwise as it was."""
    record = decode_untrusted(raw, MAX_RECORD)
    for part, changes in ((0, head), (1, rest)):
        fields = decode_untrusted(record[part], MAX_RECORD)
        for at, value in (changes or {}).items():
            fields[at] = value
        record[part] = encode(fields)
    for at, value in (outer or {}).items():
        record[at] = value
    return encode(record)


def test_an_epoch_says_who_made_the_object() -> None:
    """Its id is the object's; its op opens with the epoch's own keys and names its creator."""
    epoch = Epoch.parse_untrusted(CIRCLE.epoch.raw).verify({})
    principal = account_principal(ANA.credentials)
    signed, _ = open_op(epoch, {epoch.id: ANA.keys.ops}).verify(ANA.actor.account, [principal])

    assert epoch.object == ObjectId(epoch.id)
    assert epoch.first
    assert isinstance(signed.op, Create)
    assert signed.author.name == "p0"
    assert len(epoch.raw) in BUCKETS


def test_a_grant_says_who_joins() -> None:
    """Readers of the epoch open its op; it belongs to the epoch it names."""
    record = Grant.parse_untrusted(CIRCLE.grants[0].raw).verify(EPOCHS)
    opened = open_op(record, {CIRCLE.epoch_id: READER.keys.ops})
    signed, _ = opened.verify(ANA.actor.account, [account_principal(ANA.credentials)])

    assert isinstance(signed.op, Add)
    assert signed.op.principal.id == BOB.actor.principal
    assert record.epoch == CIRCLE.epoch_id


def test_who_has_no_key_opens_no_op() -> None:
    """Members of other objects learn nothing from a record."""
    with pytest.raises(NoAccess):
        open_op(CIRCLE.epoch, {OTHER.epoch_id: OTHER.members[0].keys.ops})


def test_an_op_cannot_be_moved_to_other_keys() -> None:
    """The sealed op of one record does not open under the core of another."""
    mine, theirs = (decode_untrusted(r.raw, MAX_RECORD) for r in CIRCLE.grants)
    rest, foreign = (decode_untrusted(record[1], MAX_RECORD) for record in (mine, theirs))
    rest[3:] = foreign[3:]
    mine[1] = encode(rest)
    mine[4] = ANA.keys.signing_key(Level.ADMIN).sign(Tag.SIGN_GRANT, Grant.parse_untrusted(encode(mine)).id)
    record = Grant.parse_untrusted(encode(mine)).verify(EPOCHS)

    with pytest.raises(RemoteProtocolError):
        open_op(record, {CIRCLE.epoch_id: ANA.keys.ops})


def test_a_false_key_opens_no_op() -> None:
    """The keys of another epoch under this one's name are found out."""
    with pytest.raises(RemoteProtocolError):
        open_op(CIRCLE.epoch, {CIRCLE.epoch_id: OTHER.members[0].keys.ops})


@pytest.mark.parametrize(
    "change",
    [
        {0: 2},
        {1: 2},
        {1: 1},
        {2: b"short"},
        {3: [b"short"]},
        {3: [bytes(32)] * 2},
        {3: [bytes(32)] * 65},
        {4: []},
    ],
)
def test_the_head_of_an_epoch_has_one_form(change: dict[int, Any]) -> None:
    """Version, kind, object, parents and keys are each checked."""
    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, head=change))


@pytest.mark.parametrize(
    "links",
    [
        [b"link"],
        [[bytes(32), bytes(48)]],
        [[bytes(32), bytes(47), bytes(81)]],
        [[bytes(32), bytes(48), bytes(80)]],
        [[bytes(32), bytes(48), bytes(81)]] * 65,
    ],
)
def test_back_links_have_one_form(links: Any) -> None:
    """An epoch id and two sealed keys each; 64 at most."""
    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, rest={0: links}))


@pytest.mark.parametrize("size", [0, 2 * SEALED, 3 * SEALED - 1, 4 * SEALED])
def test_an_epoch_has_a_history_seal_for_each_level(size: int) -> None:
    """Not more and not less, so that they say nothing of who gets what."""
    with pytest.raises(RemoteProtocolError, match="history seals"):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, rest={1: bytes(size)}))


def test_a_grant_has_no_history_seals() -> None:
    """They are the epoch's."""
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(_resized(CIRCLE.grants[0], rest={1: bytes(SEALED)}))


def test_a_grant_links_back_to_nothing() -> None:
    """It makes no keys that could."""
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(_resized(CIRCLE.grants[0], rest={0: [[bytes(32), bytes(48)]]}))


@pytest.mark.parametrize("length", [0, 64, 79, 81])
def test_the_signature_of_an_op_has_one_length(length: int) -> None:
    """So that a node cannot tell who needs more of them."""
    for record in (CIRCLE.epoch, CIRCLE.grants[0]):
        with pytest.raises(RemoteProtocolError, match="sealed signature"):
            parse_record_untrusted(_resized(record, rest={5: bytes(length)}))


def test_an_objects_first_keys_are_an_admins() -> None:
    """A neutral epoch inherits its admin keys, so it has a parent."""
    keys = CIRCLE.epoch.keys.fields()
    keys[2] = keys[5] = b""
    seals = CIRCLE.epoch.history[: 2 * SEALED]
    with pytest.raises(RemoteProtocolError, match="without admin keys"):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, head={4: keys}, rest={1: seals}))


def _resized(
    epoch: Epoch | Grant, head: dict[int, Any] | None = None, rest: dict[int, Any] | None = None
) -> bytes:
    """A changed record, padded by its sealed op to an allowed size."""
    record = decode_untrusted(rebuilt(epoch.raw, head=head, rest=rest), MAX_RECORD)
    fields = decode_untrusted(record[1], MAX_RECORD)

    def build(padded: bytes) -> bytes:
        return encode([record[0], encode([*fields[:4], padded, *fields[5:]]), *record[2:]])

    return pad_to_bucket(b"", build)


@pytest.mark.parametrize(
    "outer", [{2: bytes(32)}, {2: RANDOM(33)}, {3: 1}, {3: 0}, {3: 4}, {4: bytes(64)}, {4: bytes(63)}]
)
def test_the_outer_signature_of_an_epoch_is_checked(outer: dict[int, Any]) -> None:
    """Another signer, a reader's level, a level that does not exist, or another signature."""
    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(rebuilt(CIRCLE.epoch.raw, outer=outer)).verify(EPOCHS)


def test_a_grant_is_signed_with_its_own_epochs_keys() -> None:
    """One signed elsewhere, or for an epoch that is not known, is refused."""
    record = Grant.parse_untrusted(CIRCLE.grants[0].raw)
    foreign = rebuilt(record.raw, outer={2: OTHER.epoch_id})

    with pytest.raises(RemoteProtocolError):
        record.verify({})
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(foreign).verify({**EPOCHS, OTHER.epoch_id: OTHER.epoch})
    with pytest.raises(RemoteProtocolError):
        Grant.parse_untrusted(rebuilt(record.raw, outer={4: bytes(64)})).verify(EPOCHS)


def test_a_grant_belongs_to_the_object_of_its_epoch() -> None:
    """A member of one object makes no records of another with the keys he has."""
    raw = make_grant(OTHER.object, CIRCLE.epoch_id, ANA.keys, [], Said(Rotate(), ANA.actor), RANDOM).raw
    with pytest.raises(RemoteProtocolError, match="not known"):
        Grant.parse_untrusted(raw).verify(EPOCHS)


@pytest.mark.parametrize("level", list(Level))
def test_any_member_may_sign_a_grant(level: Level) -> None:
    """The outer signature only keeps strangers out; the op decides."""
    held = EpochKeys(level, ANA.keys.secret(level).expose())
    principal = account_principal(found("Zoe", RANDOM))
    recipient = Recipient(principal.box, Level.READ)
    raw = grant(
        CIRCLE.object, CIRCLE.epoch_id, held, recipient, Add(principal, Level.READ), ANA.actor, (), RANDOM
    ).raw

    record = parse_record_untrusted(raw).verify(EPOCHS)

    assert record.kind == GRANT


def test_a_later_epoch_names_its_parent() -> None:
    """Its form is known already: signed by a write key of a parent, for the same object."""
    unverified = Epoch.parse_untrusted(child_epoch(CIRCLE, BOB, RANDOM))
    record = unverified.verify(EPOCHS)

    assert record.object == CIRCLE.object
    assert record.parents == (CIRCLE.epoch_id,)
    with pytest.raises(RemoteProtocolError):
        unverified.verify({})
    with pytest.raises(RemoteProtocolError):
        unverified.verify({EpochId(CIRCLE.epoch_id): OTHER.epoch})


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
    record[4] = ANA.keys.signing_key(Level.ADMIN).sign(Tag.SIGN_GRANT, CIRCLE.epoch.id)

    with pytest.raises(RemoteProtocolError):
        Epoch.parse_untrusted(encode(record)).verify(EPOCHS)


def test_a_stranger_signs_nothing() -> None:
    """A key that is none of the epoch's is refused for grants and epochs alike."""
    stranger = SigningKey.generate(RANDOM)
    for record, tag in ((CIRCLE.epoch, Tag.SIGN_EPOCH), (CIRCLE.grants[0], Tag.SIGN_GRANT)):
        fields = decode_untrusted(record.raw, MAX_RECORD)
        fields[4] = stranger.sign(tag, record.id)

        with pytest.raises(RemoteProtocolError):
            parse_record_untrusted(encode(fields)).verify(EPOCHS)


@pytest.mark.parametrize("wraps", [b"x", bytes(32), bytes(32 + SLOT), bytes(33 + 2 * SLOT)])
def test_wraps_have_an_allowed_size(wraps: bytes) -> None:
    """In epochs and in grants, before anything else looks at them."""
    with pytest.raises(RemoteProtocolError, match="wraps"):
        Epoch.parse_untrusted(_resized(CIRCLE.epoch, rest={2: wraps}))
    with pytest.raises(RemoteProtocolError, match="wraps"):
        Grant.parse_untrusted(_resized(CIRCLE.grants[0], rest={2: wraps}))


@pytest.mark.parametrize("head", [[], [1, 0, b""], {}, 7])
def test_a_record_has_a_head(head: Any) -> None:
    """A list of at least four fields."""
    wraps = bytes(32 + 2 * SLOT)

    def build(padded: bytes) -> bytes:
        return encode(
            [
                encode(head),
                encode([[], b"", wraps, [], padded, bytes(SEALED_SIGNATURE)]),
                b"",
                3,
                bytes(64),
                [],
            ]
        )

    with pytest.raises(RemoteProtocolError, match="head"):
        parse_record_untrusted(pad_to_bucket(b"", build))


def test_a_reader_signs_no_epoch() -> None:
    """His key may sign a grant; an epoch needs a write or an admin key."""
    fields = decode_untrusted(CIRCLE.epoch.raw, MAX_RECORD)
    fields[3] = int(Level.READ)
    fields[4] = ANA.keys.signing_key(Level.READ).sign(Tag.SIGN_EPOCH, CIRCLE.epoch.id)
    with pytest.raises(RemoteProtocolError, match="may not sign"):
        Epoch.parse_untrusted(encode(fields)).verify(EPOCHS)
