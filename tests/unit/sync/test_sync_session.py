"""Sessions: proofs, what is sent to whom, flow control, and what breaks the rules."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Damaged, RemoteProtocolError
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.frames import MAX_FRAME, WINDOW, Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.heads import Tip, tips_value
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import BULK_WINDOW, Session
from peergos_collab.sync.session_events import (
    CaughtUp,
    Greeted,
    Met,
    Opened,
    Ponged,
    ReceiptsShown,
    ReceiptWanted,
    RecordsCame,
    RefusedCame,
    SegmentsCame,
    SnapshotCame,
)
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle
from support.forge import Forger

RANDOM = random.Random(20).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.READ], RANDOM)
OTHER = make_circle(Kind.DOCUMENT, [], RANDOM)
ANA, BOB, READER = CIRCLE.members
RECEIPT = SigningKey.generate(RANDOM)


def keys_of(member: Any) -> Mapping[EpochId, EpochKeys]:
    return {CIRCLE.epoch_id: member.keys}


class Unreadable(MemoryStore):
    """A disk that gives no segment any more once it is ``broken``."""

    broken = False

    def segments(self, branch: int, start: int, max_bytes: int) -> list[bytes]:
        if self.broken:
            raise Damaged("a page cannot be read")
        return super().segments(branch, start, max_bytes)


def book(*forgers: Forger, empty: bool = False, store: MemoryStore | None = None) -> LogBook:
    """A book with all segments of some logs."""
    made = LogBook(CIRCLE.object, store or MemoryStore())
    if not empty:
        records = [*CIRCLE.records, *(forger.certificate for forger in forgers)]
        made.store.write(made.take_records(records).batch)
    for forger in forgers:
        made.store.write(made.take_segments([segment.raw for segment in forger.segments]).batch)
    return made


def session(held: LogBook | None, channel: bytes = b"channel", **how: Any) -> Session:
    def find(object_id: ObjectId) -> LogBook | None:
        return held if held is not None and object_id == held.object else None

    return Session(channel, find, RANDOM, **how)


def talk(one: Session, other: Session) -> tuple[list[Any], list[Any]]:
    """Carries frames both ways until nothing moves; gives the events of each side."""
    events: tuple[list[Any], list[Any]] = ([], [])
    moved = True
    while moved:
        moved = False
        for at, (here, there) in enumerate(((one, other), (other, one))):
            for frame in there.take_outgoing():
                moved = True
                events[at].extend(here.receive_untrusted(frame))
    return events


def written(count: int = 3, size: int = 20) -> Forger:
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    for number in range(count):
        forger.write(RANDOM(size), first=number + 1)
    return forger


def of(events: list[Any], kind: type) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def pair(mine: LogBook, theirs: LogBook, member: Any = ANA) -> tuple[Session, Session]:
    one, other = session(mine), session(theirs)
    one.open(CIRCLE.object, keys_of(member))
    other.open(CIRCLE.object, keys_of(BOB))
    return one, other


def test_members_open_an_object_to_each_other() -> None:
    """Both greet, prove, and are told that they have everything."""
    one, other = pair(book(), book())

    for events in talk(one, other):
        assert [type(event) for event in events] == [Greeted, Met, Opened, CaughtUp]
    assert one.channels[CIRCLE.object].live
    assert one.channels[CIRCLE.object].may_write


def test_what_is_lacking_is_sent_once() -> None:
    """Records, the certificate and all segments; nothing back, and nothing again."""
    log = written()
    one, other = pair(book(log), book())
    here, there = talk(one, other)
    one.announce(CIRCLE.object)

    raws = [raw for event in of(there, SegmentsCame) for raw in event.raws]
    assert raws == [segment.raw for segment in log.segments]
    assert of(there, RecordsCame)[0].raws == [log.certificate]
    assert not of(here, SegmentsCame)
    assert not of(talk(one, other)[1], SegmentsCame)


def test_new_segments_are_pushed() -> None:
    """As soon as they are announced, to the side that lacks them only."""
    log = written(1)
    mine, theirs = book(log), book(log)
    one, other = pair(mine, theirs)
    talk(one, other)
    raw = log.write(b"more", first=2)
    taken = mine.take_segments([raw])
    mine.store.write(taken.batch)
    one.announce(CIRCLE.object, taken.arrivals)
    there = talk(one, other)[1]

    assert [event.raws for event in of(there, SegmentsCame)] == [[raw]]


def test_no_proof_no_service() -> None:
    """A stranger and somebody without keys are refused with the words for an object that is not here."""
    stranger = {CIRCLE.epoch_id: OTHER.members[0].keys}
    nobody: dict[EpochId, EpochKeys] = {}
    answers = []
    for held, keys in ((book(), nobody), (None, keys_of(ANA))):
        one, other = session(book()), session(held)
        one.open(CIRCLE.object, keys)
        answers.append(of(talk(one, other)[0], RefusedCame))
        assert CIRCLE.object not in other.channels or not other.channels[CIRCLE.object].may_read

    assert answers[0] == answers[1] != []
    one, other = session(book()), session(book())
    one.open(CIRCLE.object, stranger)
    with pytest.raises(RemoteProtocolError):
        talk(one, other)


def test_a_reader_proves_reading_only() -> None:
    """A node takes nothing from him; a member takes what writers signed from any other."""
    for serving in (True, False):
        one, other = session(book()), session(book(), serving=serving, receipt_key=RECEIPT)
        one.open(CIRCLE.object, keys_of(READER))
        other.open(CIRCLE.object, keys_of(BOB))
        talk(one, other)

        assert other.channels[CIRCLE.object].may_read
        assert other.channels[CIRCLE.object].may_write != serving


@pytest.mark.parametrize("place", ["another channel", "another session"])
def test_a_proof_holds_on_one_session_only(place: str) -> None:
    """What was proved to one is worth nothing when it is played to another."""
    one, other = session(book()), session(book())
    one.receive_untrusted(other.take_outgoing()[0])
    one.open(CIRCLE.object, keys_of(ANA))
    hello, proof = one.take_outgoing()
    victim = session(book(), b"elsewhere" if place == "another channel" else b"channel")
    if place == "another channel":
        victim._nonce = other._nonce
    victim.receive_untrusted(hello)
    with pytest.raises(RemoteProtocolError):
        victim.receive_untrusted(proof)


def test_our_own_proofs_are_not_played_back() -> None:
    """Who has no key could otherwise mirror our nonce, and then our proof."""
    one = session(book())
    with pytest.raises(RemoteProtocolError, match="nonce"):
        one.receive_untrusted(encode_frame(Frame.HELLO, 1, one._nonce, b"", False))


def test_a_newcomer_learns_the_records_and_is_then_believed() -> None:
    """Without records he cannot check proofs; once he has them, both sides open to each other."""
    log = written()
    empty = book(empty=True)
    one, other = pair(book(log), empty)
    _, there = talk(one, other)
    for event in of(there, RecordsCame):
        empty.store.write(empty.take_records(event.raws).batch)
    other.announce(CIRCLE.object)
    talk(one, other)

    assert one.channels[CIRCLE.object].live
    assert other.channels[CIRCLE.object].live


def test_a_node_answers_at_once_and_proves_nothing() -> None:
    """A client trusts it with ciphertext only."""
    log = written()
    node = session(book(log), serving=True, receipt_key=RECEIPT)
    client = session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(READER))
    here, _ = talk(client, node)

    assert len([raw for event in of(here, SegmentsCame) for raw in event.raws]) == 3
    assert of(here, CaughtUp)


def test_a_reader_sends_no_segments_to_a_node() -> None:
    """It would refuse them; he is told that he has everything, all the same."""
    node = session(book(), serving=True, receipt_key=RECEIPT)
    client = session(book(written()), with_node=True)
    client.open(CIRCLE.object, keys_of(READER))
    here, there = talk(client, node)

    assert not of(there, SegmentsCame)
    assert of(here, CaughtUp)
    assert of(there, CaughtUp)


def receipt_frame(key: SigningKey, number: int, *tips: Tip, epochs: tuple[EpochId, ...] = ()) -> bytes:
    receipt = Receipt.issue(key, CIRCLE.object, number, tips, epochs)
    return encode_frame(Frame.RECEIPT, *receipt.fields())


def test_receipts_are_checked() -> None:
    """Signed by the node of this session, for this object, number, heads and epochs; once."""
    node = session(book(), serving=True, receipt_key=RECEIPT)
    client = session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(ANA))
    talk(client, node)
    tip = Tip(written().log, 1, written().segments[0].id)
    good = receipt_frame(RECEIPT, 7, tip)
    fields = decode_frame_untrusted(receipt_frame(RECEIPT, 8, tip))[1]

    assert of(client.receive_untrusted(good), Receipt)[0].tips == (tip,)
    assert client.receive_untrusted(good) == []
    assert client.receive_untrusted(encode_frame(Frame.RECEIPT, OTHER.object, *fields[1:])) == []
    for at, value in enumerate((9, tips_value([]), [CIRCLE.epoch_id], bytes(64)), 1):
        false = [*fields[:at], value, *fields[at + 1 :]]
        with pytest.raises(RemoteProtocolError):
            client.receive_untrusted(encode_frame(Frame.RECEIPT, *false))
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(receipt_frame(SigningKey.generate(RANDOM), 8, tip))
    peer, other = session(book()), session(book())
    talk(peer, other)
    with pytest.raises(RemoteProtocolError, match="no node"):
        peer.receive_untrusted(good)


def test_receipts_do_not_go_back() -> None:
    """Within a session an older one breaks the protocol; the last one once more is nothing new."""
    node = session(book(), serving=True, receipt_key=RECEIPT)
    client = session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(ANA))
    talk(client, node)

    assert len(client.receive_untrusted(receipt_frame(RECEIPT, 7))) == 1
    assert client.receive_untrusted(receipt_frame(RECEIPT, 7)) == []
    assert len(client.receive_untrusted(receipt_frame(RECEIPT, 9))) == 1
    with pytest.raises(RemoteProtocolError, match="old receipt"):
        client.receive_untrusted(receipt_frame(RECEIPT, 8))


def test_a_whole_receipt_answers_what_was_asked() -> None:
    """One that leaves out an epoch which our OPEN proved, or is not whole, is no answer to it."""
    node = session(book(), serving=True, receipt_key=RECEIPT)
    client = session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(ANA))
    talk(client, node)
    channel = client.channels[CIRCLE.object]
    receipts = [Receipt.issue(RECEIPT, CIRCLE.object, 1, [], epochs) for epochs in NEWEST]

    assert [channel.answers(receipt) for receipt in receipts] == [True, False, False]


def test_members_show_each_other_receipts() -> None:
    """For the object they have open; whoever knows the node verifies them."""
    one, other = pair(book(), book())
    stranger = session(book())
    talk(one, other)
    receipts = [Receipt.issue(RECEIPT, CIRCLE.object, number, [], [CIRCLE.epoch_id]) for number in (1, 2)]
    one.show_receipts(CIRCLE.object, bytes(32), receipts)
    (frame,) = one.take_outgoing()
    talk(stranger, session(book()))
    (shown,) = other.receive_untrusted(frame)

    assert isinstance(shown, ReceiptsShown)
    assert [each.verify(RECEIPT.verify_key) for each in shown.receipts] == receipts
    assert (shown.object, shown.node, shown.key) == (CIRCLE.object, bytes(32), RECEIPT.public)
    assert stranger.receive_untrusted(frame) == []
    elsewhere = Receipt.issue(RECEIPT, OTHER.object, 3, []).fields()
    with pytest.raises(RemoteProtocolError):
        other.receive_untrusted(
            encode_frame(Frame.SHOW_RECEIPTS, CIRCLE.object, bytes(32), RECEIPT.public, [elsewhere])
        )


def test_a_node_is_asked_for_a_receipt() -> None:
    """By who has the object open; nobody else gets an answer."""
    node = session(book(), serving=True, receipt_key=RECEIPT)
    client, stranger = session(book(), with_node=True), session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(ANA))
    talk(client, node)
    client.get_receipt(CIRCLE.object)
    stranger.get_receipt(CIRCLE.object)
    other = session(book(), serving=True, receipt_key=RECEIPT)

    assert of(talk(node, client)[0], ReceiptWanted) == [ReceiptWanted(CIRCLE.object)]
    assert of(talk(other, stranger)[0], ReceiptWanted) == []


def test_a_node_is_asked_once_more_when_keys_come_by_which_it_shows_more() -> None:
    """What it said before was not about these: of what it sends now it would never say that it has it."""
    keys, made, held = dict(keys_of(ANA)), [], [book(), book()]
    for _ in range(2):
        fresh = EpochKeys.generate(RANDOM)
        epoch = next_epoch(CIRCLE.object, fresh, keys_of(ANA), {}, [], Said(Rotate(), ANA.actor), RANDOM)
        made.append((epoch, fresh))
        for one in held:
            one.store.write(one.take_records([epoch.raw]).batch)
    keys[made[0][0].id] = made[0][1]
    client, node = session(held[0], with_node=True), session(held[1], serving=True, receipt_key=RECEIPT)
    client.open(CIRCLE.object, keys)
    before = talk(client, node)[1]
    keys[made[1][0].id] = made[1][1]
    client.announce(CIRCLE.object)
    after = talk(client, node)[1]

    assert of(before, ReceiptWanted) == []
    assert of(after, ReceiptWanted) == [ReceiptWanted(CIRCLE.object)]


NEWEST: tuple[tuple[EpochId, ...], ...] = ((CIRCLE.epoch_id,), (EpochId(bytes(32)),), ())


def test_a_node_shows_a_receipt_key() -> None:
    """A client of a node does not go on without one."""
    client = session(book(), with_node=True)
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(encode_frame(Frame.HELLO, 1, RANDOM(16), b"", False))


def test_a_key_does_not_wait_for_a_large_object() -> None:
    """While one object has much to send, what is new in another goes with the next frames, each time."""
    small = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)
    held, member = LogBook(small.object, MemoryStore()), small.members[0]
    typist = Forger(small, member.actor, RANDOM)
    held.store.write(held.take_records([*small.records, typist.certificate]).batch)
    other_side = LogBook(small.object, MemoryStore())
    other_side.store.write(other_side.take_records([*small.records, typist.certificate]).batch)
    books = [{small.object: held}, {small.object: other_side}]
    one, other = (Session(b"channel", each.get, RANDOM) for each in books)
    for side in (one, other):
        side.open(small.object, {small.epoch_id: member.keys})
    talk(one, other)
    books[0][CIRCLE.object], books[1][CIRCLE.object] = book(written(60, 40_000)), book()
    one.open(CIRCLE.object, keys_of(ANA))
    other.open(CIRCLE.object, keys_of(BOB))
    talk(one, other)  # the window of the large one is used up
    for number in range(1, 6):
        typist.write(b"x", first=number)
        offered = held.take_segments([typist.segments[-1].raw])
        held.store.write(offered.batch)
        one.announce(small.object, offered.arrivals)
        (came,) = of([e for f in one.take_outgoing() for e in other.receive_untrusted(f)], SegmentsCame)
        assert came.object == small.object
        books[1][small.object].take_segments(came.raws)


def test_no_more_is_sent_than_there_is_credit() -> None:
    """A slow receiver holds the sender up: nothing is queued for him, little of one object on the way."""
    log = written(60, 40_000)
    one, other = pair(book(log), book())
    _, there = talk(one, other)
    sent = sum(event.size for event in of(there, SegmentsCame))
    caught_up = of(there, CaughtUp)
    for event in of(there, SegmentsCame):
        other.grant_credit(event.size)
    _, more = talk(one, other)

    assert BULK_WINDOW <= sent < BULK_WINDOW + (64 << 10)
    assert not caught_up
    assert of(more, SegmentsCame)


@pytest.mark.parametrize("serving", [False, True])
def test_what_is_held_is_not_sent_before_the_next_open(serving: bool) -> None:
    """Neither what was lacking nor what is new, nor that this is all; then what is still lacking."""
    log = written(60, 40_000)
    held, lacking = book(log), book()
    one = session(held, serving=serving, receipt_key=RECEIPT if serving else None)
    other = session(lacking, with_node=serving)
    if not serving:
        one.open(CIRCLE.object, keys_of(ANA))
    other.open(CIRCLE.object, keys_of(BOB))
    _, began = talk(one, other)
    other.hold(CIRCLE.object)
    for event in of(began, SegmentsCame):
        other.grant_credit(event.size)
    _, held_back = talk(one, other)
    offered = held.take_segments([log.write(b"new", first=61)])
    held.store.write(offered.batch)
    one.announce(CIRCLE.object, offered.arrivals)
    _, new = talk(one, other)
    lacking.store.write(lacking.take_records([log.certificate]).batch)
    lacking.store.write(lacking.take_segments([segment.raw for segment in log.segments[:60]]).batch)
    other.open(CIRCLE.object, keys_of(BOB))
    _, after = talk(one, other)

    assert of(began, SegmentsCame)
    assert not of([*held_back, *new], SegmentsCame)
    assert not of([*began, *held_back, *new], CaughtUp)
    assert [event.raws for event in of(after, SegmentsCame)] == [[log.segments[60].raw]]
    assert of(after, CaughtUp)


def test_what_waits_for_credit_is_not_looked_at_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be thousands of such objects, and any frame that comes is a reason to send."""
    one, other = pair(book(written(60, 40_000)), book())
    _, there = talk(one, other)
    looked: list[bool] = []
    monkeypatch.setattr(Session, "_pump_segments", lambda *_: looked.append(True))
    one.take_outgoing()
    before = len(looked)
    other.grant_credit(of(there, SegmentsCame)[0].size * 3)
    talk(one, other)

    assert (before, len(looked)) == (0, 1)


