"""A workspace in memory, behind the real command line: for what the engine has no part in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from peergos_collab.errors import Conflict, NotFound, PassphraseNeeded, WrongPassphrase
from peergos_collab.workspace.api import (
    Contact,
    Entry,
    Event,
    Invitation,
    Lan,
    Member,
    Message,
    NodeState,
    ObjectState,
    Options,
    Role,
    Status,
)
from peergos_collab.workspace.api import (
    Path as Way,
)

NODE = "pgc://z6Node@127.0.0.1:8470"
CARD = "pgc-card:AAAA"
WORDS = [f"word{number}" for number in range(12)]


@dataclass
class FakeChat:
    """A chat handle over the messages of one path."""

    path: str
    timeline: list[Message]
    listeners: list[Callable[[], None]] = field(default_factory=list)
    can_write: bool = True
    closed: bool = False

    def __len__(self) -> int:
        return len(self.timeline)

    def messages(self, start: int, stop: int) -> list[Message]:
        return self.timeline[start:stop]

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    async def close(self) -> None:
        self.closed = True


@dataclass
class FakeWorkspace:
    """What ``Workspace`` promises, as far as the command line uses it."""

    attached: bool = False
    salvage: str = ""
    entry_node: str = ""
    lan: Lan = Lan.QUIET
    texts: dict[str, str] = field(default_factory=dict)
    chats: dict[str, FakeChat] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)
    passphrase: str | None = None
    failure: BaseException | None = None
    """Raised by every method that a command calls first."""
    happening: list[Event] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    on_follow: Callable[[FakeChat], None] | None = None
    closed: int = 0

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    def _text(self, path: str) -> str:
        if path not in self.texts:
            raise NotFound(f"There is nothing called {path!r} here.")
        return self.texts[path]

    async def status(self) -> Status:
        self._called("status")
        state = ObjectState("notes", "doc", ("here", NODE), 2, Way.NODE, 1, ("a fork was found",))
        nodes = (NodeState(NODE, True), NodeState("pgc://z6Other@h:1", False, "does not answer"))
        status = Status("z6Account", "z6Device", "Ana", nodes, (state,), 1, True)
        return replace(status, entry_node=self.entry_node, lan=self.lan)

    async def list_entries(self, after: str = "", most: int = 0) -> list[Entry]:
        self._called("list_entries")
        docs = [Entry(name, "doc", len(text.encode()), 1000, Role.ADMIN) for name, text in self.texts.items()]
        return docs + [Entry(name, "chat", 0, 0, Role.WRITER) for name in self.chats]

    async def move(self, source: str, target: str) -> None:
        self._called("move", source, target)
        if target in self.texts:
            raise Conflict
        self.texts[target] = self.texts.pop(source) if source in self.texts else self._text(source)

    async def remove(self, path: str) -> None:
        self._called("remove", path)
        self._text(path)
        del self.texts[path]

    async def add_node(self, address: str) -> None:
        self._called("add_node", address)
        self.addresses.append(address)

    async def set_entry_node(self, address: str) -> None:
        self._called("set_entry_node", address)
        self.entry_node = address

    async def set_lan(self, allowed: bool) -> None:
        self._called("set_lan", allowed)
        self.lan = Lan.ANNOUNCED if allowed else Lan.OFF

    async def remove_node(self, address: str) -> None:
        self._called("remove_node", address)
        self.addresses.remove(address)

    async def nodes(self) -> list[NodeState]:
        self._called("nodes")
        return [NodeState(address, False) for address in self.addresses]

    async def new_document(self, path: str, text: str = "") -> None:
        self._called("new_document", path)
        if path in self.texts:
            raise Conflict
        self.texts[path] = text

    async def read_document(self, path: str) -> tuple[str, str]:
        self._called("read_document", path)
        return self._text(path), f"v{len(self._text(path))}"

    async def write_document(self, path: str, text: str, *, base: str = "") -> None:
        self._called("write_document", path, text, base)
        self._text(path)
        self.texts[path] = text

    async def export_document(self, path: str, format: str) -> bytes:
        self._called("export_document", path, format)
        return self._text(path).encode() if format == "text" else b"\x00\xff\n\r\n"

    async def new_chat(self, path: str) -> None:
        self._called("new_chat", path)
        self.chats[path] = FakeChat(path, [])

    async def open_chat(self, path: str) -> FakeChat:
        self._called("open_chat", path)
        if path not in self.chats:
            raise NotFound
        if self.on_follow is not None:
            asyncio.get_running_loop().call_soon(self.on_follow, self.chats[path])
        return self.chats[path]

    async def send_message(self, path: str, text: str) -> str:
        self._called("send_message", path, text)
        return "m1"

    async def read_messages(self, path: str, last: int) -> list[Message]:
        self._called("read_messages", path, last)
        return self.chats[path].timeline[-last:]

    async def search_messages(self, path: str, query: str) -> list[Message]:
        self._called("search_messages", path, query)
        return [each for each in self.chats[path].timeline if query in each.text]

    async def share_link(
        self, path: str, role: Role, *, expires: int | None = None, password: str = ""
    ) -> str:
        self._called("share_link", path, role, expires, password)
        return "pgc://z6Node@127.0.0.1:8470/#secret"

    async def join(self, link: str, path: str = "", *, password: str = "", timeout: float = 30.0) -> str:
        self._called("join", link, path, password, timeout)
        return path or "from-link"

    async def members(self, path: str) -> list[Member]:
        self._called("members", path)
        return [
            Member("Ana", Role.ADMIN, "account", "z6A", me=True),
            Member("Ben\u202eneB", Role.WRITER, "guest", "z6B", unverified=True),
        ]

    async def share_with(self, path: str, contact: str, role: Role, *, from_now: bool = False) -> str:
        self._called("share_with", path, contact, role, *(["from now"] if from_now else []))
        return contact

    async def unshare(self, path: str, who: str) -> None:
        self._called("unshare", path, who)

    async def change_role(self, path: str, who: str, role: Role) -> None:
        self._called("change_role", path, who, role)

    async def leave(self, path: str, *, force: bool = False) -> None:
        self._called("leave", path, *(["force"] if force else []))

    async def contact_card(self) -> str:
        self._called("contact_card")
        return CARD

    async def add_contact(self, card: str, name: str = "") -> Contact:
        self._called("add_contact", card, name)
        return Contact(name or "Ben", "z6B", False)

    async def accept_contact(self, name: str) -> Contact:
        self._called("accept_contact", name)
        return Contact(name, "z6B", False)

    async def introduce(self, name: str, to: str) -> None:
        self._called("introduce", name, to)

    async def contacts(self) -> list[Contact]:
        self._called("contacts")
        return [
            Contact("Ben", "z6B", True),
            Contact("Cai", "z6C", False, via="Ben", pending=True),
            Contact("Dora", "z6D", False, changed=True),
        ]

    async def rename_contact(self, old: str, new: str) -> None:
        self._called("rename_contact", old, new)

    async def remove_contact(self, name: str) -> None:
        self._called("remove_contact", name)

    async def contact_words(self, name: str) -> list[str]:
        self._called("contact_words", name)
        return WORDS

    async def mark_verified(self, name: str, card: str = "", words: Sequence[str] = ()) -> Contact:
        self._called("mark_verified", name, card, list(words))
        return Contact(name, "z6B", True)

    async def invitations(self) -> list[Invitation]:
        self._called("invitations")
        return [Invitation("z6I", "plan\u202e", "doc", Role.WRITER, "Eve", "z6E")]

    async def accept_invitation(self, id: str, path: str = "") -> str:
        self._called("accept_invitation", id, path)
        return path or "plan"

    async def decline_invitation(self, id: str) -> None:
        self._called("decline_invitation", id)

    async def sync(self, timeout: float = 30.0) -> None:
        self._called("sync", timeout)

    async def go_online(self, options: Options) -> None:
        self._called("go_online", options)

    async def change_passphrase(self, old: str | None, new: str | None) -> None:
        self._called("change_passphrase", old, new)

    async def events(self, path: str = "") -> AsyncIterator[Event]:
        for event in self.happening:
            yield event

    async def close(self) -> None:
        self.closed += 1


@dataclass
class FakeHomes:
    """Stands for the functions of ``peergos_collab.workspace`` that open and make homes."""

    workspace: FakeWorkspace = field(default_factory=FakeWorkspace)
    exists: bool = True
    opened: list[tuple[Path, str | None]] = field(default_factory=list)
    created: list[tuple[Path, str, str | None]] = field(default_factory=list)

    async def open_workspace(
        self,
        home: Path,
        *,
        passphrase: str | None = None,
        options: Options | None = None,
        lasting: bool = False,
    ) -> FakeWorkspace:
        self.opened.append((home, passphrase))
        if not self.exists:
            raise NotFound("There is no home here.", hint="'pgc init' makes one.")
        if self.workspace.passphrase is not None and passphrase is None:
            raise PassphraseNeeded
        if self.workspace.passphrase not in (None, passphrase):
            raise WrongPassphrase
        return self.workspace

    def create_workspace(
        self, home: Path, *, name: str, passphrase: str | None, device_name: str = ""
    ) -> Any:
        self.created.append((home, name, passphrase))
        return SimpleNamespace(account="z6Account", device="z6Device", recovery_code="abcd-efgh")

    def home_exists(self, home: Path) -> bool:
        return self.exists
