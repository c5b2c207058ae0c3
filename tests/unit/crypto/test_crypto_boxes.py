"""Key agreement."""

from __future__ import annotations

import os

import pytest

from peergos_collab.crypto import BoxPair, BoxPublic, BoxSeed, Tag
from peergos_collab.errors import RemoteProtocolError


def test_both_ends_agree() -> None:
    """Sender and receiver compute one key."""
    alice, bob = BoxPair.generate(os.urandom), BoxPair.generate(os.urandom)
    a, b = alice.public_key, bob.public_key

    assert alice.agree(b, Tag.WRAP, sender=a, receiver=b) == bob.agree(a, Tag.WRAP, sender=a, receiver=b)


def test_direction_purpose_and_pair_are_bound() -> None:
    """The way back, another purpose and another pair have other keys."""
    alice, bob, eve = (BoxPair.generate(os.urandom) for _ in range(3))
    a, b = alice.public_key, bob.public_key
    found = [
        alice.agree(b, Tag.WRAP, a, b),
        alice.agree(b, Tag.WRAP, b, a),
        alice.agree(b, Tag.BACK_LINK, a, b),
        alice.agree(eve.public_key, Tag.WRAP, a, eve.public_key),
    ]

    assert len({key.expose() for key in found}) == 4


LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
]


@pytest.mark.parametrize("public", [bytes.fromhex(text) for text in LOW_ORDER] + [b"", b"x" * 31, b"x" * 33])
def test_low_order_points_and_other_lengths_are_refused(public: bytes) -> None:
    """The seven points of low order, with which everybody shares zero, and what is no point at all."""
    pair = BoxPair.generate(os.urandom)
    with pytest.raises(RemoteProtocolError):
        pair.agree(BoxPublic(public), Tag.WRAP, BoxPublic(public), pair.public_key)


def test_a_pair_shows_its_public_half_only() -> None:
    """repr does not hold the secret."""
    seed = BoxSeed(b"sixteen byte pwdsixteen byte pwd")

    assert "pwd" not in repr(BoxPair.from_seed(seed))
