"""Opening from a snapshot, and finding out whether those who make them tell the truth.

A newcomer shows the state of the snapshot that whoever let him in vouches for, marked as not verified, while
the history comes in. Once it is here, it is replayed apart and compared. What differs was false: then the
object is opened anew from its history alone.

Who has the history compares snapshots of others in the same way, and vouches for those that are true. So it
does with a base, which speaks to those whose history is hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from ..codec import encode
from ..documents import Document
from ..errors import PeergosCollabError, Quarantined, RemoteProtocolError
from ..objects.log_writers import open_writers_untrusted
from ..objects.payload import Author
from ..objects.prunes import Forgets
from ..objects.snapshots import SnapshotPlace
from ..sync.bases import Base
from ..sync.causal_order import CausalOrder
from ..sync.fold import Fold
from ..sync.logbook import LogBook
from ..sync.replica import Replica
from ..sync.session_events import SnapshotCame
from ..sync.snapshots import Claimed, stored_snapshot_untrusted
from .folds import DocumentFold
from .live_object import LiveObject
from .news import News
from .open_object import OpenObject

FALSE_PREVIEW: Final = (
    "the snapshot this was opened from, by {who}, does not hold what the history holds; "
    "the history counts: open it again to see that"
)
FALSE_SNAPSHOT: Final = (
    "{who} made a snapshot that is not what the history holds: nobody is given it by you, and nothing of "
    "yours changed"
)
FALSE_BASE: Final = (
    "{who} gave people from whom the history is hidden a state that is not what the history holds: they may "
    "see another text than you; nothing of yours changed"
)
TRIES: Final = 5
REST: Final = 20
"""Times as long as comparing a snapshot took passes before the next one: whoever writes can make many."""

_READ: Final = 1 << 20


class Replayer(Protocol):
    """What this asks of the engine."""

    @property
    def news(self) -> News: ...

    def replay(self, opened: OpenObject) -> Replica: ...

    async def open_anew(self, opened: OpenObject) -> None: ...

    def check_base(self, opened: OpenObject, base: Base) -> bool: ...

    def check_snapshot(self, opened: OpenObject, claimed: Claimed, here: bytes | None) -> bool | None: ...

    def check_claims(self, opened: OpenObject) -> None: ...

    def who(self, author: Author) -> str: ...

    def on_problem(self, live: LiveObject | None, words: str) -> None: ...


def show_preview_untrusted(opened: OpenObject, came: SnapshotCame) -> SnapshotPlace | None:
    """Shows the snapshot that was asked for, once all of it is here; gives what to ask for next.

    Raises:
        RemoteProtocolError, Quarantined: it is not that, or no snapshot; nothing changed.
    """
    preview, opened.preview = opened.preview, None
    if preview is None or not isinstance(opened.fold, DocumentFold) or opened.live.unverified or not came.raw:
        return None
    opened.live.take_records(came.certificates)
    state = preview.take_untrusted(opened.live.replica, came)
    if state is None:
        opened.preview = preview
        return preview.wanted
    opened.fold.load_preview(state)
    opened.live.unverified = preview.place
    return None


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
    """Verifies an object that was opened from a snapshot, and says so if that was false.

    Where somebody lied in the history, a true snapshot and what follows it can show another text than the
    history does from its begin: then it is opened anew as well, and nobody is named for it.
    """
    try:
        verdict = await verify_history(engine, opened)
    except PeergosCollabError as error:
        engine.on_problem(opened.live, f"the history could not be verified: {error.message}")
        return
    if verdict is None:
        return
    place, opened.live.unverified = opened.live.unverified, None
    opened.live.tell_unsettled()
    if verdict:
        opened.live.save()
        engine.news.pulse()
        engine.check_claims(opened)
    else:
        who = opened.live.replica.order.introductions.writer_of(place.log) if place is not None else None
        if place is None or who is None or not await _is_true_preview(engine, opened, place, who.author):
            maker = engine.who(who.author) if who is not None else "somebody"
            engine.on_problem(opened.live, FALSE_PREVIEW.format(who=maker))
        await engine.open_anew(opened)


async def _is_true_preview(
    engine: Replayer, opened: OpenObject, place: SnapshotPlace, author: Author
) -> bool:
    """Whether the snapshot that an object was opened from holds what the history holds up to its heads."""
    replica = opened.live.replica
    try:
        end = stored_snapshot_untrusted(replica.book, replica.keys, place)[0]
        claimed = Claimed(place, author, end.heads, 0)
        return await asyncio.to_thread(engine.check_snapshot, opened, claimed, None) is True
    except PeergosCollabError:
        return False


def is_true_snapshot(
    replica: Replica, claimed: Claimed, book: LogBook, empty: Callable[[], Fold], here: bytes | None
) -> bool | None:
    """Whether a snapshot holds what the history holds up to its heads; None where that is not all here.

    Args:
        book: loaded from the replica's store.
        empty: gives a fold that has nothing yet.
        here: the state of this device, if it stands at just those heads.
    """
    told = empty()
    book.archived.keys = replica.keys
    if not isinstance(told, DocumentFold):
        return None
    try:
        state = stored_snapshot_untrusted(book, replica.keys, claimed.place)[1]
        told.document.take_state_untrusted(state, told.guarded)
    except (RemoteProtocolError, Quarantined):
        return False
    if here is not None and told.document.is_same_throughout(Document(1, here)):
        return True
    order = replica.fold_up_to(claimed, book, empty())
    if order is None:
        return None
    return cast(DocumentFold, order.fold).document.is_same_throughout(told.document)


async def check_snapshots(engine: Replayer, opened: OpenObject) -> None:
    """Compares the newest snapshot that somebody else made with the history here, and says if it is false."""
    live, loop = opened.live, asyncio.get_running_loop()
    while (claimed := live.replica.order.snapshots.unchecked) is not None and not live.unverified:
        began = loop.time()
        try:
            await live.durable()
            here = live.replica.state_at(claimed)
            true = await asyncio.to_thread(engine.check_snapshot, opened, claimed, here)
        except PeergosCollabError as error:
            engine.on_problem(live, f"what the history holds could not be compared: {error.message}")
            return
        live.replica.order.snapshots.settle(claimed, true)
        if true is False:
            engine.on_problem(live, FALSE_SNAPSHOT.format(who=engine.who(claimed.author)))
        engine.news.pulse()
        await asyncio.sleep(REST * (loop.time() - began))


def is_true(replica: Replica, base: Base, book: LogBook, empty: Callable[[], Fold]) -> bool:
    """Whether a base holds what the history that is here holds up to its heads.

    Args:
        book: loaded from the replica's store.
        empty: gives a fold that has nothing yet.
    """
    order = replica.fold_up_to(base, book, empty())
    return order is not None and _is_state_of(order, base, empty())


def _is_state_of(order: CausalOrder, base: Base, empty: Fold) -> bool:
    claimed = _state_of(order, base, empty)
    if not isinstance(order.fold, DocumentFold) or not isinstance(claimed, DocumentFold):
        return False
    same_numbers = order.following() == base.following
    return same_numbers and order.fold.document.is_same_throughout(claimed.document)


def stands_for_all(
    replica: Replica, forgets: Forgets, load: Callable[[], LogBook], empty: Callable[[], Fold]
) -> bool | None:
    """Whether what is to stand for all holds what is here, and says who writes what logs.

    Of who does not have all of the history any more, or never had it, what he has is looked for in it.

    Args:
        load: gives a book loaded from the replica's store.
        empty: as for ``is_true``.

    Returns:
        None while not all of it is here, and applied; or where it is forgotten itself, for a later one.
    """
    is_here = replica.order.has_applied([forgets.base, *forgets.heads])
    if not is_here or replica.book.is_forgotten(forgets.base):
        return None
    base = replica.order.bases.known.get(forgets.base.id)
    if base is None or sorted(base.heads) != list(forgets.heads):
        return False
    order = replica.fold_up_to(base, load(), empty())
    if order is None:
        return _joins_in(replica, base, load, empty)
    if not _names_writers(order, base, exactly=True) or not _is_state_of(order, base, empty()):
        return False
    if base.id not in order.bases.used:
        return True
    # He lacks what it stands for, so it was compared with itself.
    book = load()
    left = replica.fold_until(book.extent(base.heads), book, empty(), without_bases=True)
    return _is_part_of(left.fold, _state_of(order, base, empty()))


def _joins_in(replica: Replica, base: Base, load: Callable[[], LogBook], empty: Callable[[], Fold]) -> bool:
    """The same of a base that leaves out some of what others stand for here: whether it holds all else."""
    book = load()
    until = book.extent(base.heads)
    for number, seq in replica.order.bases.forgotten.items():
        until[number] = max(seq, until.get(number, 0))
    order = replica.fold_until(until, book, empty())
    if order is None or not _names_writers(order, base, exactly=False):
        return False
    others = [order.bases.known[id_] for id_ in order.bases.used]
    if any(_forgets_without_standing_for(base, one, book) for one in others):
        return False
    claimed: Fold | None = empty()
    for one in (*others, base):
        claimed = _state_of(order, one, claimed) if claimed is not None else None
    if not isinstance(claimed, DocumentFold) or not isinstance(order.fold, DocumentFold):
        return False
    numbers = dict(base.following)
    for mark, number in order.bases.all_following().items():
        numbers[mark] = max(number, numbers.get(mark, 1))
    return numbers == order.following() and order.fold.document.is_same_throughout(claimed.document)


def _forgets_without_standing_for(base: Base, other: Base, book: LogBook) -> bool:
    """Whether a base would have another one forgotten, and not all that this stands for."""
    covered, branch = book.extent(base.heads), book.find(other.log, other.seq, other.id)
    gone = branch is not None and other.seq <= covered.get(branch.number, 0)
    return gone and any(covered.get(number, 0) < seq for number, seq in book.extent(other.heads).items())


def _state_of(order: CausalOrder, base: Base, claimed: Fold) -> Fold | None:
    try:
        claimed.take_base_untrusted(base, order.base_state(base))
    except (RemoteProtocolError, Quarantined):
        return None
    return claimed


def _is_part_of(one: Fold | None, other: Fold | None) -> bool:
    both = isinstance(one, DocumentFold) and isinstance(other, DocumentFold)
    return both and cast(DocumentFold, one).document.is_part_of(cast(DocumentFold, other).document)


def _names_writers(order: CausalOrder, base: Base, *, exactly: bool) -> bool:
    """Whether a base says who writes what logs as it was said; if ``exactly``, of all that were delivered."""
    place = SnapshotPlace(base.log, base.seq, base.id)
    try:
        end = stored_snapshot_untrusted(order.book, order.keys, place)[0]
        said = open_writers_untrusted(order.object, end.writers or {}, order.keys)
    except RemoteProtocolError:
        return False
    known = [encode(one.fields()) for one in order.introductions.to_carry(order.keys)]
    told = [encode(one.fields()) for one in said]
    return sorted(told) == sorted(known) if exactly else set(told) <= set(known)


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
