"""Readers who try to write, and writers who break the rules, are refused or set aside; others go on."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from peergos_collab.chat import Message, encode_events
from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import DeviceId, PrincipalId, RunId, SegmentId
from peergos_collab.codec.sizes import pad
from peergos_collab.crypto import SEAL_OVERHEAD, SigningKey, Tag, cseal, hash256
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.bindings import introduce
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.operations import Actor, Add
from peergos_collab.objects.payload import MAX_CONTENT, VERSION, Cite, Kind
from peergos_collab.objects.principals import Principal, PrincipalKind
from peergos_collab.objects.records import grant
from peergos_collab.objects.wraps import Recipient
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from peergos_collab.sync.heads import heads_digest
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.sync.session import Session
from peergos_collab.testing.store import MemoryStore
from support.circle import Membership, account_principal, found, make_circle
from support.forge import Forger, cite, replica_of, take, take_certificates

RANDOM = random.Random(11).randbytes
CIRCLE = make_circle(Kind.CHAT, [Level.WRITE, Level.READ], RANDOM)
OTHER = make_circle(Kind.CHAT, [Level.WRITE], RANDOM)
ANA, BOB, READER = CIRCLE.members


def say(text: str, lamport: int = 1) -> bytes:
    return encode_events(lamport, [Message(text)])


def texts(replica: Replica) -> list[str]:
    timeline = replica.fold.timeline  # type: ignore[attr-defined]
    return [message.text for message in timeline.messages(0, len(timeline))]


def told(*forgers: Forger) -> Replica:
    """Ana's replica, with the certificates of some logs."""
    replica = replica_of(CIRCLE, ANA, RANDOM)
    take_certificates(replica, *(forger.certificate for forger in forgers))
    return replica


# -- a patched reader


def reader_certificates(log: SigningKey) -> list[bytes]:
    """Everything a reader can sign a certificate with."""
    keys = [
        READER.keys.signing_key(Level.READ),
        READER.actor.device,
        READER.actor.principal_key,
        log,
        SigningKey.generate(RANDOM),
    ]
    ids = CIRCLE.object, CIRCLE.epoch_id, Forger(CIRCLE, READER.actor, RANDOM).log
    own = [Certificate.issue(*ids[:2], log.public, key).raw for key in keys]  # type: ignore[arg-type]
    foreign = Certificate.issue(
        OTHER.object,
        OTHER.epoch_id,
        log.public,
        OTHER.members[0].keys.signing_key(Level.WRITE),  # type: ignore[arg-type]
    )
    return [*own, foreign.raw]


def test_no_key_of_a_reader_certifies_a_log() -> None:
    """Members' and nodes' books alike refuse whatever a reader can sign, and keep nothing of it."""
    forger = Forger(CIRCLE, READER.actor, RANDOM)
    raws = [forger.write(say("I write")), forger.write(say("again", 2), first=2)]
    for book in (replica_of(CIRCLE, ANA, RANDOM).book, _node_book()):
        for certificate in reader_certificates(forger.key):
            offered = book.take_records([certificate])

            assert offered.refused
            assert not offered.batch

        offered = book.take_segments(raws)

        assert offered.gaps == {forger.log}
        assert not offered.arrivals
        assert not offered.batch


def _node_book() -> LogBook:
    store = MemoryStore()
    book = LogBook(CIRCLE.object, store)
    store.write(book.take_records(CIRCLE.records).batch)
    return book


