"""Grapheme clusters, the cells they take, and soft wrap."""

from __future__ import annotations

import pytest
import wcwidth
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.viewmodels.cells import cell, shown, tab
from tui.viewmodels.clusters import LONGEST, cluster_ends
from tui.viewmodels.page import cells_before, column_at, drawn
from tui.viewmodels.wrap import wrap

WHOLE = [
    "e\u0301",
    "👍🏽",
    "👨\u200d👩\u200d👧",
    "🇩🇪",
    "1\ufe0f\u20e3",
    "❤\ufe0f",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\u1112\u1161\u11ab",
    "\r\n",
    "नि",
]

LETTERS = st.text(
    st.sampled_from(
        "ab \t\r漢字カ😀👍🏽é\u0301\u200d\ufe0f🇩🇪👨👩\u2028\x0c\x85\x1b\u200b\u202e\ufeff\u1112\u1161\u11ab"
    )
)


@pytest.mark.parametrize("text", WHOLE)
def test_what_a_person_calls_one_character_is_one_cluster(text: str) -> None:
    """Accents, skin tones, families, flags, keycaps, syllables and CRLF are never split."""

    assert cluster_ends(text + text)[0] == len(text)


@given(st.text(st.sampled_from("abé\u0301漢👍🏽👨👩\u200d\ufe0f🇩🇪🇫🇷\u1112\u1161\u11ab각नि\r")))
def test_clusters_agree_with_a_second_implementation(text: str) -> None:
    """Our boundaries are those of Unicode Annex 29 as wcwidth implements it."""
    expected = []
    at = 0
    for cluster in wcwidth.iter_graphemes(text):
        at += len(cluster)
        expected.append(at)
    longest = max((len(cluster) for cluster in wcwidth.iter_graphemes(text)), default=0)

    assert longest > LONGEST or list(cluster_ends(text)) == expected


@given(LETTERS)
def test_every_cluster_is_drawn_with_the_width_it_claims(text: str) -> None:
    """The cells counted are the cells the terminal library counts; nothing foreign is drawn raw."""
    start = 0
    for end in cluster_ends(text):
        look, width = tab(0) if text[start] == "\t" else cell(text[start:end])
        start = end

        assert cell_len(look) == width >= 1
        assert all(char.isprintable() or char in "\u200d\ufe0f" for char in look)


@given(LETTERS, st.integers(2, 9))
def test_wrapping_keeps_every_character_and_fits(text: str, width: int) -> None:
    """The pieces are the line, none is wider than asked, and none begins inside a cluster."""
    laid = wrap(text, width)
    pieces = [laid.piece(number) for number in range(len(laid))]
    boundaries = {0, *cluster_ends(text)}

    assert "".join(pieces) == text
    assert set(laid.starts) <= boundaries
    for number in range(len(laid)):
        cells = drawn(laid, number)
        assert sum(one.width for one in cells) <= width or sum(1 for one in cells if one.width) == 1


def test_lines_break_after_words() -> None:
    """A word that does not fit begins the next piece; one that fits nowhere is cut."""
    laid = wrap("one two three", 8)
    cut = wrap("abcdefghij", 4)

    assert [laid.piece(0), laid.piece(1)] == ["one two ", "three"]
    assert [cut.piece(number) for number in range(3)] == ["abcd", "efgh", "ij"]


@given(st.data())
def test_an_edited_long_line_is_laid_out_as_if_from_scratch(data: st.DataObject) -> None:
    """What is kept from before an edit is what a fresh layout would give."""
    parts = st.sampled_from(["word ", "漢字", "😀", "longerword", "e\u0301", "\t", "🇩🇪"])
    text = "".join(data.draw(st.lists(parts, min_size=20, max_size=60))) * 20
    at = data.draw(st.integers(0, len(text)))
    end = min(len(text), at + data.draw(st.integers(0, 40)))
    edited = text[:at] + data.draw(st.text(st.sampled_from("x y漢\u0301\u200d😀🇫"), max_size=20)) + text[end:]

    assert wrap(edited, 17, wrap(text, 17)) == wrap(edited, 17)


@given(LETTERS.filter(bool), st.integers(2, 9))
def test_cells_and_columns_convert_both_ways(text: str, width: int) -> None:
    """The column under the first cell of a cluster is the cluster's own."""
    laid = wrap(text, width)
    for number in range(len(laid)):
        for one in drawn(laid, number):
            if one.width:
                assert column_at(laid, number, cells_before(laid, number, one.start)) == one.start


def test_separators_that_are_no_line_ends_show_as_marks() -> None:
    """U+2028, form feed and U+0085 are visible and one cell wide."""

    assert [cell(mark)[1] for mark in ("\u2028", "\x0c", "\x85")] == [1, 1, 1]
    assert shown("a\u2028b\x0cc\x85d\x1b[31m") == "a⏎b␌c␤d␛[31m"


def test_text_that_could_read_backwards_is_made_visible() -> None:
    """Direction overrides and zero width spaces are marks, not invisible powers."""

    assert shown("a\u202eb\u200bc") == "a␦b␦c"


def test_long_foreign_names_are_cut_to_their_cells() -> None:
    """The limit counts cells, also of wide characters."""

    assert shown("abcdef", 4) == "abc…"
    assert cell_len(shown("漢字漢字", 5)) <= 5
