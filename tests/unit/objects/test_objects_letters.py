"""Letters: who wrote one is proved inside; outside nothing shows."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import Tag
from peergos_collab.errors import LocalProtocolError, PeergosCollabError, RemoteProtocolError
from peergos_collab.identity.cards import ContactCard, mailbox_key
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.pairs import Pair
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.letters import (
    MAX_LETTER,
    PAIR_SIZES,
    STRANGER_SIZES,
    LetterKind,
    Writer,
    open_from_stranger_untrusted,
    open_in_pair_untrusted,
    read_letter_untrusted,
    seal_in_pair,
    seal_to_stranger,
)

RANDOM = random.Random(44).randbytes
ANA, BEN, EVE = (
    Credentials.found(name, RecoveryCode.generate(RANDOM), RANDOM) for name in ("Ana", "Ben", "Eve")
)
WRITER = Writer(ContactCard.make(ANA, (), 5), ANA.device_sign)
BOX = MailAddress(mailbox_key(BEN.user_seed).public)
PAIR = Pair.of(ANA.account_id, ANA.user, BEN.account)
OUT = PAIR.outbox(20_000)
DAILY = MailAddress(OUT.key.public)


def letter(content: bytes = b"x", writer: Writer = WRITER) -> bytes:
    return writer.write(BEN.account_id, LetterKind.SHARE, content, id=bytes(16), time=7)


def changed(at: int, value: object, writer: Writer = WRITER, *, sign: bool = True) -> bytes:
    """Ana's letter with one field of its body changed, signed anew or not."""
    body, signature, card = decode_untrusted(letter(), MAX_LETTER)
    fields = decode_untrusted(body, MAX_LETTER)
    fields[at] = value
    body = encode(fields)
    return encode([body, writer.device.sign(Tag.SIGN_LETTER, body) if sign else signature, card])


def test_a_letter_says_who_wrote_it() -> None:
    """Account, device, kind and content."""
    read = read_letter_untrusted(letter(b"content"), BEN.account_id)

    assert (read.card, read.device) == (WRITER.card, ANA.device_id)
    assert (read.kind, read.content, read.time, read.id) == (LetterKind.SHARE, b"content", 7, bytes(16))
    assert "b'content'" not in repr(read)


@pytest.mark.parametrize("size", [0, 1, 5_000, 14_500, 16_000, 60_000])
def test_to_strangers_there_is_one_size(size: int) -> None:
    """Whatever is in it, as long as it fits; only then the next one."""
    sealed = seal_to_stranger(letter(bytes(size)), BEN.user.box.public_key, BOX, RANDOM)
    opened = open_from_stranger_untrusted(sealed, BEN.user.box, BOX)

    assert len(sealed) == STRANGER_SIZES[size > 15_500]
    assert read_letter_untrusted(opened, BEN.account_id).content == bytes(size)


@pytest.mark.parametrize("size", [0, 1_000, 5_000, 60_000])
def test_in_a_pair(size: int) -> None:
    """The sizes are the same for everybody."""
    sealed = seal_in_pair(letter(bytes(size)), OUT.seal, DAILY, RANDOM)
    inbox = Pair.of(BEN.account_id, BEN.user, ANA.account).inbox(20_000)
    opened = open_in_pair_untrusted(sealed, inbox.seal, DAILY)

    assert len(sealed) in PAIR_SIZES
    assert read_letter_untrusted(opened, BEN.account_id).content == bytes(size)


def test_nothing_fits_beyond_the_largest_size() -> None:
    """A mistake of ours, said before anything is sent."""
    with pytest.raises(LocalProtocolError):
        seal_in_pair(bytes(MAX_LETTER), OUT.seal, DAILY, RANDOM)
    with pytest.raises(LocalProtocolError):
        seal_to_stranger(bytes(MAX_LETTER), BEN.user.box.public_key, BOX, RANDOM)


def test_every_size_just_fits() -> None:
    """At the edge, where padding is one byte."""
    for length in range(PAIR_SIZES[0] - 80, PAIR_SIZES[0] - 60):
        sealed = seal_in_pair(bytes(length) + b"\1", OUT.seal, DAILY, RANDOM)
        assert open_in_pair_untrusted(sealed, OUT.seal, DAILY) == bytes(length) + b"\1"


def test_only_the_receiver_opens() -> None:
    """Nobody else's key does, nor another day's, nor after a change of any part, nor in another mailbox."""
    first = seal_to_stranger(letter(), BEN.user.box.public_key, BOX, RANDOM)
    daily = seal_in_pair(letter(), OUT.seal, DAILY, RANDOM)
    for at in (0, 40, 70, 100, -1):
        raw = bytearray(first)
        raw[at] ^= 1
        with pytest.raises(RemoteProtocolError):
            open_from_stranger_untrusted(bytes(raw), BEN.user.box, BOX)
        raw = bytearray(daily)
        raw[at] ^= 1
        with pytest.raises(RemoteProtocolError):
            open_in_pair_untrusted(bytes(raw), OUT.seal, DAILY)
    with pytest.raises(RemoteProtocolError):
        open_from_stranger_untrusted(first, EVE.user.box, BOX)
    with pytest.raises(RemoteProtocolError):
        open_from_stranger_untrusted(first, BEN.user.box, DAILY)
    with pytest.raises(RemoteProtocolError):
        open_in_pair_untrusted(daily, PAIR.outbox(20_001).seal, DAILY)
    with pytest.raises(RemoteProtocolError):
        open_in_pair_untrusted(daily, OUT.seal, BOX)


@pytest.mark.parametrize("size", [0, 16, 1024, 4096, 16 << 10, 64 << 10])
def test_junk_opens_nothing(size: int) -> None:
    """Mail of any size that is no letter, all zeros included (a low-order key): one error, nothing else."""
    for junk in (bytes(size), RANDOM(size)):
        with pytest.raises(RemoteProtocolError):
            open_from_stranger_untrusted(junk, BEN.user.box, BOX)
        with pytest.raises(RemoteProtocolError):
            open_in_pair_untrusted(junk, OUT.seal, DAILY)


FORGED = {
    "signed by a device of another account": changed(4, EVE.device_id, Writer(WRITER.card, EVE.device_sign)),
    "in the name of another account": changed(3, EVE.account_id),
    "for somebody else": changed(5, EVE.account_id),
    "another content": changed(7, b"y", sign=False),
    "another time": changed(2, 8, sign=False),
    "a kind that is not known": changed(6, 9),
    "another version": changed(0, 2),
    "an id that is none": changed(1, b"x"),
    "signed by another device": changed(7, b"x", Writer(WRITER.card, EVE.device_sign)),
    "with another's card": encode(
        [*decode_untrusted(letter(), MAX_LETTER)[:2], ContactCard.make(EVE, (), 5).raw]
    ),
}


@pytest.mark.parametrize("raw", FORGED.values(), ids=FORGED.keys())
def test_forged_letters(raw: bytes) -> None:
    """Each check by itself."""
    with pytest.raises(PeergosCollabError) as caught:
        read_letter_untrusted(raw, BEN.account_id)
    assert isinstance(caught.value, RemoteProtocolError)
