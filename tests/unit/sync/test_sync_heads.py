"""Heads name a set of segments, whatever order they are given in."""

from __future__ import annotations

import pytest

from peergos_collab.codec.ids import LogId, SegmentId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.sync.heads import MAX_TIPS, Tip, heads_digest, tips_untrusted, tips_value

TIPS = [Tip(LogId(bytes([n] * 32)), n, SegmentId(bytes(32))) for n in (3, 1, 2)]


def test_one_set_has_one_digest() -> None:
    """Order does not count; any change does."""
    other = [*TIPS[:2], Tip(TIPS[2].log, 9, TIPS[2].id)]

    assert heads_digest(TIPS) == heads_digest(reversed(TIPS))
    assert len({heads_digest(TIPS), heads_digest(other), heads_digest(TIPS[:2]), heads_digest([])}) == 4


def test_heads_come_back() -> None:
    """Sorted."""
    assert tips_untrusted(tips_value(TIPS)) == sorted(TIPS)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [[bytes(31), 1, bytes(32)]],
        [[bytes(32), 0, bytes(32)]],
        [[bytes(32), 1, bytes(31)]],
        [[bytes(32), 1]],
        [[bytes(32), 2**32, bytes(32)]],
        [[bytes(32), 1, bytes(32)]] * (MAX_TIPS + 1),
    ],
)
def test_other_values_are_refused(value: object) -> None:
    """Lengths, ranges and numbers."""
    with pytest.raises(RemoteProtocolError):
        tips_untrusted(value)
