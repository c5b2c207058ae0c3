"""Nodes: running one, and the ones this account uses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from .output import narrate, print_json, print_line, print_result, table, warn
from .session import in_workspace, run
from .settings import Command, Group, Settings, current, refuse

if TYPE_CHECKING:
    from ..ports import Tunnels
    from ..workspace.api import NodeState, Workspace

DEFAULT_LISTEN = "127.0.0.1:8470"

MANY_FILES = 8192
"""Enough for as many connections as a node serves at most."""


LAN_WORDS: Final = {
    "announced": "contacts and fellow members find this device",
    "quiet": "nothing is announced now",
    "off": "off; 'pgc lan on' ends that",
}


@click.group(cls=Group)
def node() -> None:
    """Nodes: blind stores and relays that are always on."""


@node.command("serve")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default=DEFAULT_LISTEN,
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option("--relay", is_flag=True, help="Be an entry node too: carry others' sessions to other nodes.")
@click.option(
    "--relay-private", is_flag=True, help="Carry them to addresses of this machine and its networks too."
)
@click.option("--no-stun", is_flag=True, help="Do not tell clients behind a NAT how the world sees them.")
@click.option(
    "--grace-hours",
    metavar="N",
    type=click.IntRange(0, 24 * 366),
    default=24 * 7,
    show_default=True,
    help="Hours of serving in which members can object before older changes are kept in archives alone.",
)
def serve(listen: str, relay: bool, relay_private: bool, no_stun: bool, grace_hours: int) -> None:
    """Run a blind node until interrupted. Needs no account.

    The first line of stdout is its address, to be given to 'pgc node add'. Keeps its data in --home, or
    in 'node' within the default home. Clients behind NATs connect directly where the UDP port of the same
    number can be reached as well.
    """
    settings = current()
    host, port = _host_and_port(listen)
    if relay_private and not relay:
        refuse("--relay-private says where to relay to, and needs --relay; nothing was started.")
    from ..ports.installed import installed_tunnels

    tunnels = installed_tunnels(private=relay_private) if relay else None
    home = _node_home(settings)
    run(_serve(settings, home, host, port, tunnels, stun=not no_stun, grace=grace_hours), lasting=True)


def _node_home(settings: Settings) -> Path:
    """A node beside an account takes a directory of its own; a home holds one or the other."""
    return settings.home if settings.home is not None else settings.home_directory() / "node"


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        refuse(f"{text!r} is not HOST:PORT, such as {DEFAULT_LISTEN}; nothing was started.")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        refuse(f"An IPv6 address needs brackets: [{host}]:{port}.")
    return host, int(port)


async def _serve(
    settings: Settings, home: Path, host: str, port: int, tunnels: Tunnels | None, *, stun: bool, grace: int
) -> None:
    from ..node import serve_node

    _allow_many_files()
    running = await serve_node(home, host, port, tunnels=tunnels, stun=stun, grace=grace)
    try:
        if settings.json:
            fields = {"address": running.address, "stun": running.tells_addresses}
            print_json({"event": "listening", **fields})
        else:
            print_line(running.address)
        also = ", and carrying others' sessions to other nodes" if tunnels is not None else ""
        narrate(settings, f"Serving from {str(home)!r}{also}; Ctrl+C ends it.")
        if stun and not running.tells_addresses:
            warn(f"UDP port {running.port} is taken: clients behind NATs are not told how they are seen.")
        await running.closed()
    finally:
        await running.close()


def _allow_many_files() -> None:
    """Each connection is an open file; most systems let a program have more of them if it asks."""
    import resource

    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY_FILES if most == resource.RLIM_INFINITY else min(MANY_FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


@node.command("add")
@click.argument("address")
def add(address: str) -> None:
    """Use the node at ADDRESS (pgc://KEY@host:port) for everything of this account."""
    settings = current()

    async def use(workspace: Workspace) -> None:
        await workspace.add_node(address)

    in_workspace(settings, use)
    print_result(settings, {"address": address})


@node.command("list")
def list_nodes() -> None:
    """List the nodes of this account."""
    settings = current()

    async def show(workspace: Workspace) -> tuple[list[NodeState], str]:
        return await workspace.nodes(), (await workspace.status()).entry_node

    found, entry_node = in_workspace(settings, show)
    rows = [
        (each.address, each.problem or ("connected" if each.connected else "not connected")) for each in found
    ]
    if entry_node:
        rows.append((entry_node, "entry node: the others are reached through it"))
    fields = {"nodes": [dataclasses.asdict(each) for each in found], "entry_node": entry_node}
    print_result(settings, fields, table(rows))


@node.command("entry")
@click.argument("address", required=False)
@click.option("--none", "direct", is_flag=True, help="Reach nodes directly again; they see your address.")
def entry(address: str | None, direct: bool) -> None:
    """Reach every node through the node at ADDRESS, so that none sees who you are.

    It should be of another operator than the nodes that store. It sees your network address and how much
    goes by, but not what, for whom or of whom. While it cannot be reached nothing is sent. Without
    ADDRESS, shows which one is used.
    """
    settings = current()
    if address and direct:
        refuse("An address or --none, not both; nothing was changed.")

    async def use(workspace: Workspace) -> str:
        if address or direct:
            await workspace.set_entry_node(address or "")
        return (await workspace.status()).entry_node

    used = in_workspace(settings, use)
    print_result(settings, {"entry_node": used}, [used] if used else [])
    if not used:
        narrate(settings, "Nodes are reached directly, and see your network address.")


@node.command("remove")
@click.argument("address")
def remove(address: str) -> None:
    """Stop using the node at ADDRESS; what it holds stays there, unreadable to it."""
    settings = current()

    async def stop(workspace: Workspace) -> None:
        await workspace.remove_node(address)

    in_workspace(settings, stop)
    print_result(settings, {"address": address})


@click.command(cls=Command)
@click.argument("wanted", required=False, metavar="[on|off]", type=click.Choice(["on", "off"]))
def lan(wanted: str | None) -> None:
    """Be found by contacts in the local network, or not.

    And by fellow members. On at first; kept in the home, for each later start of whatever uses it.
    Without an argument, shows it.
    """
    settings = current()

    async def use(workspace: Workspace) -> str:
        if wanted is not None:
            await workspace.set_lan(wanted == "on")
        return (await workspace.status()).lan

    found = in_workspace(settings, use)
    print_result(settings, {"lan": found}, [LAN_WORDS[found]])
