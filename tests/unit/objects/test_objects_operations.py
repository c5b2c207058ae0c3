"""Membership ops: signed by a device of the account they name, bound to one record."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, LogId, ObjectId, SegmentId
from peergos_collab.codec.sizes import BUCKETS, pad
from peergos_collab.crypto import BadSignature, LinkSeed, SigningKey
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.identity.account import MAX_LOG
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.links import LinkKeys
from peergos_collab.objects.op_kinds import (
    Add,
    ChangeRole,
    Close,
    Complaint,
    Create,
    Forward,
    Forwarded,
    Leave,
    News,
    NewVersion,
    Op,
    Remove,
    RePin,
    Rotate,
    Target,
)
from peergos_collab.objects.operations import (
    Relied,
    SignedOp,
    UnverifiedOp,
    pad_to_bucket,
    parse_op_untrusted,
    sign_op,
    write_op,
)
from peergos_collab.objects.principals import Principal, PrincipalKind
from support.circle import account_principal, actor_of, found

RANDOM = random.Random(24).randbytes
ANA, EVE = found("ana", RANDOM), found("eve", RANDOM)
ACTOR, PRINCIPAL = actor_of(ANA), account_principal(ANA)
CORE, SIGNED = RANDOM(32), RANDOM(32)
FOLDER = Principal.of_object(ObjectId(RANDOM(32)), EpochId(RANDOM(32)), EpochKeys.generate(RANDOM).public())
HEAD = Close(LogId(RANDOM(32)), 3, SegmentId(RANDOM(32)))
WHO = Target(PRINCIPAL.id, b"", (HEAD,))
OPS: list[Op] = [
    Create(3, PRINCIPAL),
    Add(PRINCIPAL, Level.READ),
    Add(PRINCIPAL, Level.READ, hidden=True, proof=b"log"),
    Add(FOLDER, Level.ADMIN, proof=(b"one", b"two")),
    Remove((WHO, WHO), (RANDOM(32),)),
    ChangeRole(WHO, Level.WRITE, (RANDOM(32),)),
    Leave((HEAD,)),
    Rotate(),
    RePin((NewVersion(PRINCIPAL, b"log"),), (Target(PRINCIPAL.id, RANDOM(32), (HEAD,)),), (RANDOM(32),)),
    RePin((NewVersion(FOLDER, (b"one", b"two")),)),
    Forward((Forwarded(PRINCIPAL.id, PRINCIPAL.version, Level.READ),)),
    Complaint(RANDOM(32)),
    News(),
]
GOOD = write_op(Add(PRINCIPAL, Level.WRITE), ACTOR, (RANDOM(32),), CORE)


def parse(plain: bytes, core: bytes = CORE, by: SigningKey = ACTOR.device) -> UnverifiedOp:
    """As it comes out of a record with these contents, which ``by`` signed."""
    return parse_op_untrusted(pad(plain, len(plain) + 50), core, SIGNED, sign_op(by, SIGNED))


def proved(plain: bytes, principal: Principal = PRINCIPAL) -> SignedOp:
    """Signed by Ana's device, for ``principal``."""
    return parse(plain).verify(ANA.account, [principal])[0]


def changed(body: dict[int, Any] | None = None, outer: dict[int, Any] | None = None) -> bytes:
    """An op with other fields."""
    fields = decode_untrusted(GOOD, 1 << 16)
    inner = decode_untrusted(fields[0], 1 << 16)
    for at, value in (body or {}).items():
        inner[at] = value
    fields[0] = encode(inner)
    for at, value in (outer or {}).items():
        fields[at] = value
    return encode(fields)


@pytest.mark.parametrize("op", OPS)
def test_an_op_comes_back(op: Op) -> None:
    """With its author, proved by his device."""
    signed = proved(write_op(op, ACTOR, (), CORE))

    assert signed.op == op
    assert signed.author.name == "ana"
    assert signed.author.device == ANA.device_id
    assert proved(changed()).op == Add(PRINCIPAL, Level.WRITE)


def test_what_its_author_had_seen_comes_back() -> None:
    """Heads of this object and of others."""
    relied = (Relied(RANDOM(32), (RANDOM(32), RANDOM(32))),)
    heads = (RANDOM(32),)
    opened = parse(write_op(Rotate(), ACTOR, heads, CORE, relied=relied))

    assert opened.heads == heads
    assert opened.relied == opened.verify(ANA.account, [PRINCIPAL])[0].relied == relied


def test_an_account_log_travels_only_where_it_is_not_known() -> None:
    """Else its digest says which one is meant, in 32 bytes."""
    whole, short = (parse(write_op(Rotate(), ACTOR, (), CORE, log_known=known)) for known in (False, True))

    assert whole.account_log == ANA.account.raw
    assert short.account_log == b""
    assert whole.log_digest == short.log_digest


