"""The cursor in a live document: keys, other people's edits, wide characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents import Change, Document
from tui.viewmodels.clusters import cluster_ends
from tui.viewmodels.editing import TextModel
from tui.viewmodels.viewport import Viewport
from tui.viewmodels.writers import character_meant

FAMILY = "👨\u200d👩\u200d👧"


def model_of(text: str, *, width: int = 20, can_write: bool = True) -> TextModel:
    document = Document(1)
    if text:
        document.edit(0, 0, text)
    model = TextModel(document, can_write=can_write)
    model.set_width(width)
    document.on_change(model.apply_change)
    return model


def boundaries(text: str) -> set[int]:
    """Cluster boundaries of a whole text; the place between CR and LF is none."""
    found = {0}
    start = 0
    for line in text.split("\n"):
        body = line
        crlf = body.endswith("\r") and start + len(body) < len(text)
        if crlf:
            body = body[:-1]
        found.add(start)
        found.update(start + end for end in cluster_ends(body))
        start += len(line) + 1
    return found


@pytest.mark.parametrize("cluster", ["a", "漢", FAMILY, "e\u0301", "🇩🇪", "👍🏽", "\u2028", "\x0c"])
def test_backspace_deletes_what_a_person_sees_as_one(cluster: str) -> None:
    """One press removes a whole cluster and nothing else."""
    model = model_of(f"x{cluster}y")
    model.move_to(1 + len(cluster))
    model.backspace()

    assert model.document.text == "xy"
    assert model.head == 1


def test_left_and_right_step_over_clusters() -> None:
    """The cursor never stops inside a family."""
    model = model_of(f"a{FAMILY}b")
    seen = [model.head]
    for _ in range(3):
        model.move_right()
        seen.append(model.head)
    model.move_left()
    model.move_left()

    assert seen == [0, 1, 1 + len(FAMILY), 2 + len(FAMILY)]
    assert model.head == 1


def test_crlf_is_one_line_end() -> None:
    """The cursor goes around CRLF, Enter makes another, Backspace takes one away whole."""
    model = model_of("one\r\ntwo\r\n")
    model.move_end()
    at_end = model.head
    model.new_line()
    after_enter = model.document.text
    model.backspace()
    model.move_right()

    assert at_end == 3
    assert after_enter == "one\r\n\r\ntwo\r\n"
    assert model.document.text == "one\r\ntwo\r\n"
    assert model.head == 5


def test_enter_in_a_plain_text_is_a_plain_line_end() -> None:
    """No CR appears where there was none."""
    model = model_of("one\ntwo")
    model.move_end()
    model.new_line()

    assert model.document.text == "one\n\ntwo"


def test_a_paste_takes_the_line_ends_of_the_text_around() -> None:
    """Terminals send CR for a line end; the document keeps its own kind."""
    crlf, plain = model_of("a\r\nb"), model_of("a\nb")
    crlf.paste("1\r2\n3")
    plain.paste("1\r2\r\n3")

    assert crlf.document.text.startswith("1\r\n2\r\n3a\r\n")
    assert plain.document.text.startswith("1\n2\n3a\n")


def test_up_and_down_keep_the_cell_aimed_at() -> None:
    """Through a short line and through wide characters the cursor returns to its column."""
    model = model_of("abcdef\nx\n漢字漢字\nabcdef")
    model.move_to(4)
    model.move_lines(2)
    in_wide = model.head
    model.move_lines(1)

    assert in_wide == len("abcdef\nx\n漢字")
    assert model.head == len("abcdef\nx\n漢字漢字\nabcd")


def test_down_follows_the_wrapped_page() -> None:
    """In a long paragraph one step is one line on screen."""
    model = model_of("one two three four five six", width=10)
    model.move_lines(1)

    assert model.head == len("one two ")


def test_a_reader_changes_nothing() -> None:
    """Every edit is refused and leaves the text alone."""
    model = model_of("text", can_write=False)
    refused = [model.insert("x"), model.delete(), model.new_line(), model.undo(), model.paste("x")]

    assert refused == [False] * 5
    assert model.document.text == "text"


def pair(text: str) -> tuple[TextModel, Document]:
    """A model, and another person's document joined to it."""
    mine = Document(1)
    mine.edit(0, 0, text)
    theirs = mine.fork(2)
    mine.on_update(lambda update: theirs.apply_untrusted(update, 1))
    theirs.on_update(lambda update: mine.apply_untrusted(update, 2))
    mine.track_undo()
    model = TextModel(mine)
    mine.on_change(model.apply_change)
    return model, theirs


def test_the_selection_stays_on_its_words_through_edits_of_others() -> None:
    """Text that others write before it moves it along."""
    model, theirs = pair("one two three")
    model.move_to(4)
    model.move_to(7, select=True)
    theirs.edit(0, 0, "zero ")

    assert model.selected == "two"


