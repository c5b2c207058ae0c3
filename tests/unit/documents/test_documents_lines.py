"""LineIndex: chunks, rows, columns and bytes."""

from __future__ import annotations

import pytest

from peergos_collab.documents.lines import CHUNK, LineIndex


def test_only_line_feed_ends_a_line() -> None:
    """Other separators are ordinary characters of their line."""
    index = LineIndex("a\r\nb\u2028c\x0cd\x85e\n")

    assert index.count == 3
    assert [index.line(row) for row in range(3)] == ["a\r", "b\u2028c\x0cd\x85e", ""]


def test_empty_text_has_one_empty_line() -> None:
    """An empty text has one line and one position."""
    index = LineIndex()

    assert (index.count, index.line(0), index.position(0), index.offset(0, 9)) == (1, "", (0, 0), 0)


def test_line_longer_than_chunks() -> None:
    """A line may span many chunks and is found from both of its ends."""
    text = "x\n" + "é" * (3 * CHUNK) + "\ny"
    index = LineIndex(text)

    assert index.line(1) == "é" * (3 * CHUNK)
    assert index.position(3 * CHUNK + 2) == (1, 3 * CHUNK)
    assert index.offset(1, 3 * CHUNK) == 3 * CHUNK + 2
    assert index.offset(2, 0) == 3 * CHUNK + 3
    assert index.byte_offset(3 * CHUNK + 2) == 6 * CHUNK + 2


def test_columns_end_with_their_line() -> None:
    """A column beyond the end of its line means the end of the line."""
    index = LineIndex("ab\nc")

    assert index.offset(0, 99) == 2
    assert index.offset(1, 99) == 4


@pytest.mark.parametrize("row", [-1, 2])
def test_rows_outside(row: int) -> None:
    """There is no line outside of the text."""
    index = LineIndex("a\nb")
    with pytest.raises(IndexError):
        index.line(row)
    with pytest.raises(IndexError):
        index.offset(row, 0)


def test_offsets_outside() -> None:
    """There is no position outside of the text, nor a negative column."""
    index = LineIndex("日")
    for wrong in (-1, 2):
        with pytest.raises(IndexError):
            index.position(wrong)
        with pytest.raises(IndexError):
            index.byte_offset(wrong)
    with pytest.raises(IndexError):
        index.offset_of_byte(4)
    with pytest.raises(IndexError):
        index.offset(0, -1)


def test_byte_inside_a_character() -> None:
    """A byte offset inside a character is refused, never rounded."""
    with pytest.raises(ValueError, match="utf-8"):
        LineIndex("日").offset_of_byte(1)


def test_deleting_all_leaves_one_chunk() -> None:
    """Much deletion leaves no dust of chunks, and the index works on."""
    index = LineIndex("line\n" * 5_000)
    while index.length > 100:
        index.replace(10, 100, "")
    index.replace(0, index.length, "")

    assert (index.text(), index.count, index.byte_length, len(index._texts)) == ("", 1, 0, 1)


def test_growing_chunks_are_cut() -> None:
    """Typing at one place forever never makes an edit copy more than a few chunks."""
    index = LineIndex()
    for at in range(5 * CHUNK):
        index.replace(at, at, "x")

    assert max(map(len, index._texts)) <= 2 * CHUNK
