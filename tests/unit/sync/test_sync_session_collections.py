"""The part of a session that compares many objects: what no honest side sends."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.sync import session_collections
from peergos_collab.sync.collections import collection_name
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import CollectionCompared, CollectionOffered

RANDOM = random.Random(29).randbytes
OBJECTS = sorted(ObjectId(RANDOM(32)) for _ in range(40))
NAME = collection_name(OBJECTS)
RECEIPT = SigningKey.generate(RANDOM)


def pair() -> tuple[Session, Session]:
    """A client and a node that have greeted."""
    client = Session(b"pin", lambda _: None, RANDOM, with_node=True)
    node = Session(b"pin", lambda _: None, RANDOM, serving=True, receipt_key=RECEIPT)
    for source, target in ((client, node), (node, client)):
        for frame in source.take_outgoing():
            target.receive_untrusted(frame)
    return client, node


def test_a_collection_is_taken_once_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts that follow each other, all but the last full; a new first part begins anew."""
    monkeypatch.setattr(session_collections, "OBJECTS_PER_FRAME", 15)
    _, node = pair()
    events = []
    for start, stop in ((0, 15), (0, 15), (15, 30), (30, 40)):
        events += node.receive_untrusted(encode_frame(Frame.COLLECTION, NAME, start, OBJECTS[start:stop]))

    assert events == [CollectionOffered(NAME, OBJECTS)]


TWICE = [OBJECTS[0], OBJECTS[0]]


@pytest.mark.parametrize(
    "fields",
    [
        (Frame.COLLECTION, NAME, 5, OBJECTS[5:]),
        (Frame.COLLECTION, collection_name(TWICE), 0, TWICE),
        (Frame.COLLECTION, NAME, 0, [b"short"]),
        (Frame.COLLECTION, NAME, 0, OBJECTS[:39]),
        (Frame.COMPARE, NAME, [], [[0, 40, bytes(16)], [0, 40, bytes(16)]]),
        (Frame.COMPARE, NAME, [], [[20, 40, bytes(16)], [0, 20, bytes(16)]]),
        (Frame.COMPARE, NAME, [], [[4, 4, bytes(16)]]),
        (Frame.COMPARE, NAME, [], [[0, 1 << 17, bytes(16)]]),
        (Frame.COMPARE, NAME, [-1], []),
        (Frame.COMPARED, []),
        (Frame.STIRRED, OBJECTS[0]),
        (Frame.WATCHWORD, OBJECTS[0], b"short"),
    ],
)
def test_a_node_refuses_what_no_client_sends(fields: tuple[Any, ...]) -> None:
    """The connection ends."""
    _, node = pair()
    with pytest.raises(RemoteProtocolError):
        node.receive_untrusted(encode_frame(*fields))


@pytest.mark.parametrize("differing", [[[0, 39]], [[1, 41]], [[0, 0]], [[0, 40], [0, 40]], "everything"])
def test_a_client_refuses_answers_to_what_it_did_not_ask(differing: Any) -> None:
    """A node cannot have it open what it likes, or go round for ever."""
    client, _ = pair()
    client.collections.compare(OBJECTS, [RANDOM(16) for _ in OBJECTS])
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(encode_frame(Frame.COMPARED, differing))


def test_a_client_refuses_an_answer_without_a_question() -> None:
    client, _ = pair()
    for frame in (encode_frame(Frame.COMPARED, []), encode_frame(Frame.COMPARE, NAME, [], [])):
        with pytest.raises(RemoteProtocolError):
            client.receive_untrusted(frame)


def test_a_node_that_never_knows_a_collection_ends_the_question() -> None:
    """It is told of it once; then all objects are compared one by one."""
    client, _ = pair()
    client.collections.compare(OBJECTS, [RANDOM(16) for _ in OBJECTS])
    sent = [decode_frame_untrusted(frame)[0] for frame in client.take_outgoing()]
    events = client.receive_untrusted(encode_frame(Frame.COMPARED, None))
    sent += [decode_frame_untrusted(frame)[0] for frame in client.take_outgoing()]
    events += client.receive_untrusted(encode_frame(Frame.COMPARED, None))

    assert sent == [Frame.COMPARE, Frame.COLLECTION, Frame.COMPARE]
    assert events == [CollectionCompared(OBJECTS)]