def test_who_sends_beyond_his_credit_is_cut_off() -> None:
    """Memory is bounded against a sender who does not care for credit."""
    one = session(book())
    one.receive_untrusted(encode_frame(Frame.HELLO, 1, RANDOM(16), b"", False))
    frame = encode_frame(Frame.SEGMENTS, CIRCLE.object, [bytes(MAX_FRAME - 100)])
    one.receive_untrusted(frame)
    one.receive_untrusted(frame)
    with pytest.raises(RemoteProtocolError, match="credit"):
        one.receive_untrusted(frame)


def test_many_records_go_in_frames_that_fit() -> None:
    """However many links there are."""
    one = session(book())
    one.send_records(CIRCLE.object, [CIRCLE.grants[0].raw] * 1000)
    frames = [frame for frame in one.take_outgoing() if decode_frame_untrusted(frame)[0] is Frame.RECORDS]

    assert len(frames) > 1
    assert sum(len(decode_frame_untrusted(frame)[1][1]) for frame in frames) == 1000


def test_closing_an_object_ends_it_on_both_sides() -> None:
    """Nothing more is sent for it."""
    one, other = pair(book(), book())
    talk(one, other)
    one.close_object(CIRCLE.object)
    talk(one, other)

    assert CIRCLE.object not in one.channels
    assert CIRCLE.object not in other.channels


