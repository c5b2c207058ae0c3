"""Chat events: byte form, limits, ids."""

from __future__ import annotations

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
    Topic,
    decode_events_untrusted,
    encode_events,
    same_segment,
)
from peergos_collab.chat.events import MAX_CONTENT, MAX_EVENTS, MAX_TEXT
from peergos_collab.codec import encode
from peergos_collab.codec.ids import SegmentId
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError, UsageError

REFERENCE = Reference(7, SegmentId(bytes(range(32))), 3)

EVENTS: tuple[ChatEvent, ...] = (
    Message("hello"),
    Reply(REFERENCE, "and 👩‍👩‍👧‍👦 to you"),
    Edit(same_segment(0), "hallo"),
    Delete(REFERENCE),
    Reaction(REFERENCE, "👍"),
    Reaction(same_segment(1), "👍", on=False),
    Topic(""),
    ReadMarker(REFERENCE),
    Pin(REFERENCE, on=False),
)


def test_events_survive_encoding() -> None:
    """Every kind of event comes back as it was, with the Lamport time."""
    assert decode_events_untrusted(encode_events(9, EVENTS)) == (9, EVENTS)


def test_the_format_is_fixed() -> None:
    """The bytes of a message are those of docs/spec/chat.md."""
    assert encode_events(1, [Message("hi")]).hex() == "83010181820062" + b"hi".hex()


def test_an_id_has_a_short_text_form_that_comes_back() -> None:
    """A message id is base58 multibase of about 50 characters."""
    text = REFERENCE.to_text()

    assert text == "z12KeSVQBwS9AjRA976mnJouSAoQuS5bkWudT367GBEH3M8r"
    assert Reference.from_text(text) == REFERENCE


@pytest.mark.parametrize("text", ["", "z", "x123", "z0", REFERENCE.to_text()[:-3], "z" + "9" * 70])
def test_text_that_is_no_id_is_refused(text: str) -> None:
    """A wrong or truncated id is the user's slip."""
    with pytest.raises(UsageError):
        Reference.from_text(text)


@pytest.mark.parametrize("text", ["", "é" * (MAX_TEXT // 2 + 1), "\ud800"])
def test_texts_that_cannot_be_sent_are_refused(text: str) -> None:
    """Empty, too long and broken texts are refused before anything is written."""
    with pytest.raises(UsageError):
        encode_events(1, [Message(text)])


def test_limits_hold_for_a_whole_segment() -> None:
    """More events, or more bytes, than a segment may have are refused; the limits themselves are not."""
    full = MAX_CONTENT // (MAX_TEXT + 8)

    assert len(decode_events_untrusted(encode_events(1, [Message("x")] * MAX_EVENTS))[1]) == MAX_EVENTS
    assert len(decode_events_untrusted(encode_events(1, [Message("x" * MAX_TEXT)] * full))[1]) == full
    for events in ([Message("x")] * (MAX_EVENTS + 1), [Message("x" * MAX_TEXT)] * (full + 1), []):
        with pytest.raises(LocalProtocolError):
            encode_events(1, events)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [2, 1, [[0, "x"]]],
        [1, -1, [[0, "x"]]],
        [1, True, [[0, "x"]]],
        [1, 2**63, [[0, "x"]]],
        [1, 1, []],
        [1, 1, [[]]],
        [1, 1, [0]],
        [1, 1, [[8, "x"]]],
        [1, 1, [[0, ""]]],
        [1, 1, [[0, b"x"]]],
        [1, 1, [[0, "x", "y"]]],
        [1, 1, [[0, "x" * (MAX_TEXT + 1)]]],
        [1, 1, [[3, [0, b"", 0]]]],
        [1, 1, [[0, "x"], [3, [0, b"", 1]]]],
        [1, 1, [[0, "x"], [3, [0, bytes(32), 0]]]],
        [1, 1, [[3, [1, bytes(31), 0]]]],
        [1, 1, [[3, [1, bytes(32), MAX_EVENTS]]]],
        [1, 1, [[4, [1, bytes(32), 0], "👍", 1]]],
        [1, 1, [[4, [1, bytes(32), 0], "x" * 65, True]]],
        [1, 1, [[5, "x" * 1025]]],
    ],
)
def test_content_out_of_form_is_refused(value: object) -> None:
    """Each rule of the format is checked."""
    with pytest.raises(RemoteProtocolError):
        decode_events_untrusted(encode(value))
