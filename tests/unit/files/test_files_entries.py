"""EntryMap: last writer wins, removals, equal and hostile names, nodes, state."""

from __future__ import annotations

from itertools import zip_longest

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
from peergos_collab.objects import chunks
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
    assert EntryMap.from_chunks(profile.map.dirty_chunks().__getitem__).entry_node == "f"

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
    profile = Profile()
    profile.change(PHONE, put_entry(ONE, "a", "doc", b"", now=1))
    chunks = profile.map.dirty_chunks()
    for raw in (b"", b"\x01", chunks[0][:-1]):
        with pytest.raises(Damaged):
            EntryMap.from_chunks({**chunks, 0: raw}.__getitem__)


def _large(count: int) -> tuple[Profile, dict[int, bytes]]:
    """A map of many entries, and its chunks as they are stored."""
    profile = Profile()
    for start in range(0, count, 100):
        puts = [
            put_entry(number.to_bytes(16), f"d{number:04}", "doc", bytes(99), now=1)
            for number in range(start, start + 100)
        ]
        profile.change(PHONE, *puts)
    return profile, profile.map.dirty_chunks()


def test_of_a_large_map_only_what_is_asked_for_is_read() -> None:
    """Fifty rows and a name take the head and a page or two; a change reads and writes as few."""
    profile, chunks = _large(3_000)
    read: list[int] = []

    def load(number: int) -> bytes:
        read.append(number)
        return chunks[number]

    entry_map = EntryMap.from_chunks(load)
    rows = entry_map.rows("", 50)
    assert [view.shown for view in rows] == [f"d{number:04}" for number in range(50)]
    assert [view.shown for view in entry_map.rows("d0049", 2)] == ["d0050", "d0051"]
    assert entry_map.find("d2345") is not None
    assert len(entry_map) == 3_000
    assert len(read) <= 6 < len(chunks) // 8

    entry_map.add_untrusted(profile.write(PHONE, rename(rows[0].id, "zz", now=2)).delivery)
    assert len(entry_map.dirty_chunks()) <= 5
    assert [view.shown for view in entry_map.rows("d2998", 9)] == ["d2999", "zz"]
    assert len(read) <= 10


def test_damage_to_a_part_shows_where_it_is_needed() -> None:
    """In a large map; in a small one when it is opened."""
    _, chunks = _large(3_000)
    entry_map = EntryMap.from_chunks(lambda number: chunks[number] if number == 0 else b"x")
    with pytest.raises(Damaged):
        entry_map.rows("", 1)
    small = _large(100)[1]

    def lost(number: int) -> bytes:
        if number:
            raise Damaged("lost")
        return small[0]

    with pytest.raises(Damaged):
        EntryMap.from_chunks(lost)


def test_equal_names_are_numbered_alike_whatever_is_looked_at() -> None:
    """In all, in rows from any name on, and where one is looked up by name or id."""
    profile = Profile()
    names = ("a", "a", "a", "a (2)", "a (2)", "b")
    profile.change(
        PHONE, *(put_entry(bytes([n]) * 16, name, "doc", b"", now=1) for n, name in enumerate(names))
    )
    views = list(profile.map.entries().values())
    fresh = EntryMap.from_chunks(profile.map.dirty_chunks().__getitem__)

    assert [view.shown for view in views] == ["a", "a (3)", "a (4)", "a (2)", "a (2) (2)", "b"]
    assert [fresh.find(view.shown) for view in views] == views
    assert [fresh.view(view.id) for view in views] == views
    assert [fresh.rows(view.shown, 9) for view in views] == [views[at + 1 :] for at in range(6)]
    assert fresh.find("a (5)") is None


@pytest.mark.parametrize("most", [1, 3, 12, 50])
def test_all_are_read_in_turns(most: int) -> None:
    """The same as at once, by several, too; anew where something changes, or is stored, in between."""
    profile = Profile()
    profile.change(PHONE, *(put_entry(bytes([n]) * 16, f"{n % 7}", "doc", b"", now=1) for n in range(12)))
    whole = dict(profile.map.entries())
    stored = profile.map.dirty_chunks()
    fresh = profile.map = EntryMap.from_chunks(stored.__getitem__)
    both = list(zip_longest(fresh.read_in_turns(most), fresh.read_in_turns(most)))
    assert fresh._shown == whole
    assert len(both) == (12 // most + 1) // 2
    profile.change(PHONE, rename(bytes([5]) * 16, "another", now=2))
    reading = fresh.read_in_turns(most)
    next(reading, None)
    profile.change(PHONE, remove(bytes([0]) * 16))
    stored |= fresh.dirty_chunks()
    list(reading)

    assert dict(fresh.entries()) == EntryMap.from_chunks(stored.__getitem__).entries()
    assert "another" in fresh.entries()


def test_what_was_damaged_in_the_midst_is_read_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is mended all are there."""
    monkeypatch.setattr(chunks, "KEEP", 0)
    profile = Profile()
    for start in range(0, 900, 100):
        numbers = range(start, start + 100)
        profile.change(PHONE, *(put_entry(b"%16d" % n, f"{n:03}", "doc", b"", now=1) for n in numbers))
    stored, read = profile.map.dirty_chunks(), list[int]()

    def load(number: int) -> bytes:
        read.append(number)
        return stored[number]

    fresh = EntryMap.from_chunks(load)
    read.clear()
    reading = fresh.read_in_turns(300)
    next(reading)
    good, lost = dict(stored), stored.keys() - set(read)
    stored.update(dict.fromkeys(lost, b""))
    with pytest.raises(Damaged):
        list(reading)
    stored.update(good)
    list(fresh.read_in_turns(300))

    assert list(fresh._shown or ()) == [f"{n:03}" for n in range(900)]


def test_local_changes_lie_on_top() -> None:
    """A map with changes on top shows them; the one below stays as it was, and says which were touched."""
    profile = Profile()
    profile.change(
        PHONE, *(put_entry(id_, name, "doc", b"", now=1) for id_, name in ((ONE, "a"), (TWO, "b")))
    )
    assert profile.map.take_touched() == {ONE, TWO}
    changes = [remove(ONE), rename(TWO, "c", now=2), put_entry(THREE, "a", "doc", b"3", now=2), add_node("n")]
    above = profile.map.preview()
    for at, change in enumerate(changes):
        above.put_on_top(change, PHONE.device, at)

    assert [view.shown for view in above.rows("", 9)] == ["a", "c"]
    assert (above.find("a") or above.rows("", 1)[0]).id == THREE
    assert above.view(ONE) is None
    assert (len(above), above.nodes()) == (2, ["n"])
    assert (list(profile.map.entries()), profile.map.nodes()) == (["a", "b"], [])
    assert profile.map.take_touched() == set()