def test_it_belongs_to_one_record() -> None:
    """With other contents the device's signature fails, under other keys or another object a link's too."""
    link = link_of(RANDOM)
    by_link = replace(ACTOR, principal=link.principal.id, principal_key=link.sign)
    signature = sign_op(ACTOR.device, SIGNED)
    for actor, principal in ((ACTOR, PRINCIPAL), (by_link, link.principal)):
        plain = write_op(Rotate(), actor, (), CORE)
        padded = pad(plain, len(plain) + 50)
        parse_op_untrusted(padded, CORE, SIGNED, signature).verify(ANA.account, [principal])
        with pytest.raises(BadSignature):
            parse_op_untrusted(padded, CORE, RANDOM(32), signature).verify(ANA.account, [principal])
    with pytest.raises(BadSignature):
        parse(plain, RANDOM(32)).verify(ANA.account, [link.principal])


def test_the_device_signs() -> None:
    """Nobody else does for it."""
    with pytest.raises(BadSignature):
        parse(GOOD, by=SigningKey.generate(RANDOM)).verify(ANA.account, [PRINCIPAL])


@pytest.mark.parametrize("body", [{1: EVE.account_id}, {3: EVE.device_id}])
def test_the_account_lists_the_device(body: dict[int, Any]) -> None:
    """A device of somebody else's, or an account it is not of, is refused."""
    with pytest.raises(RemoteProtocolError, match="does not list"):
        proved(changed(body))


def link_of(random_bytes: Any) -> LinkKeys:
    return LinkKeys.from_seed(LinkSeed.generate(random_bytes))


def test_who_acts_for_a_link_signs_with_its_key() -> None:
    """Another key, or none, is refused."""
    link, other = link_of(RANDOM), link_of(RANDOM)
    actor = replace(ACTOR, principal=link.principal.id, principal_key=link.sign)
    proved(write_op(Rotate(), actor, (), CORE), link.principal)

    for key in (other.sign, ACTOR.principal_key):
        with pytest.raises(BadSignature):
            proved(write_op(Rotate(), replace(actor, principal_key=key), (), CORE), link.principal)
    with pytest.raises(RemoteProtocolError, match="somebody else"):
        proved(write_op(Rotate(), actor, (), CORE), other.principal)


def test_who_is_listed_with_several_keys_signs_with_one() -> None:
    """The op comes with the one he had; without any listed he acts for nobody."""
    keys = [EpochKeys.generate(RANDOM) for _ in range(2)]
    object_id = ObjectId(RANDOM(32))
    listed = [Principal.of_object(object_id, EpochId(RANDOM(32)), one.public()) for one in keys]
    actor = replace(ACTOR, principal=listed[0].id, principal_key=keys[1].signing_key(Level.ADMIN))
    opened = parse(write_op(Rotate(), actor, (), CORE))

    assert opened.verify(ANA.account, listed)[1] == listed[1]
    with pytest.raises(RemoteProtocolError, match="nobody"):
        opened.verify(ANA.account, [])


def test_nobody_acts_for_another_account() -> None:
    """Not even with that account's user key: its own log lists the devices that may."""
    actor = replace(ACTOR, principal=account_principal(EVE).id, principal_key=EVE.user.sign)
    with pytest.raises(RemoteProtocolError, match="another account"):
        proved(write_op(Rotate(), actor, (), CORE), account_principal(EVE))


def test_who_acts_for_an_object_signs_with_the_key_of_his_level() -> None:
    """A reader of the folder does not pass for a writer of it."""
    keys = EpochKeys.generate(RANDOM)
    folder = Principal.of_object(ObjectId(RANDOM(32)), EpochId(RANDOM(32)), keys.public())
    for level in Level:
        key = keys.signing_key(level)
        actor = replace(ACTOR, principal=folder.id, principal_key=key, level=level)
        proved(write_op(Rotate(), actor, (), CORE), folder)
        for claimed in Level:
            if claimed is not level:
                with pytest.raises(BadSignature):
                    proved(write_op(Rotate(), replace(actor, level=claimed), (), CORE), folder)
    neutral = Principal.of_object(
        ObjectId(RANDOM(32)), EpochId(RANDOM(32)), EpochKeys.generate_neutral(RANDOM).public()
    )
    actor = replace(ACTOR, principal=neutral.id, principal_key=keys.signing_key(Level.ADMIN))
    with pytest.raises(RemoteProtocolError, match="no keys for"):
        proved(write_op(Rotate(), actor, (), CORE), neutral)


