"""The example of docs/spec/archives.md: what another implementation has to read."""

from __future__ import annotations

import re
from pathlib import Path

from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import ContentKey, SigningKey
from peergos_collab.objects.archives import Archive
from peergos_collab.objects.segments import Segment, seal_segment

SPEC = Path(__file__).parents[2] / "docs" / "spec" / "archives.md"
KEY = ContentKey(bytes(range(32)))


def segment(payload: bytes, nonce: int, after: Segment | None) -> Segment:
    log = SigningKey.generate(bytes)
    seq, previous = (after.seq + 1, after.id) if after is not None else (1, b"")
    where = ObjectId(bytes([1]) * 32), log, seq, previous, EpochId(bytes([2]) * 32)
    return seal_segment(*where, payload, KEY, lambda length: bytes([nonce]) * length)


def test_an_archive() -> None:
    """It shows the ids, opens to the segments, and has the id that is said."""
    example = SPEC.read_text(encoding="utf-8").split("\n    ids ")[1]
    ids, raw, id_ = re.split("archive|its id", example)
    one = segment(b"one", 0, None)
    two = segment(b"two", 1, one)
    archive = Archive.parse_untrusted(bytes.fromhex("".join(raw.split())))
    archive.verify()

    assert archive.unpack_untrusted(KEY) == [one.raw, two.raw]
    assert [each.hex() for each in archive.ids] == ids.split()
    assert archive.id.hex() == id_.strip()
