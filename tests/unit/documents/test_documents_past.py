"""The past of a text against the texts themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents import Edit, Past, Stretch

PLACES = st.floats(0, 1)
CHANGES = st.lists(st.lists(st.tuples(PLACES, PLACES, st.sampled_from(["", "a", "é😀", "\n"])), max_size=4))


def test_stretches_name_the_change() -> None:
    """Neighbours of one change are one stretch, and a change in their midst parts them."""
    past = Past()
    past.add([(0, 0, "abcd"), (4, 4, "ef")])
    past.add([(2, 3, "XY")])

    assert past.text(2) == "abXYdef"
    assert past.stretches(2) == [Stretch(0, 2, 0), Stretch(2, 4, 1), Stretch(4, 7, 0)]
    assert past.stretches(1) == [Stretch(0, 6, 0)]
    assert (past.size(0, 1), past.size(1, 2), past.size(0, 2)) == ((6, 0), (2, 1), (8, 1))


@given(CHANGES)
def test_every_text_of_the_past(changes: list[list[tuple[float, float, str]]]) -> None:
    """Each text comes back as it was, and each character is of the change that brought it."""
    past = Past()
    texts = [""]
    marks: list[list[int]] = [[]]
    for number, change in enumerate(changes):
        text, mark = texts[-1], list(marks[-1])
        edits: list[Edit] = []
        for first, second, inserted in change:
            start, end = sorted((round(first * len(text)), round(second * len(text))))
            edits.append((start, end, inserted))
            text = text[:start] + inserted + text[end:]
            mark[start:end] = [number] * len(inserted)
        past.add(edits)
        texts.append(text)
        marks.append(mark)

    assert [past.text(count) for count in range(len(past) + 1)] == texts
    for count, mark in enumerate(marks):
        stretches = past.stretches(count)
        assert [each.change for each in stretches for _ in range(each.start, each.end)] == mark
