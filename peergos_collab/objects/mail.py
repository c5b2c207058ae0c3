"""Sealed messages for mailboxes on nodes, and the proof of who may read one.

    mail  = [1, address, sealed (exactly 1, 4, 16 or 64 KiB), day, nonce (8)]
    work  = leading zero bits of BLAKE2b-256(address ‖ day (4) ‖ H(sealed) ‖ nonce), person = "mail work"
    proof = signature, tag "s mail", over channel ‖ the other side's nonce ‖ address

A mailbox is an Ed25519 public key, its address. Whoever knows it may put mail there; whoever holds
its secret key may read and delete. A node knows neither who sends nor who reads, so what keeps junk
within bounds is work: where there is no room, the least work goes first. The day keeps anybody from
piling up stamps for later, and lets a node forget what is old.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import MailAddress
from ..codec.shape import array, blob, number, some_bytes
from ..codec.sizes import BUCKETS
from ..crypto import NONCE_LENGTH, SigningKey, Tag, VerifyKey, find_nonce, hash256, work_done
from ..errors import LocalProtocolError, RemoteProtocolError
from ..ports import Random
from ..values import dataclass

VERSION: Final = 1
SIZES: Final = BUCKETS[:4]
"""What ``sealed`` may measure, in bytes."""

MAX_MAIL: Final = SIZES[-1] + 128
LEAST_WORK: Final = 12
"""Mail with less is refused unseen: it costs its sender about 5 ms."""

USUAL_WORK: Final = 16
"""What honest senders do: about 0.1 s in Python, and 65,000 times what a check costs."""

MOST_WORK: Final = 64
"""A guard against a search that never ends."""

DAY: Final = 24 * 60 * 60 * 1000
"""Milliseconds."""

_LAST_DAY: Final = 2**32 - 1
_TRIES: Final = 2_000
"""One step of the search: about 2 ms."""


def day_of(time: int) -> int:
    """The day in UTC of a time in ms since 1970; days count from 0 = 1 January 1970."""
    return time // DAY


@dataclass(frozen=True, slots=True)
class Mail:
    """A stamped message for a mailbox.

    Args:
        address: the mailbox.
        sealed: the message; only its receiver can open it.
        day: when it was stamped, in days since 1970, UTC, by the sender's clock.
        work: leading zero bits, at least ``LEAST_WORK``.
        id: hash of the whole mail, which a node confirms.
        raw: the mail as sent.
    """

    address: MailAddress
    sealed: bytes
    day: int
    work: int
    id: bytes
    raw: bytes

    @property
    def rank(self) -> int:
        """What the work is worth: 2 bits less for each size above the smallest, which is 4 times as long."""
        return self.work - 2 * SIZES.index(len(self.sealed))

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Costs one hash over the message and one over its digest. Whether ``day`` is now is for the caller.

        Raises:
            RemoteProtocolError: malformed, a size that is not allowed, or too little work.
        """
        fields = array(decode_untrusted(raw, MAX_MAIL, sparse=True), 5, "mail")
        number(fields[0], VERSION, VERSION, "mail version")
        address = MailAddress(blob(fields[1], 32, "mail address"))
        sealed = some_bytes(fields[2], SIZES[-1], "mail")
        if len(sealed) not in SIZES:
            raise RemoteProtocolError("mail of a size that is not allowed")
        day = number(fields[3], 0, _LAST_DAY, "mail day")
        nonce = blob(fields[4], NONCE_LENGTH, "mail nonce")
        work = work_done(Tag.MAIL_WORK, _stamped(address, sealed, day), nonce)
        if work < LEAST_WORK:
            raise RemoteProtocolError(f"mail with {work} bits of work, where {LEAST_WORK} are the least")
        return cls(address, sealed, day, work, mail_id(raw), raw)

    @classmethod
    def stamp(
        cls, address: MailAddress, sealed: bytes, day: int, random: Random, work: int = USUAL_WORK
    ) -> Self:
        """Mail with at least ``work`` bits: 2 ** work µs on average, and now and then five times that.

        For a search that gives way to other work in between, use ``stamping``.

        Raises:
            LocalProtocolError: a size that is not allowed, or work out of range.
        """
        for found in cls.stamping(address, sealed, day, random, work):
            if found is not None:
                return found
        raise AssertionError("the search ends with mail")

    @classmethod
    def stamping(
        cls, address: MailAddress, sealed: bytes, day: int, random: Random, work: int = USUAL_WORK
    ) -> Iterator[Self | None]:
        """The search in steps of about 2 ms: None for each that found nothing, and last the mail.

        Raises:
            LocalProtocolError: as for ``stamp``, at the first step.
        """
        if len(sealed) not in SIZES or not LEAST_WORK <= work <= MOST_WORK or not 0 <= day <= _LAST_DAY:
            raise LocalProtocolError("mail has one of four sizes, a day, and 12 to 64 bits of work")
        message = _stamped(address, sealed, day)
        first = int.from_bytes(random(NONCE_LENGTH), "big")
        while True:
            nonce = find_nonce(Tag.MAIL_WORK, message, work, first, _TRIES)
            if nonce is not None:
                yield cls.parse_untrusted(encode([VERSION, address, sealed, day, nonce]))
                return
            first += _TRIES
            yield None


def mail_id(raw: bytes) -> bytes:
    """What a node confirms or refuses mail by, whether or not it has a valid form."""
    return hash256(Tag.MAIL_ID, raw)


def _stamped(address: MailAddress, sealed: bytes, day: int) -> bytes:
    return address + day.to_bytes(4, "big") + hash256(Tag.MAIL_CONTENT, sealed)


def prove_reader(key: SigningKey, channel: bytes, nonce: bytes) -> bytes:
    """64 bytes that prove to the other side of one connection that ``key``'s holder reads its mailbox.

    Args:
        key: the mailbox's key; its public half is the address.
        channel: what names the connection to both ends.
        nonce: the other side's, 16 bytes.
    """
    return key.sign(Tag.SIGN_MAIL, channel + nonce + key.public)


def check_reader(address: MailAddress, channel: bytes, nonce: bytes, proof: bytes) -> None:
    """Raises BadSignature unless ``proof`` was made by the mailbox's key, for this connection and nonce."""
    VerifyKey(address).verify(Tag.SIGN_MAIL, channel + nonce + address, proof)
