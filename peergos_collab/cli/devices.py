"""The devices of this account: showing a code to link one more, joining with it, listing them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden
from ..errors import Conflict, Offline
from .answers import Answers
from .output import local_time, narrate, print_json, print_line, print_result, show_qr, table, warn
from .passphrases import WITHOUT_PASSPHRASE, new_passphrase
from .session import in_workspace, opened, run
from .settings import Group, Settings, current, refuse

if TYPE_CHECKING:
    from ..workspace.api import Device, DeviceComparison, DeviceOffer, DeviceRemoval, Workspace
    from ..workspace.new_device import LinkedHome

PREFIX = "pgc-device://"
"""What a code begins with. (Spelt out here: 'pgc --help' loads no cryptography.)"""

SYNC_SECONDS = 120.0
TELL_SECONDS = 30.0


@click.group(cls=Group)
def device() -> None:
    """The devices of this account."""


@device.command("list")
def list_devices() -> None:
    """List the account's devices."""
    settings = current()

    async def show(workspace: Workspace) -> list[Device]:
        return await workspace.devices()

    found = in_workspace(settings, show)
    rows = [(each.name, each.id, local_time(each.added), "this one" if each.me else "") for each in found]
    print_result(settings, {"devices": [dataclasses.asdict(each) for each in found]}, table(rows))


@device.command("remove")
@click.argument("name")
@click.option("--end-links", is_flag=True, help="End the links you made too: the device knows them.")
def remove(name: str, end_links: bool) -> None:
    """Take the device NAME (or id) out of this account.

    It opens nothing that is written from now on, and what it writes is refused. What it has it keeps.
    """
    settings = current()

    async def end(workspace: Workspace) -> tuple[DeviceRemoval, bool]:
        done = await workspace.remove_device(name, end_links=end_links)
        try:
            await workspace.sync(TELL_SECONDS)
        except Offline:
            return done, False
        return done, True

    done, told = in_workspace(settings, end)
    if not told:
        warn("No node could be told yet, so others may go on with the old keys. 'pgc sync' tells them.")
    if done.waiting:
        warn(f"{done.waiting} objects still wait for new keys; they get them when a writer is there.")
    for path in done.by_link:
        warn(f"! {escape_hidden(path)} opens with a link that the device knows, until that link ends.")
    fields = {"removed": done.name, "waiting": done.waiting, "by_link": done.by_link, "told": told}
    print_result(settings, fields, [f"{escape_hidden(done.name)} is no device of this account any more"])


@device.command("link")
def link() -> None:
    """Show a code with which another device joins this account.

    Needs a node. Waits until the other device has come, asks whether both show the same digits, and hands
    over once that was answered with 'yes' or with the digits, on the terminal or on stdin.
    """
    settings = current()

    async def show(workspace: Workspace) -> Device:
        offer = await workspace.link_device()
        _show_offer(settings, offer)
        answers = Answers()
        found = await workspace.compare_device(offer.id)
        _show_comparison(settings, found.digits, f"the new device {found.name!r}", found)
        same = await answers.says_same(found.digits)
        linked = await workspace.finish_linking(offer.id, same=same)
        if linked is None:
            raise _refused()
        return linked

    linked = in_workspace(settings, show)
    narrate(settings, f"Linked: {escape_hidden(linked.name)} is a device of this account now.")
    if settings.json:
        print_json({"event": "linked", "device": dataclasses.asdict(linked)})


def _refused() -> Exception:
    from ..identity.device_meeting import MeetingEnded

    return MeetingEnded("the two devices did not show the same digits; nothing was changed on either")


def _show_offer(settings: Settings, offer: DeviceOffer) -> None:
    if settings.json:
        print_json({"event": "code", **dataclasses.asdict(offer)})
        return
    show_qr(offer.code)
    narrate(settings, "On the other device run 'pgc device join CODE' with this code:")
    print_line(offer.code)
    narrate(settings, f"or with these words, and --node {offer.node}\n    {' '.join(offer.words)}")
    warn("It is good for ten minutes and for one device. Show it to nobody else.")


