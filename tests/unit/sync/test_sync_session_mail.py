"""The mailbox part of a session: proofs, and frames that no honest side sends."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError
from peergos_collab.objects.mail import LEAST_WORK, Mail
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import (
    MailCame,
    MailDropped,
    MailKept,
    MailOffered,
    MailRefused,
    MailWanted,
    RefusedCame,
)
from peergos_collab.sync.session_mail import MAX_NUMBERS

RANDOM = random.Random(32).randbytes
KEY, OTHER = SigningKey.generate(RANDOM), SigningKey.generate(RANDOM)
ADDRESS = MailAddress(KEY.public)
RECEIPT = SigningKey.generate(RANDOM)
MAIL = Mail.stamp(ADDRESS, RANDOM(1024), 20_000, RANDOM, LEAST_WORK)
FOREIGN = Mail.stamp(MailAddress(OTHER.public), RANDOM(1024), 20_000, RANDOM, LEAST_WORK)


def pair() -> tuple[Session, Session]:
    """A client and a node that have greeted."""
    client = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    node = Session(b"pin", lambda _: None, RANDOM, serving=True, receipt_key=RECEIPT)
    carry(client, node)
    carry(node, client)
    return client, node


def carry(source: Session, target: Session) -> list[Any]:
    """What ``target`` tells of the frames that ``source`` has sent."""
    return [event for frame in source.take_outgoing() for event in target.receive_untrusted(frame)]


def test_mail_goes_out_and_is_confirmed_or_refused() -> None:
    """Each answer once: a second one of the same mail says nothing."""
    client, node = pair()
    for mail in (MAIL, FOREIGN):
        client.put_mail(mail)
    assert carry(client, node) == [MailOffered(MAIL.raw), MailOffered(FOREIGN.raw)]
    for _ in range(2):
        node.mail.keep(MAIL.id)
    node.mail.refuse(FOREIGN.id, "full", "no room")
    node.mail.refuse(FOREIGN.id, "full", "no room")

    kept, refused, again = carry(node, client)
    assert (kept, refused) == (MailKept(MAIL.id), MailRefused(FOREIGN.id, "full", "no room"))
    assert isinstance(again, RefusedCame)


def test_peers_put_mail_only_where_both_take_it() -> None:
    """Between peers who greeted it is put as at a node; nobody reads a mailbox there."""
    left, right, plain = [Session(b"pin", lambda _: None, RANDOM, takes_mail=takes) for takes in (1, 1, 0)]
    for one, other in ((left, right), (right, left)):
        carry(one, other)
    left.put_mail(MAIL)
    assert carry(left, right) == [MailOffered(MAIL.raw)]
    right.mail.keep(MAIL.id)
    assert carry(right, left) == [MailKept(MAIL.id)]
    left.open_mail(KEY)
    with pytest.raises(RemoteProtocolError, match="no node"):
        carry(left, right)

    other = Session(b"pin", lambda _: None, RANDOM, takes_mail=True)
    carry(other, plain)
    carry(plain, other)
    other.put_mail(MAIL)
    with pytest.raises(RemoteProtocolError, match="takes none"):
        carry(other, plain)


def test_mailboxes_opened_before_the_hello_are_proved_after_it() -> None:
    """The proof needs the other side's nonce; the frames go out as soon as it is here."""
    client = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    node = Session(b"pin", lambda _: None, RANDOM, serving=True, receipt_key=RECEIPT)
    client.open_mail(KEY, 7)
    client.drop_mail(KEY, [3, 1])
    carry(client, node)
    carry(node, client)

    assert carry(client, node) == [MailWanted(ADDRESS, 7), MailDropped(ADDRESS, [1, 3])]


def test_a_proof_is_for_one_connection() -> None:
    """Played on another connection to the same node, with its own nonce, it opens nothing."""
    client, _ = pair()
    client.open_mail(KEY)
    client.drop_mail(KEY, [1])
    played = client.take_outgoing()
    _, node = pair()

    assert [event for frame in played for event in node.receive_untrusted(frame)] == []
    kinds = [decode_frame_untrusted(frame) for frame in node.take_outgoing()]
    assert kinds == [(Frame.MAIL, [ADDRESS, [], False])]


def test_there_is_more_until_there_is_not() -> None:
    """Each page asks for the next one by the highest number that came, even where a page is empty."""
    client, node = pair()
    client.open_mail(KEY)
    carry(client, node)
    node.mail.answer(ADDRESS, [(3, MAIL.raw), (9, MAIL.raw)], True)
    assert carry(node, client) == [MailCame(ADDRESS, [(3, MAIL), (9, MAIL)], True)]
    assert carry(client, node) == [MailWanted(ADDRESS, 9)]
    node.mail.answer(ADDRESS, [(4, MAIL.raw)], False)
    node.mail.answer(ADDRESS, [], True)
    carry(node, client)

    assert carry(client, node) == [MailWanted(ADDRESS, 9)]


BAD = {
    "mail of a mailbox that is not open": [FOREIGN.address, [[1, FOREIGN.raw]], False],
    "mail of another mailbox": [ADDRESS, [[1, FOREIGN.raw]], False],
    "numbers that fall": [ADDRESS, [[2, MAIL.raw], [1, MAIL.raw]], False],
    "a number twice": [ADDRESS, [[2, MAIL.raw], [2, MAIL.raw]], False],
    "number zero": [ADDRESS, [[0, MAIL.raw]], False],
    "a number that is none": [ADDRESS, [["1", MAIL.raw]], False],
    "more that is no bool": [ADDRESS, [], 1],
    "mail that is none": [ADDRESS, [[1, MAIL.raw[:-1]]], False],
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_false_answers_end_the_connection(fields: list[Any]) -> None:
    """A node that breaks the rules is not used."""
    client, _ = pair()
    client.open_mail(KEY)
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(encode_frame(Frame.MAIL, *fields))


@pytest.mark.parametrize(
    "frame",
    [
        encode_frame(Frame.PUT_MAIL, MAIL.raw),
        encode_frame(Frame.OPEN_MAIL, ADDRESS, bytes(64), 0),
        encode_frame(Frame.DROP_MAIL, ADDRESS, bytes(64), [1]),
    ],
)
def test_only_nodes_have_mailboxes(frame: bytes) -> None:
    """A client that is asked for one ends the connection."""
    client, _ = pair()
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(frame)


def test_so_many_are_dropped_at_once() -> None:
    """One more is a mistake here, and breaks the rules there."""
    client, node = pair()
    client.drop_mail(KEY, range(1, MAX_NUMBERS + 1))
    assert len(carry(client, node)[0].numbers) == MAX_NUMBERS
    with pytest.raises(LocalProtocolError):
        client.drop_mail(KEY, range(1, MAX_NUMBERS + 2))
    frame = encode_frame(Frame.DROP_MAIL, ADDRESS, bytes(64), list(range(1, MAX_NUMBERS + 2)))
    with pytest.raises(RemoteProtocolError):
        node.receive_untrusted(frame)
