"""Two devices meet: the whole talk, and everything somebody in between can try."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import AccountId, DeviceId
from peergos_collab.codec.sizes import pad
from peergos_collab.crypto import Tag, cseal
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.identity.credentials import DeviceSecrets
from peergos_collab.identity.device_code import DeviceCode
from peergos_collab.identity.device_meeting import SIZES, Joining, MeetingEnded, Message, Offering
from peergos_collab.ports import Address

CODE = DeviceCode.generate(Address(bytes(32), "node", 1), random.Random(10).randbytes)
ACCOUNT, FIRST = AccountId(b"a" * 32), DeviceId(b"d" * 32)
PHONE = DeviceSecrets.generate(random.Random(11).randbytes)
SECRET = b"everything that makes a device one of the account"


def offering() -> Offering:
    return Offering(CODE, ACCOUNT, FIRST, os.urandom)


def joining(name: str = "phone") -> Joining:
    return Joining(CODE, PHONE.public, name, os.urandom)


def compared() -> tuple[Offering, Joining]:
    """Both, at the point where they show digits."""
    first, new = offering(), joining()
    (offer,) = first.take_untrusted(new.begin())
    (hello,), _ = new.take_untrusted(offer)
    assert first.take_untrusted(hello) == []
    return first, new


def test_the_whole_talk() -> None:
    """Both show the same digits, and the new device gets the parcel once both users agreed."""
    first, new = compared()
    assert first.digits == new.digits
    assert len(first.digits) == 6
    assert first.joiner is not None
    assert (first.joiner.device, first.joiner.name) == (PHONE.public, "phone")
    assert new.account == ACCOUNT
    first.take_untrusted(new.agree())
    assert first.same_there
    assert new.take_untrusted(first.parcel(SECRET)) == ([], SECRET)
    first.take_untrusted(new.done())

    assert first.done


def test_another_meeting_shows_other_digits() -> None:
    """They come from this meeting's keys."""
    assert len({compared()[0].digits for _ in range(20)}) > 15


def test_messages_have_the_sizes_of_mail() -> None:
    """A node learns no more from these than from other mail."""
    first, new = compared()
    first.take_untrusted(new.agree())
    sealed = [new.begin(), new.agree(), new.done(), first.parcel(bytes(40_000)), first.refusal()]

    assert {len(message) for message in sealed} <= set(SIZES)


def test_a_parcel_is_always_as_long() -> None:
    """So that it does not show how much an account has."""
    first, new = compared()
    first.take_untrusted(new.agree())

    assert {len(first.parcel(bytes(length))) for length in (1, 1_000, 5_000, 60 << 10)} == {SIZES[-1]}


def test_nothing_is_given_before_both_agreed() -> None:
    """Neither without the other's word, nor without there being anybody."""
    first, new = compared()
    with pytest.raises(LocalProtocolError):
        first.parcel(SECRET)
    with pytest.raises(LocalProtocolError):
        offering().parcel(SECRET)
    with pytest.raises(LocalProtocolError):
        joining().agree()
    first.take_untrusted(new.agree())

    assert first.parcel(SECRET)


def test_a_parcel_is_not_taken_before_this_user_agreed() -> None:
    """However early it comes."""
    first, new = compared()
    first.same_there = True

    with pytest.raises(RemoteProtocolError):
        new.take_untrusted(first.parcel(SECRET))


def test_a_man_in_the_middle_shows_other_digits() -> None:
    """He has the code and answers each side in the other's place: the screens differ."""
    first, new = offering(), joining()
    to_new = Offering(CODE, ACCOUNT, FIRST, os.urandom)
    to_first = Joining(CODE, DeviceSecrets.generate(os.urandom).public, "phone", os.urandom)
    (offer,) = first.take_untrusted(to_first.begin())
    (false_hello,), _ = to_first.take_untrusted(offer)
    first.take_untrusted(false_hello)
    (false_offer,) = to_new.take_untrusted(new.begin())
    (hello,), _ = new.take_untrusted(false_offer)
    to_new.take_untrusted(hello)

    assert first.digits != new.digits


def test_who_knows_the_code_cannot_read_the_parcel() -> None:
    """He saw every message; the parcel is for keys he does not have."""
    first, new = compared()
    first.take_untrusted(new.agree())
    parcel = first.parcel(SECRET)
    eve = joining("eve")
    eve.begin()
    (offer,) = offering().take_untrusted(new.begin())
    eve.take_untrusted(offer)
    eve.agree()

    with pytest.raises(MeetingEnded):
        eve.take_untrusted(parcel)


