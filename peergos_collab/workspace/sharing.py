"""Sharing by link: making one, accepting one, and who is in an object."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ..codec import to_multibase
from ..codec.address import format_address, parse_address
from ..codec.ids import ObjectId
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
from ..files.changes import put_entry, replace_reference
from ..files.entries import EntryView
from ..files.names import check_name, show_name
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.links import Capability, Drop, Link, LinkKeys, make_drop
from ..objects.membership import Member as GroupMember
from ..objects.payload import Kind
from ..objects.principals import Principal, PrincipalKind
from ..objects.usable_epochs import frontier, may_get
from ..sync.replica import Replica
from .api import Event, Member, Role, ShareLink
from .called import Called
from .engine import Engine
from .from_now import adds_from_now, check_from_now, come_to_rest, give_base
from .machine import now_ms
from .made_links import MadeLink, all_links, remember_link
from .network import Network, with_node
from .open_object import OpenObject
from .preview import Preview
from .ready_link import SHARE_SECONDS, link_ready
from .references import ObjectReference
from .sync_link import SyncLink

KIND_NAMES: Final = {Kind.DOCUMENT: "doc", Kind.CHAT: "chat"}
LEVELS: Final = {Role.READER: Level.READ, Role.WRITER: Level.WRITE, Role.ADMIN: Level.ADMIN}
ROLES: Final = {level: role for role, level in LEVELS.items()}
SNAPSHOT_MIN: Final = 200
"""A link to more history than this names a snapshot, so that whoever joins sees content at once."""


async def share_link(engine: Engine, path: str, role: Role, expires: int, password: str) -> str:
    """See ``Workspace.share_link``."""
    opened = engine.find(path)
    if not opened.live.nodes:
        raise NoNode("a link needs a node that keeps what it opens")
    level, address = LEVELS[role], opened.live.nodes[0]
    link = Link.generate(parse_address(address), bool(password), os.urandom)
    seed = await asyncio.to_thread(link.seed, password)
    link_keys = LinkKeys.from_seed(seed)
    async with engine.online.needed() as network:
        if adds_from_now(opened):
            check_from_now(opened, link_keys.principal, "whoever has the link")
            await come_to_rest(engine, opened, network)
        await add_member(opened, link_keys.principal, level)
        await give_base(engine, opened, network, link_keys.principal)
        await store_on_node(engine, opened, network, path)
        capability = capability_for(opened, level, path, link_keys.principal)
        drop = make_drop(capability, link_keys, expires, 0, os.urandom)
        # First: a link that works and is not known here could not be ended.
        await remember_link(engine, path, MadeLink(opened.live.id, link, seed, level, expires))
        async with await with_node(engine.transport, engine.link_events, os.urandom, address) as dropping:
            await dropping.put_drop(drop.public.public, drop.raw)
    return link.text()


async def add_member(
    opened: OpenObject,
    principal: Principal,
    level: Level,
    proof: bytes | None = None,
    *,
    from_now: bool = False,
) -> None:
    """Makes ``principal`` a member; returns once that is durable here.

    Args:
        proof: shows that the keys are its own, as ``Maker.add`` wants it.
        from_now: it gets nothing that was written before.

    Raises:
        NoAccess: this account is no admin, or nothing shows it. Conflict.
    """
    check_is_admin(opened, "share this")
    maker = opened.live.replica.seat.maker
    listed = maker.membership.view.members.get(principal.id)
    if listed is not None and listed.principal.version == principal.version:
        records = maker.raise_role(principal.id, level)
    else:
        records = maker.add(principal, level, hidden=from_now, proof=proof)
    opened.live.take_records([record.raw for record in records])
    await opened.live.durable()


async def store_on_node(engine: Engine, opened: OpenObject, network: Network, path: str) -> None:
    """Returns once the first node of an object has all of it. Raises Offline, WrongPin, TimedOut."""
    address = opened.live.nodes[0]
    network.refresh()  # a new member made it a circle of its own
    with engine.online.holding(opened):
        await link_ready(engine, opened, network, address)
        if opened.live.replica.order.snapshots.since >= SNAPSHOT_MIN:
            opened.live.snapshot()
        saved = f"storing {path!r} on the node"
        await engine.news.wait_until(lambda: opened.live.saved_on(address), SHARE_SECONDS, saved)
        # Last: heads compared while segments are on their way would send them twice.
        session = await link_ready(engine, opened, network, address)  # members may have changed meanwhile
        await session.confirmed(opened.live.id)


def capability_for(opened: OpenObject, level: Level, title: str, to: Principal) -> Capability:
    """What a member gets: the secret of his level, and where to find the rest. Raises NoAccess."""
    replica = opened.live.replica
    check_is_admin(opened, "share this")
    member = replica.view.members.get(to.id)
    if member is None:
        raise NoAccess("somebody removed them at the same time; nothing was sent")
    all_newest = frontier(replica.view, replica.seat.membership.ring)
    newest = [epoch for epoch in all_newest if may_get(replica.view, member, epoch)]
    epoch = max(newest, key=lambda one: (one == replica.seat.epoch(), replica.keys[one].level, one))
    given = min(level, replica.keys[epoch].level)  # an epoch that a writer made has no keys of an admin
    held = EpochKeys(given, replica.keys[epoch].secret(given).expose())
    nodes = opened.live.nodes[:16]
    snapshot = None if member.hidden else replica.order.snapshots.vouched
    return Capability(replica.object, epoch, held, replica.view.kind, title, nodes, snapshot)


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


def check_is_admin(opened: OpenObject, deed: str) -> GroupMember:
    """This account as an admin. Raises NoAccess, saying what only admins can do."""
    replica = opened.live.replica
    own = replica.view.members.get(replica.actor.principal)
    if own is None or own.level is not Level.ADMIN:
        raise NoAccess(f"only an admin of it can {deed}; nothing was changed")
    return own


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
    reference = ObjectReference(capability, seed)
    async with entering(engine, capability.object):
        known = entry_of(engine, capability.object)
        if known is not None:
            await _look_again(engine, known, address)
            if capability.keys.level > (engine.open_entry(known).live.replica.level or 0):
                async with engine.online.needed() as network:
                    await _enter_as(engine, network, known, reference, address, seconds)
            return known.shown
        name = free_name(engine, name or show_name(capability.title) or "shared")
        async with engine.online.needed() as network:
            ways = [from_node(network, address)]
            return await enter(engine, ways, name, reference, seconds, os.urandom(16))


def entering(engine: Engine, object_id: ObjectId) -> asyncio.Lock:
    """Held by who brings an object in: it is in use under his keys meanwhile, and no more if he fails."""
    return engine.entering.setdefault(object_id, asyncio.Lock())


async def _look_again(engine: Engine, known: EntryView, address: str) -> None:
    """What one does who joins: else the node could tell from what is left out that it was known already,
    to another device of whoever shared it. That it fails is no fault: it is here."""
    opened = engine.open_entry(known)
    if address not in opened.live.nodes:
        return
    with contextlib.suppress(Offline, WrongPin):
        async with engine.online.needed() as network:
            with engine.online.holding(opened):
                await link_ready(engine, opened, network, address)


async def _enter_as(
    engine: Engine,
    network: Network,
    known: EntryView,
    reference: ObjectReference,
    address: str,
    seconds: float,
) -> None:
    """Uses what is here already as the link, which gives more: as after a removal.

    Raises:
        Offline, WrongPin, LinkEnded, Refused, TimedOut: it is used as before.
    """
    before = engine.open_entry(known)
    await before.live.durable()
    opened = await engine.reopening.as_member(before, reference)
    try:
        with engine.online.holding(opened):
            await _first_content(engine, opened, from_node(network, address), reference, seconds)
            await opened.live.durable()
            await engine.change_profile(replace_reference(known.id, reference.encode(), now=now_ms()))
    except BaseException:
        await engine.reopening.as_member(opened, ObjectReference.decode_untrusted(known.reference))
        raise


async def _fetch_capability(
    engine: Engine, link: Link, keys: LinkKeys, address: str, password: str, seconds: float
) -> Capability:
    public = keys.drop.public
    try:
        async with asyncio.timeout(seconds):
            async with await with_node(engine.transport, engine.link_events, os.urandom, address) as session:
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


def entry_of(engine: Engine, object_id: ObjectId) -> EntryView | None:
    """The entry of the profile that refers to an object."""
    return next((view for view, _ in engine.profile_changes.leading_to(object_id)), None)


def free_name(engine: Engine, name: str) -> str:
    """``name``, suffixed if it is taken."""
    view, free, count = engine.profile.view, name, 1
    while view.find(free) is not None:
        count += 1
        free = f"{name} ({count})"
    return free


Way = Callable[[ObjectId], SyncLink | None]
"""Where an object's content comes from: the session it is open on, None while there is none yet.
Raises Offline, WrongPin where there will be none."""


def from_node(network: Network, address: str) -> Way:
    """The way of what a node has."""

    def link_of(object_id: ObjectId) -> SyncLink | None:
        node_link = network.link_of(object_id, address)
        if node_link is not None and node_link.problem and node_link.link is None:
            raise (WrongPin if node_link.wrong_pin else Offline)(node_link.problem)
        return node_link.link if node_link is not None else None

    return link_of


async def enter(
    engine: Engine,
    ways: Sequence[Way],
    name: str,
    reference: ObjectReference,
    seconds: float,
    entry_id: bytes,
    sharer: Called | None = None,
) -> str:
    """Puts an object into the profile, once its content is here and fits the promise.

    Args:
        ways: tried one after the other, for so many seconds each.
        sharer: who shared it; None where a link led to it.

    Raises:
        Offline, WrongPin: nobody is to be reached on any way, or has nothing. Refused.
    """
    capability = reference.capability
    if capability.kind not in KIND_NAMES:
        raise Refused("the link opens a kind of object that this version does not know")
    opened = engine.open_reference(name, reference)
    opened.preview = Preview(capability.snapshot) if capability.snapshot is not None else None
    try:
        with engine.online.holding(opened):
            await _first_of(engine, opened, ways, reference, seconds)
        await opened.live.durable()
        kind = KIND_NAMES[Kind(capability.kind)]
        await engine.change_profile(put_entry(entry_id, name, kind, reference.encode(), now=now_ms()))
    except BaseException:
        engine.forget(capability.object)
        raise
    who = sharer or Called("")
    engine.news.tell(Event("joined", name, who.name, unverified=who.unverified))
    return name


async def _first_of(
    engine: Engine, opened: OpenObject, ways: Sequence[Way], reference: ObjectReference, seconds: float
) -> None:
    """The same as ``_first_content``, from the first of some ways that leads to it."""
    for way in ways[:-1]:
        with contextlib.suppress(Offline, WrongPin):
            return await _first_content(engine, opened, way, reference, seconds)
    return await _first_content(engine, opened, ways[-1], reference, seconds)


async def _first_content(
    engine: Engine,
    opened: OpenObject,
    way: Way,
    reference: ObjectReference,
    seconds: float,
) -> None:
    """Waits until what the other side has is here, and checks that the link's promise holds."""
    replica, capability = opened.live.replica, reference.capability
    promise = "link" if reference.link is not None else "invitation"

    def false(error: RemoteProtocolError) -> Refused:
        return Refused(
            f"what came does not fit the {promise} ({error}); nothing was kept",
            hint=f"Try again; if it stays so, ask whoever shared it for a new {promise}.",
        )

    def here() -> bool:
        known = replica.book.epochs.get(capability.epoch)
        if known is not None:
            # A key that is not the epoch's opens nothing, now or later.
            try:
                capability.keys.check(known.keys)
            except RemoteProtocolError as error:
                raise false(error) from None
        link = way(opened.live.id)
        # Who was added again finds his removal first, and his new key is of the newest epoch.
        old = any(capability.epoch in epoch.parents for epoch in replica.book.epochs.values())
        if replica.is_removed and old and reference.link is not None:
            raise LinkEnded
        if replica.is_removed and old:
            raise NoAccess("you were removed from it meanwhile; nothing was changed")
        if link is not None and opened.live.id in link.lacking:
            raise Offline(f"{link.who} does not have it yet, or not for you; nothing was changed")
        return opened.live.unverified is not None or (link is not None and opened.live.id in link.ready)

    await engine.news.wait_until(here, seconds, "fetching the content")
    member = replica.view.members.get(replica.actor.principal)
    unknown = capability.epoch not in replica.book.epochs or member is None
    if unknown or replica.view.kind != capability.kind:
        raise false(RemoteProtocolError(f"the object does not know this {promise}"))


