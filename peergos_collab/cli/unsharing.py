"""Ending and changing what others may do, and leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from ..codec.shown import show_person
from .output import narrate, print_result
from .session import in_workspace
from .settings import Command, current

if TYPE_CHECKING:
    from ..workspace.api import Workspace

SECONDS: Final = 10.0
"""How long a node may take to hear of it; after that it goes out later."""

STAYS_SEEN: Final = "What has been seen cannot be unseen: this is about what is written from now on."
LATER: Final = (
    "No node could be told yet, so until then others may go on with the old keys. 'pgc sync' tells them."
)


@click.command(cls=Command)
@click.argument("path")
@click.option(
    "--with", "who", metavar="WHO", required=True, help="A name or id, as 'pgc members' lists them."
)
def unshare(path: str, who: str) -> None:
    """End somebody's access to PATH.

    Makes new keys that he does not get. WHO may also be the text of a link you made: that ends it for all
    who came by it.
    """
    settings = current()

    async def end(workspace: Workspace) -> bool:
        await workspace.unshare(path, who)
        return await _told(workspace)

    told = in_workspace(settings, end)
    narrate(settings, STAYS_SEEN if told else f"{STAYS_SEEN} {LATER}")
    print_result(settings, {"removed": who, "told": told}, [f"{show_person(who)} is out of {path}"])


@click.command(cls=Command)
@click.argument("path")
@click.option(
    "--with", "who", metavar="WHO", required=True, help="A name or id, as 'pgc members' lists them."
)
@click.option("--role", "wanted", type=click.Choice(["reader", "writer", "admin"]), required=True)
def role(path: str, who: str, wanted: str) -> None:
    """Change what a member of PATH may do."""
    settings = current()

    async def change(workspace: Workspace) -> bool:
        from ..workspace.api import Role

        await workspace.change_role(path, who, Role(wanted))
        return await _told(workspace)

    told = in_workspace(settings, change)
    if not told:
        narrate(settings, LATER)
    result = {"who": who, "role": wanted, "told": told}
    print_result(settings, result, [f"{show_person(who)} is {wanted} of {path}"])


@click.command(cls=Command)
@click.argument("path")
@click.option("--force", is_flag=True, help="Also if nobody who stays could write.")
def leave(path: str, *, force: bool) -> None:
    """Leave PATH.

    The others see that you went, and it goes off your list.
    """
    settings = current()

    async def go(workspace: Workspace) -> None:
        await workspace.leave(path, force=force)

    in_workspace(settings, go)
    print_result(settings, {"left": path}, [f"you left {path}"])


async def _told(workspace: Workspace) -> bool:
    """Whether the nodes know of it by now."""
    from ..errors import Offline

    try:
        await workspace.sync(SECONDS)
    except Offline:
        return False
    return True
