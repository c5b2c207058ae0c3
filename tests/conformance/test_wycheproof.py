"""Wycheproof vectors through our own crypto package: X25519, Ed25519, XChaCha20-Poly1305.

The suite's HKDF vectors do not apply: no key here comes from HKDF, derivation is keyed BLAKE2b.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.crypto.boxes import _scalarmult
from peergos_collab.crypto.seal import SealBroken, _encrypt, _open_inner
from peergos_collab.crypto.signatures import BadSignature, _verify_raw
from peergos_collab.errors import RemoteProtocolError

VECTORS = Path(__file__).parents[3] / "shared/data/vectors/wycheproof"

Case = tuple[dict[str, Any], dict[str, Any]]


def cases(name: str) -> list[Case]:
    path = VECTORS / f"{name}_test.json"
    if not path.exists():
        pytest.skip(f"no vectors: {path.name} is not beside the repository")
    groups = json.loads(path.read_text())["testGroups"]
    return [(group, test) for group in groups for test in group["tests"]]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def test_ed25519() -> None:
    """151 signatures: valid ones hold, invalid ones raise BadSignature."""
    found = cases("ed25519")
    for group, test in found:
        public = raw(group["publicKey"]["pk"])
        try:
            _verify_raw(public, raw(test["msg"]), raw(test["sig"]))
            result = "valid"
        except BadSignature:
            result = "invalid"
        assert result == test["result"], test

    assert len(found) == 151


def test_x25519() -> None:
    """518 agreements: all give the shared secret, except that a secret of zeros is refused.

    "acceptable" vectors leave a choice. Ours: points on the twist and non-canonical encodings are
    computed with, as RFC 7748 says; points of low order are refused.
    """
    found = cases("x25519")
    refused = 0
    for _, test in found:
        if "ZeroSharedSecret" in test["flags"]:
            refused += 1
            with pytest.raises(RemoteProtocolError):
                _scalarmult(raw(test["private"]), raw(test["public"]))
        else:
            assert _scalarmult(raw(test["private"]), raw(test["public"])) == raw(test["shared"]), test

    assert (len(found), refused) == (518, 31)


def test_xchacha20_poly1305() -> None:
    """315 messages through the inner cipher of ``cseal``: valid ones seal and open, others do not."""
    found = cases("xchacha20_poly1305")
    for _, test in found:
        key, nonce, ad = raw(test["key"]), raw(test["iv"]), raw(test["aad"])
        sealed = raw(test["ct"]) + raw(test["tag"])
        if test["result"] == "valid":
            assert _open_inner(sealed, ad, nonce, key) == raw(test["msg"]), test
            assert _encrypt(raw(test["msg"]), ad, nonce, key) == sealed, test
        else:
            with pytest.raises(SealBroken):
                _open_inner(sealed, ad, nonce, key)

    assert len(found) == 315
