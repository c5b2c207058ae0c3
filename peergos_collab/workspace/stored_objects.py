"""What is stored of objects, made ready for use; where it is damaged, what can be read of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING, cast

from ..codec.ids import EpochId, ObjectId, RunId, SegmentId
from ..documents import NotTogether
from ..errors import Damaged
from ..objects.archives import Archive
from ..objects.epoch_keys import EpochKeys
from ..objects.operations import Actor
from ..objects.payload import Kind
from ..objects.prunes import Forgets, Replaced
from ..objects.snapshots import MAX_PARTS
from ..storage import ask_for_salvage
from ..sync.archiving import Packed, pack_before, pack_next
from ..sync.arrivals import BranchState
from ..sync.bases import Base
from ..sync.causal_order import CausalOrder
from ..sync.husks import Husked, make_husks
from ..sync.logbook import LogBook
from ..sync.named_archives import holds, is_own, made_here
from ..sync.replica import Replica
from ..sync.snapshots import Claimed
from .checkpoint import is_current
from .folds import ChatFold, DocumentFold, EntriesFold
from .history import is_true, is_true_snapshot, stands_for_all
from .home import STORE
from .live_object import LiveObject
from .local_state import CHECKPOINTS
from .machine import machine_name, now_ms
from .open_object import AnyFold, OpenObject
from .presence import PresenceBook
from .recording import RecordingFold
from .renewal import take_anew
from .saved_state import saved_state

if TYPE_CHECKING:
    from .engine import Engine


class StoredObjects:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._locks: dict[ObjectId, Lock] = {}

    def book(self, object_id: ObjectId) -> LogBook:
        """Raises Damaged where a page cannot be read: the next start then salvages the store."""
        try:
            return LogBook.load(object_id, self._engine.store)
        except Damaged:
            ask_for_salvage(self._engine.home / STORE)
            raise

    def is_saved(self, object_id: ObjectId) -> bool:
        """Whether a state of an object is saved that opening begins with, or finds damaged."""
        local = self._engine.keys.credentials.local
        try:
            checkpoint = saved_state(self._engine.store, local, CHECKPOINTS, object_id)
        except Damaged:
            return True
        return checkpoint is not None and is_current(checkpoint)

    def open(
        self, path: str, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> OpenObject:
        """An object from the newest local state that can be read, or from its segments. Raises Damaged."""
        try:
            return self.build(path, book, kind, secrets, actor, from_checkpoint=True)
        except Damaged as damage:
            book = LogBook.mend(book.object, self._engine.store, damage)
            return self._rebuild(path, book, kind, secrets, actor)

    def mended(self, opened: OpenObject, damage: Damaged) -> OpenObject:
        """An object in use, whose state is saved, once more after a repair of what is stored.

        From its segments; but where some are lost that the state knows, and all of that can be read, from it.

        Raises:
            Damaged: it cannot be repaired now.
        """
        replica = opened.live.replica
        held = replica.fold.kind, replica.keys, replica.actor
        book = LogBook.mend(replica.object, self._engine.store, damage)
        if replica.lacks(book) and opened.live.is_state_whole():
            return self._rebuild(opened.path, book, *held)
        return self.build(opened.path, book, *held)

    def _rebuild(
        self, path: str, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> OpenObject:
        """After a repair. The local state may be whole, and knows more than segments that are damaged."""
        try:
            return self.build(path, book, kind, secrets, actor, from_checkpoint=True)
        except Damaged:
            again = LogBook.load(book.object, self._engine.store)
            again.damage = book.damage
        try:
            return self.build(path, again, kind, secrets, actor)
        except Damaged:
            # Not a value but a page: the whole file has to be gone through, with nobody using it.
            ask_for_salvage(self._engine.home / STORE)
            raise

    def build(
        self,
        path: str,
        book: LogBook,
        kind: Kind,
        secrets: Mapping[EpochId, EpochKeys],
        actor: Actor,
        *,
        from_checkpoint: bool = False,
    ) -> OpenObject:
        """An object from its segments, or from the state that was saved of it."""
        if not from_checkpoint:
            return self.ready(path, self.fold_all(book, kind, secrets, actor))
        try:
            return self._from_checkpoint(path, book, kind, secrets, actor, together=True)
        except NotTogether:
            return self._from_checkpoint(path, self._again(book), kind, secrets, actor, together=False)

    def _from_checkpoint(
        self,
        path: str,
        book: LogBook,
        kind: Kind,
        secrets: Mapping[EpochId, EpochKeys],
        actor: Actor,
        *,
        together: bool,
    ) -> OpenObject:
        live = self._live(self._own_replica(book, kind, secrets, actor))
        live.load()
        _deliver(live.replica, strict=True, together=together)
        opened = _opened(path, live)
        if live.replica.unsealed.is_lost and isinstance(opened.fold, DocumentFold):
            if live.unverified or live.replica.lacking:
                live.replica.order.unsettled = True  # what is fetched again first is nothing to type anew
            else:
                take_anew(opened, self.fold_anew(opened))
        return opened

    def fold_all(
        self, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> Replica:
        """What is stored of an object, for ``ready``; where it is much, for a thread of its own."""
        try:
            replica = self._own_replica(book, kind, secrets, actor)
            _deliver(replica, strict=False, together=True)
        except NotTogether:
            replica = self._own_replica(self._again(book), kind, secrets, actor)
            _deliver(replica, strict=False, together=False)
        return replica

    def ready(self, path: str, replica: Replica) -> OpenObject:
        """A replica that has all that is stored, as an object of this home."""
        return _opened(path, self._live(replica))

    def _live(self, replica: Replica) -> LiveObject:
        live = LiveObject(replica, self._engine.keys.credentials.local, os.urandom)
        live.leave_early = self._engine.may_leave_early
        live.known_circle = self._engine.circles.of(live.id)
        return live

    def _own_replica(
        self, book: LogBook, kind: Kind, secrets: Mapping[EpochId, EpochKeys], actor: Actor
    ) -> Replica:
        fold = self._fold(book.object, kind, self._engine.run)
        new_log = not self._engine.clean or bool(book.damage)
        return self._replica(book, fold, secrets, actor, new_log=new_log)

    def _again(self, book: LogBook) -> LogBook:
        again = LogBook.load(book.object, self._engine.store)
        again.damage = book.damage
        return again

    def _replica(
        self,
        book: LogBook,
        fold: AnyFold,
        secrets: Mapping[EpochId, EpochKeys],
        actor: Actor,
        *,
        new_log: bool,
    ) -> Replica:
        local = self._engine.keys.credentials.local
        return Replica(
            book.object,
            book,
            fold,
            secrets,
            actor,
            local,
            self._engine.run,
            now_ms,
            os.urandom,
            new_log=new_log,
        )

    def replay(self, opened: OpenObject) -> Replica:
        """The stored history of an object, folded apart from scratch; for a thread of its own.

        Raises:
            Damaged: a stored segment is. It is not dealt with here, beside whoever uses the object.
        """
        with self.lock(opened):
            current = opened.live.replica
            book = LogBook.as_stored(current.object, self._engine.store)
            fold = self._empty_fold(opened)
            replica = self._replica(book, fold, current.keys, current.actor, new_log=False)
            replica.deliver_stored(strict=True)
            return replica

    def fold_anew(self, opened: OpenObject) -> CausalOrder:
        """All that is stored of an object, folded apart in canonical order; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            return opened.live.replica.fold_anew(book, self._empty_fold(opened))

    def record(self, opened: OpenObject) -> RecordingFold:
        """All that is stored of a document, as ``fold_anew``, with what each segment changed."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            device = self._engine.keys.credentials.device_id
            recording = RecordingFold(opened.live.id, device, RunId(os.urandom(16)), now_ms)
            opened.live.replica.fold_anew(book, recording)
            return recording

    def check_base(self, opened: OpenObject, base: Base) -> bool:
        """Whether a base holds what the history here holds up to its heads; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            return is_true(opened.live.replica, base, book, lambda: self._empty_fold(opened))

    def check_snapshot(self, opened: OpenObject, claimed: Claimed, here: bytes | None) -> bool | None:
        """Whether a snapshot holds what the history here holds up to its heads; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            return is_true_snapshot(
                opened.live.replica, claimed, book, lambda: self._empty_fold(opened), here
            )

    def stands_for_all(self, opened: OpenObject, forgets: Forgets) -> bool | None:
        """See ``history.stands_for_all``; for a thread of its own."""

        def load() -> LogBook:
            return LogBook.as_stored(opened.live.id, self._engine.store)

        with self.lock(opened):
            return stands_for_all(opened.live.replica, forgets, load, lambda: self._empty_fold(opened))

    def fold_past(self, opened: OpenObject, within: Collection[SegmentId]) -> CausalOrder:
        """What was delivered when these segments had been, folded apart; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = opened.live.replica.keys
            until = {branch.number: _last_within(book, branch, within) for branch in book.numbered.values()}
            for number, seq in opened.live.replica.order.bases.forgotten.items():
                until[number] = max(seq, until[number])
            return opened.live.replica.fold_until(until, book, self._empty_fold(opened))

    def husks(self, opened: OpenObject, branch: int, stop: int) -> Husked | None:
        """The next husks of a branch; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = opened.live.replica.keys
            return make_husks(book, book.numbered[branch], stop)

    def pack(self, opened: OpenObject, branch: int) -> Packed | None:
        """The next archive of a branch; for a thread of its own."""
        replica = opened.live.replica
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = replica.keys
            return pack_next(book, book.numbered[branch], replica.keys)

    def pack_before(self, opened: OpenObject, closed: Archive) -> Packed | None:
        """See ``sync.archiving.pack_before``; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = opened.live.replica.keys
            return pack_before(book, closed)

    def replaced(self, opened: OpenObject) -> tuple[list[Replaced], int]:
        """What archives could take the place of at a node, and their bytes; for a thread of its own.

        The newest two snapshots stay, for newcomers to begin with.
        """
        replica = opened.live.replica
        before: dict[bytes, int] = {}
        for place in replica.order.snapshots.newest_two:
            before[place.log] = min(place.seq - MAX_PARTS, before.get(place.log, place.seq))
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = replica.keys
            found = made_here(book, before)
        return [each for each, _ in found], sum(size for _, size in found)

    def is_own_archive(self, opened: OpenObject, named: Replaced) -> bool:
        """See ``named_archives.is_own``; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = opened.live.replica.keys
            return is_own(book, opened.live.replica.keys, named)

    def archive_holds(self, opened: OpenObject, archive: Archive) -> bool | None:
        """See ``named_archives.holds``; for a thread of its own."""
        with self.lock(opened):
            book = LogBook.as_stored(opened.live.id, self._engine.store)
            book.archived.keys = opened.live.replica.keys
            return holds(book, opened.live.replica.keys, archive)

    def lock(self, opened: OpenObject) -> Lock:
        """Held by who reads an object with a book of his own; what he has not read yet must not be moved."""
        return self._locks.setdefault(opened.live.id, Lock())

    def _empty_fold(self, opened: OpenObject) -> AnyFold:
        # Under another run: what this one wrote has to come from segments, too.
        fold = self._fold(opened.live.id, opened.live.replica.fold.kind, RunId(os.urandom(16)))
        if isinstance(fold, DocumentFold) and isinstance(opened.fold, DocumentFold):
            fold.guarded = opened.fold.own_clock()
        return fold

    def _fold(self, object_id: ObjectId, kind: Kind, run: RunId) -> AnyFold:
        device = self._engine.keys.credentials.device_id
        if kind is Kind.DOCUMENT:
            return DocumentFold(object_id, device, run, now_ms)
        if kind is Kind.CHAT:
            return ChatFold()
        return EntriesFold(device)


def _last_within(book: LogBook, branch: BranchState, within: Collection[SegmentId]) -> int:
    low, high = branch.first - 1, branch.tip + 1
    while low < high - 1:  # they are the first of the branch
        middle = (low + high) // 2
        low, high = (middle, high) if book.id_at(branch, middle) in within else (low, middle)
    return low


def _deliver(replica: Replica, *, strict: bool, together: bool) -> None:
    """Folds in what is stored and not known to its fold."""
    with cast(AnyFold, replica.fold).catching_up() if together else nullcontext():
        replica.deliver_stored(strict=strict)
        replica.restore_journal()


def _opened(path: str, live: LiveObject) -> OpenObject:
    fold = cast(AnyFold, live.replica.fold)
    if isinstance(fold, DocumentFold):
        fold.document.before_edit = live.replica.check_may_write
        fold.document.on_update(live.submit)
    presence = PresenceBook(live, now_ms, os.urandom, machine=machine_name())
    return OpenObject(live, fold, path, presence)
