"""Timeline: order, rights, what is shown, search, storage in chunks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peergos_collab.chat import (
    ChatEvent,
    Delete,
    Edit,
    Message,
    Pin,
    Reaction,
    ReadMarker,
    Reference,
    Reply,
    Timeline,
    Topic,
    encode_events,
    same_segment,
)
from peergos_collab.chat.rows import ROWS
from peergos_collab.codec.ids import SegmentId
from peergos_collab.errors import Damaged, LocalProtocolError, NotFound, Quarantined, UsageError
from support.histories import History, Written, author

ANA, BEN, CLEO = author("Ana"), author("Ben"), author("Cleo")


class Chat:
    """A history and one timeline that follows it."""

    def __init__(self, timeline: Timeline | None = None) -> None:
        self.history = History()
        self.timeline = Timeline() if timeline is None else timeline

    def write(self, who: object, *events: ChatEvent, **how: object) -> Written:
        """Adds a segment to the history only."""
        return self.history.write(who, lambda lamport: encode_events(lamport, events), **how)  # type: ignore[arg-type]

    def say(self, who: object, *events: ChatEvent, **how: object) -> Written:
        """Adds a segment to the history and the timeline; it cites everything unless told otherwise."""
        if "after" not in how and "cites" not in how:
            own = [one for one in self.history.written if one.delivery.author == who]
            how |= {"after": own[-1] if own else None, "cites": self.history.written[-1:]}
        written = self.write(who, *events, **how)
        self.timeline.add_untrusted(written.delivery)
        return written

    @property
    def texts(self) -> list[str]:
        return _texts(self.timeline)


def _texts(timeline: Timeline) -> list[str]:
    return [message.text for message in timeline.messages(0, len(timeline))]


def _ref(written: Written, index: int = 0) -> Reference:
    return Reference(written.lamport, written.id, index)


def test_messages_come_in_lamport_order() -> None:
    """A reply stands after what it answers, and ids, authors and times are those of the segments."""
    chat = Chat()
    first = chat.say(ANA, Message("one"), time=5)
    chat.say(BEN, Reply(_ref(first), "two"))
    one, two = chat.timeline.messages(0, 2)

    assert (one.text, one.author, one.time) == ("one", ANA, 5)
    assert (two.text, two.reply_to) == ("two", one.id)
    assert chat.timeline.index_of(two.id) == 1
    assert chat.timeline.next_lamport() == 3


def test_concurrent_messages_stand_the_same_whichever_came_first() -> None:
    """Of equal Lamport times the account decides."""
    chat = Chat()
    left, right = chat.write(ANA, Message("a")), chat.write(BEN, Message("b"))
    orders = []
    for order in ((left, right), (right, left)):
        timeline = Timeline()
        for one in order:
            timeline.add_untrusted(one.delivery)
        orders.append(_texts(timeline))

    assert orders == [["a", "b"], ["a", "b"]]


def test_a_segment_counts_once() -> None:
    """Delivering a segment again doubles nothing."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    chat.say(ANA, Message("two"))
    chat.timeline.add_untrusted(first.delivery)

    assert chat.texts == ["one", "two"]


def test_both_sides_of_a_fork_are_kept() -> None:
    """Two segments of one log with one seq both show."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    chat.say(ANA, Message("left"), after=first)
    chat.say(ANA, Message("right"), after=first)

    assert sorted(chat.texts) == ["left", "one", "right"]


@pytest.mark.parametrize("lamport", [0, 1, 3])
def test_a_wrong_lamport_time_is_set_aside_with_its_author(lamport: int) -> None:
    """Nobody can push a message up or down; the error names who tried, and nothing shows."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    bad = chat.history.write(BEN, encode_events(lamport, [Message("x")]), cites=[first])

    with pytest.raises(Quarantined, match="Ben"):
        chat.timeline.add_untrusted(bad.delivery)
    assert chat.texts == ["one"]
    assert chat.timeline.next_lamport() == 2


def test_bytes_that_are_no_events_are_set_aside_and_may_be_cited() -> None:
    """A later segment of anybody may cite one that was set aside: it counts as passed by."""
    chat = Chat()
    bad = chat.history.write(BEN, b"nonsense", passed_by=True)

    with pytest.raises(Quarantined):
        chat.timeline.add_untrusted(bad.delivery)
    chat.say(ANA, Message("one"), cites=[bad])

    assert chat.texts == ["one"]


