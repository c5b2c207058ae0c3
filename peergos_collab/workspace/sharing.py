"""Sharing by link: making one, accepting one, and who is in an object."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Final

from ..codec import to_multibase
from ..codec.address import format_address, parse_address
from ..codec.ids import EpochId
from ..codec.shown import show_person
from ..errors import (
    Conflict,
    LinkEnded,
    NoAccess,
    NoNode,
    Offline,
    Refused,
    RemoteProtocolError,
    TimedOut,
    WrongPin,
)
from ..files.changes import put_entry
from ..files.names import check_name, show_name
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.links import Capability, Drop, Link, LinkKeys, make_drop
from ..objects.operations import Add
from ..objects.payload import Kind
from ..objects.principals import PrincipalKind
from ..objects.records import grant
from ..objects.wraps import Recipient
from .api import Event, Member, Role, ShareLink
from .engine import Engine
from .machine import now_ms
from .made_links import MadeLink, all_links, remember_link
from .network import Network, with_node
from .open_object import OpenObject
from .references import ObjectReference
from .sync_link import SyncLink

KIND_NAMES: Final = {Kind.DOCUMENT: "doc", Kind.CHAT: "chat"}
LEVELS: Final = {Role.READER: Level.READ, Role.WRITER: Level.WRITE, Role.ADMIN: Level.ADMIN}
ROLES: Final = {level: role for role, level in LEVELS.items()}
SNAPSHOT_MIN: Final = 200
"""A link to more history than this names a snapshot, so that whoever joins sees content at once."""

SHARE_SECONDS: Final = 30.0


async def share_link(engine: Engine, path: str, role: Role, expires: int, password: str) -> str:
    """See ``Workspace.share_link``."""
    opened = engine.find(path)
    if not opened.live.nodes:
        raise NoNode("a link needs a node that keeps what it opens")
    epoch, keys = _admin_keys(opened)
    level, address = LEVELS[role], opened.live.nodes[0]
    link = Link.generate(parse_address(address), bool(password), os.urandom)
    seed = await asyncio.to_thread(link.seed, password)
    link_keys = LinkKeys.from_seed(seed)
    replica = opened.live.replica
    record = grant(
        replica.object,
        epoch,
        keys,
        Recipient(link_keys.box.public_key, level),
        Add(link_keys.principal, level),
        replica.actor,
        replica.view.heads,
        os.urandom,
    )
    opened.live.take_records([record.raw])
    await opened.live.durable()
    held = EpochKeys(level, keys.secret(level).expose())
    nodes = opened.live.nodes[:16]
    async with engine.online() as network:
        network.refresh()  # the share made it a circle of its own
        session = await link_ready(engine, opened, network, address)
        await session.confirmed(opened.live.id)
        if replica.since_snapshot >= SNAPSHOT_MIN:
            opened.live.snapshot()
        saved = f"storing {path!r} on the node"
        await engine.news.wait_until(lambda: opened.live.saved_on(address), SHARE_SECONDS, saved)
        capability = Capability(replica.object, epoch, held, replica.view.kind, path, nodes, replica.snapshot)
        drop = make_drop(capability, link_keys, expires, 0, os.urandom)
        # First: a link that works and is not known here could not be ended.
        await remember_link(engine, path, MadeLink(replica.object, link, seed, level, expires))
        async with await with_node(engine.transport, engine, os.urandom, address) as dropping:
            await dropping.put_drop(drop.public.public, drop.raw)
    return link.text()


def links(engine: Engine, path: str) -> list[ShareLink]:
    """See ``Workspace.links``."""
    object_id = engine.find(path).live.id
    made = [made for made in all_links(engine) if made.object == object_id and not made.ended]
    return [
        ShareLink(
            to_multibase(each.keys.principal.id),
            each.link.text(),
            ROLES[each.level],
            each.link.password,
            each.expires,
        )
        for each in made
    ]


def _admin_keys(opened: OpenObject) -> tuple[EpochId, EpochKeys]:
    for epoch, keys in opened.live.replica.keys.items():
        if keys.level is Level.ADMIN:
            return epoch, keys
    raise NoAccess("only an admin of it can share this")


async def link_ready(engine: Engine, opened: OpenObject, network: Network, address: str) -> SyncLink:
    """The session with a node on which the object is open and compared. Raises Offline, WrongPin."""

    def link() -> SyncLink | None:
        node_link = network.link_of(opened.live.id, address)
        if node_link is None or node_link.link is None:
            if node_link is not None and node_link.problem:
                raise (WrongPin if node_link.wrong_pin else Offline)(node_link.problem)
            return None
        return node_link.link if opened.live.id in node_link.link.ready else None

    await engine.news.wait_until(lambda: link() is not None, SHARE_SECONDS, "reaching the node")
    found = link()
    assert found is not None
    return found


async def join(engine: Engine, text: str, path: str, password: str, seconds: float) -> str:
    """See ``Workspace.join``."""
    link = Link.parse_untrusted(text)
    name = check_name(path) if path else ""
    if name and engine.profile.view.find(name) is not None:
        raise Conflict(f"there is a {name!r} here already; nothing was changed")
    seed = await asyncio.to_thread(link.seed, password)
    keys = LinkKeys.from_seed(seed)
    address = format_address(link.address)
    capability = await _fetch_capability(engine, link, keys, address, password, seconds)
    known = _known_path(engine, capability)
    if known:
        return known
    reference = ObjectReference(capability, seed)
    name = _free_name(engine, name or show_name(capability.title) or "shared")
    return await _enter(engine, name, reference, address, seconds)


async def _fetch_capability(
    engine: Engine, link: Link, keys: LinkKeys, address: str, password: str, seconds: float
) -> Capability:
    public = keys.drop.public
    try:
        async with asyncio.timeout(seconds):
            async with await with_node(engine.transport, engine, os.urandom, address) as session:
                raw = await session.get_drop(public)
    except TimeoutError:
        raise TimedOut(f"the node {address} did not answer within {seconds:g} s") from None
    if link.password and not raw:
        raise NoAccess(
            "the password is wrong, or the link has ended; nothing was changed",
            hint="Ask whoever shared it for the password, or for a new link.",
        )
    if not raw:
        raise LinkEnded
    try:
        drop = Drop.parse_untrusted(raw)
        if drop.public.public != public:
            raise RemoteProtocolError("another link's drop")
        capability = drop.open(keys)
    except RemoteProtocolError as error:
        raise Refused(
            f"the node gave false data for this link ({error}); nothing was changed",
            hint="Ask whoever shared it for a new link, at another node if need be.",
        ) from None
    nodes = tuple(dict.fromkeys((address, *capability.nodes)))[:16]
    return replace(capability, nodes=nodes)


def _known_path(engine: Engine, capability: Capability) -> str:
    for view in engine.profile.view.entries().values():
        try:
            reference = ObjectReference.decode_untrusted(view.reference)
        except RemoteProtocolError:
            continue
        if reference.capability.object == capability.object:
            return view.shown
    return ""


def _free_name(engine: Engine, name: str) -> str:
    entries, free, count = engine.profile.view.entries(), name, 1
    while free in entries:
        count += 1
        free = f"{name} ({count})"
    return free


async def _enter(engine: Engine, name: str, reference: ObjectReference, address: str, seconds: float) -> str:
    capability = reference.capability
    if capability.kind not in KIND_NAMES:
        raise Refused("the link opens a kind of object that this version does not know")
    async with engine.online() as network:
        opened = engine.open_reference(name, reference)
        opened.preview = capability.snapshot
        try:
            await _first_content(engine, opened, network, reference, address, seconds)
            await opened.live.durable()
            kind = KIND_NAMES[Kind(capability.kind)]
            change = put_entry(os.urandom(16), name, kind, reference.encode(), now=now_ms())
            await engine.change_profile(change)
        except BaseException:
            engine.forget(capability.object)
            raise
    engine.news.tell(Event("joined", name))
    return name


async def _first_content(
    engine: Engine,
    opened: OpenObject,
    network: Network,
    reference: ObjectReference,
    address: str,
    seconds: float,
) -> None:
    """Waits until what the node has is here, and checks that the link's promise holds."""
    replica = opened.live.replica

    def here() -> bool:
        node_link = network.link_of(opened.live.id, address)
        if node_link is not None and node_link.problem and node_link.link is None:
            raise (WrongPin if node_link.wrong_pin else Offline)(node_link.problem)
        link = node_link.link if node_link is not None else None
        return opened.live.unverified or (link is not None and opened.live.id in link.ready)

    await engine.news.wait_until(here, seconds, "fetching the content")
    capability = reference.capability
    epoch = replica.book.epochs.get(capability.epoch)
    member = replica.view.members.get(replica.actor.principal)
    try:
        if epoch is None or member is None or replica.view.kind != capability.kind:
            raise RemoteProtocolError("the object does not know this link")
        capability.keys.check(epoch.keys)
    except RemoteProtocolError as error:
        raise Refused(
            f"what the node gave does not fit the link ({error}); nothing was kept",
            hint="Try again; if it stays so, ask whoever shared it for a new link.",
        ) from None


def members(engine: Engine, path: str) -> list[Member]:
    """See ``Workspace.members``."""
    replica = engine.find(path).live.replica
    own = engine.keys.credentials.account_id
    listed = []
    for member in replica.view.members.values():
        role, id_ = ROLES[member.level], to_multibase(member.principal.id)
        if member.principal.kind is PrincipalKind.LINK:
            me = member.principal.id == replica.actor.principal
            listed.append(Member(f"link ({role})", role, "link", id_, me))
        else:
            name = show_person(member.name)
            listed.append(Member(name, role, "account", id_, bytes(member.principal.id) == bytes(own)))
    guests = {}
    for introduced in replica.authors.values():
        author = introduced.author
        if bytes(author.principal) != bytes(author.account):
            role = ROLES[introduced.level]
            me = author.account == own
            guests[author.account] = Member(
                show_person(author.name), role, "guest", to_multibase(author.account), me
            )
    return listed + list(guests.values())
