"""The account's devices as they tell each other of themselves in the profile.

Each device keeps one entry there, of kind ``device``: its name, and the account log as it knows it. So all
devices learn of a new one, and the logs of devices that acted apart come together.

    reference = [1, device id, account log]
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Final, Self

from ..codec import decode_untrusted, encode, from_multibase_untrusted, to_multibase
from ..codec.ids import DeviceId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import Tag, hash256
from ..errors import NoAccess, NotFound, PeergosCollabError, RemoteProtocolError, UsageError
from ..files.changes import ENTRY_ID_LENGTH, EntryId, put_entry, remove
from ..files.entries import EntryView
from ..identity.account import MAX_LOG, Account
from ..identity.credentials import Credentials
from ..objects.operations import Actor
from ..values import dataclass
from .api import Device, DeviceRemoval
from .engine import Engine
from .home import account_actor, keep_credentials
from .machine import now_ms
from .made_links import MadeLink, all_links
from .open_object import OpenObject

VERSION: Final = 1
KIND: Final = "device"
UNNAMED: Final = "device"
REMOVED: Final = (
    "this device has been removed from its account: it gets nothing that is written from now on, "
    "and others refuse what it writes"
)
NEARLY_FULL: Final = (
    "devices of this account were added and removed so often that half of the room for such changes is used; "
    "once it is full, none can be added"
)


@dataclass(frozen=True, slots=True)
class DeviceNote:
    """What an entry refers to."""

    device: DeviceId
    account: Account

    def encode(self) -> bytes:
        return encode([VERSION, self.device, self.account.raw])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        version, device, log = array(decode_untrusted(raw, MAX_LOG + 256), 3, "device")
        number(version, VERSION, VERSION, "device version")
        account = Account.parse_untrusted(some_bytes(log, MAX_LOG, "account log"))
        return cls(DeviceId(blob(device, 32, "device id")), account)


def entry_id(device: DeviceId) -> EntryId:
    """The same on every device, so that a device has one entry."""
    return EntryId(hash256(Tag.DEVICE_ENTRY, device)[:ENTRY_ID_LENGTH])


class DeviceBook:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read: dict[bytes, bytes] = {}

    def all(self) -> list[Device]:
        """The devices that stand, this one first, then by name."""
        credentials, views = self._engine.keys.credentials, self._views()
        own = credentials.device_id
        found = []
        for id_ in credentials.account.devices:
            view = views.get(entry_id(id_))
            name = view.shown if view is not None else credentials.device_name if id_ == own else ""
            added = view.created if view is not None else 0
            found.append(Device(name or UNNAMED, to_multibase(id_), id_ == own, added))
        return sorted(found, key=lambda device: (not device.me, device.name, device.id))

    def _views(self) -> dict[EntryId, EntryView]:
        return {view.id: view for view in self._engine.profile.view.apart(KIND).values()}

    async def note_own(self) -> None:
        """Writes this device's entry where it is missing or older than what is known here."""
        credentials = self._engine.keys.credentials
        view = self._views().get(entry_id(credentials.device_id))
        reference = DeviceNote(credentials.device_id, credentials.account).encode()
        if not credentials.stands or (view is not None and view.reference == reference):
            return
        await self.note(credentials.device_id, credentials.device_name, view)

    async def note(self, device: DeviceId, name: str, view: EntryView | None = None) -> None:
        """Writes a device's entry, with the account log as it is known here."""
        reference = DeviceNote(device, self._engine.keys.credentials.account).encode()
        created = view.created if view is not None else 0
        shown = view.name if view is not None else entry_name(name)
        change = put_entry(entry_id(device), shown, KIND, reference, now=now_ms(), created=created)
        await self._engine.change_profile(change)

    def take_logs(self) -> None:
        """Takes in what other devices know of the account. Faults are told as problems."""
        for view in self._views().values():
            if self._read.get(view.id) == view.reference:
                continue
            self._read[view.id] = view.reference
            try:
                note = DeviceNote.decode_untrusted(view.reference)
                if note.account.id != self._engine.keys.credentials.account_id:
                    raise RemoteProtocolError("the log of another account")
                self._engine.accounts.take_newest(note.account, note.device, view.modified)
                self.keep(self._engine.keys.credentials.with_log(note.account))
            except NoAccess:
                self._tell(REMOVED)
            except PeergosCollabError as error:
                self._tell(f"what the device {view.shown!r} says of the account is false: {error}")

    @property
    def removed(self) -> bool:
        """Whether this device is known here to be none of its account's any more."""
        return REMOVED in self._engine.problems

    def check_stands(self) -> None:
        """Raises NoAccess where this device is known to be removed: what it writes would be lost."""
        if self.removed:
            raise NoAccess(REMOVED, hint="What is here stays here, and can be exported.")

    def take_seen(self) -> None:
        """Takes in what came with membership records of the profile: how a removal reaches all devices."""
        engine = self._engine
        known = engine.keys.credentials
        account = engine.objects[engine.keys.profile].live.replica.view.accounts().get(known.account_id)
        if account is not None and account.raw != known.account.raw:
            try:
                self.keep(known.with_log(account))
            except NoAccess:
                self._tell(REMOVED)

    def keep(self, credentials: Credentials) -> None:
        """Makes newer credentials this device's own; durable when this returns."""
        engine = self._engine
        if credentials is engine.keys.credentials:
            return
        engine.keys = keep_credentials(engine.home, engine.keys, credentials)
        if credentials.nearly_full:
            self._tell(NEARLY_FULL)
        engine.accounts.take([engine.keys.credentials.account])
        for opened in engine.objects.values():
            replica = opened.live.replica
            replica.act_as(act_with(replica.actor, credentials))
            opened.live.spread(())  # with the keys that this opens more can be proved to nodes

    # -- removing ---------------------------------------------------------------------------------

    def find(self, who: str) -> Device:
        """Another device, by name or id. Raises NotFound, UsageError."""
        found = [device for device in self.all() if who in (device.name, device.id)]
        if not found:
            raise NotFound(f"this account has no device {who!r}; nothing was changed")
        if len(found) > 1:
            raise UsageError(f"there are several devices {who!r}; name one by its id. Nothing was changed")
        if found[0].me:
            raise UsageError(
                "that is this device; nothing was changed",
                hint="Remove it from another one.",
            )
        return found[0]

    async def remove(self, who: str, *, end_links: bool) -> DeviceRemoval:
        """Ends a device: its account and every object get keys that it does not have, from now on.

        Durable here when this returns; what could not be done yet is done as objects are opened.

        Args:
            end_links: also ends the links this account has made, which the device knows too.
        """
        device, engine = self.find(who), self._engine
        id_ = DeviceId(from_multibase_untrusted(device.id))
        self.keep(engine.keys.credentials.remove_device(id_, os.urandom))
        engine.waking.open_all()
        for opened in self._most_urgent_first():
            self.renew(opened)
            await asyncio.sleep(0)
        await engine.change_profile(remove(entry_id(id_)))
        await self.note_own()
        await engine.mailroom.tell_card()
        if end_links:
            await self.end_links()
        for opened in list(engine.objects.values()):
            await opened.live.durable()
        return DeviceRemoval(device.name, self.outdated(), tuple(sorted(self.open_by_link())))

    async def end_links(self) -> None:
        """Ends the links that this account has made into its objects, as far as it may."""
        from .administration import unshare

        for opened in list(self._engine.objects.values()):
            for made in self._links_into(opened):
                try:
                    await unshare(self._engine, opened.path, to_multibase(made.keys.principal.id))
                except PeergosCollabError:
                    continue  # no admin any more: it is told, with those that stay open

    def _links_into(self, opened: OpenObject) -> list[MadeLink]:
        replica = opened.live.replica
        return [
            made
            for made in all_links(self._engine)
            if made.object == replica.object and made.keys.principal.id in replica.view.members
        ]

    def open_by_link(self) -> set[str]:
        """Names of objects that open with the secret of a link, which every device of the account had."""
        opened = [one for one in self._engine.objects.values() if one.live.id != self._engine.keys.profile]
        return {one.path for one in opened if not one.live.replica.actor.for_itself or self._links_into(one)}

    def _most_urgent_first(self) -> list[OpenObject]:
        """The profile, which tells the account's other devices; then shared and recent objects."""

        def urgency(opened: OpenObject) -> tuple[bool, bool, int]:
            shared = len(opened.live.replica.view.members) > 1
            return opened.live.id != self._engine.keys.profile, not shared, -opened.live.modified

        return sorted(self._engine.objects.values(), key=urgency)

    def renew(self, opened: OpenObject) -> None:
        """Gives an object keys that removed devices do not have, where it lacks such keys.

        A reader, who makes no keys, tells the writers of his account's newer one instead.
        """
        if not self.is_outdated(opened):
            return
        live, account = opened.live, self._engine.keys.credentials.account
        told = live.replica.view.accounts().get(account.id)
        if live.replica.can_write:
            live.renew()
        elif told is None or told.user_key != account.user_key:
            live.take_records([live.replica.seat.maker.tell_news().raw])

    def is_outdated(self, opened: OpenObject) -> bool:
        """Whether a device that was removed may still open what would be written here now."""
        replica = opened.live.replica
        own = replica.view.members.get(replica.actor.principal)
        newest = self._engine.keys.credentials.account.user_key.generation
        return replica.actor.for_itself and own is not None and own.principal.version != newest

    def outdated(self) -> int:
        """How many of the objects open here have yet to get keys that removed devices do not have."""
        return sum(map(self.is_outdated, self._engine.objects.values()))

    def _tell(self, words: str) -> None:
        self._engine.on_problem(None, words)


def act_with(actor: Actor, credentials: Credentials) -> Actor:
    """An actor with newer credentials of the same account."""
    if actor.for_itself:
        return account_actor(credentials)
    return replace(actor, account=credentials.account)


def entry_name(name: str) -> str:
    """A device's name as the profile takes it."""
    from ..files.names import show_name

    return show_name(name)[:64] or UNNAMED
