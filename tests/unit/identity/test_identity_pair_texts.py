"""The two texts of a pairing: what they hold, and what is said of mistyped ones."""

from __future__ import annotations

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.bases import to_base64url
from peergos_collab.crypto import Tag, hash256
from peergos_collab.errors import BadPairText
from peergos_collab.identity.pair_texts import PREFIX, PairText

OFFER = PairText(False, bytes(range(8)), 1_800_000_000, b"described")
TEXT = OFFER.text()


def as_text(record: object) -> str:
    """With a checksum that holds."""
    raw = encode(record)
    return PREFIX + to_base64url(raw + hash256(Tag.PAIR_CHECK, raw)[:4])


def test_the_text_of_the_specification() -> None:
    """What docs/spec/contacts.md shows."""
    assert TEXT == "pgc-pair:hQEASAABAgMEBQYHGmtJ0gBJZGVzY3JpYmVkpC4JmA"


def test_what_is_shown_is_read_back() -> None:
    """Also broken into lines, as chats and mails do."""
    broken = "\n> ".join([TEXT[:20], TEXT[20:]]).replace("> ", "  ")

    assert PairText.read_untrusted(f" {broken}\n", answers=False) == OFFER


def test_each_has_its_place() -> None:
    """Who mistakes one text for the other is told which is which."""
    answer = PairText(True, OFFER.id, OFFER.expires, b"d").text()

    with pytest.raises(BadPairText, match="this is an answer"):
        PairText.read_untrusted(answer, answers=False)
    with pytest.raises(BadPairText, match="this is an offer"):
        PairText.read_untrusted(TEXT, answers=True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        PREFIX,
        TEXT.removeprefix("pgc-"),
        *(TEXT[:length] for length in range(len(PREFIX), len(TEXT))),
        TEXT + "A",
        TEXT[:20] + ("A" if TEXT[20] != "A" else "B") + TEXT[21:],
        TEXT + "A" * 5000,
        PREFIX + "ü" * 20,
        as_text([2, 0, bytes(8), 1, b""]),
        as_text([1, 2, bytes(8), 1, b""]),
        as_text([1, False, bytes(8), 1, b""]),
        as_text([1, 0, bytes(7), 1, b""]),
        as_text([1, 0, bytes(8), -1, b""]),
        as_text([1, 0, bytes(8), 1, "d"]),
        as_text([1, 0, bytes(8), 1]),
    ],
)
def test_bad_texts_are_told(text: str) -> None:
    """Whatever is wrong with it, nothing begins."""
    with pytest.raises(BadPairText):
        PairText.read_untrusted(text, answers=False)
