"""914 crafted Ed25519 signatures (C2SP/CCTV) through our one verifier.

The vectors carry flags that say what is odd about each, not verdicts: every implementation has its
own rule. Ours is libsodium's, and it is stated here flag by flag. All of them satisfy a lenient
verification equation, so whoever accepts everything odd accepts all 914.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from peergos_collab.crypto.signatures import BadSignature, _verify_raw

VECTORS = Path(__file__).parents[3] / "shared/data/vectors/cctv/ed25519vectors.json"

RULE = {
    # A or R is one of the eight points of small order: a signature that holds for many messages.
    "low_order_A": False,
    "low_order_R": False,
    # A or R has a part of small order beside a proper one: allowed, if the exact equation holds.
    "low_order_component_A": True,
    "low_order_component_R": True,
    # The equation leaves a residue of small order, and holds only if multiplied by eight: refused.
    "low_order_residue": False,
    # A or R is encoded in a second way (y not reduced): refused.
    "non_canonical_A": False,
    "non_canonical_R": False,
    # The hash was taken over a re-encoded A or R instead of the bytes as sent: refused.
    "reencoded_k": False,
}


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.exists():
        pytest.skip("no vectors: cctv/ed25519vectors.json is not beside the repository")
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())
    return found


def ours(vector: dict[str, Any]) -> bool:
    try:
        _verify_raw(bytes.fromhex(vector["key"]), vector["msg"].encode("ascii"), bytes.fromhex(vector["sig"]))
    except BadSignature:
        return False
    return True


def openssl(vector: dict[str, Any]) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["key"]))
        key.verify(bytes.fromhex(vector["sig"]), vector["msg"].encode("ascii"))
    except InvalidSignature:
        return False
    return True


def test_our_rule() -> None:
    """A vector is accepted exactly if every one of its flags is allowed."""
    found = vectors()
    accepted = 0
    for vector in found:
        expected = all(RULE[flag] for flag in vector["flags"] or [])
        assert ours(vector) == expected, vector
        accepted += expected

    assert (len(found), accepted) == (914, 43)


def test_every_flag_of_the_rule_is_there() -> None:
    """Each flag occurs, so no line of the rule is untested."""
    assert {flag for vector in vectors() for flag in vector["flags"] or []} == set(RULE)


def test_a_second_verifier_would_fork_logs() -> None:
    """OpenSSL gives the other verdict on 165 of them, all of which it accepts: why there is one verifier."""
    differing = [vector for vector in vectors() if ours(vector) != openssl(vector)]

    assert len(differing) == 165
    assert not any(ours(vector) for vector in differing)
