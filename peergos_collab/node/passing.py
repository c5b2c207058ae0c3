"""What is said in passing (presence, cursors, signals) on its way through a node: kept a moment, passed on.

Among few it goes on at once. In a crowd it waits for the next beat, when the newest of some keys goes to all
in one frame: each of 500 people with a cursor would otherwise be sent what 499 others do with theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field
from itertools import islice
from typing import Final

from ..codec.ids import EpochId, ObjectId
from ..ports import Clock
from ..sync.session import Session, ephemeral_frame
from ..sync.session_events import EphemeralCame
from ..values import dataclass
from .rates import Rate

KEPT: Final = 256
"""Newest messages kept per object: two per device of a large meeting."""

KEPT_BYTES: Final = 32 << 20
"""Kept in all. They are 256 bytes to 4 KiB, so only a flood gets there; then all are let go."""

LIFETIME: Final = 30_000
RATE: Final = 200
"""Messages per second and session: cursors send 4, opening connections a burst of 20."""

CROWD: Final = 16
"""Sessions in an object above which it is one."""

IN_A_BEAT: Final = 32
"""Messages passed on in a crowd with each beat; others wait their turn, and only the newest of a key does."""

BACKLOG: Final = 256
"""Frames that wait for a slow session above which all this passes it by."""


@dataclass(slots=True)
class _Recent:
    counter: int
    sealed: bytes
    time: int
    epochs: frozenset[EpochId]


@dataclass(slots=True)
class Passing:
    """See the module's text.

    Args:
        readers: the sessions that have an object open and may read it.
        touch: told of sessions that have frames to send.
    """

    clock: Clock
    readers: Callable[[ObjectId], list[Session]]
    touch: Callable[[Session], None]
    _kept: dict[ObjectId, dict[bytes, _Recent]] = field(default_factory=dict)
    _bytes: int = 0
    _waiting: dict[ObjectId, dict[bytes, None]] = field(default_factory=dict)
    _rates: dict[int, Rate] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether something is to be passed on with the next beat."""
        return bool(self._waiting)

    def take(self, session: Session, event: EphemeralCame) -> None:
        """Takes a message from who may read the object, and passes it on."""
        channel = session.channels.get(event.object)
        if channel is None or not channel.may_read or self._too_fast(session):
            return
        recent = _Recent(event.counter, event.sealed, self.clock(), channel.rights.newest)
        if not self._keep(event.object, event.key, recent):
            return
        readers = self.readers(event.object)
        if len(readers) > CROWD:
            self._waiting.setdefault(event.object, {})[event.key] = None
        else:
            others = [other for other in readers if other is not session]
            self._pass_on(event.object, [(event.key, recent)], others)

    def greet(self, session: Session, object_id: ObjectId) -> None:
        """Tells a newcomer who is here; only after the records, without which he cannot check who speaks."""
        now = self.clock()
        fresh = [item for item in self._kept.get(object_id, {}).items() if now - item[1].time < LIFETIME]
        for start in range(0, len(fresh), IN_A_BEAT):
            self._pass_on(object_id, fresh[start : start + IN_A_BEAT], [session])

    def beat(self) -> None:
        """Passes on what waits, in turn."""
        for object_id, keys in list(self._waiting.items()):
            kept = self._kept.get(object_id, {})
            turn = list(islice(keys, IN_A_BEAT))
            for key in turn:
                del keys[key]
            if not keys:
                del self._waiting[object_id]
            recents = [(key, kept[key]) for key in turn if key in kept]
            self._pass_on(object_id, recents, self.readers(object_id))

    def forget(self, object_id: ObjectId) -> None:
        """Nobody has the object open any more."""
        self._let_go(self._kept.pop(object_id, {}).values())
        self._waiting.pop(object_id, None)

    def detach(self, session: Session) -> None:
        self._rates.pop(id(session), None)

    def _keep(self, object_id: ObjectId, key: bytes, recent: _Recent) -> bool:
        """Whether it is newer than what is here."""
        kept = self._kept.setdefault(object_id, {})
        known = kept.get(key)
        if known is not None:
            if known.counter >= recent.counter:
                return False
            self._let_go([kept.pop(key)])
        kept[key] = recent
        self._bytes += len(recent.sealed)
        if len(kept) > KEPT:
            oldest = next(iter(kept))
            self._let_go([kept.pop(oldest)])
            self._waiting.get(object_id, {}).pop(oldest, None)
        if self._bytes > KEPT_BYTES:
            self._kept.clear()
            self._waiting.clear()
            self._bytes = 0
        return True

    def _pass_on(
        self, object_id: ObjectId, recents: list[tuple[bytes, _Recent]], sessions: Iterable[Session]
    ) -> None:
        """To each those whose sender proved a newest epoch that it proved, too; one frame serves many."""
        frames: dict[frozenset[EpochId], bytes] = {}
        for session in sessions:
            channel = session.channels.get(object_id)
            if channel is None or session.backlog >= BACKLOG:
                continue
            newest = channel.rights.newest
            if newest not in frames:
                meant = [(key, r.counter, r.sealed) for key, r in recents if r.epochs & newest]
                frames[newest] = ephemeral_frame(object_id, meant) if meant else b""
            if frames[newest]:
                session.send_frame(frames[newest])
                self.touch(session)

    def _let_go(self, recents: Iterable[_Recent]) -> None:
        self._bytes -= sum(len(recent.sealed) for recent in recents)

    def _too_fast(self, session: Session) -> bool:
        return self._rates.setdefault(id(session), Rate(RATE, 1000)).exceeded(self.clock())
