"""What folds keep of themselves between two starts."""

from __future__ import annotations

from contextlib import suppress

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import DeviceId, ObjectId, RunId
from peergos_collab.documents import Document, prove
from peergos_collab.errors import Damaged, PeergosCollabError
from peergos_collab.files import EntryId, encode_changes, put_entry
from peergos_collab.objects.payload import Kind
from peergos_collab.workspace.folds import DocumentFold, EntriesFold
from support.false_neighbours import world
from support.histories import History, author


def fold() -> DocumentFold:
    return DocumentFold(ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16), lambda: 1)


def lived(rounds: int = 300) -> DocumentFold:
    """A document of which most is gone again."""
    one = fold()
    for number in range(rounds):
        one.document.edit(0, len(one.document), f"round {number} 😀")
        one.document.edit(0, 0, "x")
    one.take_attached(one.document.state())
    return one


@pytest.mark.parametrize("rounds", [0, 1, 300])
def test_a_document_is_kept(rounds: int) -> None:
    """Of one that has lived long what it shows is kept apart, and the state is read once it is needed."""
    before = lived(rounds)
    kept = before.dirty_state()
    after, read = fold(), list[bytes]()

    def load(part: bytes) -> bytes | None:
        read.append(part)
        return kept.get(part)

    assert after.load_state(load)
    assert after.document.text == before.document.text
    assert read == [b""]
    after.document.edit(0, 0, "on ")

    assert len(read) == len([state for state in kept.values() if state is not None])
    assert len(read) == (2 if rounds == 300 else 1)
    assert after.document.text == f"on {before.document.text}"
    assert after.dirty_state() != {}


def test_a_document_that_grows_is_kept_in_one_part_again() -> None:
    """The other goes from the disk: it may hold what is to be forgotten."""
    one = lived()
    assert len(one.dirty_state()) == 2
    one.document.edit(0, 0, "much more " * 3_000)
    grown = one.dirty_state()

    assert [part for part, state in grown.items() if state is None] == [b"state"]
    after = fold()
    assert after.load_state(grown.get)
    assert after.document.text == one.document.text
    after.document.edit(0, 0, "on")
    assert list(after.dirty_state()) == [b""]


@pytest.mark.parametrize("how", ["gone", "unreadable", "of before"])
def test_a_state_that_turns_out_to_be_damaged(how: str) -> None:
    """Who needs it is told, and so is who has the document in use; the text stays readable."""
    before = lived()
    old = before.dirty_state()
    before.document.edit(0, 0, "later ")
    kept = before.dirty_state()

    def load(part: bytes) -> bytes | None:
        if part == b"":
            return kept[part]
        if how == "gone":
            return None
        if how == "of before":
            return old[part]
        raise Damaged("a bit is wrong")

    after, told = fold(), list[Damaged]()
    after.on_damage.append(told.append)
    assert after.load_state(load)
    for work in (after.document.wake, after.save_whole, lambda: after.document.edit(0, 0, "x")):
        with pytest.raises(Damaged):
            work()

    assert len(told) == 3
    assert after.snapshot_state() is None
    assert after.document.offset_untrusted(before.document.anchor(0)) is None
    assert after.document.text == before.document.text
    assert after.dirty_state() == {}


def test_what_goes_from_the_disk_is_read_before() -> None:
    """Of a document that is shown by its text all is there to be saved anew."""
    before = lived()
    kept = dict(before.dirty_state())
    after = fold()
    assert after.load_state(kept.pop)
    after.save_whole()

    assert kept == {}
    again = fold()
    assert again.load_state(after.dirty_state().get)
    again.document.edit(0, 0, "on ")
    assert again.document.text == f"on {before.document.text}"


def test_what_a_document_shows_is_kept_once_that_is_sure() -> None:
    """Two wrote it: until it is known that both wrote where they could, its state is all that is kept."""
    one, two = lived(), Document(2)
    two.apply_own(one.document.state())
    two.edit(0, 3, "by another")
    one.take_attached(two.state())
    assert one.document.may_show_otherwise
    assert one.dirty_state()[b"state"] is None

    assert one.end_proof(prove(one.document.begin_proof()))

    assert one.dirty_state()[b"state"] is not None
    assert one.dirty_state() == {}


def test_what_is_false_may_show_otherwise_once_it_is_read_again() -> None:
    """A document saved before anybody looked at what came is taken as it is read, and can be written in."""
    otherwise = 0
    for seed in range(60):
        one, after = fold(), fold()
        for said in world(seed).said:
            with suppress(PeergosCollabError):
                one.document.apply_untrusted(said.update, said.client)
        one.save_whole()
        assert after.load_state(one.dirty_state().get)
        otherwise += after.document.text != one.document.text
        after.document.edit(0, 0, "on ")

    assert otherwise


@pytest.mark.parametrize("stored", [b"", b"nonsense", encode([]), encode([b"\xff" * 9]), encode([1])])
def test_a_state_that_cannot_be_read(stored: bytes) -> None:
    """Is rebuilt from the segments."""
    with pytest.raises(Damaged):
        fold().load_state(lambda _: stored)


def test_entries_that_count_no_more_are_looked_at() -> None:
    """Once all is folded anew without what brought them: else their objects would stay in use."""
    ana, entry = author("Ana"), EntryId(b"e" * 16)
    written = History().write(
        ana, lambda at: encode_changes(at, [put_entry(entry, "notes", "doc", b"", now=5)]), kind=Kind.ENTRIES
    )
    before, anew = EntriesFold(ana.device), EntriesFold(ana.device)
    before.take_untrusted(written.delivery)
    assert before.take_touched() == {entry}
    before.adopt(anew, [])

    assert before.take_touched() == {entry}
    assert before.view.view(entry) is None
