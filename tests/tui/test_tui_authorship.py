"""Who wrote what is in sight: worked out without a screen, and shown on one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents import Document
from peergos_collab.workspace.api import Writer
from support.screen_workspace import FakeWorkspace, join
from support.screens import painted, running, settle
from tui.viewmodels.authorship import Authors, Authorship
from tui.viewmodels.people import Colours


def two(text: str) -> tuple[Document, Document]:
    """One document in two hands."""
    mine = Document(1)
    mine.edit(0, 0, text)
    theirs = mine.fork(2)
    mine.on_update(lambda update: theirs.apply_untrusted(update, 1))
    theirs.on_update(lambda update: mine.apply_untrusted(update, 2))
    return mine, theirs


EDITS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 60), st.integers(0, 6), st.text("ab\n漢😀", max_size=6)),
    max_size=12,
)


@given(EDITS, st.integers(0, 30), st.integers(0, 40), st.data())
def test_what_is_known_moves_with_the_text(
    edits: list[tuple[bool, int, int, str]], start: int, size: int, data: st.DataObject
) -> None:
    """Whatever is typed, here or there, no character in sight is ever said to be somebody else's."""
    mine, theirs = two("some words to begin with, and more of them\n")
    seen = Authorship(mine)
    mine.on_change(seen.apply_change)
    seen.look_at(start, start + size)
    seen.learn((), lambda: False)
    for here, at, length, text in edits:
        document = mine if here else theirs
        at = min(at, len(document))
        document.edit(at, min(len(document), at + length), text)
        for offset in range(len(mine)):
            assert seen.client(offset) in (None, mine.writer_at(offset))
        if data.draw(st.booleans()):
            start = data.draw(st.integers(0, len(mine)))
            seen.look_at(start, start + size)
            seen.learn((), lambda: False)
            end = min(len(mine), start + size)
            assert [seen.client(at) for at in range(start, end)] == [
                mine.writer_at(at) for at in range(start, end)
            ]


def test_only_what_is_in_sight_is_looked_at_and_each_character_once() -> None:
    """A key that was typed here costs no look at all; a page that scrolls, the lines that are new."""
    document = Document(1)
    document.edit(0, 0, "0123456789" * 1000)
    looked: list[int] = []
    look = document.writer_at
    document.writer_at = lambda offset: (looked.append(offset), look(offset))[1]  # type: ignore[method-assign]
    seen = Authorship(document)
    document.on_change(seen.apply_change)
    seen.look_at(100, 200)
    assert not seen.learn((150,), lambda: False)
    assert looked == [150, *range(100, 150), *range(151, 200)]
    looked.clear()
    document.edit(120, 120, "x")
    document.edit(5, 5, "y")
    seen.look_at(101, 202)
    seen.learn((), lambda: False)
    assert looked == []
    seen.look_at(111, 212)
    seen.learn((), lambda: False)

    assert looked == list(range(202, 212))


def test_a_look_ends_when_it_took_long_enough() -> None:
    """And goes on where it was."""
    document = Document(1)
    document.edit(0, 0, "abcdef")
    seen = Authorship(document)
    seen.look_at(0, 6)
    asked = iter([False, False, True])

    assert seen.learn((), lambda: next(asked))
    assert [seen.client(at) for at in range(6)] == [1, 1, None, None, None, None]
    assert not seen.learn((), lambda: False)


def test_a_line_shows_who_wrote_most_of_it_first_and_oneself_not_at_all() -> None:
    """Colours are people's, whichever device they wrote on."""
    document, other = two("mine ")
    third = document.fork(3)
    other.edit(5, 5, "Ana's long ")
    seen = Authors(Authorship(document), Colours())
    document.apply_untrusted(_inserted(third, 0, "B "), 3)
    seen.authorship.look_at(0, len(document))
    seen.authorship.learn((), lambda: False)
    assert seen.unknown() == [1, 2, 3]
    seen.name(1, Writer("Me", "me", me=True))
    seen.name(2, Writer("Ana", "ana"))
    seen.name(3, Writer("Ben", "ben", unverified=True))

    ana, ben = (colour for _, colour in seen.legend()[1:])
    assert [name for name, _ in seen.legend()] == ["you", "Ana", "Ben (unverified)"]
    assert seen.marks(0, len(document)) == [ana, ben]
    assert seen.marks(2, 6) == []
    assert [(one.start, one.end, one.colour) for one in seen.stretches(0, 9)] == [
        (0, 2, ben),
        (2, 7, None),
        (7, 9, ana),
    ]


def _inserted(document: Document, at: int, text: str) -> bytes:
    updates: list[bytes] = []
    document.on_update(updates.append)
    document.edit(at, at, text)
    return updates[0]


async def test_the_editor_shows_and_hides_authors() -> None:
    """A key does it; the help names it, the title says who is who, the mouse hits what it points at."""
    mine, theirs = FakeWorkspace(), FakeWorkspace()
    await mine.new_document("notes", "I began\n")
    join(mine, theirs, "notes")
    async with running(mine) as pilot:
        await pilot.press("enter")
        await settle(pilot, "I began")
        other = theirs.documents["notes"]
        mine.open_handles["notes"].writers[other.client] = Writer("Ann [b]", "ann", unverified=True)
        other.edit(8, 8, "she went on")
        await pilot.press("f4")
        shown = await settle(pilot, "by you ▌Ann [b] (unverified)")
        assert "▌  she went on" in shown
        assert "▌  I began" not in shown
        other.edit(0, 0, "yes, ")
        await settle(pilot, "▌  yes, I began")
        await pilot.click("#editor", offset=(1 + 3 + 5, 0))
        await pilot.press("!")
        await settle(pilot, "yes, !I began")
        await pilot.press("f1")
        await settle(pilot, "F4 shows who wrote what")
        await pilot.press("escape")
        await pilot.press("f4")
        await settle(pilot, "▌Ann", gone=True)
        assert "▌" not in painted(pilot.app)  # type: ignore[arg-type]
