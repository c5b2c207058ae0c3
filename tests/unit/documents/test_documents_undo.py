"""Undo and redo."""

from __future__ import annotations

from peergos_collab.documents import Change, Document


def typed(document: Document, text: str) -> None:
    for character in text:
        document.edit(len(document), len(document), character)


def test_words_are_steps() -> None:
    """A word typed is one step, with the space behind it."""
    document = Document(1)
    document.track_undo()
    typed(document, "two words")

    assert document.undo()
    assert document.text == "two "
    assert document.undo()
    assert document.text == ""
    assert not document.undo()
    assert document.redo()
    assert document.redo()
    assert document.text == "two words"
    assert not document.redo()


def test_pauses_are_steps() -> None:
    """Half a second without typing begins a new step."""
    now = [0]
    document = Document(1, clock=lambda: now[0])
    document.track_undo()
    typed(document, "ab")
    now[0] += 499
    typed(document, "c")
    now[0] += 500
    typed(document, "d")
    document.undo()

    assert document.text == "abc"


def test_erasing_is_one_step() -> None:
    """A run of backspaces comes back at once."""
    document = Document(1)
    document.edit(0, 0, "erase me")
    document.track_undo()
    for end in range(8, 5, -1):
        document.edit(end - 1, end, "")
    document.undo()

    assert document.text == "erase me"


def test_never_somebody_elses() -> None:
    """Undo takes back own edits only, wherever a colleague's landed meanwhile."""
    mine, theirs = Document(1), Document(2)
    mine.track_undo()
    mine.on_update(lambda update: theirs.apply_untrusted(update, 1))
    theirs.on_update(lambda update: mine.apply_untrusted(update, 2))
    mine.edit(0, 0, "mine")
    theirs.edit(2, 2, " THEIRS ")
    theirs.edit(0, 0, "> ")
    while mine.undo():
        pass

    assert mine.text == ">  THEIRS "
    assert theirs.text == mine.text
    assert mine.lines.text() == mine.text


def test_what_another_process_wrote_stays() -> None:
    """Own updates of another process are not part of this editor's undo."""
    here, there = Document(1), Document(2)
    here.track_undo()
    there.on_update(here.apply_own)
    there.edit(0, 0, "elsewhere")

    assert not here.can_undo
    assert not here.undo()
    assert here.text == "elsewhere"


def test_undo_is_told() -> None:
    """Undo gives its update to the journal and its change to the screen, as a change of its own kind."""
    document, replica = Document(1), Document(2)
    changes: list[Change] = []
    document.on_update(lambda update: replica.apply_untrusted(update, 1))
    document.on_change(changes.append)
    document.track_undo()
    document.edit(0, 0, "日😀\n")
    document.undo()
    document.redo()

    assert changes[1:] == [
        Change(((0, 3, ""),), local=True, undo=True),
        Change(((0, 0, "日😀\n"),), local=True, undo=True),
    ]
    assert replica.text == document.text == "日😀\n"
    assert document.clocks() == replica.clocks()


def test_asking_begins_to_remember() -> None:
    """Without track_undo, what was typed before the first question stays; what comes after does not."""
    document = Document(1)
    typed(document, "kept")

    assert not document.can_undo
    typed(document, " gone")
    while document.undo():
        pass
    assert document.text == "kept"


def test_several_edits_are_one_step() -> None:
    """edit_many is taken back as a whole."""
    document = Document(1)
    document.edit(0, 0, "one two")
    document.track_undo()
    document.edit_many([(0, 3, "1"), (4, 7, "2")])
    document.undo()

    assert document.text == "one two"
    assert not document.can_undo
    assert document.can_redo