CLOSE = Close(LogId(bytes(32)), 3, SegmentId(bytes(32))).fields()
WHOLE, PART = [PRINCIPAL.id, b"", [CLOSE]], [PRINCIPAL.id, bytes(32), [CLOSE]]
VERSION = [PRINCIPAL.fields(), b"a log"]
PARSED_OPS: list[Any] = [
    [],
    [10],
    [1, 0, PRINCIPAL.fields(), 0, b""],
    [1, 4, PRINCIPAL.fields(), 0, b""],
    [1, 1, PRINCIPAL.fields(), 2, b""],
    [1, 1, PRINCIPAL.fields(), 0, 7],
    [1, 1, PRINCIPAL.fields(), 0, [7]],
    [1, 1, PRINCIPAL.fields(), 0, [b"link"] * 257],
    [1, 1, PRINCIPAL.fields(), 0, bytes(MAX_LOG + 1)],
    [0, 256, PRINCIPAL.fields()],
    [1, 1],
    [2, [], []],
    [2, [PART], []],
    [2, [[PRINCIPAL.id, b"", [[bytes(32), 0, bytes(32)]]]], []],
    [2, [[PRINCIPAL.id, b"", [[bytes(31), 1, bytes(32)]]]], []],
    [2, [[PRINCIPAL.id, b"x", []]], []],
    [2, [WHOLE] * 257, []],
    [2, [WHOLE], [b"x"]],
    [3, PART, 2, []],
    [3, WHOLE, 0, []],
    [4, [1]],
    [5, 1],
    [6, [], [], []],
    [6, [VERSION], [WHOLE], []],
    [6, [VERSION], [[bytes(32), bytes(32), []]], []],
    [6, [[PRINCIPAL.fields(), 7]], [], []],
    [6, [[PRINCIPAL.fields(), [1]]], [], []],
    [7, [[PRINCIPAL.id, bytes(33), 1]]],
    [7, [[PRINCIPAL.id, b"", 4]]],
    [8, b"x"],
    [9, 1],
]


@pytest.mark.parametrize(
    ("body", "outer"),
    [
        *(({0: op}, {}) for op in PARSED_OPS),
        ({1: b"x"}, {}),
        ({2: b"x"}, {}),
        ({2: bytes(32)}, {}),
        ({3: b"x"}, {}),
        ({4: b"x"}, {}),
        ({5: 0}, {}),
        ({5: 4}, {}),
        ({6: [b"x"]}, {}),
        ({6: [bytes(32)] * 65}, {}),
        ({7: [[b"x", []]]}, {}),
        ({7: [[bytes(32), [b"x"]]]}, {}),
        ({}, {2: EVE.account.raw}),
        ({}, {2: b"no log"}),
        ({}, {3: "x" * 65}),
        ({}, {1: bytes(63)}),
    ],
)
def test_its_fields_have_one_form(body: dict[int, Any], outer: dict[int, Any]) -> None:
    """Account, device, principal, heads, op, account log, name and signatures."""
    with pytest.raises(RemoteProtocolError):
        parse(changed(body, outer))


@pytest.mark.parametrize(
    ("at", "value"),
    [
        *((0, kind) for kind in (-1, PrincipalKind.LINK, PrincipalKind.OBJECT, 3)),
        (1, b"x"),
        (2, bytes(33)),
        (3, b"x"),
        (4, b"x"),
    ],
)
def test_a_principal_has_one_form(at: int, value: Any) -> None:
    """Kind, id, key version and keys; a link's id is its key, and an object has keys for each level."""
    fields = PRINCIPAL.fields()
    fields[at] = int(value) if isinstance(value, PrincipalKind) else value
    with pytest.raises(RemoteProtocolError):
        Principal.parse_untrusted(fields)
    assert Principal.parse_untrusted(PRINCIPAL.fields()) == PRINCIPAL


@pytest.mark.parametrize(("at", "value"), [(0, 0), (0, 1), (1, b"x"), (2, b""), (3, []), (3, b"x")])
def test_an_object_principal_has_one_form(at: int, value: Any) -> None:
    """Object id, epoch id, and the epoch's public keys."""
    fields = FOLDER.fields()
    fields[at] = value
    with pytest.raises(RemoteProtocolError):
        Principal.parse_untrusted(fields)
    assert Principal.parse_untrusted(FOLDER.fields()) == FOLDER


def test_an_object_gets_a_slot_per_level() -> None:
    """Each wrapped to its keys of that level, up to the role it is given."""
    assert FOLDER.levels is not None
    for granted in Level:
        boxes = FOLDER.boxes(granted)

        assert [level for _, level in boxes] == [level for level in Level if level <= granted]
        assert all(box == FOLDER.levels.box[level] for box, level in boxes)
    assert PRINCIPAL.boxes(Level.WRITE) == [(PRINCIPAL.box, Level.WRITE)]


@pytest.mark.parametrize("size", [0, 1, 100, 900, 1000, 1010, 1015, 1020, 1024, 5000, 60_000])
def test_records_get_an_allowed_size(size: int) -> None:
    """Whatever their length fields take."""
    record = pad_to_bucket(bytes(size), lambda padded: encode([b"x", padded, bytes(64)]))

    assert len(record) in BUCKETS


def test_a_record_too_long_is_not_made() -> None:
    """There is no size for it."""
    with pytest.raises(LocalProtocolError):
        pad_to_bucket(bytes(1 << 20), lambda padded: encode([padded]))