def test_the_name_in_a_quarantine_is_made_safe() -> None:
    """A hostile name cannot turn the sentence around."""
    chat = Chat()
    bad = chat.history.write(replace(BEN, name="\u202eneB\n"), b"nonsense")

    with pytest.raises(Quarantined, match=r"<U\+202E>neB<U\+000A> was set aside"):
        chat.timeline.add_untrusted(bad.delivery)


def test_greetings_are_passed_by() -> None:
    """A segment without events adds no message and no Lamport time, and may be cited."""
    chat = Chat()
    hello = chat.history.write(ANA, b"", passed_by=True)
    chat.timeline.pass_by(hello.delivery)
    chat.say(ANA, Message("one"), after=hello)

    assert chat.texts == ["one"]
    assert chat.history.written[-1].lamport == 1


def test_causal_order_is_required() -> None:
    """Delivering a segment before one it cites is an error of the caller and changes nothing."""
    chat = Chat()
    first = chat.write(ANA, Message("one"))
    second = chat.write(BEN, Message("two"), cites=[first])

    with pytest.raises(LocalProtocolError):
        chat.timeline.add_untrusted(second.delivery)
    assert len(chat.timeline) == 0


def test_an_edit_replaces_the_text() -> None:
    """The place, author and time stay; the message says it was edited."""
    chat = Chat()
    first = chat.say(ANA, Message("one"), Message("two"))
    chat.say(ANA, Edit(_ref(first), "ONE"))
    one, two = chat.timeline.messages(0, 2)

    assert (one.text, one.edited) == ("ONE", True)
    assert (two.text, two.edited) == ("two", False)


def test_the_same_account_may_edit_from_another_device() -> None:
    """Rights belong to the person."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    chat.say(author("Ana", device=2), Edit(_ref(first), "ONE"), log="second", cites=[first])

    assert chat.texts == ["ONE"]


def test_nobody_edits_or_deletes_what_others_wrote() -> None:
    """Such segments are set aside whole, with the innocent message in them."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    for event in (Edit(_ref(first), "x"), Delete(_ref(first))):
        with pytest.raises(Quarantined):
            chat.say(BEN, Message("innocent"), event, log=str(event), cites=[first])

    assert chat.texts == ["one"]


def test_a_moderator_may_delete_but_not_edit() -> None:
    """The hook decides who moderates."""
    chat = Chat(Timeline(lambda who: who.account == BEN.account))
    first = chat.say(ANA, Message("one"))
    with pytest.raises(Quarantined):
        chat.say(BEN, Edit(_ref(first), "x"), cites=[first])
    chat.say(BEN, Delete(_ref(first)), log="again", cites=[first])

    assert chat.timeline.messages(0, 1)[0].deleted
    assert chat.texts == [""]


