"""The part of a session that compares many objects: what no honest side sends."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec.ids import ObjectId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.sync import session_collections
from peergos_collab.sync.collections import Range, collection_name
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.packed_places import pack_questions, pack_ranges
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import CollectionChanged, CollectionCompared, CollectionOffered

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


def questions(*ranges: tuple[int, int]) -> bytes:
    return pack_questions((Range(start, stop), bytes(16)) for start, stop in ranges)


TWICE = [OBJECTS[0], OBJECTS[0]]


@pytest.mark.parametrize(
    "fields",
    [
        (Frame.COLLECTION, NAME, 5, OBJECTS[5:]),
        (Frame.COLLECTION, collection_name(TWICE), 0, TWICE),
        (Frame.COLLECTION, NAME, 0, [b"short"]),
        (Frame.COLLECTION, NAME, 0, OBJECTS[:39]),
        (Frame.COMPARE, NAME, b"", questions((0, 40), (0, 40))),
        (Frame.COMPARE, NAME, b"", questions((20, 40), (0, 20))),
        (Frame.COMPARE, NAME, b"", questions((4, 4))),
        (Frame.COMPARE, NAME, b"", questions((0, 1 << 17))),
        (Frame.COMPARE, NAME, b"", questions((0, 40))[:-1]),
        (Frame.COMPARE, NAME, b"", questions(*((at, at + 1) for at in range(4097)))),
        (Frame.COMPARE, NAME, bytes(2), b""),
        (Frame.COMPARE, NAME, bytes(6), b""),
        (Frame.COMPARE, NAME, [], b""),
        (Frame.CHANGED, NAME, NAME, b"", TWICE),
        (Frame.CHANGED, NAME, NAME, bytes(6), []),
        (Frame.CHANGED, NAME, b"short", b"", []),
        (Frame.COMPARED, b""),
        (Frame.STIRRED, OBJECTS[0]),
        (Frame.WATCHWORD, OBJECTS[0], b"short"),
    ],
)
def test_a_node_refuses_what_no_client_sends(fields: tuple[Any, ...]) -> None:
    """The connection ends."""
    _, node = pair()
    with pytest.raises(RemoteProtocolError):
        node.receive_untrusted(encode_frame(*fields))


@pytest.mark.parametrize(
    "differing",
    [
        *(pack_ranges([Range(*one)]) for one in ((0, 39), (1, 41), (0, 0))),
        2 * pack_ranges([Range(0, 40)]),
        b"\1",
        [],
        "everything",
    ],
)
def test_a_client_refuses_answers_to_what_it_did_not_ask(differing: Any) -> None:
    """A node cannot have it open what it likes, or go round for ever."""
    client, _ = pair()
    client.collections.compare(OBJECTS, [RANDOM(16) for _ in OBJECTS])
    with pytest.raises(RemoteProtocolError):
        client.receive_untrusted(encode_frame(Frame.COMPARED, differing))


def test_a_client_refuses_an_answer_without_a_question() -> None:
    client, _ = pair()
    for frame in (encode_frame(Frame.COMPARED, b""), encode_frame(Frame.COMPARE, NAME, b"", b"")):
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


def test_only_changes_are_told_of_a_collection_that_the_node_may_know() -> None:
    """If it does not know that either, all is told; if it takes neither, each is compared by itself."""
    client, node = pair()
    before = [*OBJECTS[1:], ObjectId(b"\xff" * 32)]
    client.collections.compare(OBJECTS, [RANDOM(16) for _ in OBJECTS], before)
    first = [*client.take_outgoing()]
    told, sent, events = [], [], []
    for _ in range(3):
        events += client.receive_untrusted(encode_frame(Frame.COMPARED, None))
        out = client.take_outgoing()
        sent += [decode_frame_untrusted(frame)[0] for frame in out]
        told += [event for frame in out[:1] for event in node.receive_untrusted(frame)]

    assert [decode_frame_untrusted(frame)[0] for frame in first] == [Frame.COMPARE]
    assert sent == [Frame.CHANGED, Frame.COMPARE, Frame.COLLECTION, Frame.COMPARE]
    assert told == [
        CollectionChanged(NAME, collection_name(before), [39], OBJECTS[:1]),
        CollectionOffered(NAME, OBJECTS),
    ]
    assert events == [CollectionCompared(OBJECTS)]


def test_where_much_changed_all_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame holds so many."""
    monkeypatch.setattr(session_collections, "MAX_CHANGES", 9)
    client, _ = pair()
    client.collections.compare(OBJECTS, [RANDOM(16) for _ in OBJECTS], OBJECTS[10:])
    client.take_outgoing()
    client.receive_untrusted(encode_frame(Frame.COMPARED, None))

    assert [decode_frame_untrusted(frame)[0] for frame in client.take_outgoing()] == [
        Frame.COLLECTION,
        Frame.COMPARE,
    ]


def test_thousands_may_be_left_out_and_differ() -> None:
    """As where most of very many objects woke, or changed: a frame of so many items would be refused."""
    client, node = pair()
    objects = [ObjectId(number.to_bytes(32)) for number in range(9_000)]
    client.collections.compare(objects, [b"" if number % 2 else bytes(16) for number in range(9_000)])
    asked = []
    while True:
        wanted = [event for frame in client.take_outgoing() for event in node.receive_untrusted(frame)]
        if not wanted:
            break
        for event in wanted:
            asked.append(len(event.asked))  # type: ignore[union-attr]
            node.collections.answer([each for each, _ in event.asked])  # type: ignore[union-attr]
        events = [event for frame in node.take_outgoing() for event in client.receive_untrusted(frame)]

    assert max(asked) == 4_096
    (compared,) = events
    assert isinstance(compared, CollectionCompared)
    assert sorted(compared.differ) == objects
