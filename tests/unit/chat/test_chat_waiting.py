"""Local events of a chat that wait for their place."""

from __future__ import annotations

from peergos_collab.chat.events import Message, Reply, Topic, same_segment
from peergos_collab.chat.waiting import Waiting


def test_messages_among_other_events() -> None:
    """They go with the events they are among, whichever are dropped."""
    waiting = Waiting()
    assert not waiting
    events = [Message("one"), Topic("t"), Reply(same_segment(0), "two"), Topic("u"), Message("three")]
    waiting.add(enumerate(events))
    assert waiting
    assert [(time, event.text) for time, event in waiting.messages] == [(0, "one"), (2, "two"), (4, "three")]

    left = []
    for _ in events:
        waiting.drop(1)
        left.append([event.text for _, event in waiting.messages])
        assert len(waiting.events) == 5 - len(left)
    assert left == [["two", "three"], ["two", "three"], ["three"], ["three"], []]
    waiting.add([(9, Message("four"))])
    waiting.drop(3)
    assert not waiting
    assert waiting.messages == []
