"""A document whose text is shown before the engine has taken in its state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peergos_collab.documents import Document, Shown
from peergos_collab.documents import indexed_text as module
from peergos_collab.documents.replica import Replica
from peergos_collab.errors import Quarantined


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The client ids of the engines that were made."""
    made: list[int] = []

    def make(client: int, state: bytes | None) -> Replica:
        made.append(client)
        return Replica(client, state)

    monkeypatch.setattr(module, "Replica", make)
    return made


def lived() -> Document:
    """Two wrote it; not much is left."""
    one, other = Document(1), Document(2)
    one.on_update(lambda update: other.apply_untrusted(update, 1))
    other.on_update(lambda update: one.apply_untrusted(update, 2))
    for number in range(20):
        one.edit(0, len(one) // 2, f"o😀ne {number} ")
        other.edit(len(other), len(other), f"other {number} ")
        other.edit(1, 5, "")
    return Document(1, one.state())


def asleep(engines: list[int], client: int = 1) -> tuple[Document, Document]:
    """One that was just opened, and the one that it was saved from."""
    before = lived()
    shown, state = before.shown(), before.state()
    engines.clear()
    return Document(client, state, shown=shown), before


def test_it_is_read_without_an_engine(engines: list[int]) -> None:
    """Text, lines, clocks, and the state itself, which can be given on as it is."""
    document, before = asleep(engines)

    assert document.text == before.text
    assert len(document) == len(before)
    assert document.lines.byte_length == len(before.text.encode())
    assert document.clocks() == before.clocks()
    assert document.knows(2, 0)
    assert document.state() == before.state() == document.state_without_deleted()
    assert document.client == 1
    assert engines == []


def _edit(document: Document) -> None:
    document.edit(3, 6, "x😀y")


def _edit_many(document: Document) -> None:
    document.edit_many([(0, 1, "a"), (4, 6, ""), (8, 8, "b😀")])


def _take(document: Document) -> None:
    other = Document(3, document.state())
    updates: list[bytes] = []
    other.on_update(updates.append)
    other.edit(2, 4, "theirs")
    document.apply_untrusted(updates[0], 3)


def _take_together(document: Document) -> None:
    with document.catching_up():
        _take(document)


def _undo(document: Document) -> None:
    document.track_undo()
    document.edit(0, 3, "gone")
    assert document.undo()
    document.edit(0, 0, "kept")


def _anchor(document: Document) -> None:
    assert document.offset_untrusted(document.anchor(4)) == 4
    assert document.writer_at(0) in (1, 2)


def _become(document: Document) -> None:
    other = Document(3, document.state())
    other.edit(0, 2, "other")
    document.become(other.state(), [])


@pytest.mark.parametrize(
    "do", [_edit, _edit_many, _take, _take_together, _undo, _anchor, _become, Document.wake]
)
def test_what_needs_the_engine_wakes_it(engines: list[int], do: Callable[[Document], None]) -> None:
    """And all is as if it had been there from the start."""
    document, before = asleep(engines)
    do(document)
    do(before)

    assert document.text == before.text == "".join(document.lines.text())
    assert document.is_same(before)
    assert engines != []
    for each in (document, before):
        each.edit(0, 1, "and on")
    assert document.is_same(before)


def test_its_state_is_read_once_it_is_needed(engines: list[int]) -> None:
    """Each time until the engine has it, and not again."""
    before = lived()
    state, read = before.state(), list[int]()

    def load() -> bytes:
        read.append(1)
        return state

    document = Document(1, load, shown=before.shown())
    assert document.text == before.text
    assert read == []
    assert document.state() == state
    document.edit(0, 0, "x")
    document.state()
    assert len(read) == 2


def test_undo_that_was_asked_for_early_begins_with_the_first_edit(engines: list[int]) -> None:
    """An editor asks for it when it opens."""
    document, before = asleep(engines)
    document.track_undo()
    assert engines == []
    document.edit(0, 0, "typed")
    assert document.undo()

    assert document.text == before.text


@pytest.mark.parametrize("what", ["text", "clocks", "state"])
def test_what_does_not_belong_together_is_refused(what: str) -> None:
    """Before anything is changed by it: the offsets of another text would spoil this one."""
    before = lived()
    state = b"nonsense" if what == "state" else before.state()
    text = "x" * len(before) if what == "text" else before.text
    clocks = {1: 7} if what == "clocks" else before.clocks()
    document = Document(1, state, shown=Shown(text, clocks))
    with pytest.raises(Quarantined):
        document.edit(0, 1, "x")

    assert document.text == text


def test_undo_goes_on_where_all_was_folded_anew(engines: list[int]) -> None:
    """What is typed after that can be taken back without anybody having asked again."""
    document, _ = asleep(engines)
    document.track_undo()
    _become(document)
    text = document.text
    document.edit(0, 0, "typed")

    assert document.undo()
    assert document.text == text
