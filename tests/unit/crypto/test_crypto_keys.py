"""Typed keys and what is derived from them."""

from __future__ import annotations

import copy
import os
from hashlib import blake2b
from typing import Any

import pytest

from peergos_collab.crypto import (
    BoxSeed,
    ContentKey,
    ReadSecret,
    SecretKey,
    Tag,
    WriteSecret,
    derive,
    hash256,
    keyed_hash,
    same,
)
from peergos_collab.errors import LocalProtocolError

BYTES = bytes(range(32))


@pytest.mark.parametrize("secret", [b"", b"x" * 31, b"x" * 33, bytearray(32), "x" * 32, None])
def test_a_key_has_32_bytes(secret: Any) -> None:
    """Another length or type is no key."""
    with pytest.raises(LocalProtocolError):
        SecretKey(secret)


def test_a_key_shows_nothing() -> None:
    """Neither repr, str, formatting nor the error of a wrong length shows the secret."""
    key = ReadSecret(b"sixteen byte pwdsixteen byte pwd")

    assert {repr(key), str(key), f"{key}", f"{[key]}"} == {"<ReadSecret>", "[<ReadSecret>]"}
    with pytest.raises(LocalProtocolError) as caught:
        ReadSecret(b"sixteen byte pwd")
    assert "pwd" not in str(caught.value)


def test_a_key_stays_in_the_process() -> None:
    """Keys are not pickled, copied or used as dictionary keys."""
    key = ReadSecret(BYTES)
    for attempt in (lambda each: each.__reduce_ex__(4), copy.copy, copy.deepcopy, hash):
        with pytest.raises(TypeError):
            attempt(key)


def test_equality_is_of_type_and_bytes() -> None:
    """The same bytes in another type are another key."""
    assert ReadSecret(BYTES) == ReadSecret(BYTES)
    assert ReadSecret(BYTES) != ReadSecret(bytes(32))
    assert ReadSecret(BYTES) != WriteSecret(BYTES)
    assert ReadSecret(BYTES) != BYTES


def test_generate_takes_the_randomness_given() -> None:
    """``generate`` asks for 32 bytes and uses them."""
    assert BoxSeed.generate(lambda n: b"r" * n).expose() == b"r" * 32


def test_derive_is_keyed_blake2b() -> None:
    """K(key, tag, context) = BLAKE2b-256(context, key=key, person=tag), in the type asked for."""
    derived = derive(ReadSecret(BYTES), Tag.CONTENT, ContentKey, b"context")

    assert type(derived) is ContentKey
    assert derived.expose() == blake2b(b"context", key=BYTES, person=b"content", digest_size=32).digest()


def test_derive_separates_key_tag_and_context() -> None:
    """Another key, tag or context gives another key."""
    found = {
        derive(key, tag, ContentKey, context).expose()
        for key in (ReadSecret(BYTES), ReadSecret(bytes(32)))
        for tag in (Tag.CONTENT, Tag.EPHEMERAL)
        for context in (b"", b"\0")
    }

    assert len(found) == 8


def test_hash_and_keyed_hash_have_their_lengths() -> None:
    """hash256 gives 32 bytes, keyed_hash as many as asked, and a shorter one is no prefix of a longer."""
    assert len(hash256(Tag.EPOCH_ID, b"x")) == 32
    short = keyed_hash(ReadSecret(BYTES), Tag.WRAP_HINT, b"x", 8)
    assert len(short) == 8
    assert not keyed_hash(ReadSecret(BYTES), Tag.WRAP_HINT, b"x", 16).startswith(short)


def test_same() -> None:
    """Compares content and length."""
    assert same(b"ab", b"ab")
    assert not same(b"ab", b"ac")
    assert not same(b"ab", b"abc")


def test_two_random_keys_differ() -> None:
    """Keys from the system's randomness are not equal."""
    assert ReadSecret.generate(os.urandom) != ReadSecret.generate(os.urandom)
