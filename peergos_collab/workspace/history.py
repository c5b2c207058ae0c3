"""Opening from a snapshot, and finding out afterwards whether it told the truth.

A newcomer shows the state of the snapshot that the link vouches for, marked as not verified, while the
history comes in. Once it is here, it is replayed apart and compared. What differs was false: then the
object is opened anew from its history alone.

A base, which speaks to those whose history is hidden, is compared in the same way by everybody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from ..errors import PeergosCollabError, Quarantined, RemoteProtocolError
from ..objects.payload import Author, Kind, decode_payload_untrusted
from ..objects.segments import Segment
from ..objects.snapshots import Snapshot, SnapshotPlace
from ..sync.base_segments import stored_state
from ..sync.bases import Base
from ..sync.fold import Fold
from ..sync.logbook import LogBook
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
FALSE_BASE: Final = (
    "{who} gave people from whom the history is hidden a state that is not what the history holds: they may "
    "see another text than you; nothing of yours changed"
)
TRIES: Final = 5
_READ: Final = 1 << 20


class Replayer(Protocol):
    """What this asks of the engine."""

    @property
    def news(self) -> News: ...

    def replay(self, opened: OpenObject) -> Replica: ...

    async def open_anew(self, opened: OpenObject) -> None: ...

    def check_base(self, opened: OpenObject, base: Base) -> bool: ...

    def who(self, author: Author) -> str: ...

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
            return other.is_same(fold.document)
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


def is_true(replica: Replica, base: Base, book: LogBook, empty: Callable[[], Fold]) -> bool:
    """Whether a base holds what the history that is here holds up to its heads.

    Args:
        book: loaded from the replica's store.
        empty: gives a fold that has nothing yet.
    """
    order = replica.fold_up_to(base, book, empty())
    claimed = empty()
    if order is None or not isinstance(order.fold, DocumentFold) or not isinstance(claimed, DocumentFold):
        return False
    try:
        claimed.take_base_untrusted(base, stored_state(book, order.keys, base))
    except (RemoteProtocolError, Quarantined):
        return False
    same_numbers = order.following() == base.following
    return same_numbers and order.fold.document.is_same_throughout(claimed.document)


async def check_bases(engine: Replayer, opened: OpenObject) -> None:
    """Compares bases that others made with the history here, and says so where one is false.

    It costs this device nothing else: it uses none. A true one is due then, and is made by whoever can.
    """
    live = opened.live
    bases = live.replica.order.bases
    while bases.unchecked:
        id_ = next(iter(bases.unchecked))
        base = bases.known.get(id_)
        if base is not None and not live.replica.order.base_counts(base):
            base = None  # its author was removed before
        try:
            await live.durable()
            true = base is None or await asyncio.to_thread(engine.check_base, opened, base)
        except PeergosCollabError as error:
            engine.on_problem(live, f"what the history holds could not be compared: {error.message}")
            return
        bases = live.replica.order.bases  # it may have been folded anew meanwhile
        bases.unchecked.pop(id_, None)
        if base is not None and not true:
            bases.find_false(base)
            engine.on_problem(live, FALSE_BASE.format(who=engine.who(base.author)))
            live.plan_base()