def test_a_node_takes_nothing_from_a_reader() -> None:
    """On a session where only the read key was proved, segments and certificates are refused."""
    store = MemoryStore()
    shelf = Shelf(store, SigningKey.generate(RANDOM), lambda: 1, RANDOM)
    book = LogBook(CIRCLE.object, store)
    store.write(book.take_records(CIRCLE.records).batch)
    session = shelf.attach(b"pin")
    client = Session(b"pin", lambda _: book, RANDOM, with_node=True)
    for frame in session.take_outgoing():
        client.receive_untrusted(frame)
    client.open(CIRCLE.object, {CIRCLE.epoch_id: READER.keys})
    forger = Forger(CIRCLE, READER.actor, RANDOM)
    client.send_records(CIRCLE.object, reader_certificates(forger.key)[:1])
    client._send(Frame.SEGMENTS, CIRCLE.object, [forger.write(say("I write"))])
    for frame in client.take_outgoing():
        for commit in shelf.receive_untrusted(session, frame):
            store.write(commit.batch)

    answers = [decode_frame_untrusted(frame) for frame in session.take_outgoing()]
    refused = [fields[1] for kind, fields in answers if kind is Frame.REFUSED]

    assert "read_only" in refused
    assert "false" in refused
    assert not store.branches(CIRCLE.object)


def test_a_reader_cannot_make_himself_a_writer() -> None:
    """A grant that a reader signs is kept, as forwarding needs it, and void: the view stays as it was."""
    link = found("mallory", RANDOM)
    keys = EpochKeys(Level.READ, READER.keys.read.expose())
    mine = _account_add(link)
    raw = grant(
        CIRCLE.object, CIRCLE.epoch_id, keys, Recipient(mine.principal.box, Level.READ), mine,
        READER.actor, replica_of(CIRCLE, ANA, RANDOM).view.heads, RANDOM,
    ).raw  # fmt: skip
    replica = replica_of(CIRCLE, ANA, RANDOM)
    before = dict(replica.view.members)

    replica.take_records([raw])

    assert replica.view.members == before
    assert list(replica.view.void.values()) == ["an add by somebody who is no admin"]


def _account_add(person: Any) -> Add:
    return Add(account_principal(person), Level.ADMIN)


def test_a_writer_who_is_only_a_reader_member_waits_for_ever() -> None:
    """Who got hold of the write key but is a reader by the records is believed by nobody."""
    forger = Forger(CIRCLE, READER.actor, RANDOM)
    replica = told(forger)

    take(replica, forger.write(say("I write")))

    assert texts(replica) == []
    assert list(replica.order.waiting) == [1]


# -- a hostile writer: who he says he is


def account_of(person: Membership, **changed: Any) -> Actor:
    actor = person.actor
    fields = {name: getattr(actor, name) for name in Actor.__slots__}
    return Actor(**{**fields, **changed})


IMPERSONATIONS: dict[str, Callable[[Forger], Any]] = {
    "another's principal": lambda f: introduce(
        CIRCLE.object, CIRCLE.epoch_id, f.log, account_of(BOB, principal=ANA.actor.principal)
    ),
    "another's account": lambda f: introduce(
        CIRCLE.object, CIRCLE.epoch_id, f.log, account_of(BOB, account=ANA.actor.account)
    ),
    "another's device": lambda f: [
        _binding(f, device=ANA.actor.device.public),
        *introduce(CIRCLE.object, CIRCLE.epoch_id, f.log, BOB.actor)[1:],
    ],
    "another's introduction": lambda f: introduce(
        CIRCLE.object, CIRCLE.epoch_id, Forger(CIRCLE, ANA.actor, RANDOM).log, ANA.actor
    ),
    "of another object": lambda f: introduce(OTHER.object, OTHER.epoch_id, f.log, BOB.actor),
    "of another epoch": lambda f: introduce(CIRCLE.object, OTHER.epoch_id, f.log, BOB.actor),
    "another's account log": lambda f: [
        *introduce(CIRCLE.object, CIRCLE.epoch_id, f.log, BOB.actor)[:3], ANA.actor.account.raw, "p0",
    ],
    "a long name": lambda f: [*introduce(CIRCLE.object, CIRCLE.epoch_id, f.log, BOB.actor)[:4], "x" * 65],
    "none": lambda f: None,
    "of another form": lambda f: [1, 2, 3],
}  # fmt: skip


def _binding(forger: Forger, device: bytes) -> bytes:
    account = BOB.actor.account
    ids = [CIRCLE.object, CIRCLE.epoch_id, forger.log, account.id, device, BOB.actor.principal, account.head]
    return encode([1, *ids])


