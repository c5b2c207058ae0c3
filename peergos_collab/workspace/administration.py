"""What is done to an object's membership on purpose: removing somebody, changing a role, leaving.

Each makes a record, which is durable here when the function returns; sessions take it to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..codec import from_multibase_untrusted
from ..codec.ids import PrincipalId
from ..errors import Conflict, NoAccess, NotFound, UsageError
from ..files.changes import remove
from ..objects.epoch_keys import Level
from ..objects.op_kinds import Leave, Target
from ..objects.records import MembershipRecord
from .api import Member, Role
from .made_links import MadeLink, all_links, end_link, forget_ended
from .open_object import OpenObject
from .sharing import LEVELS, check_is_admin, entry_of, members, store_on_node

if TYPE_CHECKING:
    from .engine import Engine


async def unshare(engine: Engine, path: str, who: str) -> None:
    """See ``Workspace.unshare``."""
    opened = engine.find(path)
    member = _find(engine, path, who)
    if member.me:
        raise UsageError(f"that is you; to go, leave {path!r}; nothing was changed")
    principal = _principal(member)
    _check_may(opened, principal, f"remove {member.who!r}")
    maker = opened.live.replica.seat.maker
    await _publish(opened, [maker.remove([Target(principal, b"", tuple(maker.closes(principal, b"")))])])
    made = _made(engine, principal)
    if made is not None:
        await end_link(engine, made)
        if engine.online.network is not None:
            await forget_ended(engine)


async def change_role(engine: Engine, path: str, who: str, role: Role) -> None:
    """See ``Workspace.change_role``."""
    opened = engine.find(path)
    member, level = _find(engine, path, who), LEVELS[role]
    if member.role is role:
        return
    principal, maker = _principal(member), opened.live.replica.seat.maker
    records: Sequence[MembershipRecord]
    if level > LEVELS[member.role]:
        check_is_admin(opened, f"make {member.who!r} {role}")
        records = maker.raise_role(principal, level)
    else:
        _check_may(opened, principal, f"make {member.who!r} {role}")
        closes = tuple(maker.closes(principal, b"")) if level is Level.READ else ()
        records = [maker.lower_role(Target(principal, b"", closes), level)]
    await _publish(opened, records)


async def leave(engine: Engine, path: str, *, force: bool = False) -> None:
    """See ``Workspace.leave``."""
    opened = engine.find(path)
    replica = opened.live.replica
    principal = replica.actor.principal
    if principal in replica.view.members and len(replica.view.members) > 1:
        if not replica.actor.for_itself:
            raise UsageError(
                f"you are in {path!r} through a link, which others may use too; nothing was changed",
                hint="Take it off your list with 'pgc rm'; whoever made the link can end it.",
            )
        if not force:
            _check_others_write(opened, path)
        opened.live.renew()  # he may be the last who has what others lack, or knows whose keys are outdated
        maker = replica.seat.maker
        await _publish(opened, [maker.leave(Leave(tuple(maker.closes(principal, b""))))])
        if opened.live.nodes:
            async with engine.online.needed() as network:
                await store_on_node(engine, opened, network, path)
    entry = entry_of(engine, opened.live.id)
    if entry is not None:
        await engine.change_profile(remove(entry.id))
    engine.forget(opened.live.id)


def _find(engine: Engine, path: str, who: str) -> Member:
    """A member by name or id. Raises NotFound, UsageError."""
    text = {made.link.text(): made for made in all_links(engine)}.get(who)
    found = [
        member
        for member in members(engine, path)
        if who in (member.who, member.id) or (text is not None and _is(member, text))
    ]
    guests = [member for member in found if member.kind == "guest"]
    if not found:
        raise NotFound(f"there is no {who!r} in {path!r}; nothing was changed")
    if guests == found:
        raise UsageError(
            f"{who!r} came through a link; nothing was changed",
            hint="Remove the link: that ends it for everybody who came through it.",
        )
    found = [member for member in found if member.kind != "guest"]
    if len(found) > 1:
        raise UsageError(f"there are several {who!r} in {path!r}; name one by his id. Nothing was changed")
    return found[0]


def _is(member: Member, made: MadeLink) -> bool:
    return member.kind == "link" and _principal(member) == made.keys.principal.id


def _principal(member: Member) -> PrincipalId:
    return PrincipalId(from_multibase_untrusted(member.id))


def _made(engine: Engine, principal: PrincipalId) -> MadeLink | None:
    return next((made for made in all_links(engine) if made.keys.principal.id == principal), None)


def _check_may(opened: OpenObject, principal: PrincipalId, deed: str) -> None:
    """Raises NoAccess where this device's removal of a member would count for nothing."""
    own = check_is_admin(opened, deed)
    target = opened.live.replica.view.members.get(principal)
    if target is not None and target.rank < own.rank:
        raise NoAccess(
            f"you cannot {deed}, who was an admin before you; nothing was changed",
            hint="Somebody who has been an admin for longer can.",
        )


def _check_others_write(opened: OpenObject, path: str) -> None:
    """Raises Conflict where the last one who can write would leave readers behind, who can make no keys."""
    replica = opened.live.replica
    others = [one for one in replica.view.members.values() if one.principal.id != replica.actor.principal]
    if replica.can_write and all(one.level < Level.WRITE for one in others):
        raise Conflict(
            f"nobody who stays in {path!r} could write in it or change who is in it; nothing was changed",
            hint="Make one of them a writer first ('pgc role'), or leave all the same with --force.",
        )


async def _publish(opened: OpenObject, records: Sequence[MembershipRecord]) -> None:
    """Returns once the records are taken and durable here."""
    offered = opened.live.take_records([record.raw for record in records])
    if len(offered.records) < len(records):
        raise Conflict("somebody else changed the members at the same time; look again, and try again")
    await opened.live.durable()
