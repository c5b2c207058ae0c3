"""What one side of a session may have and give, by the keys it proved."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.ids import EpochId, LogId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.certificates import Certificate
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Epoch, Said, next_epoch
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.proving import fresh_proofs, opening_proofs, prove
from peergos_collab.sync.rights import MAX_WAITING, Rights, UnverifiedProof, proofs_untrusted
from peergos_collab.testing.store import MemoryStore
from support.circle import make_circle

RANDOM = random.Random(63).randbytes
CIRCLE = make_circle(Kind.DOCUMENT, [Level.WRITE], RANDOM)
CLAIM = b"channel nonce object"
ANA, BOB = CIRCLE.members
FIRST = CIRCLE.epoch
KEYS: dict[EpochId, EpochKeys] = {FIRST.id: ANA.keys}


def after(*parents: Epoch) -> Epoch:
    keys = EpochKeys.generate(RANDOM)
    held = {parent.id: KEYS[parent.id] for parent in parents}
    made = next_epoch(CIRCLE.object, keys, held, {}, [], Said(Rotate(), ANA.actor), RANDOM)
    KEYS[made.id] = keys
    return made


SECOND = after(FIRST)
BESIDE = after(FIRST)
MERGED = after(SECOND, BESIDE)


def book(*epochs: Epoch) -> LogBook:
    made = LogBook(CIRCLE.object, MemoryStore())
    made.take_records([*CIRCLE.records, *(epoch.raw for epoch in epochs)])
    return made


def proof(epoch: Epoch, level: Level = Level.READ, claim: bytes = CLAIM) -> UnverifiedProof:
    keys = EpochKeys(level, KEYS[epoch.id].secret(level).expose())
    return proofs_untrusted([prove(epoch.id, keys, claim)])[0]


def has(rights: Rights, held: LogBook, *epochs: Epoch) -> list[bool]:
    return [held.graph.covers(rights.have, epoch.id) for epoch in epochs]


def test_any_epoch_gives_records_and_a_newest_one_segments() -> None:
    """An old one is worth no segment, not even those of its own time."""
    held = book(SECOND)
    rights = Rights(held, CLAIM)
    assert not rights.knows
    rights.take_untrusted([proof(FIRST)])
    assert rights.knows
    assert has(rights, held, FIRST, SECOND) == [False, False]
    rights.take_untrusted([proof(SECOND)])

    assert has(rights, held, FIRST, SECOND) == [True, True]


def test_rights_end_when_the_record_arrives() -> None:
    """Nothing has to be called for it."""
    held = book()
    rights = Rights(held, CLAIM)
    rights.take_untrusted([proof(FIRST, Level.WRITE)])
    before = rights.have, rights.give
    held.take_records([SECOND.raw])

    assert all(before)
    assert (rights.have, rights.give) == (0, 0)


def test_of_two_beside_each_other_one_counts_for_itself() -> None:
    """And for what is before both."""
    held = book(SECOND, BESIDE)
    rights = Rights(held, CLAIM)
    rights.take_untrusted([proof(SECOND)])

    assert has(rights, held, FIRST, SECOND, BESIDE) == [True, True, False]


def test_a_node_takes_from_writers_only() -> None:
    """Members take from readers what writers signed."""
    for level, to_give, expected in (
        (Level.READ, Level.WRITE, False),
        (Level.WRITE, Level.WRITE, True),
        (Level.READ, Level.READ, True),
    ):
        rights = Rights(book(), CLAIM, to_give=to_give)
        rights.take_untrusted([proof(FIRST, level)])

        assert bool(rights.give) is expected


def test_a_proof_waits_for_its_record() -> None:
    """It counts from then on; a false one never; and not endlessly many are kept."""
    for claim, expected in ((CLAIM, [True, True]), (b"another", [False, False])):
        held = book()
        rights = Rights(held, CLAIM)
        rights.take_untrusted([proof(SECOND, claim=claim)])
        assert rights.waits
        assert not rights.knows
        held.take_records([SECOND.raw])

        assert has(rights, held, FIRST, SECOND) == expected
    rights.take_untrusted([UnverifiedProof(EpochId(RANDOM(32)), Level.READ, bytes(64)) for _ in range(500)])
    assert len(rights._waiting) == MAX_WAITING


def test_a_false_proof_of_a_known_epoch_ends_the_session() -> None:
    """Made for another channel, or by another key."""
    for false in (
        proof(FIRST, claim=b"another"),
        UnverifiedProof(FIRST.id, Level.WRITE, proof(FIRST).signature),
        UnverifiedProof(FIRST.id, Level.READ, proof(SECOND).signature),
    ):
        with pytest.raises(RemoteProtocolError):
            Rights(book(), CLAIM).take_untrusted([false])


def test_who_brings_an_epoch_has_proved_every_parent() -> None:
    """Else somebody who lost access could put one after today's, and shut out all others."""
    rights = Rights(book(SECOND, BESIDE), CLAIM)
    rights.take_untrusted([proof(SECOND, Level.WRITE)])
    before = rights.admits(MERGED)
    rights.take_untrusted([proof(BESIDE)])

    assert not before
    assert rights.admits(MERGED)
    assert Rights(book(), CLAIM).admits(FIRST)


