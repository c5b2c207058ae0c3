"""Snapshots and bases as bytes."""

from __future__ import annotations

from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import DeviceId, LogId, ObjectId, RunId, SegmentId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.snapshots import Snapshot, SnapshotPlace, run_mark

PLACE = SnapshotPlace(LogId(b"l" * 32), 3, SegmentId(b"s" * 32))
MARK = run_mark(ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16))
PLAIN = Snapshot((PLACE,), (b"m" * 32,), b"", b"state")
BASE = Snapshot((PLACE,), (), b"p" * 32, b"state", {MARK: 7})


@pytest.mark.parametrize("snapshot", [PLAIN, BASE, Snapshot((), (), b"", b"", {})])
def test_round_trip(snapshot: Snapshot) -> None:
    """A base has numbers of runs, if none; a plain snapshot has none."""
    assert Snapshot.decode_untrusted(snapshot.encode()) == snapshot


def test_a_mark_names_one_run() -> None:
    """Eight bytes, other ones for each object, device and run."""
    others = {
        run_mark(ObjectId(b"x" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16)),
        run_mark(ObjectId(b"o" * 32), DeviceId(b"x" * 32), RunId(b"r" * 16)),
        run_mark(ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"x" * 16)),
    }

    assert len(MARK) == 8
    assert len(others | {MARK}) == 4


@pytest.mark.parametrize(
    "runs",
    [
        [[MARK, 7], [MARK, 8]],
        [[MARK, 0]],
        [[MARK + b"x", 1]],
        [[MARK]],
        7,
        [[MARK, 1 << 54]],
    ],
    ids=["twice", "no number", "long mark", "no pair", "no list", "too far"],
)
def test_false_numbers(runs: Any) -> None:
    """Each is refused."""
    fields = decode_untrusted(PLAIN.encode(), 1 << 20)

    with pytest.raises(RemoteProtocolError):
        Snapshot.decode_untrusted(encode([*fields, runs]))


def test_more_fields_than_a_base_has() -> None:
    """Are refused."""
    fields = decode_untrusted(BASE.encode(), 1 << 20)

    with pytest.raises(RemoteProtocolError):
        Snapshot.decode_untrusted(encode([*fields, 1]))