def test_undo_takes_back_my_words_only() -> None:
    """What the other wrote in between stays, and the cursor goes where the undo was."""
    model, theirs = pair("base ")
    model.move_to(5)
    model.insert("mine")
    theirs.edit(0, 0, "theirs ")
    model.undo()

    assert model.document.text == "theirs base "
    assert theirs.text == "theirs base "
    assert model.head == len("theirs base ")


def test_undo_without_anything_to_undo_leaves_others_alone() -> None:
    """An undo in a text only others wrote does nothing."""
    model, theirs = pair("")
    theirs.edit(0, 0, "theirs")
    model.undo()

    assert model.document.text == "theirs"


MOVES = ["left", "right", "up", "down", "home", "end", "word_left", "word_right"]
SELECTS = ["select_right", "select_down", "select_word"]
EDITS = ["insert", "backspace", "delete", "new_line", "undo", "redo", "other", "other_delete"]
KEYS = st.sampled_from([*MOVES, *SELECTS, *EDITS])
TEXTS = st.text(st.sampled_from("ab \n漢😀👍🏽\u0301\u200d🇩🇪\u2028\x0c\x85é\r\t"), max_size=12)


@given(TEXTS, st.lists(st.tuples(KEYS, TEXTS, st.integers(0, 10**6)), max_size=25), st.integers(2, 12))
def test_any_keys_and_any_edits_of_others_keep_all_in_step(
    start: str, steps: list[tuple[str, str, int]], width: int
) -> None:
    """Both ends hold one text, an edit does exactly what it says, and the cursor stays between clusters."""
    model, theirs = pair("start\n" + start)
    model.set_width(width)
    view = Viewport(model)
    view.resize(width, 5)
    for name, text, number in steps:
        before, stood = model.document.text, model.head
        first, last = model.selection
        match name:
            case "left":
                model.move_left()
            case "right":
                model.move_right()
            case "up":
                model.move_lines(-1 - number % 3)
            case "down":
                model.move_lines(1 + number % 3)
            case "home":
                model.move_home()
            case "end":
                model.move_end()
            case "word_left":
                model.move_to(model.word_before(model.head))
            case "word_right":
                model.move_to(model.word_after(model.head))
            case "select_right":
                model.move_right(select=True)
            case "select_down":
                model.move_lines(1, select=True)
            case "select_word":
                model.select_word(number % (len(model.document) + 1))
            case "backspace":
                model.backspace()
            case "delete":
                model.delete()
            case "new_line":
                model.new_line()
            case "undo":
                model.undo()
            case "redo":
                model.redo()
            case "insert":
                model.insert(text)
                assert model.document.text == before[:first] + text + before[last:]
                assert model.head == first + len(text)
            case "other":
                theirs.edit(number % (len(theirs) + 1), number % (len(theirs) + 1), text)
            case "other_delete":
                at = number % (len(theirs) + 1)
                theirs.edit(at, min(len(theirs), at + len(text)), "")

        assert theirs.text == model.document.text
        assert 0 <= model.selection[0] <= model.selection[1] <= len(model.document)
        # Typing may leave the cursor within a cluster that it made; whatever moves it next puts it right.
        typed = name in ("insert", "new_line") or (model.document.text, model.head) == (before, stood)
        if not typed:
            assert model.head in boundaries(model.document.text)
        view.reveal(model.head)
        place = model.place(model.head)
        assert (place.row, place.piece) in view.lines()


def test_the_page_stands_still_while_others_write_above() -> None:
    """The first line in sight is the same text after lines came and went above it."""
    model, theirs = pair("\n".join(f"line {number}" for number in range(100)))
    view = Viewport(model)
    view.resize(20, 10)
    tops: list[str] = []

    def follow(change: Change) -> None:
        view.follow(top[0], change)
        top[0] = view.top_offset()

    view.scroll(40)
    top = [view.top_offset()]
    model.document.on_change(follow)
    for edit in ((0, 0, "new\nlines\n"), (0, 30, ""), (15, 15, "x" * 300 + "\n")):
        theirs.edit(*edit)
        tops.append(model.row_text(view.row))

    assert tops == ["line 40"] * 3


# Who wrote what


@pytest.mark.parametrize(
    ("text", "anchor", "head", "meant"),
    [
        ("", 0, 0, None),
        ("ab\ncd", 1, 1, 1),
        ("ab\ncd", 2, 2, 1),
        ("ab\r\ncd", 2, 2, 1),
        ("ab\ncd", 5, 5, 4),
        ("ab\n\ncd", 3, 3, 3),
        ("ab\n", 3, 3, 2),
        ("ab\ncd", 4, 2, 2),
    ],
)
def test_the_character_meant(text: str, anchor: int, head: int, meant: int | None) -> None:
    """The one under the cursor, before it at the end of a line, the first one selected."""
    model = model_of(text)
    model.anchor, model.head = anchor, head

    assert character_meant(model) == meant