def _show_comparison(
    settings: Settings, digits: str, other: str, found: DeviceComparison | None = None
) -> None:
    if settings.json:
        name = {} if found is None else {"name": found.name}
        print_json({"event": "compare", "digits": digits, **name})
        return
    warn(f"\n    {digits[:3]} {digits[3:]}\n\nDoes {escape_hidden(other)} show the same digits?")
    warn("Answer 'yes' only after you looked. If it shows others, somebody is in between: answer 'no'.")


@device.command("join")
@click.argument("code")
@click.option("--node", metavar="ADDRESS", default="", help="Where to meet, for a code in words.")
@click.option("--entry", metavar="ADDRESS", default="", help="Go there through this entry node.")
@click.option("--name", metavar="NAME", default="", help="What to call this device; default: the machine.")
@click.option("--no-passphrase", is_flag=True, help="Keep the master key in a file only you may read.")
def join_device(code: str, node: str, entry: str, name: str, no_passphrase: bool) -> None:
    """Make this an additional device of the account that shows CODE.

    CODE '-' reads it from the first line of stdin. Asks whether both devices show the same digits; a
    script answers with a line on stdin. Then fetches what is in the account.
    """
    join_account_here(current(), code, node=node, entry=entry, name=name, no_passphrase=no_passphrase)


def join_account_here(
    settings: Settings,
    code: str,
    *,
    node: str = "",
    entry: str = "",
    name: str = "",
    no_passphrase: bool = False,
) -> None:
    """What 'pgc device join' does, and 'pgc join' with such a code."""
    if settings.secret_file() == "-":
        refuse("The passphrase cannot come from stdin here: that is where answers are read.")
    if code != "-" and code.startswith(PREFIX):
        warn("Note: other users of this machine can see a code in the command line. '-' reads it from stdin.")
    from ..workspace import home_exists

    home = settings.home_directory()
    if home_exists(home):
        raise Conflict(
            f"There is a home in {str(home)!r} already; nothing was changed.",
            hint="--home DIR names another place for this account.",
        )
    passphrase = new_passphrase(settings, no_passphrase, "device join")
    joined = run(_join(settings, code, (node, entry), name, passphrase))
    if no_passphrase:
        narrate(settings, WITHOUT_PASSPHRASE)
    entries = run(_fetch(settings, passphrase))
    fields = {"event": "linked", **dataclasses.asdict(joined), "home": str(settings.home_directory())}
    print_result(settings, {**fields, "entries": entries}, [joined.account])


async def _join(
    settings: Settings, code: str, way: tuple[str, str], name: str, passphrase: str | None
) -> LinkedHome:
    """``way``: the node to meet at, for a code in words, and the entry node on the way there, or empty."""
    from ..codec.address import parse_address
    from ..ports.installed import installed_relay
    from ..workspace.machine import host_name
    from ..workspace.new_device import join_account

    answers = Answers()
    if code == "-":
        code = await answers.line()

    async def compare(digits: str) -> bool:
        _show_comparison(settings, digits, "the other device")
        return await answers.says_same(digits)

    home = settings.home_directory()
    (node, entry), device_name = way, name or host_name()
    transport = installed_relay(parse_address(entry)) if entry else None
    return await join_account(
        home,
        code,
        compare,
        device_name=device_name,
        passphrase=passphrase,
        node=node,
        transport=transport,
    )


async def _fetch(settings: Settings, passphrase: str | None) -> int:
    """How many entries there are once what the nodes have is here."""
    settings.known = passphrase
    async with opened(settings) as workspace:
        narrate(settings, "Fetching what is in the account ...")
        try:
            await workspace.sync(SYNC_SECONDS)
        except Offline as error:
            warn(f"Not everything is here yet ({error.message}). 'pgc sync' goes on.")
        return len(await workspace.list_entries())