@pytest.mark.parametrize("claim", IMPERSONATIONS)
def test_nobody_writes_as_somebody_else(claim: str) -> None:
    """A false introduction is set aside; an honest log beside it goes on."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger, honest)

    take(replica, forger.write(say("false"), introduction=IMPERSONATIONS[claim](forger)))
    take(replica, honest.write(say("true")))

    assert texts(replica) == ["true"]
    assert [aside.name for aside in replica.order.set_aside] == ["an unknown writer"]


def test_a_later_introduction_changes_nothing() -> None:
    """Who writes a log is settled by its first introduction."""
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger)
    take(replica, forger.write(say("one")))
    as_ana = introduce(CIRCLE.object, CIRCLE.epoch_id, forger.log, ANA.actor)

    take(replica, forger.write(say("two", 2), first=2, introduction=as_ana))

    timeline = replica.fold.timeline  # type: ignore[attr-defined]
    assert [message.author.name for message in timeline.messages(0, 9)] == ["p1", "p1"]


def test_names_that_move_the_cursor_are_escaped() -> None:
    """A quarantined author's name is safe to print."""
    evil = account_of(BOB, name="\x1b[2Jp\u202e1")
    forger = Forger(CIRCLE, evil, RANDOM)
    replica = told(forger)

    take(replica, forger.write(say("bad lamport", 7)))

    assert [aside.name for aside in replica.order.set_aside] == ["<U+001B>[2Jp<U+202E>1"]


# -- a hostile writer: what he puts into payloads


def raw_payload(forger: Forger, **changed: Any) -> bytes:
    fields = {
        "version": VERSION, "run": forger.run, "first": 1, "count": 1, "cites": [],
        "heads": [one.id for one in CIRCLE.grants],
        "kind": int(Kind.CHAT), "time": 1, "packed": False, "content": say("x"),
        "introduction": forger.introduction(),
    }  # fmt: skip
    return encode(list({**fields, **changed}.values()))


BOMB = zlib.compress(bytes(MAX_CONTENT + 1), 9)
NOWHERE = [RANDOM(8), 1, RANDOM(32)]
PAYLOADS: dict[str, dict[str, Any]] = {
    "bomb": {"packed": True, "content": BOMB},
    "bomb with a tail": {"packed": True, "content": zlib.compress(b"x") + b"tail"},
    "not packed": {"packed": True, "content": b"no zlib"},
    "cut short": {"packed": True, "content": zlib.compress(bytes(1000))[:-4]},
    "packed is no truth value": {"packed": 1},
    "huge cites": {"cites": [NOWHERE] * 1025},
    "cite of another form": {"cites": [[b"short", 1, RANDOM(32)]]},
    "unknown version": {"version": 2},
    "unknown kind": {"kind": 9},
    "too many changes": {"count": 1001},
    "negative number": {"first": -1},
    "run of another length": {"run": b"short"},
    "content of another kind": {"content": b"\x00"},
    "time from the far future": {"time": 2**60},
    "too many heads": {"heads": [RANDOM(32)] * 65},
}


