"""What an object lacks comes over all its sessions at once: one goes on, the others are held.

Each session sends all that our heads lack. To take it in twice costs twice, and a data channel's bytes cost
the most; what is typed meanwhile waits for that. Which session is the fastest shows by itself: the others
bring what is here by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Final

from ..codec.ids import EpochId, ObjectId
from ..objects.epoch_keys import EpochKeys
from ..sync.arrivals import Offered
from ..sync.session import BULK_WINDOW, Session
from ..values import dataclass

REPEATED_BYTES: Final = BULK_WINDOW
"""Who brings nothing new in so much is behind: a key typed to several sessions is far less."""

HOLD_SECONDS: Final = 3.0
"""Then heads are compared anew, and the fastest shows again: the one that went on may have become slow, or
may give nothing more on purpose."""

WORTH_BYTES: Final = 1 << 20
"""Where less than that is new in such a time nobody is held any more: to take so little twice costs little,
and whoever goes on must not slow the others down."""

Link = tuple[Session, str, Callable[[], None]]


@dataclass(slots=True)
class CatchingUp:
    """See the module's text.

    Args:
        keys: those held of the object.
        links: sessions on which it is open, with their way and what sends.
    """

    object: ObjectId
    keys: Callable[[], Mapping[EpochId, EpochKeys]]
    links: Mapping[int, Link]
    _repeated: dict[Session, int] = field(default_factory=dict)
    _new: int = 0
    _worth: bool = True
    _timer: asyncio.TimerHandle | None = None

    def came(self, session: Session, offered: Offered, size: int) -> None:
        """Segments of ``size`` bytes came over a session, with what became of them."""
        repeated = self._repeated.pop(session, 0) + size
        if offered.arrivals:
            self._new += size
        elif not offered.known or self._is_held(session):
            pass  # of no use, and no sign of being behind; or on its way already
        elif repeated <= REPEATED_BYTES:
            self._repeated[session] = repeated
        elif not any(self._brings(other) for other, _, _ in self.links.values() if other is not session):
            if self._brings(session):
                session.open(self.object, self.keys())  # it goes on from where the other one ended
        elif self._worth:
            self._hold(session)

    def _hold(self, session: Session) -> None:
        session.hold(self.object)
        if self._timer is None:
            self._new = 0
            self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._look)

    def _look(self) -> None:
        self._worth = self._new >= WORTH_BYTES
        self.go_on()

    def go_on(self) -> None:
        """What is still lacking may come over any session: one of them has given all, or ended."""
        self.stop()
        self._repeated.clear()
        for session, _, flush in list(self.links.values()):
            if self._is_held(session):
                session.open(self.object, self.keys())
                flush()

    def _brings(self, session: Session) -> bool:
        channel = session.channels.get(self.object)
        return channel is not None and channel.brings

    def _is_held(self, session: Session) -> bool:
        channel = session.channels.get(self.object)
        return channel is not None and channel.holds

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
