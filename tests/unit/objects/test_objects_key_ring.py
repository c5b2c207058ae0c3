"""Finding the keys of an object's epochs: by wraps, by back-links, in whatever order records come."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import BoxPair, HistoryKey
from peergos_collab.errors import NoAccess, RemoteProtocolError
from peergos_collab.objects.back_links import (
    BackLink,
    open_back_link,
    open_ops_link,
    parse_back_links_untrusted,
    seal_back_link,
)
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.history_seals import history_seals
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.op_kinds import Target
from peergos_collab.objects.records import Epoch, MembershipRecord
from peergos_collab.objects.wraps import Recipient, wrap
from support.circle import account_principal
from support.members import Group

RANDOM = random.Random(4).randbytes


def grown() -> tuple[Group, list[MembershipRecord], Epoch]:
    """a, b and c; then a removes c: two epochs, the second of which b has by a wrap."""
    who = Group("abc", RANDOM)
    who.add("a", "b", Level.WRITE)
    who.add("a", "c", Level.WRITE)
    who.meet()
    removal = who["a"].maker.remove([Target(who["c"].id)])
    return who, [*who["a"].records, removal], removal


def levels(ring: KeyRing) -> dict[EpochId, Level]:
    return {epoch: keys.level for epoch, keys in ring.keys.items()}


def test_all_keys_are_found_in_any_order() -> None:
    """One by one or at once: the newest by its wrap, the older ones at least for reading."""
    who, records, removal = grown()
    pair = who["b"].credentials.user.box
    for order in itertools.permutations(records):
        ring = KeyRing([pair])
        for record in order:
            ring.take([record])

        assert set(ring.keys) == {who.first.id, removal.id}
        assert ring.keys[removal.id].level is Level.WRITE
    at_once = KeyRing([pair])
    at_once.take(records)
    assert levels(at_once) == {who.first.id: Level.READ, removal.id: Level.WRITE}
    assert at_once.deepen(who.first.id) is not None
    assert levels(at_once) == {who.first.id: Level.WRITE, removal.id: Level.WRITE}


def test_who_has_no_slot_finds_nothing() -> None:
    """The removed finds the keys of before, a stranger none, with all records there are."""
    who, records, removal = grown()
    removed, stranger = KeyRing([who["c"].credentials.user.box]), KeyRing([BoxPair.generate(RANDOM)])
    for ring in (removed, stranger):
        ring.take(records)

    assert removal.id not in removed.keys
    assert not stranger.keys


def test_a_pair_that_comes_later_opens_what_is_there() -> None:
    """A newer user key, for instance."""
    who, records, removal = grown()
    ring = KeyRing()
    ring.take(records)
    assert not ring.keys
    assert set(ring.add_pair(who["b"].credentials.user.box)) == {who.first.id, removal.id}
    assert ring.add_pair(who["b"].credentials.user.box) == []


def test_keys_that_were_given_count_once_they_fit() -> None:
    """Those of a capability, before its epoch's record is there or after; false ones are found out."""
    who, records, removal = grown()
    held = who["a"].membership.ring
    who.tell(removal, "a")
    read = held.keys[removal.id].at(Level.READ)
    ring = KeyRing((), {removal.id: read})
    assert not ring.keys
    ring.take(records)
    assert levels(ring) == {who.first.id: Level.READ, removal.id: Level.READ}

    false = KeyRing((), {removal.id: EpochKeys(Level.READ, RANDOM(32))})
    false.take(records)
    assert not false.keys
    assert false.false == {removal.id}


def test_a_slot_that_opens_to_other_keys_is_found_out() -> None:
    """Nothing is kept of it, and the record is named."""
    who, records, removal = grown()
    pair = who["b"].credentials.user.box
    other = wrap(EpochKeys.generate(RANDOM), [Recipient(pair.public_key, Level.WRITE)], RANDOM)
    ring = KeyRing([pair])
    ring.take([*records[:-1], replace(removal, wraps=other)])

    assert removal.id not in ring.keys
    assert ring.false == {removal.id}


def test_a_back_link_that_opens_to_garbage_is_found_out() -> None:
    """The epochs behind it are looked for elsewhere."""
    who, records, removal = grown()
    pair = who["b"].credentials.user.box
    ring = KeyRing([pair])
    ring.take([*records[:-1], replace(removal, back_links={who.first.id: BackLink(bytes(48), bytes(81))})])

    assert ring.false == {removal.id}
    assert ring.keys[who.first.id].level is Level.WRITE


def test_a_back_link_opens_for_reading_only() -> None:
    """Whoever reads the new epoch reads the old one, and writes nothing into it."""
    new, old = EpochKeys.generate(RANDOM), EpochKeys.generate(RANDOM)
    epoch, ops, keys = seal_back_link(new, EpochId(RANDOM(32)), old)
    link, seals = BackLink(ops, keys), history_seals(old)
    opened = open_back_link(new, EpochId(epoch), link, old.public(), seals)

    assert opened.level is Level.READ
    assert opened.read == old.read
    assert opened.history == old.history
    assert open_ops_link(new.ops, EpochId(epoch), link, old.public()) == old.ops
    for held, public, sealed in (
        (old, old.public(), seals),
        (new, new.public(), seals),
        (new, old.public(), history_seals(new)),
    ):
        with pytest.raises(RemoteProtocolError):
            open_back_link(held, EpochId(epoch), link, public, sealed)
    for given, public in ((old.ops, old.public()), (new.ops, new.public())):
        with pytest.raises(RemoteProtocolError):
            open_ops_link(given, EpochId(epoch), link, public)
    with pytest.raises(RemoteProtocolError):
        open_back_link(new, EpochId(RANDOM(32)), link, old.public(), seals)
    assert parse_back_links_untrusted([[epoch, ops, keys]]) == {epoch: link}


def test_who_has_an_epoch_without_its_history_opens_only_ops_behind_it() -> None:
    """Everybody learns who did what; what was written before is not for him."""
    new, old = EpochKeys.generate(RANDOM), EpochKeys.generate(RANDOM)
    epoch, ops, keys = seal_back_link(new, EpochId(RANDOM(32)), old)
    link, newcomer = BackLink(ops, keys), new.at(Level.ADMIN, history=False)

    assert open_ops_link(newcomer.ops, EpochId(epoch), link, old.public()) == old.ops
    with pytest.raises(NoAccess):
        open_back_link(newcomer, EpochId(epoch), link, old.public(), history_seals(old))
    guessing = EpochKeys(Level.READ, new.read.expose(), HistoryKey(bytes(32)))
    with pytest.raises(RemoteProtocolError):
        open_back_link(guessing, EpochId(epoch), link, old.public(), history_seals(old))


def test_a_neutral_epoch_has_no_admin_keys() -> None:
    """An admin gets its highest secret, the write one, and looks for nothing above."""
    who, _, _ = grown()
    who.tell(who["b"].maker.rotate())
    newest = who["a"].usable
    assert newest is not None
    record = who["a"].membership.ring.epochs[newest]

    assert record.neutral
    assert who["a"].membership.keys[newest].level is Level.WRITE
    assert account_principal(who["a"].credentials).id in who["a"].view.members
