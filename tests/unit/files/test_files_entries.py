"""EntryMap: last writer wins, removals, equal and hostile names, nodes, state."""

from __future__ import annotations

import pytest

from peergos_collab.errors import Damaged, LocalProtocolError, Quarantined
from peergos_collab.files import (
    EntryChange,
    EntryId,
    EntryMap,
    add_node,
    encode_changes,
    put_entry,
    remove,
    remove_node,
    rename,
    replace_reference,
    set_entry_node,
    set_name,
)
from peergos_collab.files.changes import RenameEntry
from peergos_collab.objects.payload import Author, Kind
from support.histories import History, Written, author

PHONE, LAPTOP = author("Ana", device=1), author("Ana", device=2)
ONE, TWO, THREE = (EntryId(bytes([number]) * 16) for number in (1, 2, 3))


class Profile:
    """A history of two devices, and a map that follows it."""

    def __init__(self) -> None:
        self.history = History()
        self.map = EntryMap()

    def write(self, who: Author, *changes: EntryChange, cites: list[Written] | None = None) -> Written:
        """Adds a segment that cites the last one, unless told otherwise."""
        cites = self.history.written[-1:] if cites is None else cites
        own = [one for one in self.history.written if one.delivery.author == who]
        return self.history.write(
            who,
            lambda lamport: encode_changes(lamport, changes),
            log=f"device {who.device[-1]}",
            after=own[-1] if own else None,
            cites=cites,
            kind=Kind.ENTRIES,
        )

    def change(self, who: Author, *changes: EntryChange) -> Written:
        """``write``, and delivers it."""
        written = self.write(who, *changes)
        self.map.add_untrusted(written.delivery)
        return written


def _folded(*order: Written) -> EntryMap:
    entry_map = EntryMap()
    for one in order:
        entry_map.add_untrusted(one.delivery)
    return entry_map


def test_an_entry_is_found_by_its_name() -> None:
    """With what was put in it."""
    profile = Profile()
    profile.change(PHONE, put_entry(ONE, "notes", "doc", b"capability", now=5))
    found = profile.map.find("notes")

    assert found is not None
    assert (found.id, found.name, found.kind, found.reference) == (ONE, "notes", "doc", b"capability")
    assert (found.created, found.modified, found.hostile) == (5, 5, False)
    assert profile.map.find("other") is None


def test_name_and_reference_change_apart() -> None:
    """A rename on one device and a new reference on another, at the same time, both hold."""
    profile = Profile()
    first = profile.write(PHONE, put_entry(ONE, "notes", "doc", b"old", now=5))
    renamed = profile.write(PHONE, rename(ONE, "Notes", now=8), cites=[first])
    replaced = profile.write(LAPTOP, replace_reference(ONE, b"new", now=7), cites=[first])
    for order in ((first, renamed, replaced), (first, replaced, renamed)):
        found = _folded(*order).entries()["Notes"]

        assert (found.reference, found.modified) == (b"new", 8)


def test_a_removal_wins_over_a_concurrent_later_rename() -> None:
    """Whatever the order of arrival; only a new put brings the entry back, under its last name."""
    profile = Profile()
    first = profile.write(PHONE, put_entry(ONE, "notes", "doc", b"x", now=5))
    removed = profile.write(PHONE, remove(ONE), cites=[first])
    other = profile.write(LAPTOP, set_name("Ana"), cites=[first])
    renamed = profile.write(LAPTOP, rename(ONE, "later", now=9), cites=[other])
    back = profile.write(PHONE, put_entry(ONE, "back", "doc", b"x", now=10), cites=[renamed])
    for order in ((first, removed, other, renamed), (first, other, renamed, removed)):
        entry_map = _folded(*order)

        assert renamed.lamport > removed.lamport
        assert entry_map.entries() == {}
        entry_map.add_untrusted(back.delivery)
        assert list(entry_map.entries()) == ["back"]


def test_equal_names_are_shown_apart() -> None:
    """The lowest id keeps the name, the others get a free number."""
    profile = Profile()
    profile.change(
        PHONE,
        put_entry(TWO, "a", "doc", b"2", now=1),
        put_entry(ONE, "a", "doc", b"1", now=1),
        put_entry(THREE, "a", "doc", b"3", now=1),
        put_entry(EntryId(b"\4" * 16), "a (2)", "doc", b"4", now=1),
    )
    shown = {name: view.reference for name, view in profile.map.entries().items()}

    assert shown == {"a": b"1", "a (2)": b"4", "a (3)": b"2", "a (4)": b"3"}


