"""Frozen vectors of our own formats. A change here breaks every stored home and every peer."""

from __future__ import annotations

from peergos_collab.codec import encode
from peergos_collab.crypto import (
    BoxPair,
    BoxSeed,
    ContentKey,
    ReadSecret,
    SigningKey,
    SignSeed,
    Tag,
    copen,
    cseal,
    derive,
    hash256,
    keyed_hash,
)

KEY = ReadSecret(bytes(range(32)))
ALICE = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
BOB = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
RECORD = encode([1, b"object", {"name": "notes", 7: None}, -1, True])


def counting(length: int) -> bytes:
    """Randomness for a frozen vector."""
    return bytes(range(0x40, 0x40 + length))


def test_record() -> None:
    """The canonical form of a record with every kind of value."""
    assert RECORD.hex() == "8501466f626a656374a207f6646e616d65656e6f74657320f5"


def test_hash256() -> None:
    """The id of a record."""
    assert (
        hash256(Tag.EPOCH_ID, RECORD).hex()
        == "d39be1eece542baec01ff6161f3b1348a3eb804cc02200d2f72b0a673f316af2"
    )


def test_derive() -> None:
    """A derived key, and one with a context."""
    assert (
        derive(KEY, Tag.CONTENT, ContentKey).expose().hex()
        == "c8676818ae137099bcfcdfcb88652528d50526f2403a14afeb054fcb1df11c32"
    )
    assert (
        derive(KEY, Tag.CONTENT, ContentKey, b"context").expose().hex()
        == "ec048b9e80a71940cb26e4a66011798e04fdb1858db5d7136c9f3807e4231bcd"
    )


def test_keyed_hash() -> None:
    """A name of eight bytes under a key."""
    assert keyed_hash(KEY, Tag.WRAP_HINT, b"slot", 8).hex() == "7c405cbf05411927"


def test_cseal() -> None:
    """nonce ‖ commitment ‖ ciphertext and tag, for a fixed nonce; and it opens."""
    sealed = cseal(KEY, Tag.CONTENT, b"hello", b"associated", counting)

    assert [sealed[:24].hex(), sealed[24:56].hex(), sealed[56:].hex()] == [
        "404142434445464748494a4b4c4d4e4f5051525354555657",
        "47bf3e159c7bcdf40dd54934b5cc641d4cb0b706e284f586b7a0d7a3eb62a81e",
        "912aecfd6375df696794cce98132f597383c8638da",
    ]
    assert copen(KEY, Tag.CONTENT, sealed, b"associated") == b"hello"


def test_signature() -> None:
    """A signature over tag and message; Ed25519 is deterministic."""
    pair = SigningKey.from_seed(SignSeed(bytes(range(32))))

    assert pair.public.hex() == "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
    assert pair.sign(Tag.SIGN_EPOCH, RECORD).hex() == (
        "cb84d639b2b06912367639524d51bec51951296db2db4a0d77209464b6f54f4a"
        "6ab5d93e37177dca5c55cec7c5b1075e48413b2193c0fcdfcd25b3b50d48ec05"
    )


def test_agreement() -> None:
    """The public keys of RFC 7748's Alice and Bob (§6.1), and our key from her to him."""
    alice = BoxPair.from_seed(BoxSeed(bytes.fromhex(ALICE)))
    bob = BoxPair.from_seed(BoxSeed(bytes.fromhex(BOB)))
    a, b = alice.public_key, bob.public_key

    assert a.public.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert b.public.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    assert (
        alice.agree(b, Tag.WRAP, a, b).expose().hex()
        == "77c3b4860a3098429b2570580462840c668648c4641dd1a5f71bf38389703bff"
    )
