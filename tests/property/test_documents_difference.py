"""The difference of any two texts turns one into the other."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents import Document, difference

lines = st.lists(st.sampled_from(["one", "two words", "", "日本 😀", "\r", "x\u2028y"]), max_size=12).map(
    "\n".join
)
texts = lines | st.text(st.characters(codec="utf-8"), max_size=40)


@given(texts, texts)
def test_difference_is_exact(old: str, new: str) -> None:
    """Applied through edit_many, it gives exactly the new text, with edits in order."""
    edits = difference(old, new)
    document = Document(1)
    document.edit(0, 0, old)
    document.edit_many(edits)

    assert document.text == new
    assert all(before[1] < after[0] for before, after in pairwise(edits))
