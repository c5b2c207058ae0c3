"""Snapshots and bases as bytes."""

from __future__ import annotations

from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import DeviceId, LogId, ObjectId, RunId, SegmentId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects import snapshots
from peergos_collab.objects.snapshots import (
    MAX_PARTS,
    PIECE,
    SnapshotEnd,
    SnapshotPart,
    SnapshotPlace,
    cut_snapshot,
    join_snapshot_untrusted,
    run_mark,
)

PLACE = SnapshotPlace(LogId(b"l" * 32), 3, SegmentId(b"s" * 32))
MARK = run_mark(ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16))
PLAIN = SnapshotPart(b"state", SnapshotEnd((PLACE,), b"", 2))
BASE = SnapshotPart(b"state", SnapshotEnd((PLACE,), b"p" * 32, following={MARK: 7}))


@pytest.mark.parametrize(
    "part", [PLAIN, BASE, SnapshotPart(b"piece"), SnapshotPart(b"", SnapshotEnd((), b"", following={}))]
)
def test_round_trip(part: SnapshotPart) -> None:
    """A base has numbers of runs, if none; a plain snapshot has none; other parts have only bytes."""
    assert SnapshotPart.decode_untrusted(part.encode()) == part


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
    ("field", "value"),
    [
        (0, 1),
        (1, bytes(PIECE + 1)),
        (2, [[b"l" * 32, 3]]),
        (3, b"p" * 33),
        (4, 0),
        (4, MAX_PARTS + 1),
        (5, [[MARK, 7], [MARK, 8]]),
        (5, [[MARK, 0]]),
        (5, [[MARK + b"x", 1]]),
        (5, [[MARK]]),
        (5, 7),
        (5, [[MARK, 1 << 54]]),
        (5, [[MARK, 7]]),
    ],
    ids=[
        "version",
        "too long a piece",
        "half a head",
        "long id",
        "no part",
        "too many parts",
        "run twice",
        "no number",
        "long mark",
        "no pair",
        "no list",
        "too far",
        "a base in two parts",
    ],
)
def test_false_fields(field: int, value: Any) -> None:
    """Each is refused."""
    fields = decode_untrusted(PLAIN.encode(), 1 << 20)
    fields[field] = value

    with pytest.raises(RemoteProtocolError):
        SnapshotPart.decode_untrusted(encode(fields))


@pytest.mark.parametrize("count", [1, 3, 5, 7])
def test_other_counts_of_fields(count: int) -> None:
    """Are refused."""
    fields = [*decode_untrusted(PLAIN.encode(), 1 << 20), 1][:count]

    with pytest.raises(RemoteProtocolError):
        SnapshotPart.decode_untrusted(encode(fields))


@pytest.mark.parametrize("size", [0, 1, 900, 1000, 1001, 5000])
def test_a_state_of_any_size(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goes through as many segments as it needs, none above the size of a piece with its heads."""
    monkeypatch.setattr(snapshots, "PIECE", 1000)
    state = bytes(range(256)) * (size // 256 + 1)
    parts = cut_snapshot(state[:size], [PLACE], b"p" * 32)
    read = [SnapshotPart.decode_untrusted(part.encode()) for part in parts]

    assert all(len(part.encode()) <= 1100 for part in parts)
    assert len(parts) == (1 if size <= 900 else -(-size // 1000) + 1)
    assert join_snapshot_untrusted(read) == (SnapshotEnd((PLACE,), b"p" * 32, len(parts)), state[:size])


def test_one_that_is_too_large_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none, rather than one that nobody reads."""
    monkeypatch.setattr(snapshots, "MAX_STATE", 1000)

    assert cut_snapshot(bytes(1001), [PLACE], b"") == []
    assert cut_snapshot(bytes(1000), [PLACE], b"") != []


@pytest.mark.parametrize(
    "parts",
    [
        [PLAIN],
        [SnapshotPart(b"a"), SnapshotPart(b"b"), PLAIN],
        [SnapshotPart(b"a"), SnapshotPart(b"b")],
        [PLAIN, PLAIN],
    ],
    ids=["one is missing", "one too many", "without an end", "two ends"],
)
def test_what_is_no_snapshot_together(parts: list[SnapshotPart]) -> None:
    """Is refused."""
    with pytest.raises(RemoteProtocolError):
        join_snapshot_untrusted(parts)
