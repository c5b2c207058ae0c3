"""Chat content from peers: accepted, or refused with the documented error."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from peergos_collab.chat import (
    Delete,
    Edit,
    Message,
    Reaction,
    Reference,
    Timeline,
    decode_events_untrusted,
    encode_events,
)
from peergos_collab.codec import encode
from peergos_collab.codec.ids import SegmentId
from peergos_collab.errors import Quarantined, RemoteProtocolError, UsageError
from support.histories import History, author

_REFERENCE = st.builds(
    Reference, st.integers(1, 2**62), st.binary(min_size=32, max_size=32).map(SegmentId), st.integers(0, 999)
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)
_EVENTS = st.lists(
    st.one_of(
        st.builds(Message, _TEXT),
        st.builds(Edit, _REFERENCE, _TEXT),
        st.builds(Delete, _REFERENCE),
        st.builds(Reaction, _REFERENCE, st.sampled_from(["👍", "x"]), st.booleans()),
    ),
    min_size=1,
    max_size=5,
)
_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.binary(max_size=33), st.text("a👍", max_size=3)
)
_VALUE = st.recursive(_LEAF, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
_SHAPED = st.builds(
    lambda lamport, events: encode([1, lamport, events]),
    st.integers(-1, 3),
    st.lists(st.one_of(_VALUE, st.lists(_VALUE, min_size=1, max_size=4)), max_size=4),
)


def _accepted_or_refused(raw: bytes) -> None:
    try:
        lamport, events = decode_events_untrusted(raw)
    except RemoteProtocolError:
        return
    assert encode_events(lamport, events) == raw


@given(st.one_of(st.binary(max_size=200), _SHAPED))
@example(b"")
@example(encode([1, 1, [[0, "x"]]]) + b"\0")
def test_any_bytes_are_accepted_or_refused(raw: bytes) -> None:
    """What is accepted encodes to the same bytes again; everything else raises RemoteProtocolError."""
    _accepted_or_refused(raw)


@given(_EVENTS, st.data())
def test_any_damage_is_accepted_or_refused(events: list[Message], data: st.DataObject) -> None:
    """One changed byte, or a cut, anywhere."""
    raw = bytearray(encode_events(1, events))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))

    _accepted_or_refused(bytes(raw))
    _accepted_or_refused(bytes(raw[:at]))


@given(_SHAPED)
def test_a_timeline_lets_only_quarantine_escape(raw: bytes) -> None:
    """And stays as it was when it does."""
    timeline = Timeline()
    try:
        timeline.add_untrusted(History().write(author("Ana"), raw).delivery)
    except Quarantined:
        assert len(timeline) == 0
        assert timeline.next_lamport() == 1
    else:
        assert timeline.next_lamport() == 2


@given(st.one_of(st.text(max_size=80), _REFERENCE.map(Reference.to_text)))
def test_any_text_is_an_id_or_a_usage_error(text: str) -> None:
    """Ids are typed by people and scripts."""
    with suppress(UsageError):
        assert Reference.from_text(text).to_text() == text
