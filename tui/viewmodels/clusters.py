"""Grapheme clusters: what a person calls one character (Unicode Annex 29, extended clusters).

Two simplifications, both on the safe side: conjuncts of Indic scripts are not joined across a
virama (rule GB9c), and a cluster ends after ``LONGEST`` code points, because piles of combining
marks are an attack on terminals.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LONGEST = 32
ZWJ = "\u200d"

_PREPEND = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u08e2\U000110bd\U000110cd")


def _is_extend(char: str) -> bool:
    """Continues the cluster before it (Grapheme_Extend, SpacingMark, emoji modifiers and tags)."""
    code = ord(char)
    if code < 0x300:
        return False
    if unicodedata.category(char) in ("Mn", "Me", "Mc"):
        return True
    return (
        char in "\u200c\u200d\uff9e\uff9f\u0e33\u0eb3"
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
    )


def _is_pictograph(char: str) -> bool:
    """Could be joined by a zero width joiner; a little wider than Extended_Pictographic."""
    code = ord(char)
    if code < 0x203C:
        return code in (0xA9, 0xAE)
    if _is_flag_letter(char) or 0x1F3FB <= code <= 0x1F3FF:
        return False
    return (
        0x1F000 <= code <= 0x1FAFF
        or (code <= 0x32FF and unicodedata.category(char) == "So")
        or code == 0x203C
    )


def _is_flag_letter(char: str) -> bool:
    return 0x1F1E6 <= ord(char) <= 0x1F1FF


def _hangul(char: str) -> str:
    """L, V, T, LV, LVT or nothing."""
    code = ord(char)
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return "L"
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return "V"
    if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB:
        return "T"
    if 0xAC00 <= code <= 0xD7A3:
        return "LV" if (code - 0xAC00) % 28 == 0 else "LVT"
    return ""


_HANGUL_JOINS = {
    "L": ("L", "V", "LV", "LVT"),
    "V": ("V", "T"),
    "LV": ("V", "T"),
    "T": ("T",),
    "LVT": ("T",),
}


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Zl", "Zp") or (
        unicodedata.category(char) == "Cf"
        and char not in "\u200c\u200d"
        and not 0xE0020 <= ord(char) <= 0xE007F
        and char not in _PREPEND
    )


def cluster_end(text: str, start: int) -> int:
    """Where the cluster that begins at ``start`` ends; code points, ``start < len(text)``."""
    first = text[start]
    end = start + 1
    if first == "\r" and text[end : end + 1] == "\n":
        return end + 1
    if (first < "\u0300" and text[end : end + 1] < "\u0300") or _is_control(first):
        return end
    limit = min(len(text), start + LONGEST)
    while first in _PREPEND and end < limit and not _is_control(text[end]):
        first, end = text[end], end + 1
    if _is_flag_letter(first):
        if end < limit and _is_flag_letter(text[end]):
            end += 1
    elif kind := _hangul(first):
        while end < limit and (following := _hangul(text[end])) in _HANGUL_JOINS[kind]:
            kind, end = following, end + 1
    pictograph = _is_pictograph(first)
    while end < limit:
        char = text[end]
        if _is_extend(char):
            # A spacing mark, or a mark behind a joiner, ends the sequence but not the cluster (rule GB11).
            pictograph = pictograph and unicodedata.category(char) != "Mc" and text[end - 1] != ZWJ
            end += 1
        elif pictograph and text[end - 1] == ZWJ and _is_pictograph(char):
            end += 1
        else:
            break
    return end


@lru_cache(4096)
def cluster_ends(text: str) -> tuple[int, ...]:
    """The end of every cluster of a short text, ascending; the last is ``len(text)``."""
    if text.isascii() and "\r" not in text:
        return tuple(range(1, len(text) + 1))
    ends = []
    position = 0
    while position < len(text):
        position = cluster_end(text, position)
        ends.append(position)
    return tuple(ends)
