"""What folds keep of themselves between two starts."""

from __future__ import annotations

from contextlib import suppress

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import DeviceId, ObjectId, RunId
from peergos_collab.errors import Damaged, PeergosCollabError
from peergos_collab.files import EntryId, encode_changes, put_entry
from peergos_collab.objects.payload import Kind
from peergos_collab.workspace.folds import DocumentFold, EntriesFold
from support.false_neighbours import world
from support.histories import History, author


def fold() -> DocumentFold:
    return DocumentFold(ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16), lambda: 1)


@pytest.mark.parametrize("rounds", [0, 1, 30])
def test_a_document_is_kept(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that has lived long what it shows is kept as well, and the engine waits until it is needed."""
    before = fold()
    for number in range(rounds):
        before.document.edit(0, len(before.document), f"round {number} 😀")
        before.document.edit(0, 0, "x")
    before.take_attached(before.document.state())
    kept = before.dirty_state()
    after = fold()
    woken: list[bool] = []
    with monkeypatch.context() as patch:
        patch.setattr("peergos_collab.documents.indexed_text._engine_of", lambda *_: woken.append(True))
        if rounds == 30:
            assert after.load_state(kept.get)
            assert after.document.text == before.document.text
    if rounds < 30:
        assert after.load_state(kept.get)
    assert woken == []
    after.document.edit(0, 0, "on ")

    assert after.document.text == f"on {before.document.text}"
    assert after.dirty_state() != {}


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