def test_an_event_about_an_unseen_message_is_set_aside() -> None:
    """Also where this device happens to have the message: verdicts depend on the segment's past alone."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    blind = chat.write(BEN, Reaction(_ref(first), "👍"))

    with pytest.raises(Quarantined, match="had not seen"):
        chat.timeline.add_untrusted(blind.delivery)


@pytest.mark.parametrize("wrong", ["index", "lamport", "segment"])
def test_a_reference_to_no_message_is_set_aside(wrong: str) -> None:
    """An event, a wrong time or an unknown segment is no message."""
    chat = Chat()
    first = chat.say(ANA, Message("one"), Topic("t"))
    changes = {"index": 1, "lamport": 2, "segment": SegmentId(bytes(32))}
    reference = replace(_ref(first), **{wrong: changes[wrong]})  # type: ignore[arg-type]

    with pytest.raises(Quarantined):
        chat.say(ANA, Pin(reference))


def test_events_may_be_about_a_message_in_their_own_segment() -> None:
    """Offline one can write, answer and correct before any id is known; but not about what is no message."""
    chat = Chat()
    chat.say(ANA, Message("one"), Edit(same_segment(0), "ONE"), Reply(same_segment(0), "two"))
    one, two = chat.timeline.messages(0, 2)

    assert (one.text, two.text, two.reply_to) == ("ONE", "two", one.id)
    with pytest.raises(Quarantined):
        chat.say(ANA, Topic("t"), Pin(same_segment(0)))


def test_of_concurrent_edits_the_highest_wins_and_a_deletion_beats_all() -> None:
    """Whatever the order of arrival."""
    chat = Chat()
    first = chat.write(ANA, Message("one"))
    low = chat.write(ANA, Edit(_ref(first), "low"), after=first)
    other = chat.write(BEN, Message("pushes time"), cites=[first])
    high = chat.write(author("Ana", 2), Edit(_ref(first), "high"), log="2", cites=[first, other])
    gone = chat.write(author("Ana", 3), Delete(_ref(first)), log="3", cites=[first])
    for order, expected in (
        ((low, other, high), "high"),
        ((other, high, low), "high"),
        ((gone, other, high, low), ""),
        ((other, high, gone), ""),
    ):
        timeline = Timeline()
        for one in (first, *order):
            timeline.add_untrusted(one.delivery)

        assert timeline.messages(0, 1)[0].text == expected


def test_reactions_are_counted_per_person() -> None:
    """The last word of a person on an emoji counts; a deleted message has none."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))
    chat.say(BEN, Reaction(_ref(first), "👍"), Reaction(_ref(first), "🎉"))
    chat.say(CLEO, Reaction(_ref(first), "👍"))
    chat.say(BEN, Reaction(_ref(first), "🎉", on=False))

    assert chat.timeline.messages(0, 1)[0].reactions == (("👍", (BEN.account, CLEO.account)),)
    chat.say(ANA, Delete(_ref(first)))
    assert chat.timeline.messages(0, 1)[0].reactions == ()


def test_topic_pins_and_read_markers() -> None:
    """The last topic and pin win; a read marker never goes back."""
    chat = Chat()
    first = chat.say(ANA, Message("one"), Message("two"))
    chat.say(BEN, Topic("old"), Pin(_ref(first)), Pin(_ref(first, 1)), ReadMarker(_ref(first, 1)))
    chat.say(ANA, Topic("new"), Pin(_ref(first), on=False))
    chat.say(BEN, ReadMarker(_ref(first)))

    assert chat.timeline.topic == "new"
    assert [message.text for message in chat.timeline.pins()] == ["two"]
    assert chat.timeline.read_marker(BEN.account) == 1
    assert chat.timeline.read_marker(ANA.account) is None


def test_ids_that_are_not_here_are_told_apart_from_nonsense() -> None:
    """NotFound and UsageError."""
    chat = Chat()
    first = chat.say(ANA, Message("one"))

    assert chat.timeline.reference(chat.timeline.messages(0, 1)[0].id) == _ref(first)
    with pytest.raises(NotFound):
        chat.timeline.index_of(_ref(first, 1).to_text())
    with pytest.raises(UsageError):
        chat.timeline.index_of("hello")


def test_search_finds_all_words_newest_first() -> None:
    """Case does not matter, also beyond ASCII; old texts of edited or deleted messages are not found."""
    chat = Chat()
    texts = ("Red apple", "GREEN Straße", "apple, red", "secret")
    first = chat.say(ANA, *map(Message, texts))
    chat.say(ANA, Delete(_ref(first, 3)))
    found = chat.timeline.search("APPLE red", 10)

    assert [message.text for message in found] == ["apple, red", "Red apple"]
    assert [message.text for message in chat.timeline.search("apple", 1)] == ["apple, red"]
    assert [message.text for message in chat.timeline.search("STRASSE", 5)] == ["GREEN Straße"]
    assert chat.timeline.search("secret", 5) == []
    assert chat.timeline.search(" ", 5) == []
    assert chat.timeline.search("apple green", 5) == []


def test_unsealed_messages_can_be_shown() -> None:
    """What was written offline is shown as it will look, without an id."""
    shown = Timeline().unsealed(ANA, 7, [Message("one"), Topic("t"), Reply(same_segment(0), "two")])

    assert [(message.id, message.text, message.time) for message in shown] == [("", "one", 7), ("", "two", 7)]


