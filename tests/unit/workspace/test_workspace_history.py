"""Opening from a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.session_events import SnapshotCame
from peergos_collab.workspace.history import show_preview_untrusted
from peergos_collab.workspace.preview import Preview
from support.homes import world


async def test_a_snapshot_under_keys_that_are_not_here(tmp_path: Path) -> None:
    """It is refused like any other that cannot be used, and the session goes on."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, _ = await made.pair(node.address, "notes", "text")
        opened = ana.opened("notes")
        replica = opened.live.replica
        (branch,) = replica.book.numbered.values()
        (segment,) = [segment for segment in replica.book.stored(branch, 1) if segment.seq == branch.tip]
        certificate = replica.book.certificates[segment.log, segment.epoch]
        came = SnapshotCame(replica.object, [certificate.raw], segment.raw)
        del replica.seat.keys[segment.epoch]
        opened.preview = Preview(SnapshotPlace(segment.log, segment.seq, segment.id))
        with pytest.raises(RemoteProtocolError, match="keys that are not here"):
            show_preview_untrusted(opened, came)
