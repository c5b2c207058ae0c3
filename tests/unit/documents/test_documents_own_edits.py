"""Local edits that are written without the engine's search, against the engine's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents.marks import rising_marks
from peergos_collab.documents.replica import Replica

Step = tuple[int, int, str]


class Searching(Replica):
    """Has the engine find every place, and counts how often."""

    searches = 0

    def _edit_by_search(self, start: int, end: int, replacement: str) -> bytes:
        self.searches += 1
        return super()._edit_by_search(start, end, replacement)

    def search(self, start: int, end: int, replacement: str) -> bytes:
        return self._edit_by_search(start, end, replacement)


def typed(text: str, at: int = 0) -> list[Step]:
    return [(at + i, at + i, character) for i, character in enumerate(text)]


def erased(end: int, count: int) -> list[Step]:
    return [(end - i - 1, end - i, "") for i in range(count)]


def test_typing_on_gives_what_the_engine_would() -> None:
    """Byte for byte, with text on both sides, erased characters, pastes and an astral character between."""
    one, two = Searching(1, None), Searching(1, None)
    steps = [*typed("begin end"), *typed("the middle ", 6), *erased(17, 4), *typed("dst", 13)]
    steps += [(16, 16, "日😀")]
    steps += [*typed("x", 23), *erased(24, 1), (23, 23, "pasted"), (25, 29, "")]
    for step in steps:
        assert one.edit(*step) == two.search(*step)

    assert one.state() == two.state()
    assert one.searches == 2  # the first letter, and the first of the middle


def test_what_was_typed_here_is_deleted_without_a_search() -> None:
    """Anywhere, in any order, several pieces at once; what came from elsewhere is searched for."""
    other = Replica(2, None)
    one = Searching(1, other.edit(0, 0, "theirs "))
    for step in (*typed("abcdef", 7), *typed("XY", 9), *typed("Z", 0)):
        one.edit(*step)
    searches = one.searches
    one.edit(9, 14, "")
    one.edit(0, 1, "")

    assert one.searches == searches
    assert one.text() == "theirs aef"
    one.edit(2, 8, "")
    assert one.searches == searches + 1
    assert one.text() == "thef"


def test_a_colleagues_edit_at_the_caret_comes_between() -> None:
    """An insertion names neighbours that stand side by side, so after a colleague's it is searched for."""
    one, two = Searching(1, None), Replica(2, None)
    for step in typed("ab"):
        two.apply(one.edit(*step))
    one.apply(two.edit(2, 2, "!"))
    searches = one.searches
    two.apply(one.edit(2, 2, "c"))

    assert one.searches == searches + 1
    assert one.text() == two.text() == "abc!"


def test_characters_of_several_bytes_are_searched_for() -> None:
    """Clocks count UTF-16 units, so bytes do not tell which of them to delete."""
    one = Searching(1, None)
    for step in typed("aé"):
        one.edit(*step)
    one.edit(3, 3, "b")
    searches = one.searches
    one.edit(1, 3, "")

    assert one.searches == searches + 1
    assert one.text() == "ab"


def test_undo_takes_the_caret_away() -> None:
    """What was typed is gone, and the place behind it is another one."""
    one = Replica(1, Replica(2, None).edit(0, 0, "1234"))
    one.follow()
    for step in typed("ab", 1):
        one.edit(*step)
    one.undo()
    one.edit(3, 3, "c")

    assert one.text() == "123c4"


def test_wrong_ids_are_found_out() -> None:
    """Were an id ever wrong, the engine would wait for ever to apply the edit: it is made by search then."""
    one, two = Searching(1, None), Replica(2, None)
    for step in typed("ab"):
        two.apply(one.edit(*step))
    one._own._next += 5
    two.apply(one.edit(2, 2, "c"))
    one._own._clocks.erase(0, 3)
    one._own._clocks.insert(0, rising_marks(70, 3))
    two.apply(one.edit(0, 1, ""))

    assert one.text() == two.text() == "bc"
    assert Replica(3, one.state()).text() == "bc"


PLACES = st.floats(0, 1)
TEXTS = st.sampled_from(["a", "b", "\n", "cd", "é", "日本", "😀", "w😀w"])
KINDS = ["type", "type", "type", "erase", "erase", "jump", "cut", "theirs", "many", "undo", "redo"]
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), PLACES, PLACES, TEXTS),
    max_size=60,
)


@given(STEPS)
def test_any_edits_with_a_colleague(steps: list[tuple[str, float, float, str]]) -> None:
    """The replica has the text it should have after each step, and so has a colleague with its updates."""
    one, two = Replica(1, None), Replica(2, None)
    one.follow()
    caret = 0
    for kind, first, second, inserted in steps:
        text = one.text()
        low, high = sorted((round(first * len(text)), round(second * len(text))))
        caret = min(caret, len(text))
        if kind == "type":
            start, end, caret = caret, caret, caret + len(inserted)
        elif kind == "erase":
            start, end, inserted = max(0, caret - 1), caret, ""
            caret = start
        elif kind == "jump":
            start, end, caret = low, low, low + len(inserted)
        else:
            start, end = low, high
            inserted = "" if kind == "cut" else inserted
        span = (len(text[:start].encode()), len(text[:end].encode()), inserted)
        expected: str | None = text[:start] + inserted + text[end:]
        if kind == "theirs":
            one.apply(two.edit(*span))
        elif kind == "many":
            two.apply(one.edit_many([span]))
        elif kind in {"undo", "redo"}:
            two.apply((one.undo if kind == "undo" else one.redo)()[0])
            expected = None
        elif span[0] != span[1] or inserted:
            two.apply(one.edit(*span))
        assert one.text() == two.text()
        assert expected is None or one.text() == expected
