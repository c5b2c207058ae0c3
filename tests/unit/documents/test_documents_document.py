"""Document: edits, updates, subscriptions, positions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from peergos_collab.documents import MOST_EDITS, Change, Document, merge
from peergos_collab.errors import LocalProtocolError, Quarantined

ODD = "Aé日😀👩‍👩‍👧\r\n\u2028\x0c\x85\n\x00"


def pair() -> tuple[Document, Document]:
    """Two documents that apply each other's updates at once."""
    one, two = Document(1), Document(2)
    one.on_update(lambda update: two.apply_untrusted(update, 1))
    two.on_update(lambda update: one.apply_untrusted(update, 2))
    return one, two


@pytest.mark.parametrize("offset", range(len(ODD) + 1))
def test_every_offset_of_an_odd_text(offset: int) -> None:
    """Offsets are code points at every place of a text of every kind of character."""
    one, two = pair()
    one.edit(0, 0, ODD)
    two.edit(offset, min(offset + 1, len(ODD)), "ß😀")
    expected = ODD[:offset] + "ß😀" + ODD[offset + 1 :]

    assert (one.text, two.text) == (expected, expected)
    assert len(one) == len(expected)
    assert one.lines.text() == expected
    assert Document(3, one.state()).text == expected


@pytest.mark.parametrize("span", [(-1, 0), (0, 4), (2, 1), (4, 4)])
def test_edit_outside(span: tuple[int, int]) -> None:
    """A range outside of the text, or a backward one, changes nothing."""
    document = Document(1)
    document.edit(0, 0, "日本語")
    with pytest.raises(LocalProtocolError):
        document.edit(*span, "x")
    with pytest.raises(LocalProtocolError):
        document.edit_many([(*span, "x")])

    assert document.text == "日本語"


def test_lone_surrogate() -> None:
    """Half a character cannot be stored, and is refused before anything changes."""
    document = Document(1)
    document.edit(0, 0, "ab")
    before = document.state()
    with pytest.raises(LocalProtocolError, match="surrogate"):
        document.edit(0, 1, "x\ud83d")
    with pytest.raises(LocalProtocolError, match="surrogate"):
        document.edit_many([(0, 1, "x"), (1, 2, "\ude00")])

    assert (document.text, document.state()) == ("ab", before)


def test_edit_many_means_the_text_before() -> None:
    """All positions refer to the text before the call, and all is one transaction and one update."""
    document = Document(1)
    document.edit(0, 0, "one two three")
    updates: list[bytes] = []
    changes: list[Change] = []
    document.on_update(updates.append)
    document.on_change(changes.append)
    document.edit_many([(0, 3, "1"), (3, 3, "!"), (4, 7, "😀2"), (13, 13, ".")])

    assert document.text == "1! 😀2 three."
    assert len(updates) == len(changes) == 1


@pytest.mark.parametrize("edits", [[(3, 4, ""), (0, 1, "")], [(0, 2, ""), (1, 3, "")]])
def test_edit_many_in_disorder(edits: list[tuple[int, int, str]]) -> None:
    """Descending or overlapping edits are refused whole."""
    document = Document(1)
    document.edit(0, 0, "abcdef")
    with pytest.raises(LocalProtocolError):
        document.edit_many(edits)

    assert document.text == "abcdef"


def test_more_than_colleagues_accept() -> None:
    """What colleagues would refuse is refused here first: one huge transaction, one huge text."""
    document = Document(1)
    with pytest.raises(LocalProtocolError):
        document.edit_many([(0, 0, "x")] * (MOST_EDITS + 1))
    with pytest.raises(LocalProtocolError):
        document.edit(0, 0, "x" * (4 << 20))

    assert len(document) == 0


def test_most_edits_pass_the_firewall() -> None:
    """The most edits that one transaction may hold are accepted by a colleague."""
    one, two = pair()
    one.edit(0, 0, "ab" * MOST_EDITS)
    one.edit_many([(2 * i, 2 * i + 1, "😀") for i in range(MOST_EDITS)])

    assert two.text == "😀b" * MOST_EDITS


def test_nothing_to_do_tells_nothing() -> None:
    """An edit that changes nothing makes no update and no change."""
    document = Document(1)
    told: list[object] = []
    document.on_update(told.append)
    document.on_change(told.append)
    document.edit(0, 0, "")
    document.edit_many([])
    document.edit_many([(0, 0, "")])
    document.apply_own(b"\x00\x00")

    assert told == []


def test_changes_replay_the_text() -> None:
    """The edits of the changes, one after another, turn a copy of the text into the text."""
    one, two = pair()
    copy = ""

    def follow(change: Change) -> None:
        nonlocal copy
        for start, end, inserted in change.edits:
            copy = copy[:start] + inserted + copy[end:]
        assert copy == two.lines.text() == two.text

    two.on_change(follow)
    one.edit(0, 0, ODD)
    two.edit(3, 4, "x")
    one.edit_many([(0, 2, "😀"), (2, 2, "日"), (5, 7, "")])
    two.edit(0, len(two), "")

    assert one.text == copy == ""


