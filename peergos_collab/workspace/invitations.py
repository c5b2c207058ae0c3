"""Objects that others made this account a member of: kept in the profile until they are accepted or declined.

reference = [1, capability, sender's account, sender's own name, time]
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from ..codec import decode_untrusted, encode, to_multibase
from ..codec.ids import AccountId, PrincipalId
from ..codec.shape import array, blob, number, some_bytes, string
from ..codec.shown import show_person
from ..crypto import Tag, hash256
from ..errors import Conflict, NotFound, Offline, Refused, RemoteProtocolError, UsageError
from ..files.changes import MAX_REFERENCE, put_entry, remove, replace_reference
from ..files.entries import EntryView
from ..files.names import check_name, show_name
from ..identity.cards import MAX_NAME
from ..objects.links import MAX_CAPABILITY, MAX_NODES, Capability
from ..objects.payload import Kind
from ..values import dataclass
from .api import Invitation
from .contact_book import ContactBook
from .machine import now_ms
from .network import Network
from .open_object import OpenObject
from .references import ObjectReference
from .sharing import KIND_NAMES, ROLES, enter, entering, entry_of, free_name, from_node

if TYPE_CHECKING:
    from .engine import Engine

INVITATION: Final = "invitation"
VERSION: Final = 1
ENTRY_ID: Final = 16
MAX_INVITATIONS: Final = 256
MAX_OF_STRANGERS: Final = 64
"""Of people who are no contacts yet. Letters of more stay at the node until there is room."""

MAX_TITLE: Final = 200
"""Bytes of a title that are kept, so that a number fits behind it."""

ACCEPT_SECONDS: Final = 30.0
GRANT_SECONDS: Final = 5.0
"""For a membership record to come, which was on the node before the invitation to something known."""


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that waits."""

    entry: EntryView
    capability: Capability
    account: AccountId
    who: str

    @property
    def id(self) -> str:
        return to_multibase(self.entry.id)

    def shown(self, petname: str) -> Invitation:
        capability = self.capability
        kind, role = KIND_NAMES[Kind(capability.kind)], ROLES[capability.keys.level]
        who = petname or show_person(self.who)
        return Invitation(self.id, self.entry.shown, kind, role, who, to_multibase(self.account))


