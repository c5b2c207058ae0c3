"""Opening from a snapshot, and finding out afterwards whether it told the truth.

A newcomer shows the state of the snapshot that the link vouches for, marked as not verified, while the
history comes in. Once it is here, it is replayed apart and compared. What differs was false: then the
object is opened anew from its history alone.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from ..errors import PeergosCollabError, RemoteProtocolError
from ..objects.payload import Kind, decode_payload_untrusted
from ..objects.segments import Segment
from ..objects.snapshots import Snapshot, SnapshotPlace
from ..sync.replica import Replica
from ..sync.session_events import SnapshotCame
from .folds import DocumentFold
from .live_object import LiveObject
from .news import News
from .open_object import OpenObject

NOT_VERIFIED: Final = "history not verified yet: it is shown from a snapshot until all of it is here"
FALSE_SNAPSHOT: Final = (
    "the snapshot this was opened from does not hold what its history holds; "
    "the history counts: open it again to see that"
)
TRIES: Final = 5
_READ: Final = 1 << 20


class Replayer(Protocol):
    """What this asks of the engine."""

    @property
    def news(self) -> News: ...

    def replay(self, opened: OpenObject) -> Replica: ...

    async def open_anew(self, opened: OpenObject) -> None: ...

    def on_problem(self, live: LiveObject | None, words: str) -> None: ...


def take_preview_untrusted(opened: OpenObject, place: SnapshotPlace, came: SnapshotCame) -> None:
    """Shows the state of the snapshot at ``place``.

    Raises:
        RemoteProtocolError, Quarantined: it is not that segment, or not a snapshot; nothing changed.
    """
    live, fold = opened.live, opened.fold
    replica = live.replica
    if not isinstance(fold, DocumentFold) or live.unverified or not came.raw:
        return
    live.take_records(came.certificates)
    segment = Segment.parse_untrusted(came.raw).verify()
    if segment.id != place.id or (segment.log, segment.epoch) not in replica.book.certificates:
        raise RemoteProtocolError("another segment than the snapshot that the link names")
    keys = replica.keys.get(segment.epoch)
    if keys is None:
        raise RemoteProtocolError("a snapshot under keys that are not here")
    payload = decode_payload_untrusted(segment.open(keys.content))
    if payload.kind is not Kind.SNAPSHOT:
        raise RemoteProtocolError("a segment that is no snapshot")
    fold.load_preview(Snapshot.decode_untrusted(payload.content).state)
    live.unverified = True


async def verify_history(engine: Replayer, opened: OpenObject) -> bool | None:
    """Replays the history apart and compares; None where typing went on so that it could not be told."""
    fold = cast(DocumentFold, opened.fold)
    for _ in range(TRIES):
        await opened.live.durable()
        replayed = await asyncio.to_thread(engine.replay, opened)
        _catch_up(replayed, opened.live.replica)
        if not opened.live.replica.unsealed:
            other = cast(DocumentFold, replayed.fold).document
            return other.clocks() == fold.document.clocks() and other.text == fold.document.text
    return None


def _catch_up(replayed: Replica, replica: Replica) -> None:
    """Takes in what came while the history was replayed in its own thread."""
    for number, branch in replica.book.numbered.items():
        known = replayed.book.numbered.get(number)
        start = known.tip + 1 if known is not None else branch.first
        while start <= branch.tip:
            raws = replica.book.read(branch, start, _READ)
            if not raws:
                return
            replayed.take_segments(raws, "local")
            start += len(raws)


async def settle(engine: Replayer, opened: OpenObject) -> None:
    """Verifies an object that was opened from a snapshot, and says so if that was false."""
    try:
        verdict = await verify_history(engine, opened)
    except PeergosCollabError as error:
        engine.on_problem(opened.live, f"the history could not be verified: {error.message}")
        return
    if verdict is None:
        return
    opened.live.unverified = False
    opened.live.tell_unsettled()
    if verdict:
        opened.live.save()
        engine.news.pulse()
    else:
        engine.on_problem(opened.live, FALSE_SNAPSHOT)
        await engine.open_anew(opened)
