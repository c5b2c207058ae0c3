"""Whatever bytes come, parsers accept them or raise an error of ours: nothing else escapes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.chat import Message, encode_events
from peergos_collab.codec import encode
from peergos_collab.codec.ids import MailAddress, ObjectId, RecordId
from peergos_collab.crypto import BoxPair, EphemeralKey, LocalKey, SigningKey, Tag, cseal
from peergos_collab.documents.version_names import NamedVersion, Naming
from peergos_collab.errors import PeergosCollabError
from peergos_collab.identity.account import Account
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.contacts import ContactRecord, State
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.greetings import Greeting
from peergos_collab.identity.pair_texts import PairText
from peergos_collab.objects.archives import Archive, pack_archive
from peergos_collab.objects.bindings import NO_LOG, check_introduction_untrusted, introduce
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.ephemeral import EphemeralKind, open_ephemeral_untrusted, seal_ephemeral
from peergos_collab.objects.epoch_keys import EpochKeys, EpochPublic, Level
from peergos_collab.objects.letters import LetterKind, Writer, read_letter_untrusted
from peergos_collab.objects.links import Capability, Drop, Link, LinkKeys, make_drop
from peergos_collab.objects.log_writers import UnverifiedWriter, open_writers_untrusted, seal_writers
from peergos_collab.objects.mail import LEAST_WORK, Mail
from peergos_collab.objects.membership import fold
from peergos_collab.objects.operations import Create, parse_op_untrusted, sign_op, write_op
from peergos_collab.objects.payload import Kind, decode_payload_untrusted
from peergos_collab.objects.principals import Principal
from peergos_collab.objects.prunes import Forgets, Prune, Replaced
from peergos_collab.objects.records import Epoch, EpochLink, Grant, open_op, parse_record_untrusted
from peergos_collab.objects.segments import Segment
from peergos_collab.objects.snapshots import SnapshotEnd, SnapshotPart, SnapshotPlace
from peergos_collab.objects.wraps import Recipient, unwrap_untrusted, wrap
from peergos_collab.ports import Address
from peergos_collab.sync.collections import Range, collection_name
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.heads import Tip, tips_untrusted, tips_value
from peergos_collab.sync.journal import LocalChange, open_entry_untrusted, seal_entry
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.packed_places import pack_places, pack_questions, pack_ranges
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import Session
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.known_circles import KnownCircles
from peergos_collab.workspace.told import read_shown_untrusted, write_shown
from support.circle import make_circle
from support.forge import Forger, child_epoch, replica_of

RANDOM = random.Random(23).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.READ], RANDOM)
ANA, BOB, READER = CIRCLE.members
FORGER = Forger(CIRCLE, BOB.actor, RANDOM)
SEGMENT = FORGER.write(encode_events(1, [Message("hello")]))
PAYLOAD = FORGER.segments[0].open(ANA.keys.content)
INTRODUCTION = FORGER.introduction()
VIEW = replica_of(CIRCLE, ANA, RANDOM).view
LOCAL = LocalKey.generate(RANDOM)
ENTRY = seal_entry(CIRCLE.object, 7, [LocalChange(FORGER.run, 1, 5, Kind.CHAT, b"change")], LOCAL, RANDOM)
EPHEMERAL = EphemeralKey.generate(RANDOM)
BOX = BoxPair.generate(RANDOM)
LINK = Link.generate(Address(RANDOM(32), "127.0.0.1", 1), False, RANDOM)
LINK_KEYS = LinkKeys.from_seed(LINK.seed(""))
CAPABILITY = Capability(
    CIRCLE.object, CIRCLE.epoch_id, EpochKeys(Level.READ, RANDOM(32)), 2, "title", ("node",)
)
DROP = make_drop(CAPABILITY, LINK_KEYS, 0, 1, RANDOM)
SEALED = seal_ephemeral(
    CIRCLE.object, CIRCLE.epoch_id, bytes(16), FORGER.run, 1, EphemeralKind.HERE, 1, b"x",
    introduce(CIRCLE.object, CIRCLE.epoch_id, NO_LOG, BOB.actor), BOB.actor.device, EPHEMERAL, RANDOM,
)  # fmt: skip
MAILBOX = SigningKey.generate(RANDOM)
MAIL = Mail.stamp(MailAddress(MAILBOX.public), RANDOM(1024), 20_000, RANDOM, LEAST_WORK)
CARD = ContactCard.make(ANA.credentials, (), 5)
GREETING = Greeting.make(CARD, ANA.credentials.device_sign, bytes(64))
CONTACT = ContactRecord.new(CARD, State.PENDING, 20_000, "Ben")
LETTER = Writer(CARD, ANA.actor.device).write(
    BOB.credentials.account_id, LetterKind.INTRODUCE, CARD.raw, id=bytes(16), time=1
)
KEYS = {CIRCLE.epoch_id: ANA.keys}
EPOCHS = {CIRCLE.epoch_id: CIRCLE.epoch}
PUBLIC = {CIRCLE.epoch_id: CIRCLE.epoch.keys}
CHILD = Epoch.parse_untrusted(child_epoch(CIRCLE, ANA, RANDOM)).verify(EPOCHS)
LINK_OF_EPOCH = CHILD.public_link_by(CIRCLE.epoch_id, ANA.keys)


def _record(raw: bytes) -> None:
    record = parse_record_untrusted(raw).verify(EPOCHS)
    open_op(record, {CIRCLE.epoch_id: ANA.keys.ops})
    fold([record], KEYS)


def _book(raw: bytes) -> None:
    book = LogBook(CIRCLE.object, MemoryStore())
    book.take_records([*CIRCLE.records, FORGER.certificate, raw])
    book.take_segments([SEGMENT, raw])


def _segment(raw: bytes) -> None:
    Segment.parse_untrusted(raw).verify().open(ANA.keys.content)


def _ephemeral(raw: bytes) -> None:
    open_ephemeral_untrusted(CIRCLE.object, bytes(16), raw, EPHEMERAL).verify(BOB.actor.device.verify_key)


def _introduction(value: Any) -> None:
    check_introduction_untrusted(value, CIRCLE.object, CIRCLE.epoch_id, FORGER.log, VIEW, Level.WRITE)


def _from_bytes(check: Callable[[Any], None]) -> Callable[[bytes], None]:
    """For parsers of values that stand inside a larger record."""

    def parse(raw: bytes) -> None:
        try:
            value = cbor2.loads(raw)
        except Exception:  # noqa: BLE001  such bytes never reach the parser
            return
        check(value)

    return parse


CONTENT = CIRCLE.members[0].keys.content
ARCHIVE = pack_archive(FORGER.segments, CONTENT)
PRUNE, OBJECTION = (
    Prune.issue(CIRCLE.object, CIRCLE.epoch_id, what, ANA.keys, ANA.actor, RANDOM)
    for what in ([Replaced.by(ARCHIVE)], RecordId(RANDOM(32)))
)


def _author_of(prune: Prune) -> None:
    prune.author_untrusted(ANA.keys, VIEW)


HEAD = SnapshotPlace(FORGER.log, 1, FORGER.segments[0].id)
BASE = SnapshotPart(b"state", SnapshotEnd((HEAD,), RANDOM(32), following={RANDOM(8): 7}))
WRITERS = [
    UnverifiedWriter(
        HEAD, CIRCLE.epoch_id, (), introduce(CIRCLE.object, CIRCLE.epoch_id, FORGER.log, ANA.actor)
    )
]
SEALED_WRITERS = seal_writers(CIRCLE.object, WRITERS, {CIRCLE.epoch_id: ANA.keys}, RANDOM)
FOR_ALL = SnapshotPart(b"state", SnapshotEnd((HEAD,), RANDOM(32), 1, {RANDOM(8): 7}, SEALED_WRITERS))
FORGETTING = Prune.issue(CIRCLE.object, CIRCLE.epoch_id, Forgets(HEAD, (HEAD,)), ANA.keys, ANA.actor, RANDOM)


def _writers(raw: bytes) -> None:
    """As they lie in the seal, which whoever has the key can make."""
    epoch = CIRCLE.epoch_id
    sealed = {epoch: cseal(CONTENT, Tag.LOG_WRITERS, raw, CIRCLE.object + epoch, RANDOM)}
    for one in open_writers_untrusted(CIRCLE.object, sealed, {epoch: ANA.keys}):
        one.verify(CIRCLE.object, VIEW)


SNAPSHOT = SnapshotPart(b"state", SnapshotEnd((HEAD,), RANDOM(32), 3))
PRINCIPAL = VIEW.members[BOB.actor.principal].principal
OP_HASH = RANDOM(32)
OP = write_op(Create(int(Kind.CHAT), PRINCIPAL), BOB.actor, (CIRCLE.epoch_id,), OP_HASH)
OP_SIGNATURE = sign_op(BOB.actor.device, OP_HASH)
WRAPS = wrap(ANA.keys, [Recipient(BOX.public_key, Level.WRITE)], RANDOM)
RECEIPT_TIPS = [Tip(FORGER.log, 1, FORGER.segments[0].id)]
RECEIPT = Receipt.issue(SigningKey.generate(RANDOM), CIRCLE.object, 1, RECEIPT_TIPS, [CIRCLE.epoch_id])
NAMING = Naming(NamedVersion((FORGER.segments[0].id,), None, FORGER.run, 7), "Draft")
SHOWN = write_shown(bytes(32), [RECEIPT])
CIRCLES = KnownCircles.gather((ObjectId(RANDOM(32)), bytes([each // 3]) * 16) for each in range(6))
PARSERS: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "account": (Account.parse_untrusted, BOB.actor.account.raw),
    "credentials": (Credentials.decode_untrusted, BOB.credentials.encode()),
    "epoch": (_record, CIRCLE.epoch.raw),
    "grant": (_record, CIRCLE.grants[0].raw),
    "epoch link": (lambda raw: EpochLink.parse_untrusted(raw, PUBLIC), LINK_OF_EPOCH),
    "certificate": (lambda raw: Certificate.parse_untrusted(raw).verify(EPOCHS), FORGER.certificate),
    "book, record": (_book, CIRCLE.grants[1].raw),
    "book, certificate": (_book, FORGER.certificate),
    "book, segment": (_book, SEGMENT),
    "segment": (_segment, SEGMENT),
    "prune record": (lambda raw: _author_of(Prune.parse_untrusted(raw).verify(EPOCHS)), PRUNE.raw),
    "objection": (lambda raw: Prune.parse_untrusted(raw).verify(EPOCHS), OBJECTION.raw),
    "record that forgets": (lambda raw: Prune.parse_untrusted(raw).verify(EPOCHS), FORGETTING.raw),
    "who writes logs": (_writers, encode([one.fields() for one in WRITERS])),
    "husk": (lambda raw: Archive.parse_untrusted(raw).verify(), ARCHIVE.husk().raw),
    "base for all": (SnapshotPart.decode_untrusted, FOR_ALL.encode()),
    "book, prune record": (_book, PRUNE.raw),
    "archive": (lambda raw: Archive.parse_untrusted(raw).unpack_untrusted(CONTENT), ARCHIVE.raw),
    "base": (SnapshotPart.decode_untrusted, BASE.encode()),
    "end of a snapshot": (SnapshotPart.decode_untrusted, SNAPSHOT.encode()),
    "piece of a snapshot": (SnapshotPart.decode_untrusted, SnapshotPart(b"state").encode()),
    "payload": (decode_payload_untrusted, PAYLOAD.rstrip(b"\0")),
    "introduction": (_from_bytes(_introduction), encode(INTRODUCTION)),
    "principal": (_from_bytes(Principal.parse_untrusted), encode(PRINCIPAL.fields())),
    "epoch keys": (_from_bytes(EpochPublic.parse_untrusted), encode(CIRCLE.epoch.keys.fields())),
    "op": (lambda raw: parse_op_untrusted(raw + b"\x80", OP_HASH, OP_HASH, OP_SIGNATURE), OP),
    "wraps": (lambda raw: unwrap_untrusted(raw, BOX, CIRCLE.epoch.history), WRAPS),
    "ephemeral": (_ephemeral, SEALED),
    "capability": (Capability.decode_untrusted, CAPABILITY.encode()),
    "drop": (lambda raw: Drop.parse_untrusted(raw).open(LINK_KEYS), DROP.raw),
    "link": (lambda raw: Link.parse_untrusted(raw.decode("utf-8", "replace")), LINK.text().encode()),
    "mail": (Mail.parse_untrusted, MAIL.raw),
    "card": (ContactCard.parse_untrusted, CARD.raw),
    "card as text": (lambda raw: ContactCard.read_untrusted(raw.decode("latin-1")), CARD.text().encode()),
    "contact": (ContactRecord.decode_untrusted, CONTACT.encode()),
    "greeting": (lambda raw: Greeting.parse_untrusted(raw, bytes(64)), GREETING),
    "pair text": (
        lambda raw: PairText.read_untrusted(raw.decode("latin-1"), answers=False),
        PairText(False, bytes(8), 1, b"d").text().encode(),
    ),
    "letter": (lambda raw: read_letter_untrusted(raw, BOB.credentials.account_id), LETTER),
    "journal entry": (lambda raw: open_entry_untrusted(CIRCLE.object, 7, raw, LOCAL), ENTRY),
    "naming": (Naming.decode_untrusted, NAMING.encode()),
    "receipts": (lambda raw: read_shown_untrusted(raw, CIRCLE.object), SHOWN),
    "circles": (KnownCircles.read_untrusted, CIRCLES.told(1 << 10)),
    "heads": (_from_bytes(tips_untrusted), encode([[FORGER.log, 1, FORGER.segments[0].id]])),
}  # fmt: skip


# -- mutations


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(value, list):
        for at, item in enumerate(value):
            found += _paths(item, (*path, at))
    return found


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = list(value)
    copy[path[0]] = _put(copy[path[0]], path[1:], new)
    return copy


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.binary(max_size=70), st.text(max_size=5),
    st.just([]), st.lists(st.binary(max_size=33), max_size=4), st.just({}), st.just(bytes(32)),
    st.sampled_from([0, 1, 2, 3, 255, 2**32, 2**53, 2**53 + 1]),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, valid: bytes) -> bytes:
    """Random bytes, or a valid record with bits flipped, cut, or with a value inside replaced."""
    how = draw(st.sampled_from(["random", "flip", "cut", "grow", "value", "value", "deep"]))
    if how == "random":
        return draw(st.binary(max_size=400))
    if how == "flip":
        raw = bytearray(valid)
        for at in draw(st.lists(st.integers(0, max(len(raw) * 8 - 1, 0)), min_size=1, max_size=4)):
            if raw:
                raw[at // 8] ^= 1 << at % 8
        return bytes(raw)
    if how == "cut":
        return valid[: draw(st.integers(0, len(valid)))]
    if how == "grow":
        return valid + draw(st.binary(min_size=1, max_size=20))
    return _changed_value(draw, valid, deep=how == "deep")


def _changed_value(draw: st.DrawFn, raw: bytes, *, deep: bool) -> bytes:
    """Replaces one value in a CBOR record; ``deep`` goes into byte strings that hold CBOR themselves."""
    try:
        value = cbor2.loads(raw)
    except Exception:  # noqa: BLE001  a sealed record is no CBOR
        return draw(st.binary(max_size=len(raw)))
    path = draw(st.sampled_from(_paths(value)))
    old: Any = value
    for step in path:
        old = old[step]
    if deep and isinstance(old, bytes) and len(old) > 40:
        return encode(_put(value, path, _changed_value(draw, old, deep=True)))
    new = draw(ODD)
    if isinstance(old, int) and not isinstance(old, bool) and draw(st.booleans()):
        new = old + draw(st.sampled_from([-1, 1]))
    try:
        return encode(_put(value, path, new))
    except PeergosCollabError:
        return raw


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
def test_only_our_errors_escape(name: str, data: st.DataObject) -> None:
    """Random bytes and mutated records are parsed or refused with an error from the tree."""
    parse, valid = PARSERS[name]
    raw = data.draw(mutated(valid))
    try:
        parse(raw)
    except PeergosCollabError:
        pass


@pytest.mark.parametrize("name", PARSERS)
def test_the_unchanged_record_is_accepted(name: str) -> None:
    """A fuzzer whose valid record is refused would test the first check only."""
    parse, valid = PARSERS[name]

    parse(valid)


SIGNED: dict[str, tuple[Callable[[bytes], Any], bytes]] = {
    "account": (Account.parse_untrusted, BOB.actor.account.raw),
    "card": (ContactCard.parse_untrusted, CARD.raw),
    "greeting": (lambda raw: Greeting.parse_untrusted(raw, bytes(64)), GREETING),
    "letter": (lambda raw: read_letter_untrusted(raw, BOB.credentials.account_id), LETTER),
    "drop": (Drop.parse_untrusted, DROP.raw),
    "epoch": (lambda raw: Epoch.parse_untrusted(raw).verify({}), CIRCLE.epoch.raw),
    "grant": (lambda raw: Grant.parse_untrusted(raw).verify(EPOCHS), CIRCLE.grants[0].raw),
    "epoch link": (lambda raw: EpochLink.parse_untrusted(raw, PUBLIC), LINK_OF_EPOCH),
    "certificate": (lambda raw: Certificate.parse_untrusted(raw).verify(EPOCHS), FORGER.certificate),
    "segment": (lambda raw: Segment.parse_untrusted(raw).verify(), SEGMENT),
    "prune record": (lambda raw: Prune.parse_untrusted(raw).verify(EPOCHS), PRUNE.raw),
    "objection": (lambda raw: Prune.parse_untrusted(raw).verify(EPOCHS), OBJECTION.raw),
    "record that forgets": (lambda raw: Prune.parse_untrusted(raw).verify(EPOCHS), FORGETTING.raw),
    "ephemeral": (_ephemeral, SEALED),
}


@pytest.mark.parametrize("name", SIGNED)
def test_no_byte_of_what_is_verified_can_be_changed(name: str) -> None:
    """Whoever gets one from us has what its signer signed: any single byte that differs is refused."""
    parse, valid = SIGNED[name]
    rng = random.Random(name)
    parse(valid)
    for at in range(len(valid)):
        raw = bytearray(valid)
        raw[at] ^= rng.randrange(1, 256)
        with pytest.raises(PeergosCollabError):
            parse(bytes(raw))


@given(data=st.data())
def test_what_a_member_seals_is_checked_too(data: st.DataObject) -> None:
    """Nonsense under a valid seal, signature and certificate is set aside or waits, and stops nobody."""
    same = random.Random(1).randbytes  # an example must find the same bytes when it is tried again
    forger, honest = Forger(CIRCLE, BOB.actor, same), Forger(CIRCLE, ANA.actor, same)
    replica = replica_of(CIRCLE, READER, same)
    replica.store.write(replica.take_records([forger.certificate, honest.certificate]).batch)
    valid = forger.payload(encode_events(1, [Message("x")]))

    raws = [forger.write_raw(data.draw(mutated(valid)))]
    raws.append(forger.write_raw(data.draw(mutated(valid))))
    raws.append(honest.write(encode_events(1, [Message("honest")])))
    replica.store.write(replica.take_segments(raws, "memory").offered.batch)

    timeline = replica.fold.timeline  # type: ignore[attr-defined]
    assert "honest" in [message.text for message in timeline.messages(0, 9)]


# -- sessions


def _frames() -> list[bytes]:
    """One valid frame of each type."""
    tips = tips_value([])
    fields: dict[Frame, list[Any]] = {
        Frame.HELLO: [1, RANDOM(16), RECEIPT.key, True],
        Frame.OPEN: [CIRCLE.object, [[CIRCLE.epoch_id, 2, bytes(64)]], [CIRCLE.epoch_id], tips],
        Frame.PROVE: [CIRCLE.object, [[CIRCLE.epoch_id, 1, bytes(64)]]],
        Frame.CLOSE: [CIRCLE.object],
        Frame.RECORDS: [CIRCLE.object, [FORGER.certificate]],
        Frame.SEGMENTS: [CIRCLE.object, [SEGMENT]],
        Frame.EPHEMERAL: [CIRCLE.object, [[bytes(16), 1, SEALED]]],
        Frame.REFUSED: [CIRCLE.object, "unknown", "words"],
        Frame.CAUGHT_UP: [CIRCLE.object],
        Frame.PUT_DROP: [DROP.raw],
        Frame.GET_DROP: [DROP.public.public],
        Frame.DROP: [DROP.public.public, DROP.raw],
        Frame.PING: [1],
        Frame.PONG: [1],
        Frame.CREDIT: [1 << 16],
        Frame.GET_RECEIPT: [CIRCLE.object],
        Frame.SHOW_RECEIPTS: [CIRCLE.object, bytes(32), RECEIPT.key, [RECEIPT.fields()]],
        Frame.RECEIPT: RECEIPT.fields(),
        Frame.GET_SNAPSHOT: [CIRCLE.object, FORGER.log, 1],
        Frame.SNAPSHOT: [CIRCLE.object, [FORGER.certificate], SEGMENT],
        Frame.PUT_MAIL: [MAIL.raw],
        Frame.OPEN_MAIL: [MAIL.address, bytes(64), 1],
        Frame.MAIL: [MAIL.address, [[1, MAIL.raw]], True],
        Frame.DROP_MAIL: [MAIL.address, bytes(64), [1, 2]],
        Frame.MAIL_KEPT: [MAIL.id],
        Frame.WATCHWORD: [CIRCLE.object, bytes(32)],
        Frame.COLLECTION: [collection_name([CIRCLE.object]), 0, [CIRCLE.object]],
        Frame.CHANGED: [collection_name([CIRCLE.object]), bytes(16), pack_places([0]), [CIRCLE.object]],
        Frame.COMPARE: [
            collection_name([CIRCLE.object]),
            pack_places([0]),
            pack_questions([(Range(0, 1), bytes(16))]),
        ],
        Frame.COMPARED: [pack_ranges([Range(0, 1)])],
        Frame.STIRRED: [CIRCLE.object],
        Frame.GET_ARCHIVE: [CIRCLE.object, ARCHIVE.id],
        Frame.ARCHIVE: [CIRCLE.object, ARCHIVE.id, ARCHIVE.raw],
        Frame.PRUNED: [CIRCLE.object, PRUNE.id, 24],
        Frame.HOLD: [CIRCLE.object],
    }
    return [encode_frame(kind, *values) for kind, values in fields.items()]


FRAMES = _frames()


def _session(way: str) -> Session:
    book = LogBook(CIRCLE.object, MemoryStore())
    book.store.write(book.take_records([*CIRCLE.records, FORGER.certificate]).batch)
    book.store.write(book.take_segments([SEGMENT]).batch)

    def find(object_id: ObjectId) -> LogBook | None:
        return book if object_id == CIRCLE.object else None

    receipt = SigningKey.generate(RANDOM) if way == "serving" else None
    return Session(
        b"channel", find, RANDOM, serving=way == "serving", with_node=way == "client", receipt_key=receipt
    )


@pytest.mark.parametrize("way", ["serving", "client", "peer"])
@given(data=st.data())
def test_a_session_takes_any_frames(way: str, data: st.DataObject) -> None:
    """Valid and mutated frames in any order: events, or an error of ours; and frames to send stay valid."""
    session = _session(way)
    if data.draw(st.booleans()):
        session.receive_untrusted(FRAMES[0])
    if way == "client" and data.draw(st.booleans()):
        session.open_mail(MAILBOX)
        session.put_mail(MAIL)
    if way == "client" and data.draw(st.booleans()):
        session.collections.compare([CIRCLE.object], [bytes(16)])
    if data.draw(st.booleans()):
        session.open(CIRCLE.object, {CIRCLE.epoch_id: ANA.keys})
    for _ in range(data.draw(st.integers(1, 6))):
        frame = data.draw(st.sampled_from(FRAMES))
        if data.draw(st.booleans()):
            frame = data.draw(mutated(frame))
        try:
            session.receive_untrusted(frame)
        except PeergosCollabError:
            pass
        for outgoing in session.take_outgoing():
            decode_frame_untrusted(outgoing)


def test_every_type_of_frame_is_tried() -> None:
    """Every type of frame is among those that are mutated."""
    assert {decode_frame_untrusted(frame)[0] for frame in FRAMES} == set(Frame)
