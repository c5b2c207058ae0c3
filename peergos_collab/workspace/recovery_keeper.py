"""Keeps the drop by which the recovery code finds the account: in the profile, and on each node."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..codec.ids import ObjectId
from ..crypto import Tag, keyed_hash
from ..errors import Damaged, Offline, Refused, RemoteProtocolError
from ..files.changes import put_entry, remove
from ..identity.recovery_code import RecoveryCode
from ..objects.links import make_last_drop
from ..ports import PutValue, Transport
from .device_book import KIND as DEVICE
from .device_book import entry_id
from .machine import now_ms
from .network import with_node
from .recovery_drop import KEPT, RecoveryDrop, drop_keys
from .sync_link import LinkOwner

if TYPE_CHECKING:
    from .engine import Engine

KIND: Final = "recovery"
SHOWN: Final = "recovery"
PLACES: Final = "recovery places"
META: Final = "meta"
RECOVERED: Final = b"recovered"
UNTOLD: Final = b"\x01"
"""What it says while nobody was told yet that this device took the account back."""

TOLD: Final = b"\x02"
"""What it says from then on, until every object has come from the nodes."""

MAX_DROPS: Final = 4
"""Looked after at the same time. There is one; a thief may claim more."""

RENEW: Final = 30 * 24 * 3600 * 1000
"""Milliseconds after which a device puts the drop on a node again, which keeps it for a year."""


async def end_drop(transport: Transport, owner: LinkOwner, node: str, code: RecoveryCode) -> bool:
    """Ends the drop of a code that was used, for good. Whether the node did it."""
    keys = drop_keys(code)
    try:
        async with await with_node(transport, owner, os.urandom, node) as link:
            await link.put_drop(keys.drop.public, make_last_drop(keys, os.urandom).raw)
    except (Offline, Refused, RemoteProtocolError):
        return False
    return True


class RecoveryKeeper:
    """Sees to it that the code's drop is in the profile and on each node of the account."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._one_at_a_time = asyncio.Lock()
        try:
            self.unfinished = engine.store.value(META, RECOVERED) is not None
        except Damaged:
            self.unfinished = True
        """Whether the code was used here and not all objects came from the nodes since."""

    def drops(self) -> list[RecoveryDrop]:
        """Those of the code that may be used next; what this device kept itself comes first."""
        next_root = self._engine.keys.credentials.account.standing.next_root
        found = {drop.public: drop for drop in (*self._kept(), *self._noted()) if drop.next_root == next_root}
        return list(found.values())[:MAX_DROPS]  # so what was kept stays kept, whatever comes later

    def _kept(self) -> Iterator[RecoveryDrop]:
        try:
            stored = list(self._engine.store.values(KEPT))
        except Damaged:
            return
        for name, sealed in stored:
            try:
                yield RecoveryDrop.open_kept_untrusted(name, sealed, self._engine.keys.credentials.local)
            except RemoteProtocolError:
                continue

    def _noted(self) -> Iterator[RecoveryDrop]:
        for view in self._engine.profile.view.apart(KIND).values():
            try:
                yield RecoveryDrop.decode_untrusted(view.reference)
            except RemoteProtocolError:
                continue

    async def note(self) -> None:
        """Enters the drop into the profile, so that all devices look after it, and takes out old ones."""
        wanted = {drop.entry_id: drop for drop in self.drops()}
        there = {view.id for view in self._engine.profile.view.apart(KIND).values()}
        changes = [
            put_entry(id_, SHOWN, KIND, drop.encode(), now=now_ms())
            for id_, drop in wanted.items()
            if id_ not in there
        ]
        if not wanted:
            return
        await self._engine.change_profile(*changes, *(remove(id_) for id_ in there - wanted.keys()))

    async def keep(self) -> None:
        """Puts the drop on the nodes that have not got it from this device for a while.

        A node that cannot be reached gets it later.
        """
        engine = self._engine
        async with self._one_at_a_time:
            await self._finish()
            here = {drop.public for drop in self._kept()}
            for drop in self.drops():
                if drop.public not in here:
                    engine.store.write([drop.kept(engine.keys.credentials.local, os.urandom)])
                for node in engine.profile.view.nodes():
                    if engine.online.network is not None:
                        await self._put(drop, node)

    async def _finish(self) -> None:
        """After the code was used here: tells devices and contacts of it once, and waits for all objects."""
        engine = self._engine
        if not self.unfinished or engine.online.network is None or self._is_incomplete(engine.keys.profile):
            return
        if engine.store.value(META, RECOVERED) != TOLD:
            gone = {entry_id(device) for device in engine.keys.credentials.account.standing.gone}
            there = {view.id for view in engine.profile.view.apart(DEVICE).values()}
            await engine.change_profile(*(remove(id_) for id_ in sorted(gone & there)))
            await engine.devices.note_own()
            await self.note()
            await engine.mailroom.tell_card()
            await self._mark(TOLD)
        engine.waking.open_all()
        if not any(map(self._is_incomplete, engine.objects)):
            await self._mark(None)
            self.unfinished = False

    def _is_incomplete(self, object_id: ObjectId) -> bool:
        return self._engine.objects[object_id].live.incomplete

    async def _mark(self, value: bytes | None) -> None:
        await asyncio.wrap_future(self._engine.store.write([PutValue(META, RECOVERED, value)]))

    async def _put(self, drop: RecoveryDrop, node: str) -> None:
        engine = self._engine
        place = keyed_hash(engine.keys.credentials.local, Tag.RECOVERY_AT_NODE, drop.public + node.encode())
        try:
            known = engine.store.value(PLACES, place)
        except Damaged:
            known = None
        if known is not None and now_ms() - int.from_bytes(known, "big") < RENEW:
            return
        try:
            # A session of its own: the node need not learn whose drop it is.
            async with await with_node(engine.transport, engine.link_events, os.urandom, node) as link:
                await link.put_drop(drop.public, drop.drop.raw)
        except (Offline, RemoteProtocolError):
            return
        except Refused:
            pass  # a newer one is there: the code was used, which the account's log will say
        if engine.online.network is None:
            return  # closing meanwhile; it is put again another time
        await asyncio.wrap_future(engine.store.write([PutValue(PLACES, place, now_ms().to_bytes(8, "big"))]))
