"""Mail for mailboxes: its form, its stamp, and the proof of who may read."""

from __future__ import annotations

import random

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import BadSignature, SigningKey
from peergos_collab.errors import LocalProtocolError, PeergosCollabError, RemoteProtocolError
from peergos_collab.objects.mail import (
    DAY,
    LEAST_WORK,
    MAX_MAIL,
    SIZES,
    Mail,
    check_reader,
    day_of,
    prove_reader,
)

RANDOM = random.Random(5).randbytes
KEY = SigningKey.generate(RANDOM)
ADDRESS = MailAddress(KEY.public)
SEALED = RANDOM(SIZES[0])
MAIL = Mail.stamp(ADDRESS, SEALED, 20_000, RANDOM, LEAST_WORK)


def changed(mail: Mail, at: int, value: object) -> bytes:
    fields = decode_untrusted(mail.raw, MAX_MAIL)
    fields[at] = value
    return encode(fields)


@pytest.mark.parametrize("size", SIZES)
def test_mail_comes_back_from_its_bytes(size: int) -> None:
    """Each allowed size; what is parsed is what was stamped."""
    mail = Mail.stamp(ADDRESS, RANDOM(size), 20_000, RANDOM, LEAST_WORK)

    assert Mail.parse_untrusted(mail.raw) == mail
    assert (mail.address, len(mail.sealed), mail.day) == (ADDRESS, size, 20_000)
    assert mail.work >= LEAST_WORK
    assert len(mail.raw) <= MAX_MAIL


@pytest.mark.parametrize(
    "size", [0, 1, SIZES[0] - 1, SIZES[0] + 1, 2 * SIZES[0], SIZES[-1] + 1, 4 * SIZES[-1]]
)
def test_other_sizes_are_refused(size: int) -> None:
    """By whoever would send them, and by whoever gets them."""
    with pytest.raises(LocalProtocolError):
        Mail.stamp(ADDRESS, bytes(size), 0, RANDOM, LEAST_WORK)
    with pytest.raises(RemoteProtocolError):
        Mail.parse_untrusted(changed(MAIL, 2, bytes(size)))


def test_work_is_bound_to_everything_in_the_mail() -> None:
    """A stamp cannot be moved to another mailbox, message or day: its work is gone there.

    A single change keeps 12 bits by luck once in 4,096, so many are tried.
    """
    others = [changed(MAIL, 1, RANDOM(32)) for _ in range(16)]
    others += [changed(MAIL, 2, RANDOM(SIZES[0])) for _ in range(16)]
    others += [changed(MAIL, 3, day) for day in range(16)]

    refused = 0
    for raw in others:
        try:
            Mail.parse_untrusted(raw)
        except RemoteProtocolError:
            refused += 1

    assert refused >= len(others) - 2


def test_mail_with_too_little_work_is_refused() -> None:
    """Nearly every nonce of those that nobody searched for."""
    raws = [changed(MAIL, 4, nonce.to_bytes(8, "big")) for nonce in range(100)]
    refused = 0
    for raw in raws:
        try:
            Mail.parse_untrusted(raw)
        except RemoteProtocolError:
            refused += 1

    assert refused >= 97


def test_more_work_can_be_asked_for() -> None:
    """The mail says how much was done."""
    assert Mail.stamp(ADDRESS, SEALED, 1, RANDOM, 15).work >= 15


@pytest.mark.parametrize("work", [LEAST_WORK - 1, 65])
def test_work_out_of_range_is_a_mistake(work: int) -> None:
    """Less is refused everywhere, more is never found."""
    with pytest.raises(LocalProtocolError):
        Mail.stamp(ADDRESS, SEALED, 1, RANDOM, work)


def test_a_search_can_be_left() -> None:
    """It comes back after each step without an answer, so whoever runs it may stop."""
    search = Mail.stamping(ADDRESS, SEALED, 1, RANDOM, 64)

    assert [next(search) for _ in range(3)] == [None, None, None]


def test_the_search_goes_round_at_the_highest_nonce() -> None:
    """A start at the end of the numbers finds mail too."""
    mail = Mail.stamp(ADDRESS, SEALED, 1, lambda n: b"\xff" * n, LEAST_WORK)

    assert Mail.parse_untrusted(mail.raw) == mail


def test_equal_messages_have_different_ids_when_stamped_anew() -> None:
    """The id is that of the whole mail, stamp included, so a node's word means this very one."""
    again = Mail.stamp(ADDRESS, SEALED, 20_001, RANDOM, LEAST_WORK)

    assert again.id != MAIL.id
    assert Mail.parse_untrusted(MAIL.raw).id == MAIL.id


def test_the_holder_of_the_key_is_let_in() -> None:
    """On the connection and for the nonce it was made for."""
    check_reader(ADDRESS, b"channel", bytes(16), prove_reader(KEY, b"channel", bytes(16)))


@pytest.mark.parametrize(
    ("address", "channel", "nonce"),
    [
        (ADDRESS, b"other", bytes(16)),
        (ADDRESS, b"channel", bytes(15) + b"\1"),
        (MailAddress(SigningKey.generate(RANDOM).public), b"channel", bytes(16)),
    ],
)
def test_a_proof_is_good_for_one_mailbox_connection_and_nonce(
    address: MailAddress, channel: bytes, nonce: bytes
) -> None:
    """A node cannot play it to another node, nor a listener later to the same one."""
    proof = prove_reader(KEY, b"channel", bytes(16))

    with pytest.raises(BadSignature):
        check_reader(address, channel, nonce, proof)


def test_an_address_that_is_no_key_is_only_unreadable() -> None:
    """32 bytes that no key belongs to: nobody can read there, and checking raises nothing else."""
    for address in (bytes(32), b"\xff" * 32, b"\x02" + bytes(31)):
        with pytest.raises(PeergosCollabError):
            check_reader(MailAddress(address), b"", b"", bytes(64))


def test_days_begin_at_midnight_utc() -> None:
    """Day 0 is 1 January 1970."""
    assert [day_of(0), day_of(DAY - 1), day_of(DAY)] == [0, 0, 1]
