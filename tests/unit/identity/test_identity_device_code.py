"""Codes for linking a device: as a line, as words, and what is said of mistyped ones."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import BadCode, UsageError
from peergos_collab.identity.device_code import PREFIX, DeviceCode
from peergos_collab.ports import Address

NODE = Address(bytes(range(32)), "node.example", 8443)
CODE = DeviceCode.generate(NODE, random.Random(9).randbytes)
codes = st.binary(min_size=10, max_size=10).map(lambda secret: DeviceCode(NODE, secret))


@given(codes)
def test_what_is_shown_is_read_back(code: DeviceCode) -> None:
    """As a line with the node in it, and as eight words with the node beside them."""
    assert DeviceCode.read_untrusted(f"  {code.text()}\n") == code
    assert DeviceCode.read_untrusted(" ".join(code.words()), NODE) == code
    assert DeviceCode.read_untrusted("-".join(code.words()).upper(), NODE) == code
    assert len(code.words()) == 8


@given(codes, st.integers(0, 7), st.integers(1, 7))
def test_words_in_another_order_are_mostly_found(code: DeviceCode, at: int, by: int) -> None:
    """Eight bits check them; what gets through leads to a mailbox where nobody is."""
    words = code.words()
    words[at], words[(at + by) % 8] = words[(at + by) % 8], words[at]
    try:
        read = DeviceCode.read_untrusted(" ".join(words), NODE)
    except BadCode:
        return

    assert read != code or words == code.words()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        PREFIX,
        CODE.text()[:-1],
        CODE.text() + "1",
        CODE.text().replace("/#", ""),
        CODE.text().partition("/#")[0] + "/#",
        CODE.text().replace("node.example", "node..example"),
        CODE.text().replace("pgc-device", "pgc"),
        CODE.text()[:-3] + CODE.text()[:-4:-1],
        " ".join(CODE.words()[:7]),
        " ".join([*CODE.words(), "able"]),
        " ".join(["qqqq", *CODE.words()[1:]]),
        "ü" * 60,
    ],
)
def test_bad_codes_are_told(text: str) -> None:
    """Cut, mistyped, another kind of text: nothing is contacted, and the hint says what to do."""
    with pytest.raises(BadCode) as caught:
        DeviceCode.read_untrusted(text, NODE)

    assert caught.value.hint


def test_a_code_is_for_its_node() -> None:
    """A line whose node was exchanged is refused: a name, a port may change, the key may not."""
    other = DeviceCode(Address(bytes(32), NODE.host, NODE.port), CODE.secret).text()
    mixed = other.partition("/#")[0] + "/#" + CODE.text().partition("/#")[2]

    with pytest.raises(BadCode):
        DeviceCode.read_untrusted(mixed)


def test_one_wrong_word_is_found() -> None:
    """For this code, at each place."""
    for place in range(8):
        words = CODE.words()
        words[place] = "abandon" if words[place] != "abandon" else "ability"
        with pytest.raises(BadCode):
            DeviceCode.read_untrusted(" ".join(words), NODE)


def test_words_need_a_node() -> None:
    """It is asked for by name."""
    with pytest.raises(UsageError, match="node"):
        DeviceCode.read_untrusted(" ".join(CODE.words()))


def test_directions_are_apart() -> None:
    """Each has its own mailbox and its own seal; another code has others."""
    first, new = CODE.to_first(), CODE.to_new()

    assert first.address != new.address
    assert first.seal != new.seal
    assert CODE.to_first() == first
    assert DeviceCode(NODE, bytes(10)).to_first().address != first.address


def test_the_secret_is_not_shown() -> None:
    """Not by repr."""
    assert CODE.secret.hex() not in repr(CODE)
    assert CODE.text()[-15:] not in repr(CODE)