@pytest.mark.parametrize("fault", PAYLOADS)
def test_a_bad_payload_is_set_aside(fault: str) -> None:
    """It is kept and counted, not applied; the same log and others go on."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    replica = told(forger, honest)

    take(replica, forger.write_raw(raw_payload(forger, **PAYLOADS[fault])))
    take(replica, forger.write(say("after it"), run=RunId(RANDOM(16)), introduction=forger.introduction()))
    take(replica, honest.write(say("honest", 1)))

    assert [aside.seq for aside in replica.order.set_aside] == [1]
    assert sorted(texts(replica)) == ["after it", "honest"]


def test_the_author_of_a_bad_payload_is_named() -> None:
    """Once a log has introduced itself, what it breaks is told with a name."""
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger)
    take(replica, forger.write(say("fine")))

    take(replica, forger.write(say("out of its time", 9), first=2))

    assert [(aside.name, aside.seq) for aside in replica.order.set_aside] == [("p1", 2)]
    assert "Lamport time 9 where 2 follows" in replica.order.set_aside[0].reason


def test_a_gap_in_the_numbers_blocks_its_own_log_only() -> None:
    """Changes wait for those before them in their run, from whichever log these come; others go on."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    before = Forger(CIRCLE, BOB.actor, RANDOM, run=forger.run)
    replica = told(forger, before, honest)

    take(replica, forger.write(say("third"), first=3), honest.write(say("goes on")))
    waiting = texts(replica)
    take(replica, before.write(say("first")), before.write(say("second", 2), first=2))

    assert waiting == ["goes on"]
    assert set(texts(replica)) == {"goes on", "first", "second", "third"}
    assert not replica.order.set_aside
    assert not replica.unsettled


@pytest.mark.parametrize("seq", [1, 2**32 - 1])
def test_a_cite_of_nothing_blocks_its_own_log_only(seq: int) -> None:
    """What cites a segment that does not exist waits; all others go on, at no cost per arrival."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    replica = told(forger, honest)
    nothing = Cite(RANDOM(8), seq, SegmentId(RANDOM(32)))

    take(replica, forger.write(say("waits"), cites=(nothing,)), honest.write(say("goes on")))
    take(replica, honest.write(say("still", 2), first=2))

    assert texts(replica) == ["goes on", "still"]
    assert len(replica.order.waiting) == 1
    assert not replica.order._ready()


def test_kinds_of_other_folds_are_passed_by() -> None:
    """A document's update in a chat, or a snapshot of nonsense, changes nothing and stops nothing."""
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger)

    take(replica, forger.write(b"no update", kind=Kind.DOCUMENT))
    take(replica, forger.write(b"no snapshot", kind=Kind.SNAPSHOT, first=2))
    take(replica, forger.write(say("then"), first=3))

    assert texts(replica) == ["then"]


def test_a_run_of_another_device_is_another_run() -> None:
    """Changes are counted by device and run: using another's run neither blocks nor skips his changes."""
    victim, forger = Forger(CIRCLE, ANA.actor, RANDOM), Forger(CIRCLE, BOB.actor, RANDOM)
    forger.run = victim.run
    replica = told(victim, forger)

    take(replica, forger.write(say("mine first")))
    take(replica, victim.write(say("victim's first")))

    assert sorted(texts(replica)) == ["mine first", "victim's first"]


