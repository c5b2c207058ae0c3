"""The account's devices as they tell each other of themselves in the profile.

Each device keeps one entry there, of kind ``device``: its name, and the account log as it knows it. So all
devices learn of a new one, and the logs of devices that acted apart come together.

    reference = [1, device id, account log]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from ..codec import decode_untrusted, encode, to_multibase
from ..codec.ids import DeviceId
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import Tag, hash256
from ..errors import NoAccess, PeergosCollabError, RemoteProtocolError
from ..files.changes import ENTRY_ID_LENGTH, EntryId, put_entry
from ..files.entries import EntryView
from ..identity.account import MAX_LOG, Account
from ..identity.credentials import Credentials
from .api import Device
from .engine import Engine
from .home import keep_credentials
from .machine import now_ms

VERSION: Final = 1
KIND: Final = "device"
UNNAMED: Final = "device"
REMOVED: Final = (
    "this device has been removed from its account: it gets nothing that is written from now on, "
    "and others refuse what it writes"
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
                self.keep(self._engine.keys.credentials.with_log(note.account))
            except NoAccess:
                self._tell(REMOVED)
            except PeergosCollabError as error:
                self._tell(f"what the device {view.shown!r} says of the account is false: {error}")

    def keep(self, credentials: Credentials) -> None:
        """Makes newer credentials this device's own; durable when this returns."""
        engine = self._engine
        if credentials is engine.keys.credentials:
            return
        engine.keys = keep_credentials(engine.home, engine.keys, credentials)
        if credentials.account.standing.forked:
            self._tell("a copy of one of this account's devices is in use: remove the device that was copied")

    def _tell(self, words: str) -> None:
        self._engine.on_problem(None, words)


def entry_name(name: str) -> str:
    """A device's name as the profile takes it."""
    from ..files.names import show_name

    return show_name(name)[:64] or UNNAMED
