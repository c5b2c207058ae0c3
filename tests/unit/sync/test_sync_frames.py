"""Frames: one form each."""

from __future__ import annotations

import pytest

from peergos_collab.codec import encode
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.sync.frames import MAX_FRAME, Frame, decode_frame_untrusted, encode_frame


def test_a_frame_comes_back() -> None:
    """Its type and the fields after it."""
    assert decode_frame_untrusted(encode_frame(Frame.PING, 7)) == (Frame.PING, [7])


@pytest.mark.parametrize(
    "value", [[], [True, 1], ["x"], [99], [-1], [12], [12, 1, 2], {}, b"", None, [[12], 1]]
)
def test_other_messages_are_refused(value: object) -> None:
    """Unknown types, wrong lengths and things that are no frames."""
    with pytest.raises(RemoteProtocolError):
        decode_frame_untrusted(encode(value))


def test_a_frame_too_long_is_refused() -> None:
    """Before it is decoded."""
    with pytest.raises(RemoteProtocolError, match="bytes"):
        decode_frame_untrusted(bytes(MAX_FRAME + 1))