def test_hostile_names_of_others_are_shown_escaped() -> None:
    """They can be found, removed and renamed under the name shown."""
    profile = Profile()
    profile.change(PHONE, put_entry(ONE, "fine", "doc", b"", now=1), RenameEntry(ONE, "../\u202ex", 2))
    found = profile.map.find("..<U+002F><U+202E>x")

    assert found is not None
    assert found.hostile
    assert found.name == "../\u202ex"


def test_contacts_and_invitations_are_listed_apart() -> None:
    """They are no things with a path, and take no name from any."""
    profile = Profile()
    profile.change(PHONE, put_entry(ONE, "Ana", "contact", b"1", now=1))
    profile.change(PHONE, put_entry(TWO, "Ana", "doc", b"2", now=1))
    profile.change(PHONE, put_entry(THREE, "Ana", "invitation", b"3", now=1))

    assert {name: view.reference for name, view in profile.map.entries().items()} == {"Ana": b"2"}
    assert {name: view.reference for name, view in profile.map.apart("contact").items()} == {"Ana": b"1"}
    assert {name: view.reference for name, view in profile.map.apart("invitation").items()} == {"Ana": b"3"}


def test_of_equal_names_apart_the_first_one_keeps_it() -> None:
    """Whoever comes later with the same name gets the suffix, whatever his id: nobody takes over a name."""
    profile = Profile()
    profile.change(PHONE, put_entry(THREE, "Ana", "contact", b"first", now=9))
    profile.change(LAPTOP, put_entry(ONE, "Ana", "contact", b"later", now=1))
    profile.change(LAPTOP, rename(THREE, "Ana", now=10))

    names = {name: view.reference for name, view in profile.map.apart("contact").items()}
    assert names == {"Ana": b"first", "Ana (2)": b"later"}


def test_nodes_and_name() -> None:
    """Of each address, and of the name, the last change counts."""
    profile = Profile()
    profile.change(PHONE, add_node("a"), add_node("b"), set_name("Ana"))
    profile.change(LAPTOP, remove_node("a"), add_node("c"), set_name("Ana B."))
    profile.change(PHONE, remove_node("c"))

    assert profile.map.nodes() == ["b"]
    assert profile.map.name == "Ana B."
    assert EntryMap().name == ""


def test_the_entry_node() -> None:
    """The last choice counts, none included, and survives in the local state."""
    profile = Profile()
    assert profile.map.entry_node == ""
    profile.change(PHONE, add_node("a"), set_entry_node("e"))
    profile.change(LAPTOP, set_entry_node("f"))

    assert profile.map.entry_node == "f"
    assert profile.map.nodes() == ["a"]
    assert EntryMap.from_state(profile.map.state()).entry_node == "f"

    profile.change(PHONE, set_entry_node(""))

    assert profile.map.entry_node == ""


def test_a_wrong_lamport_time_is_set_aside_with_its_author() -> None:
    """Nobody can write in front of or behind his time; later segments may cite what was set aside."""
    profile = Profile()
    bad = profile.history.write(PHONE, encode_changes(2, [set_name("x")]), passed_by=True)
    with pytest.raises(Quarantined, match="Ana"):
        profile.map.add_untrusted(bad.delivery)
    profile.change(LAPTOP, set_name("y"))

    assert profile.map.name == "y"


def test_a_segment_counts_once_and_greetings_are_passed_by() -> None:
    """Neither changes what is there."""
    profile = Profile()
    hello = profile.history.write(PHONE, b"", passed_by=True, log="device 1")
    profile.map.pass_by(hello.delivery)
    first = profile.change(LAPTOP, put_entry(ONE, "a", "doc", b"", now=1))
    profile.map.add_untrusted(first.delivery)

    assert first.lamport == 1
    assert list(profile.map.entries()) == ["a"]
    assert profile.map.next_lamport() == 2


def test_causal_order_is_required() -> None:
    """Delivering a segment before one it cites is an error of the caller."""
    profile = Profile()
    profile.write(PHONE, set_name("a"))
    second = profile.write(LAPTOP, set_name("b"))

    with pytest.raises(LocalProtocolError):
        profile.map.add_untrusted(second.delivery)


def test_state_that_cannot_be_read_is_damaged() -> None:
    """So that the caller builds the map anew from the segments."""
    for raw in (b"", b"\x01", EntryMap().state()[:-1]):
        with pytest.raises(Damaged):
            EntryMap.from_state(raw)