def test_keys_cannot_be_chosen_after_the_other_side_spoke() -> None:
    """A hello that was not promised ends the meeting: else digits could be made to fit."""
    first, new = offering(), joining()
    (offer,) = first.take_untrusted(new.begin())
    other = joining()
    other.begin()
    (hello,), _ = other.take_untrusted(offer)

    with pytest.raises(MeetingEnded, match="promised"):
        first.take_untrusted(hello)


def test_two_with_one_code_are_both_refused() -> None:
    """Whoever photographed the code is found out when the other comes, whichever is first."""
    first = offering()
    first.take_untrusted(joining().begin())

    with pytest.raises(MeetingEnded, match="one code"):
        first.take_untrusted(joining("eve").begin())


def test_a_message_that_comes_twice_does_no_harm() -> None:
    """A promise is the same promise; a second hello changes nothing."""
    first, new = offering(), joining()
    promise = new.begin()
    (offer,) = first.take_untrusted(promise)
    assert first.take_untrusted(promise) == []
    (hello,), _ = new.take_untrusted(offer)
    first.take_untrusted(hello)
    before = first.digits
    with pytest.raises(RemoteProtocolError):
        first.take_untrusted(hello)

    assert first.digits == before


def test_either_may_refuse_at_any_time() -> None:
    """The other side hears of it."""
    first, new = compared()
    with pytest.raises(MeetingEnded):
        first.take_untrusted(new.refusal())
    with pytest.raises(MeetingEnded):
        new.take_untrusted(first.refusal())


@pytest.mark.parametrize("kind", [Message.HELLO, Message.SAME, Message.DONE, Message.OFFER, Message.PARCEL])
def test_messages_out_of_turn_are_refused(kind: Message) -> None:
    """At the first device before anybody came."""
    with pytest.raises(RemoteProtocolError):
        offering().take_untrusted(joining().meeting.seal(kind))


@pytest.mark.parametrize("kind", [Message.PROMISE, Message.HELLO, Message.SAME, Message.PARCEL, Message.DONE])
def test_messages_out_of_turn_are_refused_by_the_new_device(kind: Message) -> None:
    """Before the first one spoke."""
    with pytest.raises(RemoteProtocolError):
        joining().take_untrusted(offering().meeting.seal(kind))


FALSE_FIELDS: dict[str, Callable[[], bytes]] = {
    "a short promise": lambda: joining().meeting.seal(Message.PROMISE, b"short"),
    "a promise of two": lambda: joining().meeting.seal(Message.PROMISE, bytes(32), bytes(32)),
    "an unknown kind": lambda: _sealed(encode([8])),
    "no array": lambda: _sealed(encode("text")),
    "nothing": lambda: _sealed(encode([])),
    "no padding": lambda: cseal(
        CODE.to_first().seal, Tag.SEAL, bytes(90), CODE.to_first().address, os.urandom
    ),
    "another's seal": lambda: offering().meeting.seal(Message.SAME),
    "no seal": lambda: bytes(1024),
}


def _sealed(raw: bytes) -> bytes:
    return _sealed_as_it_is(pad(raw, 900))


def _sealed_as_it_is(padded: bytes) -> bytes:
    inbox = CODE.to_first()
    return cseal(inbox.seal, Tag.SEAL, padded, inbox.address, os.urandom)


@pytest.mark.parametrize("fault", FALSE_FIELDS)
def test_false_messages_are_refused(fault: str) -> None:
    """Whoever sends them; the meeting goes on afterwards."""
    first, new = offering(), joining()
    with pytest.raises(RemoteProtocolError) as caught:
        first.take_untrusted(FALSE_FIELDS[fault]())

    assert not isinstance(caught.value, MeetingEnded)
    assert len(first.take_untrusted(new.begin())) == 1


def test_a_hello_with_false_keys_is_refused() -> None:
    """A key that belongs to nobody, promised or not."""
    new = Joining(CODE, PHONE.public, "phone", os.urandom)
    new._hello[2] = bytes(32)
    first = offering()
    (offer,) = first.take_untrusted(new.begin())
    (hello,), _ = new.take_untrusted(offer)

    with pytest.raises(RemoteProtocolError):
        first.take_untrusted(hello)
    assert first.joiner is None


def test_an_offer_of_a_later_version_is_refused() -> None:
    """It may mean something else."""
    fields = [2, ACCOUNT, FIRST, bytes(range(32)), bytes(16)]

    with pytest.raises(RemoteProtocolError):
        joining().take_untrusted(offering().meeting.seal(Message.OFFER, *fields))


def test_a_parcel_that_is_too_long_is_told() -> None:
    """Mail ends at 64 KiB."""
    first, new = compared()
    first.take_untrusted(new.agree())

    with pytest.raises(LocalProtocolError):
        first.parcel(bytes(65_400))