def test_certificates_are_taken_like_segments() -> None:
    """From writers of a newest epoch, for it and all before it; grants for what was proved."""
    held = book(SECOND)
    rights = Rights(held, CLAIM, to_give=Level.WRITE)
    log = LogId(RANDOM(32))
    certificates = [
        Certificate.issue(CIRCLE.object, epoch.id, log, KEYS[epoch.id].signing_key(Level.WRITE))
        for epoch in (FIRST, SECOND)
    ]
    rights.take_untrusted([proof(FIRST, Level.WRITE)])
    assert [rights.admits(certificate) for certificate in certificates] == [False, False]
    assert rights.admits(CIRCLE.grants[0])
    rights.take_untrusted([proof(SECOND, Level.WRITE)])

    assert [rights.admits(certificate) for certificate in certificates] == [True, True]
    assert not Rights(held, CLAIM).admits(CIRCLE.grants[0])


def test_a_node_is_given_ciphertext_without_a_proof() -> None:
    """What a client takes from it, it checks like everything else."""
    rights = Rights(book(SECOND), CLAIM, trusted=True)

    assert rights.knows
    assert rights.admits(MERGED)
    assert rights.have == rights.give == -1


def test_what_is_proved_when_an_object_is_opened() -> None:
    """The newest epochs held, and some older ones, so that who was away recognises something."""
    epochs = [SECOND]
    for _ in range(9):
        epochs.append(after(epochs[-1]))
    held = book(*epochs)
    mine = {epoch.id: KEYS[epoch.id] for epoch in epochs}

    assert opening_proofs(held, KEYS) == [epochs[9].id, FIRST.id, epochs[8].id, epochs[7].id, epochs[5].id]
    assert opening_proofs(held, mine)[:2] == [epochs[9].id, SECOND.id]
    assert opening_proofs(LogBook(CIRCLE.object, MemoryStore()), {FIRST.id: ANA.keys}) == [FIRST.id]
    assert opening_proofs(held, {}) == []


def test_many_epochs_beside_each_other_fit_into_one_frame() -> None:
    """Whatever a hostile writer put there."""
    many = [after(FIRST) for _ in range(30)]
    held = book(*many)
    chosen = opening_proofs(held, KEYS)

    assert len(chosen) <= 16
    assert FIRST.id in chosen


def test_what_is_new_is_proved_once_and_again_at_a_higher_level() -> None:
    """Only the newest epochs."""
    held = book(SECOND)
    reader = EpochKeys(Level.READ, KEYS[SECOND.id].read.expose())

    assert fresh_proofs(held, {FIRST.id: ANA.keys}, {}) == []
    assert fresh_proofs(held, {SECOND.id: reader}, {}) == [SECOND.id]
    assert fresh_proofs(held, {SECOND.id: reader}, {SECOND.id: Level.READ}) == []
    assert fresh_proofs(held, KEYS, {SECOND.id: Level.READ}) == [SECOND.id]
