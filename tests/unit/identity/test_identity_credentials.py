"""The secret halves of a device survive storing, and belong to its account."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import SignSeed
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.identity.credentials import Credentials

RANDOM = random.Random(4).randbytes
ANA = Credentials.found("Ana", SignSeed.generate(RANDOM), RANDOM)


def changed(position: int, value: Any) -> bytes:
    fields = decode_untrusted(ANA.encode(), 1 << 17)
    fields[position] = value
    return encode(fields)


def test_they_come_back_as_they_were() -> None:
    """Encoding and decoding keeps every key."""
    again = Credentials.decode_untrusted(ANA.encode())

    assert again == ANA
    assert again.user.sign == ANA.user.sign


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2),
        (1, "x" * 257),
        (2, b"no log"),
        (3, b"short"),
        (4, b"short"),
        (5, bytes(32)),
        (6, b""),
        (7, b""),
    ],
)
def test_false_credentials_are_refused(position: int, value: Any) -> None:
    """Another version, a long name, keys of another length, and a device that is not the account's."""
    with pytest.raises(RemoteProtocolError):
        Credentials.decode_untrusted(changed(position, value))


def test_no_secret_is_shown() -> None:
    """Neither repr nor an error message holds a secret."""
    secrets = [ANA.root_seed.expose(), ANA.user_seed.expose(), ANA.local.expose()]

    assert not any(secret.hex() in repr(ANA) or repr(secret)[2:-1] in repr(ANA) for secret in secrets)
