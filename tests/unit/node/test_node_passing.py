"""What is said in passing at a node: at once among few, gathered in a crowd, and within its bounds."""

from __future__ import annotations

import random

import pytest

from peergos_collab.node import passing
from peergos_collab.sync.frames import Frame, decode_frame_untrusted
from support.members import Group
from support.shelves import Client, NodeAndClients

RANDOM = random.Random(31).randbytes


class Meeting:
    """So many sessions of Ana's, on one object at one node."""

    def __init__(self, number: int) -> None:
        group = Group(["Ana"], RANDOM)
        ana, self.object, self.node = group["Ana"], group.object, NodeAndClients(RANDOM)
        self.clients = [
            self.node.connect(Client(group.object, ana.membership.keys, RANDOM, ana.records))
            for _ in range(number)
        ]
        self.node.settle()

    def say(self, client: Client, key: bytes, counter: int, sealed: bytes) -> None:
        client.session.send_ephemeral(self.object, key, counter, sealed)
        self.node.to_node(client)

    def heard(self, client: Client) -> list[list[bytes]]:
        """What came to a client now, by frames."""
        before = len(client.came)
        self.node.move()
        frames = [decode_frame_untrusted(frame) for frame in client.came[before:]]
        return [[sealed for *_, sealed in fields[1]] for kind, fields in frames if kind is Frame.EPHEMERAL]


def keys(number: int) -> list[bytes]:
    return [bytes([at]) * 16 for at in range(number)]


def test_among_few_all_of_it_goes_on_at_once() -> None:
    """To the others."""
    meeting = Meeting(3)
    first, second, third = meeting.clients
    for counter in (1, 2):
        meeting.say(first, keys(1)[0], counter, b"%d" % counter)

    assert not meeting.node.shelf.waits
    assert [meeting.heard(client) for client in (second, third, first)] == [[[b"1"], [b"2"]], [], []]
    assert third.passing == [b"1", b"2"]
    assert first.passing == []


def test_in_a_crowd_the_newest_goes_on_with_the_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one frame for all, so many keys at a time, in turn; what is older of a key is dropped."""
    monkeypatch.setattr(passing, "CROWD", 2)
    monkeypatch.setattr(passing, "IN_A_BEAT", 2)
    meeting = Meeting(3)
    first, second, _ = meeting.clients
    for counter in (1, 2):
        for key in keys(3):
            meeting.say(first, key, counter, b"%d %d" % (key[0], counter))
    at_once = meeting.heard(second)
    beats = []
    while meeting.node.shelf.waits:
        meeting.node.write(meeting.node.shelf.beat())
        beats += meeting.heard(second)

    assert at_once == []
    assert beats == [[b"0 2", b"1 2"], [b"2 2"]]


def test_what_is_let_go_does_not_wait_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else who says much under ever new keys would fill the node, and have all others wait for nothing."""
    monkeypatch.setattr(passing, "CROWD", 1)
    meeting = Meeting(2)
    for number in range(passing.KEPT + 5):
        meeting.node.time += 1000
        meeting.say(meeting.clients[0], number.to_bytes(16, "big"), 1, bytes(100))

    assert len(meeting.node.shelf.passing._waiting[meeting.object]) == passing.KEPT


def test_a_newcomer_to_a_crowd_hears_who_is_there() -> None:
    """All that is fresh, in frames that are not too long."""
    meeting = Meeting(2)
    first = meeting.clients[0]
    for key in keys(passing.IN_A_BEAT + 1):
        meeting.say(first, key, 1, key)
    late = meeting.node.connect(Client(meeting.object, first.keys, RANDOM, first.book.epochs.values()))
    frames = meeting.heard(late)

    assert [len(frame) for frame in frames] == [passing.IN_A_BEAT, 1]


def test_what_an_object_keeps_has_a_bound() -> None:
    """The oldest goes; and in all so many bytes, after which everything is let go."""
    meeting = Meeting(2)
    said = meeting.node.shelf.passing
    for number in range(passing.KEPT + 5):
        meeting.node.time += 1000
        meeting.say(meeting.clients[0], number.to_bytes(16, "big"), 1, bytes(100))

    assert len(said._kept[meeting.object]) == passing.KEPT
    assert said._bytes == 100 * passing.KEPT
