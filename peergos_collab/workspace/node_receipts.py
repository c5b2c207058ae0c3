"""Receipts of nodes for one live object: taken, written down, shown to its members."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import LogId
from ..crypto import LocalKey
from ..errors import Damaged, RemoteProtocolError
from ..ports import Batch, Random
from ..sync.faults import Fault
from ..sync.receipts import Receipt
from ..sync.replica import Replica
from ..sync.session import Session
from ..sync.session_events import ReceiptsShown
from .saved_state import put_state, saved_state
from .told import Shown, Told, name_of, write_shown

TOLD: Final = "told"
TOLD_SECONDS: Final = 2.0
"""After a receipt, until what nodes signed is written down: a crash in between forgets that much of it."""

TOLD_BYTES: Final = 4096
"""Of it that are written in a second: with many logs it is written more seldom."""


class NodeReceipts:
    """See the module's text.

    Args:
        links: sessions on which the object is open, with the way they go.
        write: puts something on disk, where that takes it.
    """

    def __init__(
        self,
        replica: Replica,
        local: LocalKey,
        random: Random,
        links: Mapping[int, tuple[Session, str, Callable[[], None]]],
        write: Callable[[Batch], None],
    ) -> None:
        self._replica = replica
        self._local = local
        self._random = random
        self._links = links
        self._write = write
        self._told: Told | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pause = TOLD_SECONDS
        self._stopped = False
        self.on_show: list[Callable[[bytes, bytes], None]] = []
        """Called with a node's name here and what it just signed, to be shown by way of relays."""
        self.on_fault: list[Callable[[str, Fault], None]] = []
        """Called when a node contradicts what it signed."""

    @property
    def told(self) -> Told:
        """What each node signed about it; read when it is first asked for."""
        if self._told is None:
            replica = self._replica
            self._told = Told(replica.book)
            try:
                value = saved_state(replica.store, self._local, TOLD, replica.object)
                if value is not None:
                    self._told.restore(decode_untrusted(value, 1 << 30))
            except (Damaged, RemoteProtocolError) as error:
                replica.problems.append(f"what nodes signed for was forgotten: {error}")
        return self._told

    def take(self, node: str, receipt: Receipt, since: int) -> None:
        """Notes a node's receipt, whose signature was checked; ``since`` is the mark of its session.

        It may name segments that come only now, in the same session: it counts for them once they are here.
        """
        fault = self.told.take(node, receipt, since)
        if fault is not None:
            self._tell_fault(node, fault)
        if receipt.whole:
            self._show_to_all(name_of(node, self._replica.object), receipt)
        if self._timer is None and not self._stopped:
            self._timer = asyncio.get_running_loop().call_later(self._pause, self._due)

    def _show_to_all(self, name: bytes, receipt: Receipt) -> None:
        for session, via, flush in self._links.values():
            if via != "node":
                self.show(session, name, [receipt])
                flush()
        for show in list(self.on_show):
            show(name, write_shown(name, [receipt]))

    def show_all(self, session: Session) -> None:
        """Shows a member what nodes signed: so they cannot tell one this and another that."""
        for name, receipts in self.told.to_show():
            self.show(session, name, receipts)

    def show(self, session: Session, name: bytes, receipts: Iterable[Receipt]) -> None:
        """Shows a member some receipts, if he proved that he may see all of this object."""
        if session.may_see_all(self._replica.object):
            session.show_receipts(self._replica.object, name, list(receipts))

    def take_shown(self, nodes: Iterable[str], shown: ReceiptsShown) -> Shown | None:
        """Notes what one of ``nodes`` signed to another member, who shows it."""
        found = self.told.take_shown(nodes, shown)
        if found is not None and found.fault is not None:
            self._tell_fault(found.node, found.fault)
        return found

    def arrived(self, logs: Collection[LogId] = ()) -> None:
        """Receipts that were ahead of what was here count for what has come."""
        if self._told is not None:
            for node, fault in self._told.arrived(logs):
                self._tell_fault(node, fault)

    def _tell_fault(self, node: str, fault: Fault) -> None:
        for callback in list(self.on_fault):
            callback(node, fault)

    def _due(self) -> None:
        self._timer = None
        self._write(self.batch())

    def batch(self) -> Batch:
        """What writes it down; empty where nothing was taken or asked for."""
        if self._told is None:
            return []
        raw = encode(self._told.stored())
        self._pause = max(TOLD_SECONDS, len(raw) / TOLD_BYTES)
        return [put_state(self._local, TOLD, self._replica.object, raw, self._random)]

    def stop(self) -> None:
        """Writes down what waits for that, and plans nothing more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._due()