class Invitations:
    """See the module's text."""

    def __init__(self, engine: Engine, book: ContactBook) -> None:
        self._engine = engine
        self._book = book

    def all(self) -> list[Invited]:
        """In the order of their names; what cannot be read is left out."""
        views = self._engine.profile.view.apart(INVITATION).values()
        return [invited for view in views if (invited := _read(view)) is not None]

    def find(self, id: str) -> Invited:
        """Raises NotFound."""
        for invited in self.all():
            if invited.id == id:
                return invited
        raise NotFound("there is no such invitation", hint="'pgc invitation list' lists them.")

    def room_for(self, account: AccountId) -> bool:
        """Whether one more of this person can be kept."""
        kept, contacts = self.all(), self._book.all()
        strangers = sum(
            invited.account not in contacts or not contacts[invited.account].accepted for invited in kept
        )
        known = contacts.get(account)
        accepted = known is not None and known.accepted
        return len(kept) < MAX_INVITATIONS and (accepted or strangers < MAX_OF_STRANGERS)

    async def put(self, capability: Capability, account: AccountId, who: str) -> bytes:
        """Returns the id of its entry once that is durable here; it may be accepted or declined by then."""
        entry_id = hash256(Tag.SHARED_ENTRY, capability.object + account)[:ENTRY_ID]
        reference = encode([VERSION, capability.encode(), account, who, now_ms()])
        title = show_name(capability.title) if capability.title else "shared"
        await self._engine.change_profile(
            put_entry(entry_id, _short(title), INVITATION, reference, now=now_ms())
        )
        return entry_id

    async def accept(self, invited: Invited, network: Network, path: str = "") -> str:
        """Enters the object under ``path`` or its title, once its content is here.

        Raises:
            Conflict: the name is taken. Offline: no node of it could be reached; the invitation stays.
            Refused: what the nodes gave does not fit the invitation.
        """
        async with entering(self._engine, invited.capability.object):
            entry = entry_of(self._engine, invited.capability.object)
            if entry is not None:
                return await self._take_into(entry, invited)
            return await self._enter(invited, network, path)

    async def _take_into(self, entry: EntryView, invited: Invited) -> str:
        """What is here already takes the keys of an invitation that gives more, and its nodes beside those it
        has: nobody who invites leads away from these."""
        engine, capability = self._engine, invited.capability
        opened, had = engine.open_entry(entry), ObjectReference.decode_untrusted(entry.reference)
        await self._check(opened, invited)
        held = opened.live.replica.keys.get(capability.epoch)
        if had.link is not None or held is None or held.level < capability.keys.level:
            nodes = tuple(dict.fromkeys((*had.capability.nodes, *capability.nodes)))[:MAX_NODES]
            reference = ObjectReference(replace(capability, nodes=nodes)).encode()
            await engine.change_profile(replace_reference(entry.id, reference, now=now_ms()))
        await self.decline(invited)
        return entry.shown

    async def _enter(self, invited: Invited, network: Network, path: str) -> str:
        engine, capability = self._engine, invited.capability
        reference = ObjectReference(capability)
        title = _short(show_name(capability.title) or "shared")
        name = check_name(path) if path else free_name(engine, title)
        if path and engine.profile.view.find(name) is not None:
            raise Conflict(f"there is a {name!r} here already; nothing was changed")
        entry_id = hash256(Tag.SHARED_ENTRY, capability.object)[:ENTRY_ID]
        nodes = tuple(dict.fromkeys((*capability.nodes, *engine.profile.view.nodes())))
        sharer = self._book.names().of(invited.account, invited.who)
        neighbours = engine.online.neighbours
        ways = [from_node(network, node) for node in nodes]
        if neighbours.of(invited.account) is not None:
            ways.insert(0, partial(neighbours.way, invited.account))
        if not ways:
            raise Offline("the invitation names no node; nothing was changed")
        with neighbours.expecting(capability.object, invited.account):
            entered = await enter(engine, ways, name, reference, ACCEPT_SECONDS, entry_id, sharer)
        await self.decline(invited)
        return entered

    async def _check(self, opened: OpenObject, invited: Invited) -> None:
        """An invitation to what is here already must not take away what one has of it.

        Raises:
            Refused: its key is false; it is forgotten. TimedOut: this account is no member, it seems.
        """
        replica, capability = opened.live.replica, invited.capability
        own = PrincipalId(self._engine.keys.credentials.account_id)

        def member() -> bool:
            return capability.epoch in replica.book.epochs and own in replica.view.members

        await self._engine.news.wait_until(member, GRANT_SECONDS, "learning of the membership")
        try:
            capability.keys.check(replica.book.epochs[capability.epoch].keys)
        except RemoteProtocolError as error:
            await self.decline(invited)
            raise Refused(
                f"the invitation to {opened.path!r} is false ({error}); nothing was changed"
            ) from None

    async def decline(self, invited: Invited) -> None:
        """Forgets it. This account stays a member until an admin removes it."""
        await self._engine.change_profile(remove(invited.entry.id))


def _short(title: str) -> str:
    """A title that fits as a name, escapes included. What somebody else called it may fit in no way."""
    try:
        return check_name(title.encode()[:MAX_TITLE].decode(errors="ignore").strip())
    except UsageError:
        return "shared"


def _read(view: EntryView) -> Invited | None:
    try:
        fields = array(decode_untrusted(view.reference, MAX_REFERENCE), 5, "invitation")
        number(fields[0], VERSION, VERSION, "invitation version")
        capability = Capability.decode_untrusted(some_bytes(fields[1], MAX_CAPABILITY, "capability"))
        if capability.kind not in KIND_NAMES:
            return None
        account = AccountId(blob(fields[2], 32, "account"))
        return Invited(view, capability, account, string(fields[3], MAX_NAME, "name"))
    except RemoteProtocolError:
        return None