def members(engine: Engine, path: str) -> list[Member]:
    """See ``Workspace.members``."""
    replica = engine.find(path).live.replica
    names = engine.mailroom.book.names()
    listed = []
    for member in replica.view.members.values():
        role, id_ = ROLES[member.level], to_multibase(member.principal.id)
        if member.principal.kind is PrincipalKind.LINK:
            me = member.principal.id == replica.actor.principal
            listed.append(Member(f"link ({role})", role, "link", id_, me, from_now=member.hidden))
        else:
            me = bytes(member.principal.id) == names.own
            said = engine.keys.credentials.name if me else member.name or _said(replica, member)
            called = names.of(member.principal.id, said)
            listed.append(
                Member(called.name, role, "account", id_, called.me, called.unverified, member.hidden)
            )
    guests = {}
    for introduced in replica.order.introductions.writers():
        author = introduced.author
        if bytes(author.principal) != bytes(author.account):
            role, called = ROLES[introduced.level], names.of(author.account, author.name)
            id_ = to_multibase(author.account)
            guests[author.account] = Member(called.name, role, "guest", id_, called.me, called.unverified)
    return listed + list(guests.values())


def _said(replica: Replica, member: GroupMember) -> str:
    """What a member said of himself in what he wrote; empty while he has written nothing."""
    for introduced in replica.order.introductions.writers():
        if bytes(introduced.author.account) == bytes(member.principal.id):
            return introduced.author.name
    return ""