def test_ping_is_answered() -> None:
    """With the number that came."""
    one, other = session(book()), session(book())
    talk(one, other)
    one.ping(42)

    assert of(talk(one, other)[0], Ponged) == [Ponged(42)]


@pytest.mark.parametrize(
    "frame",
    [
        encode_frame(Frame.HELLO, 2, bytes(16), b"", False),
        encode_frame(Frame.HELLO, 1, bytes(15), b"", False),
        encode_frame(Frame.HELLO, 1, bytes(16), bytes(33), False),
        encode_frame(Frame.HELLO, 1, bytes(16), b"", 0),
        encode_frame(Frame.PING, 1),
    ],
)
def test_the_first_frame_is_a_hello(frame: bytes) -> None:
    """Of this version and form."""
    with pytest.raises(RemoteProtocolError):
        session(book()).receive_untrusted(frame)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Frame.HELLO, [1, bytes(range(16)), b"", False]),
        (Frame.OPEN, [CIRCLE.object, [[CIRCLE.epoch_id, 2, bytes(64)]] * 17, [], []]),
        (Frame.OPEN, [CIRCLE.object, [[CIRCLE.epoch_id, 3, bytes(64)]], [], []]),
        (Frame.OPEN, [CIRCLE.object, [[CIRCLE.epoch_id, 2, bytes(63)]], [], []]),
        (Frame.OPEN, [CIRCLE.object, [], [bytes(31)], []]),
        (Frame.OPEN, [bytes(31), [], [], []]),
        (Frame.HOLD, [bytes(31)]),
        (Frame.RECORDS, [CIRCLE.object, [1]]),
        (Frame.SEGMENTS, [CIRCLE.object, ["text"]]),
        (Frame.EPHEMERAL, [CIRCLE.object, [[bytes(15), 1, b""]]]),
        (Frame.EPHEMERAL, [CIRCLE.object, [[bytes(16), -1, b""]]]),
        (Frame.EPHEMERAL, [CIRCLE.object, [[bytes(16), 1, bytes((1 << 14) + 1)]]]),
        (Frame.EPHEMERAL, [CIRCLE.object, [[bytes(16), 1, b""]] * 33]),
        (Frame.REFUSED, [bytes(33), "x", "x"]),
        (Frame.REFUSED, [b"", "x" * 33, "x"]),
        (Frame.REFUSED, [b"", "x", "x" * 1025]),
        (Frame.GET_DROP, [bytes(31)]),
        (Frame.PUT_DROP, [bytes((1 << 14) + 1)]),
        (Frame.DROP, [bytes(32), "text"]),
        (Frame.PING, [-1]),
        (Frame.PONG, ["x"]),
        (Frame.CREDIT, [-1]),
        (Frame.CREDIT, [2 * WINDOW + 1]),
    ],
)
def test_each_frame_has_one_form(kind: Frame, fields: list[Any]) -> None:
    """Anything else ends the connection."""
    one = session(book())
    one.receive_untrusted(encode_frame(Frame.HELLO, 1, bytes(16), b"", False))
    with pytest.raises(RemoteProtocolError):
        one.receive_untrusted(encode_frame(kind, *fields))


