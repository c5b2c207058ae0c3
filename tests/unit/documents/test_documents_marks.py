"""Marks against a list that does the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.documents.marks import LARGEST, NO_MARK, Marks, equal_marks, rising_marks


def test_a_deletion_goes_on_in_the_next_chunk() -> None:
    """From the end of the chunk that was used last."""
    marks = Marks(LARGEST)
    half = LARGEST // 2
    marks.insert(half + 1, rising_marks(0, 9))
    marks.insert(half, rising_marks(20, 2))
    marks.insert(half - 1, rising_marks(30, 1))

    assert marks.erase(half + 1, half + 3) == [20, 21]
    assert marks.erase(half + 1, half + 2) == [NO_MARK]
    assert marks.erase(half + 1, half + 10) == list(range(9))


PLACES = st.floats(0, 1)


@given(st.lists(st.tuples(PLACES, PLACES, st.integers(-1, 3 * LARGEST)), max_size=12))
def test_marks_stay_with_their_places(steps: list[tuple[float, float, int]]) -> None:
    """With insertions longer than a chunk, and deletions over several."""
    marks, model = Marks(LARGEST), [NO_MARK] * LARGEST
    for number, (first, second, length) in enumerate(steps):
        start, end = sorted((round(first * len(model)), round(second * len(model))))
        if length < 0:
            assert marks.erase(start, end) == model[start:end]
            del model[start:end]
        else:
            new = rising_marks(number, length) if length % 2 else equal_marks(number, length)
            marks.insert(start, new)
            model[start:start] = new
        assert list(marks) == model
