"""Keys from passwords. The parameters here are the least Argon2id takes, to be quick."""

from __future__ import annotations

import pytest

from peergos_collab.crypto import DEFAULT_PARAMETERS, FLOOR, PasswordParameters, stretch
from peergos_collab.errors import LocalProtocolError

SALT = b"0123456789abcdef"
QUICK = PasswordParameters(passes=1, memory=8 << 10)


def test_a_known_key() -> None:
    """Argon2id as of RFC 9106: frozen, as every stored home depends on it."""
    key = stretch("correct horse", SALT, QUICK)

    assert key.expose().hex() == "33b8f0d06408e0a7dcc5ffb13e575f35162db4ff3db1c73d5d501801c699d14d"


def test_one_password_has_one_key_however_it_is_typed() -> None:
    """Composed and decomposed forms, and compatibility forms, are one password (NFKC)."""
    assert stretch("café", SALT, QUICK) == stretch("cafe\u0301", SALT, QUICK)
    assert stretch("ﬁne１", SALT, QUICK) == stretch("fine1", SALT, QUICK)


def test_password_salt_and_parameters_count() -> None:
    """Another password, salt, number of passes or memory gives another key."""
    found = [
        stretch("a", SALT, QUICK),
        stretch("A", SALT, QUICK),
        stretch("a", SALT[::-1], QUICK),
        stretch("a", SALT, PasswordParameters(2, 8 << 10)),
        stretch("a", SALT, PasswordParameters(1, 16 << 10)),
        stretch("", SALT, QUICK),
    ]

    assert len({key.expose() for key in found}) == len(found)


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_salt_has_16_bytes(length: int) -> None:
    """Another length is refused."""
    with pytest.raises(LocalProtocolError):
        stretch("a", b"s" * length, QUICK)


@pytest.mark.parametrize(
    "passes_memory", [(0, 8 << 10), (-1, 8 << 10), (1, 0), (1, 1), (1, -1), (1, 1 << 62)]
)
def test_impossible_parameters(passes_memory: tuple[int, int]) -> None:
    """Parameters from a damaged file raise the documented error, also where no machine has the memory."""
    with pytest.raises(LocalProtocolError):
        stretch("a", SALT, PasswordParameters(*passes_memory))


def test_a_password_may_hold_any_text() -> None:
    """What a terminal hands over for bytes that are not UTF-8 is a password too."""
    assert stretch("\udcff", SALT, QUICK) != stretch("\udcfe", SALT, QUICK)


def test_the_floor() -> None:
    """The default passes the floor; less work in either respect does not."""
    assert PasswordParameters(3, 256 << 20) == DEFAULT_PARAMETERS
    assert DEFAULT_PARAMETERS.at_least(FLOOR)
    assert FLOOR.at_least(FLOOR)
    assert not PasswordParameters(FLOOR.passes - 1, 1 << 30).at_least(FLOOR)
    assert not PasswordParameters(10, FLOOR.memory - 1).at_least(FLOOR)
