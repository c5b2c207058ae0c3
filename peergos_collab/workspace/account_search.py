"""Finds an account at a node by its recovery code. Reads what is there, and changes nothing.

The code's drop names the first epoch of the profile. With its keys the node gives all membership records;
in these are account logs, in which user seeds are boxed to the code, which open later epochs, and so on
to the newest. Then the node gives the profile's content too: the nodes, and what each device knew.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..codec.ids import DeviceId, ObjectId, PrincipalId, RunId
from ..crypto import LocalKey, SigningKey
from ..errors import NoAccess, NotFound, Offline, Refused, RemoteProtocolError
from ..identity.account import Account
from ..identity.credentials import Credentials, user_pair
from ..identity.recovery import holds_next_root
from ..identity.recovery_code import RecoveryCode
from ..identity.user_keys import RECOVERY, open_seeds
from ..objects.links import Capability, Drop
from ..objects.operations import Actor
from ..objects.payload import Kind
from ..ports import Transport
from ..storage import SqliteStore
from ..sync.logbook import LogBook
from ..sync.replica import Replica
from ..values import dataclass
from .device_book import KIND as DEVICE
from .device_book import DeviceNote
from .folds import EntriesFold
from .home import account_actor
from .live_object import LiveObject
from .machine import now_ms
from .network import with_node
from .news import News
from .recovery_drop import drop_keys

if TYPE_CHECKING:
    from ..errors import Damaged
    from ..objects.archives import Archive
    from ..objects.snapshots import SnapshotPlace
    from ..sync.arrivals import Offered
    from ..sync.session import Session
    from ..sync.session_events import (
        EphemeralCame,
        FalseArchiveCame,
        PruneTold,
        ReceiptsShown,
        SnapshotCame,
    )
    from .sync_link import LinkOwner, Reply, SyncLink

SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """What a node has of an account.

    Args:
        account: all states of its log, united.
        profile: with the keys of its first epoch.
        record: that epoch.
        nodes: the account's, or the one asked where that is not known.
        devices: what they are called, as far as the profile says.
        whole: the profile's content could be read. If not, somebody gave the profile keys that were kept
            from the code.
    """

    account: Account
    name: str
    profile: Capability
    record: bytes
    nodes: tuple[str, ...]
    entry_node: str
    devices: dict[DeviceId, str]
    whole: bool


async def find_account(
    code: RecoveryCode, node: str, transport: Transport, seconds: float = SECONDS
) -> FoundAccount:
    """The account whose next root key is in ``code``, as the node has it.

    Raises:
        NotFound: the node keeps nothing for this code. NoAccess: the code was used before.
        Refused: what the node gave is false. Offline, WrongPin, TimedOut.
    """
    with tempfile.TemporaryDirectory(prefix="pgc-") as place:
        store = SqliteStore(Path(place) / "store.db")
        try:
            return await _Search(code, node, transport, store, seconds).run()
        finally:
            store.close()


class _Search:
    """A look at one node, with a store that is thrown away. Implements ``LinkOwner``."""

    def __init__(
        self, code: RecoveryCode, node: str, transport: Transport, store: SqliteStore, seconds: float
    ) -> None:
        self._code = code
        self._pair = code.seeds_pair()
        self._node = node
        self._transport = transport
        self._store = store
        self._seconds = seconds
        self._news = News()
        self._account: Account | None = None

    async def run(self) -> FoundAccount:
        async with await with_node(self._transport, self, os.urandom, self._node) as link:
            try:
                capability = await self._capability(link)
                live = self._open(capability)
                try:
                    return await self._read(link, live, capability)
                finally:
                    live.stop()
            except RemoteProtocolError as error:
                raise Refused(
                    f"the node gave false data for this recovery code ({error}); nothing was changed",
                    hint="Try another node of the account.",
                ) from None

    async def _capability(self, link: SyncLink) -> Capability:
        keys = drop_keys(self._code)
        raw = await link.get_drop(keys.drop.public)
        drop = Drop.parse_untrusted(raw) if raw else None
        if drop is None:
            raise NotFound(
                f"the node {self._node} keeps nothing for this recovery code; nothing was changed",
                hint="Each use of a code replaces it, so look for one written down later. "
                "Or this is none of the account's nodes: try another one.",
            )
        if drop.public.public != keys.drop.public:
            raise RemoteProtocolError("another code's drop")
        capability = drop.open(keys)
        if capability.kind != Kind.ENTRIES:
            raise RemoteProtocolError("it leads to no profile")
        return capability

    def _open(self, capability: Capability) -> LiveObject:
        """The profile, as a stranger to begin with: who owns it is in its records."""
        device = SigningKey.generate(os.urandom)
        self._device = device
        nobody = Credentials.found("", RecoveryCode.generate(os.urandom), os.urandom)
        local = LocalKey.generate(os.urandom)
        fold = EntriesFold(DeviceId(device.public))
        replica = Replica(
            capability.object,
            LogBook.load(capability.object, self._store),
            fold,
            {capability.epoch: capability.keys},
            account_actor(nobody),
            local,
            RunId(os.urandom(16)),
            now_ms,
            os.urandom,
        )
        live = LiveObject(replica, local, os.urandom)
        live.on_members.append(lambda: self._learn(live))
        return live

    def _learn(self, live: LiveObject) -> None:
        """Finds the account in the records, and opens with its user seeds what they open, again and again."""
        replica = live.replica
        while True:
            found = [
                account
                for account in replica.view.accounts().values()
                if holds_next_root(account, self._code)
            ]
            if not found or (self._account is not None and found[0].raw == self._account.raw):
                break
            self._account = account = found[0]
            seeds = open_seeds(account, RECOVERY, self._pair)
            if not seeds:
                break
            pairs = tuple(user_pair(seed).box for seed in seeds.values())
            own = user_pair(next(iter(seeds.values()))).sign
            replica.act_as(Actor(account, self._device, PrincipalId(account.id), own, "", pairs=pairs))
        live.spread(())
        self._news.pulse()

    async def _read(self, link: SyncLink, live: LiveObject, capability: Capability) -> FoundAccount:
        link.set_objects({live.id: live})
        # Two questions, answered in order: what the node sends for an object is on its way before the second.
        for _ in range(2):
            await link.get_drop(bytes(32))
        if live.id in link.lacking or capability.epoch not in live.replica.book.epochs:
            raise Offline(
                f"the node {self._node} does not have this account's profile (any more); nothing was changed",
                hint="Try another node of the account.",
            )
        newest = live.replica.book.plain_graph.newest
        whole = all(epoch in live.replica.keys for epoch in newest)
        if any(epoch in live.replica.keys for epoch in newest):
            await self._news.wait_until(lambda: live.id in link.ready, self._seconds, "reading the account")
        if self._account is None:
            raise NoAccess(
                "this recovery code has been used; nothing was changed",
                hint="Each use of a code replaces it: look for one written down later.",
            )
        return self._found(live, capability, self._account, whole=whole)

    def _found(
        self, live: LiveObject, capability: Capability, account: Account, *, whole: bool
    ) -> FoundAccount:
        fold = live.replica.fold
        assert isinstance(fold, EntriesFold)
        devices = {}
        for view in fold.view.apart(DEVICE).values():
            try:
                note = DeviceNote.decode_untrusted(view.reference)
            except RemoteProtocolError:
                continue
            devices[note.device] = view.shown
            if note.account.id == account.id:
                account = account.merge(note.account)
        return FoundAccount(
            account,
            fold.view.name or capability.title,
            capability,
            live.replica.book.epochs[capability.epoch].raw,
            tuple(fold.view.nodes()) or (self._node,),
            fold.view.entry_node,
            devices,
            whole,
        )

    # -- LinkOwner ------------------------------------------------------------------------------

    def object_open(self, object_id: ObjectId) -> LiveObject | None:
        return None

    def on_ephemeral(self, live: LiveObject, event: EphemeralCame, via: str) -> None:
        pass

    def on_problem(self, live: LiveObject | None, words: str) -> None:
        self._news.pulse()

    def on_damage(self, live: LiveObject, damage: Damaged) -> None:
        raise damage

    def on_ready(self, live: LiveObject, link: SyncLink) -> None:
        self._news.pulse()

    def on_shown(self, live: LiveObject, shown: ReceiptsShown, reply: Reply) -> None:
        pass

    def on_stirred(self, objects: list[ObjectId]) -> None:
        pass

    async def take_closed(self, live: LiveObject, archive: Archive, via: str, origin: Session) -> Offered:
        return live.take_closed(archive, via, origin)

    def on_false_archive(self, live: LiveObject, event: FalseArchiveCame, who: str) -> None:
        pass

    def on_pruned(self, live: LiveObject, node: str, told: PruneTold) -> None:
        pass

    def on_snapshot(self, live: LiveObject, event: SnapshotCame) -> SnapshotPlace | None:
        return None

    def wanted_snapshot(self, live: LiveObject) -> SnapshotPlace | None:
        return None


if TYPE_CHECKING:
    _check: type[LinkOwner] = _Search
