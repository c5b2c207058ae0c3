"""Who is in an object, as lines of text."""

from __future__ import annotations

from peergos_collab.workspace.api import Member, Role

from .cells import shown

_NAME = 40
_ORDER = {Role.ADMIN: 0, Role.WRITER: 1, Role.READER: 2}
_KINDS = {"account": 0, "guest": 1, "link": 2}


def member_lines(members: list[Member]) -> list[tuple[str, str, str]]:
    """(who, role, note) of each; accounts first, then guests, then links; of each kind admins first."""
    ordered = sorted(
        members, key=lambda one: (_KINDS.get(one.kind, 3), _ORDER[one.role], not one.me, one.who.casefold())
    )
    return [(_who(member), member.role.value, _note(member)) for member in ordered]


def _who(member: Member) -> str:
    name = shown(member.who.strip(), _NAME) or "somebody"
    if member.kind == "link":
        return "whoever has the link"
    if member.kind == "guest" and not member.me:
        return f"says: {name}"
    return name


def _note(member: Member) -> str:
    """A link's note tells links apart; a guest's name is his own word for himself."""
    if member.kind == "link":
        return ("you came by this link" if member.me else "") or f"link {member.id[-6:]}"
    if member.me:
        return "you"
    return "came by a link, name unverified" if member.kind == "guest" else ""


def together_words(members: list[Member]) -> str:
    """What the list cannot say: who else may read."""
    if any(member.kind == "link" for member in members):
        return "Anyone who holds a link can come in until it ends. Links cannot be revoked yet."
    return "Nobody else can read it." if len(members) == 1 else ""
