"""The embedding API: what a workspace can do, and the values it speaks in.

``Workspace`` has two implementations with one behaviour: the engine itself, in the first process
that opens a home, and an attached client that speaks to that engine over its socket. Faces (TUI,
CLI, other programs) are written against this module only.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from ..values import dataclass

if TYPE_CHECKING:
    from ..documents import Document


class Role(enum.StrEnum):
    """What a member may do; each role includes the ones before it."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


class Lan(enum.StrEnum):
    """Whether contacts and fellow members in the local network find this device."""

    ANNOUNCED = "announced"
    QUIET = "quiet"
    """Not now: it is not online, hides behind an entry node, or whoever stays online wants none of it."""
    OFF = "off"
    """The home's setting forbids it."""


class Path(enum.StrEnum):
    """How an object reaches its other members right now."""

    DIRECT = "direct"
    """At least one member over a WebRTC data channel, or in the local network."""
    NODE = "node"
    """Through a node."""
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of ``ls``.

    ``kind`` is ``doc`` or ``chat``; ``size`` in bytes; ``modified`` in ms since 1970. ``role`` is None for
    who was removed from it.
    """

    name: str
    kind: str
    size: int
    modified: int
    role: Role | None


@dataclass(frozen=True, slots=True)
class Member:
    """Who is in an object.

    ``kind`` is ``account``, ``link`` or ``guest`` (a person seen acting through a link). ``who`` is the
    petname of a contact; ``unverified`` where it is what somebody says of himself. ``from_now``: he reads
    nothing that was written before he was added.
    """

    who: str
    role: Role
    kind: str
    id: str
    me: bool = False
    unverified: bool = False
    from_now: bool = False


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A link this account has made. ``id`` is that of its member; ``text`` is as secret as what it opens.

    ``expires`` in ms since 1970; 0 where only the node's own limit ends it.
    """

    id: str
    text: str
    role: Role
    password: bool
    expires: int

    def __repr__(self) -> str:
        return f"<ShareLink {self.id} {self.role}>"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person this account knows.

    Args:
        name: the petname, this account's own word for him.
        account: his account id.
        verified: words were compared for the keys that are in use.
        via: the contact who introduced him; empty for nobody.
        changed: his keys are others than the ones in use, or than the ones that were compared.
        pending: he asked or was introduced, and is not accepted yet.
    """

    name: str
    account: str
    verified: bool
    via: str = ""
    changed: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Device:
    """A device of this account. ``added`` in ms since 1970, 0 where that is not known; ``me``: this one."""

    name: str
    id: str
    me: bool
    added: int


@dataclass(frozen=True, slots=True)
class DeviceOffer:
    """A code to show, for one more device to join with.

    Args:
        id: names it in later calls.
        code: one line, also for a QR code; as secret as the account until it is used or ``expires``.
        words: the same for those who cannot copy; the new device then needs the address of ``node`` too.
        expires: ms since 1970.
    """

    id: str
    code: str
    words: tuple[str, ...]
    node: str
    expires: int

    def __repr__(self) -> str:
        return f"<DeviceOffer {self.id}>"


@dataclass(frozen=True, slots=True)
class DeviceRemoval:
    """What a removal could do at once.

    Args:
        waiting: objects that have yet to get keys which the device does not have; as soon as possible.
        by_link: names of objects that open with a link's secret, which the device knows: those this account
            joined by a link, and those it has made a link to. They stay open to it until the link ends.
    """

    name: str
    waiting: int
    by_link: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceComparison:
    """What both screens show once the devices have met. ``name`` is what the new one calls itself."""

    digits: str
    name: str


@dataclass(frozen=True, slots=True)
class PairOffer:
    """A text to give to somebody, as it is or as a QR code, to be connected with him without a node.

    Args:
        id: names it in later calls.
        expires: ms since 1970.
    """

    id: str
    text: str = field(repr=False)
    expires: int


@dataclass(frozen=True, slots=True)
class Paired:
    """Who is connected by a pairing: a contact, by his petname, or with ``me`` a device of this account."""

    name: str
    account: str
    verified: bool
    me: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """An object that somebody made this account a member of, not accepted yet.

    Shares of contacts are accepted by themselves; ``who`` is a petname, or for a stranger what he says of
    himself.
    """

    id: str
    path: str
    kind: str
    role: Role
    who: str
    account: str


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node of this account. ``connected`` is about now; ``problem`` says in words what is wrong.

    Behind an entry node a session that ended because nothing was lacking counts as connected.
    """

    address: str
    connected: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """Where an object's local data is durable, and how it is connected now.

    Args:
        saved: ``here`` if all is durable on this disk, and the address of every node whose signed
            receipt covers everything local. Nothing is listed that is not proved.
        pending: local changes that no node has acknowledged yet.
        problems: plain sentences: forks, quarantined segments, damage, nodes that contradict themselves.
            Empty when all is well.
        removed: a sentence where this account was a member and is not any more: by whom, and what that means.
    """

    path: str
    kind: str
    saved: tuple[str, ...]
    pending: int
    connection: Path
    peers: int
    problems: tuple[str, ...] = ()
    removed: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The whole workspace. ``problems`` are plain sentences about no object in particular.

    With an ``entry_node`` nodes are reached only through that one, which is of another operator.
    """

    account: str
    device: str
    name: str
    nodes: tuple[NodeState, ...]
    objects: tuple[ObjectState, ...]
    peers: int
    online: bool
    problems: tuple[str, ...] = ()
    entry_node: str = ""
    lan: Lan = Lan.QUIET


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened.

    ``event`` is one of: ``change`` (an object's content changed), ``message`` (a chat message), ``name`` (a
    version of a document was given a name, or lost it),
    ``connected`` / ``disconnected`` (``via`` says which path), ``problem`` (``text`` says what, in a
    sentence), ``joined`` (a new object is here; ``author`` shared it, unless
    a link led to it). Where things are saved is for ``status`` to say.
    ``via`` is ``webrtc``, ``node``, ``lan`` or ``local``. ``delay_ms`` is left out (None) unless both
    ends share one clock. ``author`` is the petname of a contact; ``unverified`` where it is what somebody
    says of himself.
    """

    event: str
    path: str = ""
    author: str = ""
    via: str = ""
    delay_ms: float | None = None
    text: str = ""
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message as shown. ``time`` is the author's clock, ms since 1970; order does not depend on it.

    ``author`` is the petname of a contact; ``unverified`` where it is what somebody says of himself.
    """

    id: str
    author: str
    time: int
    text: str
    mine: bool = False
    edited: bool = False
    reply_to: str = ""
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Presence:
    """Another participant in an open object.

    Args:
        key: stable while they are here.
        name: the petname of a contact.
        anchor, head: selection as code-point offsets, equal for a bare cursor; None where unknown.
        typing: they typed in the last few seconds.
        via: ``webrtc``, ``node`` or ``lan``.
        unverified: no contact; the name is what they say of themselves.
        account: whose device it is; use it to pick a colour.
    """

    key: str
    name: str
    anchor: int | None
    head: int | None
    typing: bool
    via: str
    unverified: bool = False
    account: str = ""


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a piece of a document.

    Args:
        name: the petname of a contact; of anybody else what they say of themselves.
        account: stable; use it to pick a colour, never trust ``name`` instead.
        me: written by this account, on whichever device.
        unverified: no contact; the name is what they say of themselves.
    """

    name: str
    account: str
    me: bool = False
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Version:
    """What a document was after somebody had worked on it for a while.

    Args:
        id: of the last change in it.
        time: of its last change, by the author's clock, ms since 1970.
        author: the petname of a contact; of anybody else what they say of themselves.
        account: stable; use it to pick a colour.
        added, removed: characters, since the version before.
        me: by this account, on whichever device.
        unverified: no contact; the name is what they say of themselves.
        name: what it is called, safe to show; empty where it has no name.
        named_by, named_by_me, named_by_unverified: who called it so, as for ``author``.
        named: when, by that one's clock, ms since 1970.
    """

    id: str
    time: int
    author: str
    account: str
    added: int
    removed: int
    me: bool = False
    unverified: bool = False
    name: str = ""
    named_by: str = ""
    named: int = 0
    named_by_me: bool = False
    named_by_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document's text that one change brought.

    Args:
        start, end: code points.
        version: the change; its id stands for a version, too.
        time, author, account, me, unverified: as for ``Version``.
    """

    start: int
    end: int
    version: str
    time: int
    author: str
    account: str
    me: bool = False
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class CompactedAt:
    """What a node said of older changes that it is to keep in archives, or to forget.

    Args:
        hours: in which all of that is done, if no member objects; 0: it is, or is being done. None: it said
            nothing of it.
        problem: why not, in words.
    """

    node: str
    hours: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Compaction:
    """Archives of a document: how many changes lie in them, in how many bytes, and what its nodes say."""

    archives: int
    changes: int
    bytes: int
    nodes: tuple[CompactedAt, ...]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What an admin had forgotten of a document's past, or wants to be.

    Args:
        by: who, as for ``Version.author``.
        time: when, by his clock, ms since 1970.
        changes: how many there were.
        done: on this device they are forgotten.
        counts: nodes and members go by it: it is from an admin of today, and nobody objected.
        nodes: what nodes say; none are named where it does not count, or something later took its place.
    """

    by: str
    time: int
    changes: int
    done: bool
    counts: bool
    nodes: tuple[CompactedAt, ...]
    me: bool = False
    unverified: bool = False


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that is not as it should be, in the object called ``path``."""

    path: str
    what: str


@dataclass(frozen=True, slots=True)
class NodeFault:
    """A node signed that it has something of the object called ``path``, and later that it has not.

    Args:
        proved: the two receipts show it to everybody; else only this device knows which came later.
        time: when it was found, ms since 1970.
        pieces: how many segments were missing there.
        receipts: the receipts for them and, as the last one, that without them; hexadecimal.
    """

    path: str
    node: str
    what: str
    proved: bool
    time: int
    pieces: int
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """What was found where everything in a home was looked at.

    Args:
        objects: how many there are.
        damaged: what is not what was stored.
        refused: changes that break a rule: they are kept, and change nothing.
        forked: logs that go on in two ways: all of it is kept.
        nodes: what nodes were found to contradict. It says nothing against what is here.
        taken_out: what was damaged before; it is here again where a node or a peer had it.
        unreached: why nothing could be fetched again, where it could not.
    """

    objects: int
    damaged: tuple[Flaw, ...]
    refused: tuple[Flaw, ...]
    forked: tuple[Flaw, ...] = ()
    nodes: tuple[NodeFault, ...] = ()
    taken_out: tuple[Flaw, ...] = ()
    unreached: str = ""


Unsubscribe = Callable[[], None]


class DocumentHandle(Protocol):
    """An open document. Close it when the screen closes; the engine keeps syncing regardless."""

    @property
    def path(self) -> str: ...

    @property
    def document(self) -> Document:
        """The live document: edit it, read it, subscribe to its changes (see ``documents.Document``)."""

    @property
    def can_write(self) -> bool: ...

    @property
    def presences(self) -> list[Presence]:
        """Others now in this document."""

    def set_cursor(self, anchor: int, head: int) -> None:
        """Tells others where this user's selection is; cheap, call it on every move."""

    def on_presence(self, callback: Callable[[], None]) -> Unsubscribe: ...

    async def writer_at(self, offset: int) -> Writer | None:
        """Who wrote the character at an offset; None where that is not known.

        It is not known of text that is shown from a snapshot until its history is here.
        Raises LocalProtocolError where there is no character.
        """

    async def writer_of(self, client: int) -> Writer | None:
        """As ``writer_at``, by a client id that ``document.writer_at`` gave: to ask once for each."""

    async def saved(self) -> None:
        """Returns once every edit made so far is durable on this device."""

    async def close(self) -> None: ...