def test_who_made_a_change() -> None:
    """A change says whether it was made here; unsubscribing ends the calls."""
    one, two = pair()
    changes: list[Change] = []
    stop = two.on_change(changes.append)
    one.edit(0, 0, "a")
    two.edit(1, 1, "b")
    stop()
    stop()
    two.edit(2, 2, "c")

    assert [change.local for change in changes] == [False, True]
    assert changes[0].edits == ((0, 0, "a"),)


def test_failing_callback() -> None:
    """A callback that raises keeps no other from being called, and the document stays whole."""
    document, replica = Document(1), Document(2)

    def fail(_: object) -> None:
        raise RuntimeError("a screen broke")

    seen: list[Change] = []
    document.on_update(fail)
    document.on_update(lambda update: replica.apply_untrusted(update, 1))
    document.on_change(seen.append)
    with pytest.raises(RuntimeError, match="a screen broke"):
        document.edit(0, 0, "kept")

    assert document.text == replica.text == "kept"
    assert len(seen) == 1


def test_remote_updates_are_not_echoed() -> None:
    """on_update tells local transactions only, so nothing goes around in circles."""
    one, two = Document(1), Document(2)
    updates: list[bytes] = []
    two.on_update(updates.append)
    one.edit(0, 0, "x")
    two.apply_untrusted(one.state(), 1)
    two.apply_own(one.state())

    assert updates == []


def test_clocks_count_utf16() -> None:
    """Clocks count UTF-16 units, and are kept without asking the engine."""
    document = Document(7)
    document.edit(0, 0, "a日😀")
    document.edit(0, 2, "")

    assert document.clocks() == {7: 4} == document._replica.clocks()
    assert Document(8, document.state()).clocks() == {7: 4}


def test_known_updates_again() -> None:
    """An update delivered twice changes nothing the second time."""
    one, two = Document(1), Document(2)
    updates: list[bytes] = []
    one.on_update(updates.append)
    one.edit(0, 0, "abc")
    one.edit(1, 2, "")
    for update in [*updates, *updates, merge(updates)]:
        two.apply_untrusted(update, 1)

    assert two.text == "ac"


def test_journal_replay_may_overlap() -> None:
    """Own updates may begin before what is known and reach further; a colleague's may not."""
    one, two = Document(1), Document(2)
    updates: list[bytes] = []
    one.on_update(updates.append)
    for at in range(3):
        one.edit(at, at, "abc"[at])
    two.apply_own(updates[0])
    with pytest.raises(Quarantined, match="repeats"):
        two.apply_untrusted(merge(updates), 1)
    assert two.text == "a"
    two.apply_own(merge(updates))

    assert two.text == "abc"


def test_this_runs_own_client_id() -> None:
    """Nobody may go on under the client id of this run; what it wrote itself may come back."""
    document, thief = Document(1), Document(1)
    updates: list[bytes] = []
    thief.on_update(updates.append)
    thief.edit(0, 0, "stolen")
    with pytest.raises(Quarantined, match="this very run"):
        document.apply_untrusted(updates[0], 1)
    document.edit(0, 0, "my own")
    document.apply_untrusted(document.state(), 1)

    assert document.text == "my own"


def test_fork_edits_an_older_base() -> None:
    """A fork is edited apart, and its update merges back beside what happened meanwhile."""
    document = Document(1)
    document.edit(0, 0, "base text")
    older = document.fork(2)
    updates: list[bytes] = []
    older.on_update(updates.append)
    document.edit(0, 4, "BASE")
    older.edit(9, 9, " from before")
    document.apply_own(updates[0])

    assert document.text == "BASE text from before"


def test_a_state_that_is_none() -> None:
    """A checkpoint that is no update is named as such."""
    with pytest.raises(Quarantined, match="state cannot be read"):
        Document(1, b"\xff\xff\xff")


