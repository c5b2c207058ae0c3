"""Fragments, credits and descriptions against everything a peer may send."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.errors import RemoteProtocolError
from transports.fragments import (
    FRAME_COST,
    MAX_FRAME,
    MAX_MESSAGE,
    WINDOW,
    Inbox,
    Kind,
    Outbox,
    credit_frame,
)
from transports.session_description import Candidate, CandidateType, SessionDescription, Setup

sizes = st.one_of(
    st.integers(0, 100),
    st.integers(MAX_FRAME - 3, MAX_FRAME + 3),
    st.integers(0, MAX_MESSAGE),
    st.just(MAX_MESSAGE),
)


@given(st.lists(sizes, max_size=12), st.data())
def test_messages_arrive_whole_and_in_order(lengths: list[int], data: st.DataObject) -> None:
    """Whatever the sizes and whenever the reader reads, nothing is lost, and nobody gets stuck."""
    messages = [bytes([index]) * length for index, length in enumerate(lengths)]
    outbox, inbox = Outbox(), Inbox()
    for message in messages:
        outbox.put(message)
    received: list[bytes] = []
    while len(received) < len(messages):
        frame = outbox.next_frame()
        if frame is not None:
            assert len(frame) <= MAX_FRAME
            inbox.fragment_untrusted(frame[1:], last=frame[0] == Kind.LAST)
        if inbox and (frame is None or data.draw(st.booleans())):
            message, credit = inbox.take()
            received.append(message)
            if credit:
                outbox.credit_untrusted(credit_frame(credit)[1:])
        else:
            assert frame is not None, "both ends wait for each other"

    assert received == messages
    assert outbox.queued == 0
    assert outbox.empty


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 500, MAX_FRAME - 1]), st.booleans()), min_size=1, max_size=6)
)
def test_a_flood_is_bounded(frames: list[tuple[int, bool]]) -> None:
    """Without a reader, a sender gets no more than the window into memory, however he cuts it."""
    inbox, held = Inbox(), 0
    for _ in range(WINDOW // FRAME_COST + 1):
        for size, last in frames:
            try:
                inbox.fragment_untrusted(bytes(size), last=last)
            except RemoteProtocolError:
                assert held <= WINDOW
                return
            held += size + FRAME_COST

    raise AssertionError("the flood was taken")


def test_a_credit_for_nothing_is_refused() -> None:
    """A peer cannot widen his window by crediting what was never sent."""
    outbox = Outbox()
    outbox.put(b"x")
    outbox.next_frame()
    outbox.credit_untrusted((1 + FRAME_COST).to_bytes(4, "big"))
    for payload in (b"\0\0\0\1", b"", b"\0" * 5):
        try:
            outbox.credit_untrusted(payload)
        except RemoteProtocolError:
            continue
        raise AssertionError("taken")


ice_text = st.text("ABCxyz019+/", min_size=22, max_size=40)
candidates = st.builds(
    Candidate,
    type=st.sampled_from(CandidateType),
    ip=st.one_of(
        st.ip_addresses(v=4, network="10.0.0.0/8").map(str),
        st.ip_addresses(v=6, network="2001:db8::/32").map(str),
    ),
    port=st.integers(1, 65535),
)
descriptions = st.builds(
    SessionDescription,
    ufrag=ice_text,
    password=ice_text,
    fingerprint=st.binary(min_size=32, max_size=32),
    setup=st.sampled_from(Setup),
    candidates=st.lists(candidates, max_size=32).map(tuple),
)


@given(descriptions)
def test_descriptions_survive_the_way(description: SessionDescription) -> None:
    """What one side writes, the other reads."""
    assert SessionDescription.parse_untrusted(description.to_bytes()) == description


@given(descriptions, st.data())
def test_a_broken_description_is_a_protocol_error(
    description: SessionDescription, data: st.DataObject
) -> None:
    """Any change gives a description again, or the one error."""
    raw = bytearray(description.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=12))
    try:
        SessionDescription.parse_untrusted(bytes(raw))
    except RemoteProtocolError:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_are_a_protocol_error(raw: bytes) -> None:
    """Noise is refused, and nothing else escapes."""
    try:
        SessionDescription.parse_untrusted(raw)
    except RemoteProtocolError:
        return
    raise AssertionError("noise was taken for a description")
