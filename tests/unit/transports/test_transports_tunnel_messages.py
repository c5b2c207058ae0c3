"""What a client and an entry node say before a tunnel is open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec import encode
from peergos_collab.codec.sizes import pad
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.ports import Address
from peergos_collab.sync.frames import Frame, encode_frame
from transports.tunnel_messages import (
    ASK_LENGTH,
    Answer,
    encode_answer,
    encode_ask,
    is_ask,
    parse_answer_untrusted,
    parse_ask_untrusted,
)

PIN = bytes(range(32))
hosts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=253)


@given(st.builds(Address, st.binary(min_size=32, max_size=32), hosts, st.integers(1, 65_535)))
def test_a_request_comes_back_and_has_one_length(target: Address) -> None:
    """Whatever is asked for, the length tells nothing."""
    ask = encode_ask(target)

    assert len(ask) == ASK_LENGTH
    assert is_ask(ask)
    assert parse_ask_untrusted(ask) == target


def test_a_request_as_specified() -> None:
    """The bytes of docs/spec/transports.md."""
    ask = encode_ask(Address(PIN, "192.0.2.1", 8470))

    start = "851820015820" + PIN.hex() + "693139322e302e322e31" + "192116" + "80"
    assert ask == bytes.fromhex(start).ljust(512, b"\0")


def test_no_frame_of_the_sync_protocol_is_a_request() -> None:
    """A node that is both cannot take the one for the other."""
    assert not is_ask(encode_frame(Frame.HELLO, 1, bytes(16), b"", False))
    assert all(encode([33, int(kind)])[:1] != encode_ask(Address(PIN, "x", 1))[:1] for kind in Frame)
    assert 32 not in set(Frame)
    assert 33 not in set(Frame)


@pytest.mark.parametrize(
    "fields",
    [
        [32, 2, PIN, "host", 1],
        [31, 1, PIN, "host", 1],
        [32, 1, PIN[1:], "host", 1],
        [32, 1, PIN, "", 1],
        [32, 1, PIN, "h\u00f6st", 1],
        [32, 1, PIN, "ho\0st", 1],
        [32, 1, PIN, "h" * 254, 1],
        [32, 1, PIN, "host", 0],
        [32, 1, PIN, "host", 65_536],
        [32, 1, PIN, "host"],
        [32, 1, PIN, b"host", 1],
    ],
)
def test_a_false_request_is_refused(fields: list[object]) -> None:
    """Each field has its check."""
    with pytest.raises(RemoteProtocolError):
        parse_ask_untrusted(pad(encode(fields), ASK_LENGTH))


@given(
    st.one_of(st.binary(max_size=600), st.binary(max_size=508).map(lambda rest: b"\x85\x18\x20\x01" + rest))
)
def test_any_bytes_are_a_request_or_an_error(raw: bytes) -> None:
    """Nothing else escapes the parser."""
    try:
        parse_ask_untrusted(raw)
    except RemoteProtocolError:
        return


@pytest.mark.parametrize("answer", Answer)
def test_answers_come_back(answer: Answer) -> None:
    """Each code is what it was."""
    assert parse_answer_untrusted(encode_answer(answer)) is answer


@given(st.one_of(st.binary(max_size=20), st.integers(0, 300).map(lambda code: encode([33, code]))))
def test_any_bytes_are_an_answer_or_an_error(raw: bytes) -> None:
    """A code nobody knows is an error, never a tunnel."""
    try:
        answer = parse_answer_untrusted(raw)
    except RemoteProtocolError:
        return
    assert raw == encode_answer(answer)
