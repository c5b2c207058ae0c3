"""A workspace without an engine, for tests of screens only: real documents in memory, no keys, no disk."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from peergos_collab.documents.document import Document
from peergos_collab.errors import (
    BadCode,
    BadLink,
    BadPairText,
    Conflict,
    NoNode,
    NotFound,
    Refused,
    UsageError,
)
from peergos_collab.workspace.api import (
    Contact,
    Device,
    DeviceComparison,
    DeviceOffer,
    DeviceRemoval,
    Entry,
    Event,
    Invitation,
    Lan,
    Member,
    Message,
    NodeState,
    ObjectState,
    Options,
    Paired,
    PairOffer,
    Path,
    Presence,
    Role,
    ShareLink,
    Status,
    Writer,
)
from peergos_collab.workspace.recovering import RecoveredAccount
from tui.gate import Compare, Keep, Way

DAY = 86_400_000
START = 1_700_000_000_000
WORDS = ["acid", "bone", "calm", "deer", "echo", "fish", "gold", "harp", "iris", "jazz", "kite", "lamp"]


class FakeDocumentHandle:
    """A document that is open; several handles share one ``Document``."""

    def __init__(self, path: str, document: Document, *, can_write: bool = True) -> None:
        self.path = path
        self.document = document
        self.can_write = can_write
        self.presences: list[Presence] = []
        self.writers: dict[int, Writer] = {document.client: Writer("Me", "id", me=True)}
        self.cursor = (0, 0)
        self.closed = False
        self._callbacks: list[Callable[[], None]] = []

    def set_cursor(self, anchor: int, head: int) -> None:
        self.cursor = (anchor, head)

    def on_presence(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def show(self, *presences: Presence) -> None:
        """Lets others appear."""
        self.presences = list(presences)
        for callback in list(self._callbacks):
            callback()

    async def writer_at(self, offset: int) -> Writer | None:
        return await self.writer_of(self.document.writer_at(offset))

    async def writer_of(self, client: int) -> Writer | None:
        return self.writers.get(client)

    async def saved(self) -> None:
        return

    async def close(self) -> None:
        self.closed = True


class FakeChatHandle:
    """A chat that is open."""

    def __init__(self, path: str, messages: list[Message], *, can_write: bool = True) -> None:
        self.path = path
        self.can_write = can_write
        self.presences: list[Presence] = []
        self.asked = 0
        self.typed = 0
        self.closed = 0
        self._messages = messages
        self._callbacks: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._messages)

    def messages(self, start: int, stop: int) -> list[Message]:
        found = self._messages[start:stop]
        self.asked += len(found)
        return found

    async def send(self, text: str, *, reply_to: str = "") -> str:
        message = replace(said(text, "Me", number=len(self._messages), mine=True), reply_to=reply_to)
        self.receive(message)
        return message.id

    def receive(self, *messages: Message) -> None:
        self._messages.extend(messages)
        self._tell()

    def set_typing(self) -> None:
        self.typed += 1

    def show(self, *presences: Presence) -> None:
        self.presences = list(presences)
        self._tell()

    def _tell(self) -> None:
        for callback in list(self._callbacks):
            callback()

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def close(self) -> None:
        self.closed += 1


def said(
    text: str, author: str = "Ann", *, number: int = 0, mine: bool = False, time: int | None = None
) -> Message:
    """A message; numbers make ids and, a minute apart, times."""
    return Message(f"m{number}", author, START + number * 60_000 if time is None else time, text, mine)


class FakeWorkspace:
    """Implements ``Workspace`` in memory."""

    _clients = itertools.count(1)

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.chats: dict[str, FakeChatHandle] = {}
        self.roles: dict[str, Role] = {}
        self.node_states: list[NodeState] = []
        self.states: dict[str, ObjectState] = {}
        self.offered: dict[str, str] = {}
        self.open_handles: dict[str, FakeDocumentHandle] = {}
        self.people: list[Member] = [Member("Me", Role.ADMIN, "account", "id", me=True)]
        self.shared: tuple[str, Role, int | None, str] | None = None
        self.made_links: list[ShareLink] = []
        self.known: list[Contact] = []
        self.invited: list[Invitation] = []
        self.cards: dict[str, Contact] = {}
        self.words = list(WORDS)
        self.device_list = [Device("laptop", "zd1", me=True, added=START)]
        self.meeting: asyncio.Future[DeviceComparison]
        self.done: list[tuple[str, ...]] = []
        self.online = False
        self.entry_node = ""
        self.lan = Lan.QUIET
        self.problems: list[str] = []
        self.closed = False
        self._queues: list[asyncio.Queue[Event]] = []

    attached = False
    salvage = ""

    def announce(self, event: Event) -> None:
        for queue in self._queues:
            queue.put_nowait(event)

    async def status(self) -> Status:
        paths = [*self.documents, *self.chats]
        plain = ObjectState("", "doc", ("here",), 0, Path.OFFLINE, 0)
        objects = tuple(
            replace(self.states.get(path, plain), path=path, kind="doc" if path in self.documents else "chat")
            for path in paths
        )
        nodes, problems = tuple(self.node_states), tuple(self.problems)
        found = Status("account", "device", "Me", nodes, objects, 0, self.online, problems, self.entry_node)
        return replace(found, lan=self.lan)

    async def list_entries(self, after: str = "", most: int = 0) -> list[Entry]:
        role = Role.ADMIN
        docs = [
            Entry(path, "doc", len(document), START, self.roles.get(path, role))
            for path, document in self.documents.items()
        ]
        chats = [Entry(path, "chat", 0, START, self.roles.get(path, role)) for path in self.chats]
        rows = sorted((row for row in docs + chats if row.name > after), key=lambda row: row.name)
        return rows[:most] if most else rows

    def _known(self, path: str) -> None:
        if path not in self.documents and path not in self.chats:
            raise NotFound

    def _free(self, path: str) -> None:
        if not path.strip():
            raise UsageError("A name must not be empty.")
        if path in self.documents or path in self.chats:
            raise Conflict

    async def move(self, source: str, target: str) -> None:
        self._known(source)
        self._free(target)
        for table in (self.documents, self.chats):
            if source in table:
                table[target] = table.pop(source)

    async def remove(self, path: str) -> None:
        self._known(path)
        self.documents.pop(path, None)
        self.chats.pop(path, None)

    async def add_node(self, address: str) -> None:
        if not address.startswith("pgc://"):
            raise UsageError("This is not the address of a node.", hint="It looks like pgc://PIN@host:port.")
        self.node_states.append(NodeState(address, connected=True))

    async def remove_node(self, address: str) -> None:
        self.node_states = [node for node in self.node_states if node.address != address]

    async def set_entry_node(self, address: str) -> None:
        if address and not address.startswith("pgc://"):
            raise UsageError("This is not the address of a node.", hint="It looks like pgc://PIN@host:port.")
        self.entry_node = address

    async def nodes(self) -> list[NodeState]:
        return list(self.node_states)

    async def new_document(self, path: str, text: str = "") -> None:
        self._free(path)
        document = self.documents[path] = Document(next(self._clients))
        if text:
            document.edit(0, 0, text)

    async def open_document(self, path: str) -> FakeDocumentHandle:
        self._known(path)
        can_write = self.roles.get(path, Role.ADMIN) is not Role.READER
        handle = FakeDocumentHandle(path, self.documents[path], can_write=can_write)
        self.open_handles[path] = handle
        return handle

    async def read_document(self, path: str) -> tuple[str, str]:
        return self.documents[path].text, "0"

    async def write_document(self, path: str, text: str, *, base: str = "") -> None:
        document = self.documents[path]
        document.edit(0, len(document), text)

    async def export_document(self, path: str, format: str) -> bytes:
        return self.documents[path].text.encode()

    async def new_chat(self, path: str) -> None:
        self._free(path)
        self.chats[path] = FakeChatHandle(path, [])

    async def open_chat(self, path: str) -> FakeChatHandle:
        self._known(path)
        return self.chats[path]

    async def send_message(self, path: str, text: str) -> str:
        return await self.chats[path].send(text)

    async def read_messages(self, path: str, last: int) -> list[Message]:
        chat = self.chats[path]
        return chat.messages(max(0, len(chat) - last), len(chat))

    async def search_messages(self, path: str, query: str) -> list[Message]:
        chat = self.chats[path]
        found = [message for message in chat.messages(0, len(chat)) if query.lower() in message.text.lower()]
        return found[::-1]

    async def share_link(
        self, path: str, role: Role, *, expires: int | None = None, password: str = ""
    ) -> str:
        self._known(path)
        if not self.node_states:
            raise NoNode
        self.shared = (path, role, expires, password)
        return f"pgc://node.example:7000/#{role.value}-{len(path)}-abcdefghijklmnopqrstuvwxyz0123456789"

    async def join(self, link: str, path: str = "", *, password: str = "", timeout: float = 30.0) -> str:
        if link not in self.offered:
            raise BadLink
        path = path or self.offered[link]
        await self.new_document(path)
        return path

    async def links(self, path: str) -> list[ShareLink]:
        self._known(path)
        return list(self.made_links)

    async def members(self, path: str) -> list[Member]:
        self._known(path)
        return list(self.people)

    async def share_with(self, path: str, contact: str, role: Role, *, from_now: bool = False) -> str:
        self._known(path)
        if not self.node_states:
            raise NoNode
        self._contact(contact)
        self.people.append(Member(contact, role, "account", f"account of {contact}", from_now=from_now))
        self.done.append(("share_with", path, contact, role, *(["from now"] if from_now else [])))
        return contact

    async def unshare(self, path: str, who: str) -> None:
        self.people = [one for one in self.people if who not in (one.id, one.who)]
        self.done.append(("unshare", path, who))

    async def change_role(self, path: str, who: str, role: Role) -> None:
        self.people = [replace(one, role=role) if one.id == who else one for one in self.people]
        self.done.append(("change_role", path, who, role))

    async def leave(self, path: str, *, force: bool = False) -> None:
        await self.remove(path)
        self.done.append(("leave", path, *(["force"] if force else [])))

    def _contact(self, name: str) -> Contact:
        found = next((one for one in self.known if one.name == name), None)
        if found is None:
            raise NotFound
        return found

    def _replace(self, name: str, contact: Contact | None) -> None:
        place = self.known.index(self._contact(name))
        self.known[place : place + 1] = [contact] if contact is not None else []

    async def contact_card(self) -> str:
        return "pgc-card:mine-0123456789"

    async def add_contact(self, card: str, name: str = "") -> Contact:
        if card not in self.cards:
            raise UsageError("This is not a contact card.", hint="Copy the whole card again.")
        contact = self.cards[card]
        contact = replace(contact, name=name or contact.name)
        self.known.append(contact)
        return contact

    async def contacts(self) -> list[Contact]:
        return list(self.known)

    async def accept_contact(self, name: str) -> Contact:
        self._replace(name, replace(self._contact(name), pending=False))
        return self._contact(name)

    async def introduce(self, name: str, to: str) -> None:
        self.done.append(("introduce", name, to))

    async def rename_contact(self, old: str, new: str) -> None:
        self._replace(old, replace(self._contact(old), name=new))

    async def remove_contact(self, name: str) -> None:
        self._replace(name, None)

    async def contact_words(self, name: str) -> list[str]:
        self._contact(name)
        return list(self.words)

    async def mark_verified(self, name: str, card: str = "", words: Sequence[str] = ()) -> Contact:
        if not card and list(words) != self.words:
            raise Conflict("These are not the words.", hint="Compare the words anew.")
        if card and (card not in self.cards or self.cards[card].account != self._contact(name).account):
            raise Conflict("This card is not theirs.", hint="Ask for the card anew.")
        self._replace(name, replace(self._contact(name), verified=True, changed=False))
        return self._contact(name)

    async def invitations(self) -> list[Invitation]:
        return list(self.invited)

    def _invitation(self, id: str) -> Invitation:
        return next(one for one in self.invited if one.id == id)

    async def accept_invitation(self, id: str, path: str = "") -> str:
        invitation = self._invitation(id)
        await self.new_document(path or invitation.path)
        self.invited.remove(invitation)
        return path or invitation.path

    async def decline_invitation(self, id: str) -> None:
        self.invited.remove(self._invitation(id))

    async def devices(self) -> list[Device]:
        return list(self.device_list)

    async def remove_device(self, who: str, *, end_links: bool = False) -> DeviceRemoval:
        self.device_list = [device for device in self.device_list if device.id != who]
        self.done.append(("remove_device", who, str(end_links)))
        return DeviceRemoval("phone", 2, () if end_links else ("notes",))

    async def offer_pairing(self) -> PairOffer:
        return PairOffer("p1", "pgc-pair:offer", START)

    async def answer_pairing(self, text: str) -> PairOffer:
        if text != "pgc-pair:theirs":
            raise BadPairText("this is no text of 'pgc pair'")
        return PairOffer("p2", "pgc-pair:answer", START)

    async def finish_pairing(self, id: str, answer: str = "") -> Paired:
        if (id, answer) not in {("p1", "pgc-pair:back"), ("p2", "")}:
            raise BadPairText("this is an offer")
        self.done.append(("finish_pairing", id, answer))
        self.known.append(Contact("Ben", "zben", verified=False))
        return Paired("Ben", "zben", verified=False)

    async def end_pairing(self, id: str) -> None:
        self.done.append(("end_pairing", id))

    async def link_device(self) -> DeviceOffer:
        if not self.node_states:
            raise NoNode
        self.meeting = asyncio.get_running_loop().create_future()
        return DeviceOffer("o1", "pgc-device://node/#code", tuple(WORDS[:8]), "pgc://x@node:7000", START)

    async def compare_device(self, id: str) -> DeviceComparison:
        return await self.meeting

    async def finish_linking(self, id: str, *, same: bool) -> Device | None:
        self.done.append(("finish_linking", id, str(same)))
        if not same:
            return None
        self.device_list.append(Device("phone", "zd2", me=False, added=START))
        return self.device_list[-1]

    async def sync(self, timeout: float = 30.0) -> None:
        return

    async def go_online(self, options: Options) -> None:
        self.online = True

    async def change_passphrase(self, old: str | None, new: str | None) -> None:
        return

    async def events(self, path: str = "") -> AsyncIterator[Event]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._queues.append(queue)
        while True:
            event = await queue.get()
            if not path or event.path == path:
                yield event

    async def close(self) -> None:
        self.closed = True


def join(one: FakeWorkspace, other: FakeWorkspace, path: str) -> None:
    """From now on edits of a document flow between two workspaces, both ways, at once."""
    mine = one.documents[path]
    theirs = other.documents[path] = mine.fork(next(FakeWorkspace._clients))
    mine.on_update(lambda update: theirs.apply_untrusted(update, mine.client))
    theirs.on_update(lambda update: mine.apply_untrusted(update, theirs.client))


class FakeGate:
    """A way in without a disk. ``passphrase`` None means that none is needed."""

    def __init__(
        self, workspace: FakeWorkspace, *, exists: bool = True, passphrase: str | None = None
    ) -> None:
        self.workspace = workspace
        self.passphrase = passphrase
        self.given: str | None = None
        self.name = ""
        self.way = Way("")
        self.fails_late = False
        self._exists = exists

    def exists(self) -> bool:
        return self._exists

    async def create(self, name: str, passphrase: str | None) -> str:
        self.name, self.passphrase, self._exists = name, passphrase, True
        return "apple-birch-cedar-drift-ember-flint"

    async def join(self, code: str, compare: Compare, passphrase: str | None, way: Way) -> None:
        self.way = way
        if code != "pgc-device://good":
            raise BadCode("This is not a whole code.", hint="Copy it again.")
        if not await compare("123456"):
            raise Refused("The two devices did not show the same code.")
        self.passphrase, self._exists = passphrase, True

    async def recover(
        self, code: str, keep: Keep, passphrase: str | None, way: Way, *, end_links: bool
    ) -> RecoveredAccount:
        self.way = way
        if code != "GOOD":
            raise UsageError("Group 1 of the recovery code looks wrong.", hint="Compare it.")
        await keep("NEW-CODE")
        self.passphrase, self._exists = passphrase, True
        if self.fails_late:
            raise Refused("The node gave false data.")
        links = () if end_links else ("notes",)
        return RecoveredAccount("account", "device", "Ann", ("laptop", "phone"), False, False, 2, links, 2)

    async def open(self, passphrase: str | None) -> FakeWorkspace:
        from peergos_collab.errors import PassphraseNeeded, WrongPassphrase

        if self.passphrase is not None and passphrase is None:
            raise PassphraseNeeded
        if passphrase != self.passphrase:
            raise WrongPassphrase
        return self.workspace

    def given_passphrase(self) -> str | None:
        return self.given