class ChatHandle(Protocol):
    """An open chat: a window over a timeline that may have a million messages."""

    @property
    def path(self) -> str: ...

    @property
    def can_write(self) -> bool: ...

    @property
    def presences(self) -> list[Presence]: ...

    def __len__(self) -> int: ...

    def messages(self, start: int, stop: int) -> list[Message]:
        """A slice of the timeline, oldest first; O(slice)."""

    async def send(self, text: str, *, reply_to: str = "") -> str:
        """Returns the message's id once it is durable here; empty while it has no place yet, as offline."""

    def set_typing(self) -> None: ...

    def on_change(self, callback: Callable[[], None]) -> Unsubscribe:
        """Called after messages or presences changed."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How a workspace connects. With ``relay_only`` peers see no address of ours.

    ``lan``: devices of contacts and fellow members in the local network are found without a node.
    """

    webrtc: bool = True
    relay_only: bool = False
    lan: bool = False
    stun: tuple[str, ...] = field(default=())


class Workspace(Protocol):
    """A home, opened. Paths are names in the profile, like ``notes``; kinds are ``doc`` and ``chat``.

    Every method that writes returns once the change is durable on this device. Delivery to nodes
    and peers is the engine's work once ``go_online`` was called.
    """

    @property
    def attached(self) -> bool:
        """True where another process is the engine."""

    @property
    def salvage(self) -> str:
        """What was done to a damaged store as this process opened it; empty where it was whole."""

    async def status(self) -> Status: ...

    async def list_entries(self, after: str = "", most: int = 0) -> list[Entry]:
        """Documents and chats in the order of their names.

        Args:
            after: a name; those that follow it are given.
            most: of them, which costs no more however many there are; 0 for all.
        """

    async def move(self, source: str, target: str) -> None:
        """Raises NotFound, Conflict."""

    async def remove(self, path: str) -> None:
        """Takes the name out of this account's profile. Others keep theirs. Raises NotFound."""

    async def add_node(self, address: str) -> None:
        """Checks that the node answers under its pin. Raises UsageError, WrongPin, Offline."""

    async def remove_node(self, address: str) -> None: ...

    async def nodes(self) -> list[NodeState]: ...

    async def set_entry_node(self, address: str) -> None:
        """From now on every session with a node goes through this one; empty: directly, as at first.

        Checks that it answers and relays. Raises UsageError, WrongPin, Offline, Refused.
        """

    async def set_lan(self, allowed: bool) -> None:
        """Whether this device may be announced in the local network, from now on and at each later start.

        Where it may, what ``Options`` and the environment forbid stays forbidden.
        """

    async def new_document(self, path: str, text: str = "") -> None:
        """Raises Conflict where the name is taken, UsageError where it is no valid name."""

    async def open_document(self, path: str) -> DocumentHandle: ...

    async def read_document(self, path: str) -> tuple[str, str]:
        """The durable text, and the version to give to ``write_document`` as its base."""

    async def write_document(self, path: str, text: str, *, base: str = "") -> None:
        """Applies the difference between ``base`` (default: the state now) and ``text`` as edits."""

    async def export_document(self, path: str, format: str) -> bytes:
        """``text`` gives UTF-8, ``yjs`` a Yjs v1 state update any Yjs program reads."""

    async def document_versions(self, path: str) -> list[Version]:
        """Its versions, the newest first. Raises Offline while its history is not all here."""

    async def document_at(self, path: str, version: str) -> str:
        """The text of a version, by its name, its id, a begin of that, or ``now``. Raises as the next."""

    async def blame(self, path: str, version: str = "now") -> list[Passage]:
        """Who wrote which part of a version, and when. Raises NotFound, UsageError, Offline."""

    async def name_version(self, path: str, version: str, name: str) -> str:
        """Gives a version a name for all members, or another one; empty takes it away. Returns its id.

        Raises NotFound, UsageError, Conflict, Offline, NoAccess; then nothing was changed.
        """

    async def restore_document(self, path: str, version: str) -> None:
        """Makes the text what it was, by edits like any other: all that came since stays in the history.

        Raises NotFound, UsageError, Offline, NoAccess; then nothing was changed.
        """

    async def compact_document(self, path: str) -> Compaction:
        """Has archives take the place of older changes at its nodes, once members had time to object.

        Nothing of the history is lost. Raises NotFound, UsageError, NoAccess, NoNode, Offline, Conflict.
        """

    async def forget_document(self, path: str, before: str = "") -> Forgetting:
        """Has all forget how its text came about, up to a version or now, once members had time to object.

        Nodes that are away are named; they get it once they are reached.

        Raises NotFound, UsageError, NoAccess, NoNode, Offline, Conflict.
        """

    async def forgetting(self, path: str) -> list[Forgetting]:
        """What admins had forgotten of it, or want to be; the newest first. Nodes are asked how far they are.

        Raises NotFound, UsageError.
        """

    async def new_chat(self, path: str) -> None: ...

    async def open_chat(self, path: str) -> ChatHandle: ...

    async def send_message(self, path: str, text: str) -> str: ...

    async def read_messages(self, path: str, last: int) -> list[Message]: ...

    async def search_messages(self, path: str, query: str) -> list[Message]:
        """Messages that hold every word of ``query``, newest first; at most 1,000."""

    async def share_link(
        self, path: str, role: Role, *, expires: int | None = None, password: str = ""
    ) -> str:
        """Makes a link. ``expires`` in ms since 1970. Raises NoNode, Offline, NoAccess."""

    async def links(self, path: str) -> list[ShareLink]:
        """Links to it that this account has made, on whichever of its devices, and that have not ended."""

    async def join(self, link: str, path: str = "", *, password: str = "", timeout: float = 30.0) -> str:
        """Accepts a link and returns its path once the content is here.

        Raises BadLink, LinkEnded, Offline, WrongPin.
        """

    async def members(self, path: str) -> list[Member]: ...

    async def unshare(self, path: str, who: str) -> None:
        """Removes a member, and makes new keys that he does not get. A link ends for all who came by it.

        He keeps what he has seen. Durable here at once; others and nodes learn of it as they are reached.

        Args:
            who: a name or id, as ``members`` gives them, or the text of a link this account has made.

        Raises:
            NotFound, NoAccess (this account is no admin, or junior to him), UsageError (several so called).
        """

    async def change_role(self, path: str, who: str, role: Role) -> None:
        """As ``unshare``, but he stays, with another role; lowering one makes new keys."""

    async def leave(self, path: str, *, force: bool = False) -> None:
        """Goes, and takes it off this account's list once a node knows.

        Args:
            force: also where nobody who stays could write.

        Raises:
            Conflict (only readers would be left), Offline, UsageError.
        """

    async def share_with(self, path: str, contact: str, role: Role, *, from_now: bool = False) -> str:
        """Makes a contact a member, and tells him; returns his name once a node keeps the invitation.

        He need not be online. If no node is to be reached, everything is kept here and goes out later.

        Args:
            from_now: he gets a document's text as it is, and nothing else that was written before. A node
                must be reached for that. He sees the names of the members.

        Raises:
            NotFound, NoAccess, NoNode, Conflict (his keys changed; he has the history already), Offline,
            UsageError (only documents can be shared from now on).
        """

    async def contact_card(self) -> str:
        """This account's card, to be given to somebody."""

    async def add_contact(self, card: str, name: str = "") -> Contact:
        """Adds whom a card is of; without ``name`` under the name on it. Raises BadCard, Conflict."""

    async def accept_contact(self, name: str) -> Contact:
        """Accepts who asked or was introduced, or somebody's changed keys. Raises NotFound."""

    async def introduce(self, name: str, to: str) -> None:
        """Sends the card of one contact to another. Raises NotFound."""

    async def contacts(self) -> list[Contact]: ...

    async def rename_contact(self, old: str, new: str) -> None: ...

    async def remove_contact(self, name: str) -> None:
        """Forgets a contact. What was shared with him stays shared."""

    async def contact_words(self, name: str) -> list[str]:
        """12 words; the contact sees the same ones if both have the other's true keys."""

    async def mark_verified(self, name: str, card: str = "", words: Sequence[str] = ()) -> Contact:
        """Takes his newest keys into use: those of ``words``, or those on ``card``, from his screen.

        Raises Conflict if his newest keys are others than were compared; also NotFound, BadCard.
        """

    async def invitations(self) -> list[Invitation]: ...

    async def accept_invitation(self, id: str, path: str = "") -> str:
        """Returns its path once the content is here. Raises NotFound, Conflict, Offline, Refused."""

    async def decline_invitation(self, id: str) -> None: ...

    async def devices(self) -> list[Device]:
        """The account's devices, this one first."""

    async def remove_device(self, who: str, *, end_links: bool = False) -> DeviceRemoval:
        """Ends a device, by name or id: it opens nothing that is written from now on.

        Durable here when it returns; others learn of it at the next sync. What the device has it keeps.

        Args:
            end_links: also ends the links this account has made: the device knows them.

        Raises:
            NotFound, UsageError (it is this one).
        """

    async def link_device(self) -> DeviceOffer:
        """Makes a code that another device joins with. Raises NoNode, Offline, Conflict."""

    async def compare_device(self, id: str) -> DeviceComparison:
        """Returns once a device has come with the code. Raises NotFound, TimedOut, MeetingEnded, Offline."""

    async def finish_linking(self, id: str, *, same: bool) -> Device | None:
        """Hands the account over to the other device, or with ``same`` False refuses it and returns None.

        Call it only after a person compared the digits. Raises NotFound, TimedOut, MeetingEnded, Offline.
        """

    async def offer_pairing(self) -> PairOffer:
        """Makes a text that somebody answers. Only while online with direct connections. Raises Conflict."""

    async def answer_pairing(self, text: str) -> PairOffer:
        """The answer to somebody's text, to be given back to him. Raises BadPairText, Conflict."""

    async def finish_pairing(self, id: str, answer: str = "") -> Paired:
        """Returns once both are connected, and contacts; the side that offered gives the ``answer``.

        Raises BadPairText (the offer stays good), NotFound, Offline, WrongPin.
        """

    async def end_pairing(self, id: str) -> None:
        """A text that nobody shows any more is no longer good."""

    async def check(self, *, repair: bool = False) -> Check:
        """Looks at everything that is stored here. With ``repair`` it takes out what is damaged first, and
        fetches it again.
        """

    async def sync(self, timeout: float = 30.0) -> None:
        """Returns once all local data is durable on every node and everything there is here.

        Raises NoNode, TimedOut.
        """

    async def go_online(self, options: Options) -> None:
        """Stays connected from now on, until closed."""

    async def change_passphrase(self, old: str | None, new: str | None) -> None: ...

    def events(self, path: str = "") -> AsyncIterator[Event]:
        """What happens, as it happens; all objects, or one. Subscribed once the first item is awaited."""

    async def close(self) -> None: ...
