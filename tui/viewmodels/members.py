"""Who is in an object, as lines of text, and what becomes of it when somebody goes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from peergos_collab.workspace.api import Member, Role, ShareLink

from .cells import shown
from .contacts import title_of
from .moments import day

_NAME = 40
_SAW = "Removed people can still see what they already saw; nothing can take that back."
_ORDER = {Role.ADMIN: 0, Role.WRITER: 1, Role.READER: 2}
_KINDS = {"account": 0, "guest": 1, "link": 2}


def ordered(members: list[Member]) -> list[Member]:
    """Accounts first, then guests, then links; of each kind admins first, oneself before others."""
    return sorted(
        members, key=lambda one: (_KINDS.get(one.kind, 3), _ORDER[one.role], not one.me, one.who.casefold())
    )


def member_lines(members: list[Member], links: Sequence[ShareLink] = ()) -> list[str]:
    """Who, role and a note for each of ``ordered``, in columns; ``links`` are those made here."""
    made = {link.id: link for link in links}
    rows = [
        (_who(member), member.role.value, _note(member, made.get(member.id))) for member in ordered(members)
    ]
    widths = [max((cell_len(row[column]) for row in rows), default=0) for column in range(2)]
    return [
        "  ".join([_padded(row[0], widths[0]), _padded(row[1], widths[1]), row[2]]).rstrip() for row in rows
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def _who(member: Member) -> str:
    if member.kind == "link":
        return "whoever has the link"
    return f"says: {_name(member)}" if member.unverified else _name(member)


def _name(member: Member) -> str:
    return shown(member.who.strip(), _NAME) or "somebody"


def _note(member: Member, link: ShareLink | None) -> str:
    """A link's note tells links apart; the name of who is no contact is his own word for himself."""
    since = "without what was written before" if member.from_now else ""
    return ", ".join(filter(None, [_kind_note(member, link), since]))


def _kind_note(member: Member, link: ShareLink | None) -> str:
    if member.kind == "link":
        return "you came by this link" if member.me else f"link {member.id[-6:]}{_made(link)}"
    if member.me:
        return "you"
    came = "came by a link" if member.kind == "guest" else ""
    if not member.unverified:
        return came
    # Who is no contact "says" his name: one line holds no more than that.
    return f"{came}, name unverified" if came else "none of your contacts"


def _made(link: ShareLink | None) -> str:
    """What is known of a link that this account made."""
    if link is None:
        return ""
    password = ", with a password" if link.password else ""
    ends = day(link.expires)
    return f", yours{password}{f', ends {ends}' if ends else ''}"


def together_words(members: list[Member]) -> str:
    """What the list cannot say: who else may read."""
    if any(member.kind == "link" for member in members):
        return "Anyone who holds a link can come in until it ends or is removed here."
    return "Nobody else is in it. Whoever was removed still has what they saw." if len(members) == 1 else ""


def may_manage(members: list[Member]) -> bool:
    """Whether this account may change who is in it."""
    return any(member.me and member.role is Role.ADMIN for member in members)


def removal_title(member: Member) -> str:
    return "Revoke this link" if member.kind == "link" else f"Remove {_name(member)}"


def removal_words(member: Member, path: str, members: list[Member]) -> str:
    """Asked before somebody is removed: what it can do and what it cannot, and what stays open."""
    if member.kind == "link":
        return (
            f"Revoke link {member.id[-6:]} to {title_of(path)}? It opens nothing any more, and whoever came "
            f"by it is out.\n\n{_SAW} What is written from now on gets new keys, which they do not have."
        )
    name = _name(member)
    links = sum(one.kind == "link" for one in members)
    still = (
        f"\n\nThere {'is a link' if links == 1 else f'are {links} links'} to it as well: if {name} holds "
        f"one, {name} can come in again. You can revoke links in the same list."
        if links
        else ""
    )
    return (
        f"Remove {name} from {title_of(path)}?\n\n{_SAW} What is written from now on gets new keys, which "
        f"{name} does not have.{still}"
    )


def is_last_writer(members: list[Member]) -> bool:
    """Whether others are in it, and this account is the only one that may write."""
    others = [member.role for member in members if not member.me and member.kind != "guest"]
    own = [member.role for member in members if member.me]
    return bool(others) and set(others) == {Role.READER} and own != [Role.READER]


def leaving_words(path: str, *, last: bool) -> str:
    """Asked before this account goes; ``last``: nobody who stays may write."""
    stuck = (
        "\n\nNobody who stays could write in it or change who is in it. Make one of them a writer first, "
        "if anybody is to go on with it."
    )
    return (
        f"Leave {title_of(path)}? It goes off your list, and the others see that you left. "
        f"What you wrote in it stays with them.{stuck if last else ''}"
    )


def guest_words() -> str:
    """Why somebody who came by a link cannot be removed alone."""
    return "They came by a link and are in as long as it is: revoke the link to remove them."


def removed_words(member: Member) -> str:
    """Said once it is done."""
    if member.kind == "link":
        return "The link is revoked. What is written from now on has new keys."
    return f"{_name(member)} is out. What is written from now on has new keys."


def role_words(member: Member, role: Role) -> str:
    """Said once a role was changed."""
    who = "Whoever has the link" if member.kind == "link" else _name(member)
    return f"{who} is {role.value} now."
