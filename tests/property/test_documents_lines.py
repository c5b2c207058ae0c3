"""The line index against a naive count, with small chunks so that every seam is met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents import lines as module
from peergos_collab.documents.lines import LineIndex

texts = st.text(st.sampled_from("ab\n\r\u2028\x0c\x85é日😀\u200d"), max_size=60)
edits = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50), texts), max_size=12)


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> object:
    with pytest.MonkeyPatch.context() as patch:
        for name, size in (("CHUNK", 8), ("LARGEST", 16), ("SMALLEST", 2)):
            patch.setattr(module, name, size)
        yield


@given(texts, edits, st.integers(0, 1_000))
def test_against_a_naive_count(text: str, changes: list[tuple[int, int, str]], pick: int) -> None:
    """Every answer equals what a plain string gives, after every edit."""
    index = LineIndex(text)
    for start, length, replacement in changes:
        start = min(start, len(text))
        end = min(start + length, len(text))
        assert index.replace(start, end, replacement) == text[start:end]
        text = text[:start] + replacement + text[end:]

        rows = text.split("\n")
        assert (index.text(), index.length, index.byte_length) == (text, len(text), len(text.encode()))
        assert index.count == len(rows)
        assert [index.line(row) for row in range(len(rows))] == rows
        offset = pick % (len(text) + 1)
        before = text[:offset]
        row, column = before.count("\n"), offset - before.rfind("\n") - 1
        assert index.position(offset) == (row, column)
        assert index.offset(row, column) == offset
        assert index.byte_offset(offset) == len(before.encode())
        assert index.offset_of_byte(len(before.encode())) == offset
        assert index.slice(offset // 2, offset) == text[offset // 2 : offset]
