"""Words for bits."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec.words import BITS, WORDS, from_words_untrusted, to_words
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError


def test_the_list() -> None:
    """2,048 words, sorted, told apart by four letters."""
    assert len(WORDS) == 2**BITS
    assert list(WORDS) == sorted(set(WORDS))
    assert len({word[:4] for word in WORDS}) == len(WORDS)
    assert all(word.isascii() and word.isalpha() and word.islower() for word in WORDS)


@pytest.mark.parametrize("count", [1, 3, 8, 12])
def test_words_are_bits(count: int) -> None:
    """The first ones, highest first; they come back as a number."""
    data = random.Random(count).randbytes(32)

    words = to_words(data, count)
    assert len(words) == count
    assert from_words_untrusted(words) == int.from_bytes(data, "big") >> 256 - BITS * count


def test_known_words() -> None:
    """All zeros, all ones, and the value of BIP-39 for 7f 7f …."""
    assert to_words(bytes(2), 1) == ["abandon"]
    assert to_words(b"\xff" * 2, 1) == ["zoo"]
    assert to_words(b"\x7f" * 16, 11) == ["legal", "winner", "thank", "year", "wave", "sausage", "worth",
                                           "useful", "legal", "winner", "thank"]  # fmt: skip


def test_how_people_type() -> None:
    """Capitals, spaces and left-out endings change nothing."""
    assert from_words_untrusted([" Abandon", "ZOO ", "abou"]) == from_words_untrusted(
        ["abandon", "zoo", "about"]
    )


@pytest.mark.parametrize("word", ["", "ab", "xyzzy", "aba", "zo"])
def test_other_words_are_refused(word: str) -> None:
    """And named."""
    with pytest.raises(RemoteProtocolError, match="none of the words"):
        from_words_untrusted(["zoo", word])


def test_too_few_bits() -> None:
    """A mistake of the caller."""
    with pytest.raises(LocalProtocolError):
        to_words(bytes(16), 12)
