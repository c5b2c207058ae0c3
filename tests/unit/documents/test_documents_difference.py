"""difference: small edits, in bounded time."""

from __future__ import annotations

from peergos_collab.documents import MOST_EDITS, Document, difference


def applied(old: str, new: str) -> str:
    document = Document(1)
    document.edit(0, 0, old)
    document.edit_each(difference(old, new))
    return document.text


def test_equal_texts() -> None:
    """Nothing to do where nothing changed."""
    assert difference("same\ntext", "same\ntext") == []


def test_one_word() -> None:
    """A changed word costs an edit of that word, not of its line."""
    old, new = "one\nthe quick brown fox\nthree\n", "one\nthe quick red fox\nthree\n"
    ((start, end, replacement),) = difference(old, new)

    assert old[:start] + replacement + old[end:] == new
    assert end - start <= len("brown")


def test_places_far_apart() -> None:
    """Changes far apart stay apart, so the text between keeps its identity."""
    middle = "".join(f"line {i}\n" for i in range(100))

    assert difference(f"a\n{middle}b\n", f"A\n{middle}B\n") == [
        (0, 1, "A"),
        (len(middle) + 2, len(middle) + 3, "B"),
    ]


def test_every_line_of_a_big_text() -> None:
    """More changes than one transaction may hold are joined, and the result is still exact."""
    old = "".join(f"line {i} is here\n" for i in range(3 * MOST_EDITS))
    new = old.replace("is", "was")

    assert len(difference(old, new)) <= MOST_EDITS
    assert applied(old, new) == new


def test_big_texts_with_nothing_in_common() -> None:
    """A megabyte of equal lines against one of others ends at once: the work is counted, not only timed."""
    old, new = "a b\n" * 250_000, "b a c\n" * 160_000

    assert applied(old, new) == new
