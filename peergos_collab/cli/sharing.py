"""Sharing, joining, and who is in."""

from __future__ import annotations

import dataclasses
import re
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from ..codec.shown import show_person
from .devices import PREFIX, join_account_here
from .output import narrate, print_result, table, warn
from .session import in_workspace
from .settings import Command, Settings, current, read_secret, refuse

if TYPE_CHECKING:
    from ..workspace.api import Member, Workspace

MAX_LINK: Final = 1 << 14
"""Bytes read from stdin for a link; a link has a few hundred."""
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}

LINK_WARNING = (
    "Whoever has this link can {what}, and sees who else is here. 'pgc unshare' ends it, but not what was "
    "seen by then: send it only over a channel you trust."
)
FROM_NOW = (
    "They see the text as it is now, who is in it, and what is written from now on; nothing that was taken "
    "out before, and not how the text came about."
)
MAY = {"reader": "read this", "writer": "read and change this", "admin": "read, change and administer this"}


@click.command(cls=Command)
@click.argument("path")
@click.option("--link", "as_link", is_flag=True, help="Make a link.")
@click.option("--with", "contact", metavar="CONTACT", help="Share with a contact, who need not be online.")
@click.option(
    "--role",
    type=click.Choice(["reader", "writer", "admin"]),
    default="reader",
    show_default=True,
    help="What its holder may do.",
)
@click.option(
    "--from-now",
    is_flag=True,
    help="The contact gets the text as it is now, and nothing else that was written before.",
)
@click.option("--expires", metavar="T", help="After how long (30m, 12h, 7d), or when (2030-01-31T12:00).")
@click.option("--link-password-file", metavar="FILE", help="Ask whoever opens it for the password in FILE.")
def share(
    path: str,
    as_link: bool,
    contact: str | None,
    role: str,
    from_now: bool,
    expires: str | None,
    link_password_file: str | None,
) -> None:
    """Share PATH by a link, or with a contact. Needs a node."""
    settings = current()
    if as_link == (contact is not None):
        refuse("Say how to share: --link makes a link, --with CONTACT shares with a person.")
    if contact is not None:
        if expires is not None or link_password_file is not None:
            refuse("Only a link expires or has a password; a contact's access ends when you end it.")
        _share_with(settings, path, contact, role, from_now=from_now)
        return
    if from_now:
        refuse("--from-now is for a contact: a link shows whoever has it what was written before.")
    until = None if expires is None else parse_expiry(expires, int(time.time() * 1000))
    password = _link_password(settings, link_password_file)

    async def make(workspace: Workspace) -> str:
        from ..workspace.api import Role

        return await workspace.share_link(path, Role(role), expires=until, password=password)

    link = in_workspace(settings, make)
    narrate(settings, LINK_WARNING.format(what=MAY[role]))
    print_result(settings, {"link": link, "role": role, "expires": until}, [link])


def _share_with(settings: Settings, path: str, contact: str, role: str, *, from_now: bool) -> None:
    async def deliver(workspace: Workspace) -> str:
        from ..workspace.api import Role

        return await workspace.share_with(path, contact, Role(role), from_now=from_now)

    name = in_workspace(settings, deliver)
    if from_now:
        narrate(settings, FROM_NOW)
    print_result(
        settings,
        {"delivered_to": name, "role": role, "from_now": from_now},
        [f"shared with {show_person(name)}"],
    )


def parse_expiry(text: str, now: int) -> int:
    """When ``text`` is, in ms since 1970.

    Args:
        text: a duration such as ``7d``, or a time in ISO 8601; without a zone it is this machine's.
        now: in ms since 1970.

    Raises:
        UsageError: it is neither, or in the past.
    """
    if found := re.fullmatch(r"([0-9]{1,6})([smhdw])", text):
        at = now + int(found[1]) * SECONDS[found[2]] * 1000
    else:
        try:
            at = int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
        except (ValueError, OverflowError, OSError):
            refuse(f"{text!r} is no duration (30m, 12h, 7d) and no time (2030-01-31T12:00).")
    if at <= now:
        refuse(f"{text!r} is not in the future; no link was made.")
    return at


def _link_password(settings: Settings, file: str | None) -> str:
    if file is None:
        return ""
    if file == "-" and settings.secret_file() == "-":
        refuse("The link's password and the passphrase cannot both come from stdin.")
    return read_secret(file, "link password")


@click.command(cls=Command)
@click.argument("link")
@click.argument("path", required=False)
@click.option("--link-password-file", metavar="FILE", help="The password of the link is in FILE.")
@click.option(
    "--entry", metavar="ADDRESS", default="", help="With a device's code: an entry node to go through."
)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
)
def join(link: str, path: str | None, link_password_file: str | None, entry: str, timeout: float) -> None:
    """Accept a share link, under the name PATH.

    A code of 'pgc device link' is taken too, as by 'pgc device join'.

    LINK '-' reads it from stdin. Done once the content is here; prints the name it has here.
    """
    settings = current()
    if link == "-":
        if "-" in (settings.secret_file(), link_password_file):
            refuse("Only one thing can come from stdin: the link or a password.")
        link = sys.stdin.buffer.read(MAX_LINK).decode("utf-8", "replace").strip()
    elif not link.startswith(PREFIX):
        warn("Note: other users of this machine can see a link in the command line. 'pgc join -' reads it.")
    if link.startswith(PREFIX):
        join_account_here(settings, link, entry=entry)
        return
    if entry:
        refuse("--entry is for a device's code; for links 'pgc node entry' sets it. Nothing was changed.")
    password = _link_password(settings, link_password_file)

    async def accept(workspace: Workspace) -> str:
        return await workspace.join(link, path or "", password=password, timeout=timeout)

    joined = in_workspace(settings, accept)
    print_result(settings, {"path": joined}, [joined])


@click.command(cls=Command)
@click.argument("path")
def members(path: str) -> None:
    """List who is in PATH, with which role."""
    settings = current()

    async def show(workspace: Workspace) -> list[Member]:
        return await workspace.members(path)

    found = in_workspace(settings, show)
    rows = [(each.role, show_person(each.who), _note(each)) for each in found]
    print_result(settings, {"members": [dataclasses.asdict(each) for each in found]}, table(rows))


def _note(member: Member) -> str:
    now = ["from now on, without history"] if member.from_now else []
    if member.me:
        return ", ".join(["you", *now])
    if member.kind == "link":
        return ", ".join(["whoever has the link", *now])
    came = ["came by a link"] if member.kind == "guest" else []
    return ", ".join([*came, *(["says so himself, not verified"] if member.unverified else []), *now])
