"""What a node does about prune records: it gathers the archives they name, waits, and drops segments.

Nothing goes on a word alone. An archive is taken only if it shows the ids and signatures of segments that are
here, all of them, in no more bytes. What is sealed in it only members can check, so they are given time for
that, in hours in which this node served: neither a clock that jumps nor a node that is off takes any of it
away. Where one of them objects, or keys changed so that nobody knows who an admin is, nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..codec.ids import LogId, ObjectId
from ..errors import Damaged
from ..objects.archives import Archive
from ..objects.prunes import Prune, Replaced
from ..objects.segments import signature_of
from ..ports import Batch, PutValue, SegmentStore
from ..sync.archived import OFFERED
from ..sync.archiving import Packed, take_packed
from ..sync.arrivals import BranchState, Record
from ..sync.logbook import LogBook
from ..sync.pruning import standing
from ..sync.session import Session
from ..sync.session_events import ArchiveCame
from .commits import Commit, nothing

GRACE_HOURS: Final = 7 * 24
DUE: Final = "due"
AGE: Final = "age"

_STEP: Final = 4
"""Archives that take the place of segments at once; then others have their turn."""

_READ: Final = 1 << 18
_MANY: Final = 1 << 20


class Pruning:
    """See the module's text.

    Args:
        find_book: gives the book of a stored object, or None.
        touch: told of sessions that have frames to send.
        grace: hours from an archive's arrival until it takes the place of segments.

    Attributes:
        ripe: whether there may be something to do for ``act``.
    """

    def __init__(
        self,
        store: SegmentStore,
        find_book: Callable[[ObjectId], LogBook | None],
        touch: Callable[[Session], None],
        grace: int,
    ) -> None:
        self._store = store
        self._find_book = find_book
        self._touch = touch
        self._grace = grace
        self._age = _stored_age(store)
        self._due = self._stored_due(b"", b"\xff" * 73)
        """By object and archive: at which age it takes the place of segments."""
        self.ripe = bool(self._due)
        self._without: dict[int, set[bytes]] = {}
        """By session: archives that it was asked for and does not have."""
        self._awaited: dict[ObjectId, set[LogId]] = {}
        """Logs of which archives are named whose segments, or one after them, are not here yet."""

    def detach(self, session: Session) -> None:
        self._without.pop(id(session), None)

    def lose(self, object_id: ObjectId) -> None:
        """What was to be written of an object is not on the disk."""
        self._due = {key: when for key, when in self._due.items() if not key.startswith(object_id)}
        self._due |= self._stored_due(object_id, object_id + b"\xff" * 41)

    def _stored_due(self, start: bytes, stop: bytes) -> dict[bytes, int]:
        keys = self._store.keys(DUE, start, stop, _MANY)
        return {key[:64]: int.from_bytes(key[64:], "big") for key in keys}

    # -- archives come --------------------------------------------------------------------------

    def take_records(self, session: Session, book: LogBook, records: Iterable[Record]) -> None:
        """Records came from a session: what they name is asked of it."""
        fresh = {record.id for record in records if isinstance(record, Prune) and record.replaced}
        counting = standing(book) if fresh else []
        for id_ in fresh - {prune.id for prune in counting}:
            session.archives.tell_pruned(book.object, id_, None)
        for prune in counting:
            if prune.id in fresh and self._has_all(book, prune):
                session.archives.tell_pruned(book.object, prune.id, self._hours(book, prune))
        if fresh:
            self._ask(session, book, counting)

    def opened(self, session: Session, book: LogBook) -> None:
        """Who opened an object may have what is lacking. It is checked, so it needs no right to be given."""
        if not book.prunes:
            return
        counting = standing(book)
        for prune in counting:
            if self._has_all(book, prune):
                session.archives.tell_pruned(book.object, prune.id, self._hours(book, prune))
        self._ask(session, book, counting)

    def take_segments(self, session: Session, book: LogBook, logs: Iterable[LogId]) -> None:
        """Segments of some logs came from a session: now archives may be of use that were of none before."""
        if not self._awaited.get(book.object, set()).isdisjoint(logs):
            self.opened(session, book)

    def take(self, session: Session, book: LogBook, came: ArchiveCame) -> Commit | None:
        """Keeps an archive that was asked for, if it shows what it is to replace."""
        counting = standing(book)
        lacking = (each for prune in counting for each in self._lacking(book, prune))
        named = next((each for each in lacking if each.archive == came.id), None)
        if named is None:  # it came by another session meanwhile, or counts no more
            self._ask(session, book, counting)
            return None
        if came.archive is None or not _replaces(book, named, came.archive):
            if came.archive is not None:
                session.refuse(book.object, "false", "an archive that does not show what it is to replace")
            self._without.setdefault(id(session), set()).add(came.id)
            self._ask(session, book, counting)
            return None
        key = book.object + came.id
        self._due[key] = self._age + self._grace

        def durable() -> None:
            self.ripe |= not self._grace
            for prune in counting:
                if came.id in {each.archive for each in prune.replaced} and self._has_all(book, prune):
                    session.archives.tell_pruned(book.object, prune.id, self._hours(book, prune))
            self._ask(session, book, counting)
            self._touch(session)

        due = key + self._due[key].to_bytes(8, "big")
        batch: Batch = [PutValue(OFFERED, key, came.archive.raw), PutValue(DUE, due, b"\x01")]
        return Commit(batch, durable, book.object)

    def _ask(self, session: Session, book: LogBook, counting: Iterable[Prune]) -> None:
        """Asks a session for one archive that is lacking; for the next once that has come."""
        self._awaited[book.object] = {
            each.log for prune in counting for each in prune.replaced if _is_behind(book, each)
        }
        without = self._without.get(id(session), set())
        lacking = (each.archive for prune in counting for each in self._lacking(book, prune))
        id_ = next((id_ for id_ in lacking if id_ not in without), None)
        if id_ is not None:
            session.archives.get(book.object, id_)
            self._touch(session)

    def _lacking(self, book: LogBook, prune: Prune) -> list[Replaced]:
        """What could take the place of segments that are here, and is not here itself."""
        return [
            each
            for each in prune.replaced
            if book.object + each.archive not in self._due and _branches(book, each)
        ]

    def _has_all(self, book: LogBook, prune: Prune) -> bool:
        return not self._lacking(book, prune) and not any(_is_behind(book, each) for each in prune.replaced)

    def _hours(self, book: LogBook, prune: Prune) -> int:
        due = (self._due.get(book.object + each.archive, 0) for each in prune.replaced)
        return max(0, max(due) - self._age)

    # -- time passes ----------------------------------------------------------------------------

    def hour(self) -> Commit:
        """One more hour has been served."""
        self._age += 1
        self.ripe = bool(self._due)
        return Commit([PutValue(AGE, b"", self._age.to_bytes(8, "big"))], nothing)

    def act(self) -> list[Commit]:
        """Has a few archives whose time has come take the place of segments; none once all have."""
        ripe = sorted(key for key, when in self._due.items() if when <= self._age)
        commits: list[Commit] = []
        for object_id in dict.fromkeys(ObjectId(key[:32]) for key in ripe):
            try:
                commits += self._act_on(object_id, {key[32:] for key in ripe if key[:32] == object_id})
            except Damaged:
                continue  # it is mended when somebody opens it
            if len(commits) >= _STEP:
                break
        self.ripe = bool(commits)
        return commits

    def _act_on(self, object_id: ObjectId, ripe: set[bytes]) -> list[Commit]:
        book = self._find_book(object_id)
        named = {each.archive: each for prune in (standing(book) if book else []) for each in prune.replaced}
        commits: list[Commit] = []
        for id_ in sorted(ripe, key=lambda id_: (id_ in named, named.get(id_))):
            branches = _branches(book, named[id_]) if book is not None and id_ in named else []
            if branches and all(branch.kept < named[id_].first for branch in branches):
                continue  # what comes before it stays, so far
            batch = self._replace(book, id_) if book is not None and branches else []
            key = object_id + id_
            due = key + self._due.pop(key).to_bytes(8, "big")
            gone: Batch = [PutValue(OFFERED, key, None), PutValue(DUE, due, None)]
            commits.append(Commit([*batch, *gone], nothing, object_id))
            if len(commits) >= _STEP:
                break
        return commits

    def _replace(self, book: LogBook, id_: bytes) -> Batch:
        """Has an archive take the place of its segments, if it can."""
        try:
            archive = book.archived.offered(id_)
        except Damaged:
            archive = None  # it is asked for again
        branch = book.find(archive.log, archive.last, archive.last_id) if archive is not None else None
        if archive is None or branch is None:
            return []
        return take_packed(book, Packed(branch.number, archive))


def _branches(book: LogBook, named: Replaced) -> list[BranchState]:
    """The branches that may have these segments one by one, and something after them."""
    branches = book.branches.get(named.log, ())
    return [branch for branch in branches if branch.kept <= named.first and named.last < branch.tip]


def _is_behind(book: LogBook, named: Replaced) -> bool:
    """Whether its segments, or one after them, are not here yet."""
    return all(branch.tip <= named.last for branch in book.branches.get(named.log, ()))


def _replaces(book: LogBook, named: Replaced, archive: Archive) -> bool:
    """Whether an archive shows the very ids and signatures of segments that are here. Raises Damaged."""
    branch = book.find(archive.log, archive.last, archive.last_id)  # which leads to all ids before it
    if branch is None or Replaced.by(archive) != named or branch not in _branches(book, named):
        return False
    at = size = 0
    while at < len(archive.ids):
        raws = book.store.segments(branch.number, archive.first + at, _READ)[: len(archive.ids) - at]
        if not raws or any(signature_of(raw) != archive.signature(at + n) for n, raw in enumerate(raws)):
            return False
        at, size = at + len(raws), size + sum(map(len, raws))
    return len(archive.raw) <= size


def _stored_age(store: SegmentStore) -> int:
    try:
        return int.from_bytes(store.value(AGE, b"") or b"", "big")
    except Damaged:
        return 0  # what waits for a higher one waits for longer