def test_the_newest_of_a_text_is_found_by_its_device() -> None:
    """Not somebody else's, and none that lies too far back."""
    chat = Chat()
    first = chat.say(ANA, Message("hello"))
    again = chat.say(ANA, Message("hello"), Message("bye"))
    chat.say(BEN, Message("hello"))

    assert chat.timeline.newest_id(ANA.device, "hello", 9) == _ref(again).to_text()
    assert chat.timeline.newest_id(ANA.device, "hello", 3) == _ref(again).to_text()
    assert chat.timeline.newest_id(ANA.device, "hello", 2) == ""
    assert chat.timeline.newest_id(ANA.device, "bye", 9) == _ref(again, 1).to_text()
    assert chat.timeline.newest_id(BEN.device, "bye", 9) == ""
    assert _ref(first) != _ref(again)
    assert Timeline().newest_id(ANA.device, "hello", 9) == ""


def _long(count: int, timeline: Timeline) -> Chat:
    chat = Chat(timeline)
    for start in range(0, count, 100):
        chat.say(ANA, *[Message(f"message {start + at}") for at in range(100)])
    return chat


def test_a_new_message_rewrites_one_small_chunk() -> None:
    """Beside the head, the last chunk of messages and the last page of the log are stored again."""
    store: dict[int, bytes] = {}
    chat = _long(4 * ROWS, Timeline(load_chunk=store.__getitem__))
    store.update(chat.timeline.dirty_chunks())
    chat.say(ANA, Message("new"))
    dirty = chat.timeline.dirty_chunks()

    assert len(store) >= 6
    assert len(dirty) == 3
    assert sum(map(len, dirty.values())) < 40_000
    assert chat.timeline.dirty_chunks() == {}


def test_a_long_message_rewrites_no_more_than_a_few() -> None:
    """Messages of 16 KB fill a chunk sooner, so that storing what is new stays cheap; they stay in order."""
    store: dict[int, bytes] = {}
    chat, written = Chat(Timeline(load_chunk=store.__getitem__)), list[int]()
    for number in range(40):
        chat.say(ANA, Message(f"{number:02} " + "x" * 16_000))
        dirty = chat.timeline.dirty_chunks()
        store.update(dirty)
        written.append(sum(map(len, dirty.values())))
    chat.say(BEN, Message("late"), log="late", cites=[])

    assert max(written) < 100_000
    again = Timeline.from_state(chat.timeline.state())
    texts = [message.text[:2] for message in again.messages(0, len(again))]
    assert [text for text in texts if text != "la"] == [f"{number:02}" for number in range(40)]


def test_the_end_of_a_stored_chat_opens_without_the_rest() -> None:
    """Opening reads the head, showing the last messages one or two chunks, and all else stays cold."""
    store: dict[int, bytes] = {}
    _long(10 * ROWS, timeline := Timeline(load_chunk=store.__getitem__))
    store.update(timeline.dirty_chunks())
    read: list[int] = []

    def load(number: int) -> bytes:
        read.append(number)
        return store[number]

    again = Timeline.from_chunks(load)
    count = len(again)
    last = again.messages(count - 50, count)

    assert last == timeline.messages(count - 50, count)
    assert len(read) <= 3
    assert again.messages(0, count) == timeline.messages(0, count)


def test_a_late_message_goes_into_a_cold_chunk() -> None:
    """One who was offline for long writes into the past; it is found there after storing and opening."""
    store: dict[int, bytes] = {}
    chat = _long(6 * ROWS, Timeline(load_chunk=store.__getitem__))
    store.update(chat.timeline.dirty_chunks())
    chat.timeline = Timeline.from_chunks(store.__getitem__)
    first = chat.history.written[0]
    late = chat.say(BEN, *[Message(f"late {at}") for at in range(ROWS)], log="late", cites=[first])
    store.update(chat.timeline.dirty_chunks())
    again = Timeline.from_chunks(store.__getitem__)

    assert again.messages(0, len(again)) == chat.timeline.messages(0, len(chat.timeline))
    assert again.index_of(_ref(late).to_text()) == 200  # after Ana's message of the same Lamport time
    assert [message.text for message in again.search("late 511", 2)] == ["late 511"]


def test_state_that_cannot_be_read_is_damaged() -> None:
    """Whatever is wrong with it, so that the caller builds it anew from the segments."""
    for raw in (b"", b"\x01", b"\x83\x01\x41\x00\x80"):
        with pytest.raises(Damaged):
            Timeline.from_state(raw)
        with pytest.raises(Damaged):
            Timeline.from_chunks({0: raw}.__getitem__)