def opened_by_ana(held: LogBook) -> tuple[Session, Session]:
    """A node's side and Ana's, who has nothing but the records."""
    node, client = session(held, serving=True, receipt_key=RECEIPT), session(book(), with_node=True)
    client.open(CIRCLE.object, keys_of(ANA))
    talk(node, client)
    return node, client


def test_one_segment_comes_with_what_certifies_it() -> None:
    """Of a log that went through many epochs only the certificate of the segment's own goes along."""
    forger = written()
    held = book(forger)
    for number in range(70):
        epoch = EpochId(number.to_bytes(32, "big"))
        signer = ANA.keys.signing_key(Level.WRITE)
        held.certified[forger.log].append(Certificate.issue(CIRCLE.object, epoch, forger.log, signer))
    node, client = opened_by_ana(held)
    segment = forger.segments[1]
    client.get_snapshot(CIRCLE.object, SnapshotPlace(forger.log, segment.seq, segment.id))
    _, there = talk(node, client)

    assert [event for event in there if isinstance(event, SnapshotCame)] == [
        SnapshotCame(CIRCLE.object, [forger.certificate], segment.raw)
    ]


def test_damage_met_in_an_answer_is_told_to_the_owner() -> None:
    """The session goes on, and whoever owns it learns which object has to be repaired."""
    forger, store = written(), Unreadable()
    book(forger, store=store)
    node, client = opened_by_ana(LogBook.load(CIRCLE.object, store))
    store.broken = True
    client.get_snapshot(CIRCLE.object, SnapshotPlace(forger.log, 1, forger.segments[0].id))
    talk(node, client)

    assert list(node.damaged) == [CIRCLE.object]