def test_merge_of_many() -> None:
    """Thousands of updates of one run merge into one that passes the firewall."""
    one, two = Document(1), Document(2)
    updates: list[bytes] = []
    one.on_update(updates.append)
    for at in range(3_000):
        one.edit(at // 2, at // 2, "日x😀"[at % 3])
    two.apply_untrusted(merge(updates), 1)

    assert two.text == one.text
    assert merge([]) == b"\x00\x00"
    assert merge(updates[:1]) == updates[0]


def test_anchors_stay_with_their_character() -> None:
    """An anchor moves with its character, falls where it was when that is deleted, and knows the end."""
    one, two = pair()
    one.edit(0, 0, "a日😀b")
    anchors = [one.anchor(offset) for offset in range(5)]
    two.edit(0, 0, "→→")

    assert [two.offset_untrusted(anchor) for anchor in anchors] == [2, 3, 4, 5, 6]
    one.edit(3, 5, "")
    assert [two.offset_untrusted(anchor) for anchor in anchors] == [2, 3, 3, 3, 4]


def test_every_character_names_its_writer() -> None:
    """In text of every kind, with another's words inside and something deleted, by client id."""
    one, two = pair()
    one.edit(0, 0, ODD)
    two.edit(3, 5, "漢x")
    one.edit(1, 2, "")
    writers = [one.writer_at(offset) for offset in range(len(one))]

    assert writers == [1, 1, 2, 2, *[1] * (len(ODD) - 5)]
    assert writers == [Document(3, two.state()).writer_at(offset) for offset in range(len(two))]


@pytest.mark.parametrize("offset", [-1, 3])
def test_no_writer_outside(offset: int) -> None:
    """Where there is no character there is no writer."""
    document = Document(1)
    document.edit(0, 0, "日本語")
    with pytest.raises(LocalProtocolError):
        document.writer_at(offset)


@pytest.mark.parametrize("offset", [-1, 3])
def test_anchor_outside(offset: int) -> None:
    """There is no anchor outside of the text."""
    document = Document(1)
    document.edit(0, 0, "ab")
    with pytest.raises(LocalProtocolError):
        document.anchor(offset)


@pytest.mark.parametrize(
    "anchor",
    [
        b"",
        b"\x00",
        b"\x00\x01\x00",
        b"\x00\x01\x63\x00",  # a clock that is not known
        b"\x00\x01\x01\x00",  # the second half of a character
        b"\x00\x09\x00\x00",  # a client that is not known
        b"\x01\x05other\x00",
        b"\x02\x01\x00\x00",
        b"\x00\x01\x00\x7f",
        b"\x00\x81\x00\x00\x00",  # a number longer than needed
        b"\x00" + b"\xff" * 40,
    ],
)
def test_hostile_anchor(anchor: bytes) -> None:
    """An anchor that names nothing known here is nowhere, and never reaches the engine."""
    document = Document(1)
    document.edit(0, 0, "😀ab")

    assert document.offset_untrusted(anchor) is None


def test_import_is_light() -> None:
    """The one heavy import is pycrdt's binding, without the package around it."""
    code = """if True:
        import sys, peergos_collab.documents
        heavy = ("nacl", "cbor2", "sqlite3", "textual", "aiortc", "websockets", "pycrdt", "anyio", "asyncio")
        print(*(name for name in heavy if name in sys.modules))
    """
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == ""


def test_a_long_text_becomes_several_small_updates() -> None:
    """A paste of any length fits in segments: each update is small, and undo takes all of it back."""
    document, updates = Document(1), list[bytes]()
    document.edit(0, 0, "ab")
    document.track_undo()
    document.on_update(updates.append)
    pasted = "".join(chr(0x4E00 + number % 20_000) for number in range(100_000))
    document.edit(1, 2, pasted)
    other = Document(2)
    for update in [Document(1).state(), *updates]:
        assert len(update) < 150_000

    assert document.text == "a" + pasted
    assert len(updates) == 4
    document.undo()
    assert document.text == "ab"
    other.apply_own(document.state())
    assert other.text == "ab"


def test_another_state_of_the_same_history() -> None:
    """A document takes another state with own updates on top, and tells of one change that leads there."""
    base = Document(7)
    base.edit(0, 0, "base")
    document, other = Document(1, base.state()), Document(2, base.state())
    own: list[bytes] = []
    document.on_update(own.append)
    document.edit(4, 4, " mine")
    other.edit(0, 0, "theirs ")
    changes: list[Change] = []
    document.on_change(changes.append)

    became = document.become(other.state(), own)

    assert (became.changed, became.refused, became.lost) == (True, [], [])
    assert document.text == document.lines.text() == "theirs base mine"
    assert changes == [Change(((0, 0, "theirs "),), local=False, undo=False)]
    document.edit(0, 0, "on ")
    other.apply_own(document.state())
    assert other.text == document.text


def test_the_same_state_keeps_what_can_be_undone() -> None:
    """Where the other state is this one, nobody is told anything."""
    document = Document(1)
    document.track_undo()
    document.edit(0, 0, "mine")
    changes: list[Change] = []
    document.on_change(changes.append)

    assert not document.become(document.state(), []).changed
    assert changes == []
    assert document.undo()


def test_own_words_that_do_not_fit_any_more() -> None:
    """What was written on top of text that is gone is given back as words, and nobody else's with it."""
    gone = Document(2)
    gone.edit(0, 0, "gone text")
    document = Document(1, gone.state())
    own: list[bytes] = []
    document.on_update(own.append)
    document.edit(4, 4, " mine")
    other = Document(3)
    other.edit(0, 0, "stays")

    became = document.become(other.state(), own)
    text = document.text
    document.edit_each(became.lost)

    assert became.refused == [0]
    assert text == "stays"
    assert document.text in {" minestays", "stays mine"}


def test_a_cut_within_a_character() -> None:
    """The rest of an update whose first part is known is not taken where that ends within a character."""
    known, longer = Document(5), Document(5)
    known.edit(0, 0, "abc")
    longer.edit(0, 0, "ab😀d")
    document = Document(1)
    document.apply_untrusted(known.state(), 5)

    with pytest.raises(Quarantined, match="splits a character"):
        document.apply_untrusted(longer.state(), 5, overlap=True)

    assert document.text == "abc"