def test_endless_forks_end() -> None:
    """A log has at most 64 branches; other logs are not affected, and the sender is told."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    replica = told(forger, honest)
    raws = []
    for _ in range(70):
        forger.segments.clear()
        raws.append(forger.write(say("fork"), run=RunId(RANDOM(16))))

    offered = replica.take_segments(raws, "memory").offered
    replica.store.write(offered.batch)
    take(replica, honest.write(say("honest")))

    assert len(replica.book.branches[forger.log]) == 64
    assert offered.refused == ["a log with too many forks"] * 6
    assert not offered.gaps
    assert "honest" in texts(replica)


def test_who_forks_without_end_makes_members_differ_in_his_own_log() -> None:
    """The bound is the one verdict that depends on what came first: it shows, and stays in that log."""
    forger, honest = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    raws = []
    for number in range(70):
        forger.segments.clear()
        raws.append(forger.write(say(f"fork {number}"), run=RunId(RANDOM(16))))
    word = honest.write(say("honest"))
    one, other = told(forger, honest), told(forger, honest)
    for replica, order in ((one, raws), (other, raws[::-1])):
        replica.store.write(replica.take_segments([*order, word], "memory").offered.batch)
    for replica, order in ((one, raws[::-1]), (other, raws)):  # what the other has, once more
        again = replica.take_segments(order, "memory").offered
        assert again.refused == ["a log with too many forks"] * 6
        assert not again.batch

    assert set(texts(one)) - set(texts(other)) == {f"fork {number}" for number in range(6)}
    assert set(texts(other)) - set(texts(one)) == {f"fork {number}" for number in range(64, 70)}
    assert heads_digest(one.book.tips()) != heads_digest(other.book.tips())
    assert one.book.tips_of([honest.log]) == other.book.tips_of([honest.log])


def test_a_spoiled_signature_in_the_middle_is_not_kept() -> None:
    """Whoever passes segments on cannot plant one that the next would refuse."""
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger)
    raws = [forger.write(say(str(n), n), first=n) for n in (1, 2, 3)]
    signature = forger.segments[1].signature
    spoiled = raws[1].replace(signature, bytes(64))

    offered = replica.take_segments([raws[0], spoiled, raws[2]], "memory").offered

    assert [arrival.segment.seq for arrival in offered.arrivals] == [1]
    assert len(offered.refused) == 1


@pytest.mark.parametrize("key", [3, 4])
def test_a_link_has_its_own_keys(key: int) -> None:
    """No admin can put another key under the name of an existing link: to sign with, or to be sealed to."""
    good = BOB.actor
    link = replica_of(CIRCLE, ANA, RANDOM).view.members[good.principal].principal
    fields = link.fields()
    fields[key] = ANA.actor.principal_key.public

    with pytest.raises(RemoteProtocolError):
        Principal.parse_untrusted(fields)
    assert Principal.parse_untrusted(link.fields()).kind is PrincipalKind.LINK


def test_devices_are_told_apart() -> None:
    """The author of a segment is the device that the binding names."""
    forger = Forger(CIRCLE, BOB.actor, RANDOM)
    replica = told(forger)

    taken = replica.take_segments([forger.write(say("x"), cites=())], "memory")

    author = taken.deliveries[0].author
    assert author.device == DeviceId(BOB.actor.device.public)
    assert author.principal == PrincipalId(BOB.actor.principal)


def test_nobody_renames_another() -> None:
    """The name in an introduction is in a segment that only the log's own key signs. Who has the content key
    can read it, and seal it anew with another one, but not in that log; and the binding is for that log."""
    bob, mallory = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    binding, by_device, by_principal, log, _ = bob.introduction()
    renamed = [binding, by_device, by_principal, log, "Somebody Else"]
    payload = bob.payload(say("x"), cites=(), introduction=renamed)
    true = bob.write(say("x"), cites=())
    prefix, _, sealed = decode_untrusted(true, 1 << 20)
    body = cseal(ANA.keys.content, Tag.SEAL, pad(payload, len(sealed) - SEAL_OVERHEAD), prefix, RANDOM)
    id_ = hash256(Tag.SEGMENT_ID, prefix + hash256(Tag.SEGMENT_BODY, body))

    def shown(key: SigningKey) -> tuple[list[str], list[str]]:
        """Whose names are seen of the segment with a signature by ``key``, and what was refused."""
        forged = encode([prefix, key.sign(Tag.SIGN_SEGMENT, id_), body])
        taken = told(bob).take_segments([forged], "memory")
        return [delivery.author.name for delivery in taken.deliveries], taken.offered.refused

    assert shown(bob.key) == (["Somebody Else"], [])
    names, refused = shown(mallory.key)
    assert not names
    assert len(refused) == 1
    replica = told(mallory)
    take(replica, mallory.write(say("y"), cites=(), introduction=renamed))
    [aside] = replica.order.set_aside
    assert "another log" in aside.reason


def test_cites_are_followed_across_logs() -> None:
    """A reply that comes before what it cites waits for it."""
    one, two = Forger(CIRCLE, BOB.actor, RANDOM), Forger(CIRCLE, ANA.actor, RANDOM)
    replica = told(one, two)
    first = one.write(say("question"))
    second = two.write(say("answer", 2), cites=(cite(one.segments[0]),))

    take(replica, second)
    before = texts(replica)
    take(replica, first)

    assert before == []
    assert texts(replica) == ["question", "answer"]
