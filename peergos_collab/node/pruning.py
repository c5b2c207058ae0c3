"""What a node does about prune records: it gathers the archives they name, waits, and drops segments.

Where one forgets, nothing but husks takes their place: those this node makes itself, of what it has.

Nothing goes on a word alone. An archive is taken only if it shows the ids and signatures of segments that are
here, all of them, in no more bytes. What is sealed in it only members can check, so they are given time for
that, in hours in which this node served: neither a clock that jumps nor a node that is off takes any of it
away. Where one of them objects, or keys changed so that nobody knows who an admin is, nothing is dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
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
from ..sync.husks import first_left, make_husks, take_husks
from ..sync.logbook import LogBook
from ..sync.pruning import forgetting, shows_part_of, standing
from ..sync.session import Session
from ..sync.session_events import ArchiveCame
from ..values import dataclass
from .commits import Commit, nothing

GRACE_HOURS: Final = 7 * 24
DUE: Final = "due"
AGE: Final = "age"

MOST_NAMED: Final = 1 << 14
"""Archives that a node acts on in one object: each opening looks at all of them, at 3 µs each, and an admin
could have millions named. So many stand for ten million segments."""

_STEP: Final = 4
"""Archives that take the place of segments at once; then others have their turn."""

_READ: Final = 1 << 18
_MANY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Named:
    """An archive, as a prune record names it."""

    prune: Prune
    named: Replaced


class Pruning:
    """See the module's text.

    Args:
        find_book: gives the book of a stored object, or None.
        touch: told of sessions that have frames to send.
        readers: gives the sessions on which an object is open.
        grace: hours from an archive's arrival until it takes the place of segments.

    Attributes:
        ripe: whether there may be something to do for ``act``.
    """

    def __init__(
        self,
        store: SegmentStore,
        find_book: Callable[[ObjectId], LogBook | None],
        touch: Callable[[Session], None],
        readers: Callable[[ObjectId], Iterable[Session]],
        grace: int,
    ) -> None:
        self._store = store
        self._readers = readers
        self._find_book = find_book
        self._touch = touch
        self._grace = grace
        self._age = _stored_age(store)
        self._due = self._stored_due(b"", b"\xff" * 73)
        """By object and archive, at which age it takes the place of segments; by object and prune record that
        forgets, at which age that is done."""
        self.ripe = bool(self._due)
        self._without: dict[int, set[bytes]] = {}
        """By session: archives that it was asked for and does not have."""
        self._to_ask: dict[int, dict[ObjectId, Iterator[Named]]] = {}
        """By session and object: what is still to be looked at, whether to ask for it."""
        self._asked: dict[int, dict[bytes, Named]] = {}
        """By session, and object and archive: what it was asked for and has not answered yet."""
        self._awaited: dict[ObjectId, set[LogId]] = {}
        """Logs of which archives are named whose segments, or one after them, are not here yet."""

    def detach(self, session: Session) -> None:
        for of_sessions in (self._without, self._to_ask, self._asked):
            of_sessions.pop(id(session), None)

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
        records = list(records)
        forgetful = {record.id for record in records if isinstance(record, Prune) and record.forgets}
        if forgetful:
            self._begin_to_forget(session, book)
            for id_ in forgetful - {prune.id for prune in forgetting(book)}:
                session.archives.tell_pruned(book.object, id_, None)
        fresh = {record.id for record in records if isinstance(record, Prune) and record.replaced}
        counting = _standing(book) if fresh else []
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
        self._begin_to_forget(session, book)
        counting = _standing(book)
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
        asked = self._asked.get(id(session), {}).pop(book.object + came.id, None)
        counting = _standing(book)
        if asked is None or asked.prune not in counting or not self._is_lacking(book, asked.named):
            self._ask_next(session, book)  # it came by another session meanwhile, or counts no more
            return None
        named = asked.named
        if came.archive is None or not _replaces(book, named, came.archive):
            if came.archive is not None:
                session.refuse(book.object, "false", "an archive that does not show what it is to replace")
            self._without.setdefault(id(session), set()).add(came.id)
            self._ask_next(session, book)
            return None
        key = book.object + came.id
        self._due[key] = self._age + self._grace

        def durable() -> None:
            self.ripe |= not self._grace
            for prune in counting:
                if _names(prune, named) and self._has_all(book, prune):
                    session.archives.tell_pruned(book.object, prune.id, self._hours(book, prune))
            self._ask_next(session, book)
            self._touch(session)

        due = key + self._due[key].to_bytes(8, "big")
        batch: Batch = [PutValue(OFFERED, key, came.archive.raw), PutValue(DUE, due, b"\x01")]
        return Commit(batch, durable, book.object)

    def _ask(self, session: Session, book: LogBook, counting: Iterable[Prune]) -> None:
        """Asks a session for the archives that are lacking, one after the other."""
        self._awaited[book.object] = {
            each.log for prune in counting for each in prune.replaced if _is_behind(book, each)
        }
        named = (Named(prune, each) for prune in counting for each in prune.replaced)
        self._to_ask.setdefault(id(session), {})[book.object] = named
        self._ask_next(session, book)

    def _ask_next(self, session: Session, book: LogBook) -> None:
        """Asks for the next one. Records may name thousands that nobody has: they are looked through once."""
        without = self._without.get(id(session), set())
        for each in self._to_ask.get(id(session), {}).get(book.object, ()):
            id_ = each.named.archive
            if id_ not in without and self._is_lacking(book, each.named):
                self._asked.setdefault(id(session), {})[book.object + id_] = each
                session.archives.get(book.object, id_)
                self._touch(session)
                return

    def _lacking(self, book: LogBook, prune: Prune) -> list[Replaced]:
        """What could take the place of segments that are here, and is not here itself."""
        return [each for each in prune.replaced if self._is_lacking(book, each)]

    def _is_lacking(self, book: LogBook, named: Replaced) -> bool:
        return book.object + named.archive not in self._due and bool(_branches(book, named))

    def _has_all(self, book: LogBook, prune: Prune) -> bool:
        return not self._lacking(book, prune) and not any(_is_behind(book, each) for each in prune.replaced)

    def _hours(self, book: LogBook, prune: Prune) -> int:
        due = (self._due.get(book.object + each.archive, 0) for each in prune.replaced)
        return max(0, max(due) - self._age)

    # -- what is to be forgotten ----------------------------------------------------------------

    def _begin_to_forget(self, session: Session, book: LogBook) -> None:
        """From now on members have time to object; tells in how many hours what counts is forgotten."""
        for prune in forgetting(book):
            key = book.object + prune.id
            if key not in self._due and not _is_done(book, prune):
                self._due[key] = self._age + self._grace
                self._store.write([PutValue(DUE, key + self._due[key].to_bytes(8, "big"), b"\x01")])
                self.ripe |= not self._grace
            if _whole(book, prune):
                hours = max(0, self._due.get(key, 0) - self._age)
                session.archives.tell_pruned(book.object, prune.id, hours)

    def is_over(self, book: LogBook, husk: Archive) -> bool:
        """Whether the time to object is over for something that wants all in a husk forgotten.

        Then a node that was away, and lacks what follows, can go on: with husks in place of what it has.
        """
        return any(
            self._due.get(book.object + prune.id, self._age + 1) <= self._age
            for prune in forgetting(book)
            if prune.forgets is not None and shows_part_of(husk, prune.forgets)
        )

    def _forget(self, book: LogBook, prune: Prune) -> Commit | None:
        """Has a few husks take the place of what is to be forgotten; None once all have."""
        for number, stop in _extent(book, prune).items():
            husked = make_husks(book, book.numbered[number], stop)
            batch = take_husks(book, husked) if husked is not None else []
            if batch:
                return Commit(batch, nothing, book.object)
        return None

    def _forgotten(self, book: LogBook, prune: Prune) -> Commit:
        """All husks are there: archives that wait for the same segments go, too, and it is told."""
        batch, stops = self._not_due(book.object, prune.id), _extent(book, prune)
        start = book.object
        for key in self._store.keys(OFFERED, start, start + b"\xff" * 33, _MANY):
            archive = book.archived.offered(key[32:])
            branch = book.find(archive.log, archive.first, archive.ids[0]) if archive is not None else None
            if archive and branch and archive.first <= stops.get(branch.number, 0):
                batch += [PutValue(OFFERED, key, None), *self._not_due(book.object, archive.id)]

        def durable() -> None:
            for session in self._readers(book.object):
                session.archives.tell_pruned(book.object, prune.id, 0)
                self._touch(session)

        return Commit(batch, durable, book.object)

    def _not_due(self, object_id: ObjectId, id_: bytes) -> Batch:
        when = self._due.pop(object_id + id_, None)
        return [] if when is None else [PutValue(DUE, object_id + id_ + when.to_bytes(8, "big"), None)]

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
        if book is not None and (done := self._act_on_forgetting(book, ripe)):
            return done
        named = {each.archive: each for prune in (_standing(book) if book else []) for each in prune.replaced}
        commits: list[Commit] = []
        for id_ in sorted(ripe, key=lambda id_: (id_ in named, named.get(id_))):
            branches = _branches(book, named[id_]) if book is not None and id_ in named else []
            if branches and all(branch.kept < named[id_].first for branch in branches):
                continue  # what comes before it stays, so far
            batch = self._replace(book, id_) if book is not None and branches else []
            gone = [PutValue(OFFERED, object_id + id_, None), *self._not_due(object_id, id_)]
            commits.append(Commit([*batch, *gone], nothing, object_id))
            if len(commits) >= _STEP:
                break
        return commits

    def _act_on_forgetting(self, book: LogBook, ripe: set[bytes]) -> list[Commit]:
        commits: list[Commit] = []
        for prune in forgetting(book):
            is_ripe = prune.id in ripe
            ripe.discard(prune.id)
            if not is_ripe or not _whole(book, prune):
                continue  # it is done once all of it is here
            commit = self._forget(book, prune)  # what follows is looked for once that is on the disk
            commits.append(commit if commit is not None else self._forgotten(book, prune))
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


def _standing(book: LogBook) -> list[Prune]:
    """The prune records that count and name archives, as far as a node acts on them: the first that came."""
    counting = standing(book)
    names = accumulate(len(prune.replaced) for prune in counting)
    return [prune for prune, most in zip(counting, names, strict=True) if most <= MOST_NAMED]


def _extent(book: LogBook, prune: Prune) -> dict[int, int]:
    return book.extent(prune.forgets.heads) if prune.forgets is not None else {}


def _whole(book: LogBook, prune: Prune) -> bool:
    """Whether all that is to be forgotten is here, and what is to stand for it, which is none of that."""
    forgets = prune.forgets
    if forgets is None or not book.has_all([forgets.base, *forgets.heads]):
        return False
    if book.is_forgotten(forgets.base):
        return False  # it stands for nothing any more
    branch = book.find(forgets.base.log, forgets.base.seq, forgets.base.id)
    return branch is not None and forgets.base.seq > _extent(book, prune).get(branch.number, 0)


def _is_done(book: LogBook, prune: Prune) -> bool:
    """Whether nothing is left to be forgotten."""
    left = (first_left(book, book.numbered[n], stop) for n, stop in _extent(book, prune).items())
    return _whole(book, prune) and all(each is None for each in left)


def _names(prune: Prune, named: Replaced) -> bool:
    at = bisect_left(prune.replaced, named)
    return prune.replaced[at : at + 1] == (named,)


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
