"""The home itself: making it, what is in it, its names, its passphrase."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden, show_person
from ..errors import Conflict, NotFound, PassphraseNeeded
from .nodes import LAN_WORDS
from .output import local_time, narrate, print_result, table, warn
from .passphrases import WITHOUT_PASSPHRASE, new_passphrase
from .session import in_workspace, known_passphrase
from .settings import Command, Group, ask_secret, current, has_terminal, read_secret, refuse

if TYPE_CHECKING:
    from ..workspace.api import Entry, Status, Workspace


@click.command(cls=Command)
@click.option("--name", metavar="NAME", help="What others see as your name.")
@click.option("--device", metavar="NAME", default="", help="What to call this device; default: the machine.")
@click.option("--no-passphrase", is_flag=True, help="Keep the master key in a file only you may read.")
def init(name: str | None, device: str, no_passphrase: bool) -> None:
    """Make an account, a device and a home.

    Prints the account's id, and shows the recovery code this once.
    """
    settings = current()
    home = settings.home_directory()
    from ..workspace import create_workspace, home_exists

    if home_exists(home):
        raise Conflict(
            f"There is a home in {str(home)!r} already; nothing was changed.",
            hint="'pgc status' shows it; --home DIR makes another.",
        )
    if name is None:
        if not has_terminal():
            refuse("Without a terminal 'pgc init' needs --name NAME; nothing was made.")
        name = click.prompt("Your name, as others see it", err=True)
    passphrase = new_passphrase(settings, no_passphrase, "init")
    made = create_workspace(home, name=name, passphrase=passphrase, device_name=device)
    if no_passphrase:
        narrate(settings, WITHOUT_PASSPHRASE)
    if not settings.json:
        warn(f"Recovery code: {made.recovery_code}\nWrite it down and keep it away from this device.")
        warn(
            "It is shown only now. It opens this home if the passphrase is lost, and if the device is lost or"
        )
        warn("stolen it brings your account back from a node: so add one with 'pgc node add ADDRESS'.")
    fields = {"account": made.account, "device": made.device, "recovery_code": made.recovery_code}
    print_result(settings, {**fields, "home": str(home)}, [made.account])


@click.command(cls=Command)
def status() -> None:
    """Show nodes, connections, and what is saved where."""
    settings = current()

    async def show(workspace: Workspace) -> Status:
        return await workspace.status()

    found = in_workspace(settings, show)
    print_result(settings, dataclasses.asdict(found), _status_lines(found))


def _status_lines(found: Status) -> list[str]:
    heads = [
        ("account", found.account),
        ("device", found.device),
        ("name", show_person(found.name)),
        ("online", f"yes; direct connections: {found.peers}" if found.online else "no"),
    ]
    heads += [
        ("node", f"{each.address}  {_node_words(each.connected, each.problem)}") for each in found.nodes
    ]
    heads += [("entry node", found.entry_node)] if found.entry_node else []
    heads += [("lan", LAN_WORDS[found.lan])] if found.online or found.lan == "off" else []
    lines = table(heads) + [f"! {escape_hidden(problem)}" for problem in found.problems]
    for each in found.objects:
        places = ", ".join(each.saved) or "nowhere yet"
        changes = "1 change" if each.pending == 1 else f"{each.pending} changes"
        waiting = f"; {changes} not on any node yet" if each.pending else ""
        lines.append(f"{each.kind}  {escape_hidden(each.path)}: saved {places}{waiting}; {each.connection}")
        lines += [f"     ! {escape_hidden(problem)}" for problem in each.problems]
    return lines


def _node_words(connected: bool, problem: str) -> str:
    return escape_hidden(problem) or ("connected" if connected else "not connected")


@click.command("ls", cls=Command)
@click.argument("path", required=False)
def list_entries(path: str | None) -> None:
    """List documents and chats, or only PATH."""
    settings = current()

    async def show(workspace: Workspace) -> list[Entry]:
        return await workspace.list_entries()

    entries = [entry for entry in in_workspace(settings, show) if path in (None, entry.name)]
    if path is not None and not entries:
        raise NotFound(f"There is nothing called {path!r} here.")
    rows = [
        (one.kind, one.role or "removed", str(one.size), local_time(one.modified), one.name)
        for one in entries
    ]
    print_result(settings, {"entries": [dataclasses.asdict(entry) for entry in entries]}, table(rows))


@click.command("mv", cls=Command)
@click.argument("source")
@click.argument("target")
def move(source: str, target: str) -> None:
    """Give SOURCE the name TARGET."""
    settings = current()

    async def rename(workspace: Workspace) -> None:
        await workspace.move(source, target)

    in_workspace(settings, rename)
    print_result(settings, {"source": source, "path": target})


@click.command("rm", cls=Command)
@click.argument("path")
def remove(path: str) -> None:
    """Take PATH out of here; others keep it."""
    settings = current()

    async def take_out(workspace: Workspace) -> None:
        await workspace.remove(path)

    in_workspace(settings, take_out)
    print_result(settings, {"path": path})


@click.group(cls=Group)
def key() -> None:
    """What opens this home."""


@key.command("recover")
@click.option("--recovery-code-file", metavar="FILE", help="Read the code from FILE, '-' for stdin.")
@click.option("--new-passphrase-file", metavar="FILE", help="Read the new one from FILE, '-' for stdin.")
@click.option("--no-passphrase", is_flag=True, help="Keep the master key in a file only you may read.")
def recover(recovery_code_file: str | None, new_passphrase_file: str | None, no_passphrase: bool) -> None:
    """Set a new passphrase with the recovery code."""
    from ..workspace import recover_home

    settings = current()
    if recovery_code_file == "-" and new_passphrase_file == "-":
        refuse("Only one of the two secrets can come from stdin; nothing was changed.")
    if recovery_code_file is None and not has_terminal():
        refuse("Without a terminal 'pgc key recover' needs --recovery-code-file FILE; nothing was changed.")
    given = recovery_code_file
    code = ask_secret("Recovery code") if given is None else read_secret(given, "recovery code")
    new = new_passphrase(settings, no_passphrase, "key recover", new_passphrase_file)
    recover_home(settings.home_directory(), code, new)
    if new is None:
        narrate(settings, WITHOUT_PASSPHRASE)
    print_result(settings, {"passphrase": new is not None})


@key.command("passphrase")
@click.option("--new-passphrase-file", metavar="FILE", help="Read the new one from FILE, '-' for stdin.")
@click.option("--no-passphrase", is_flag=True, help="Keep the master key in a file only you may read.")
def passphrase(new_passphrase_file: str | None, no_passphrase: bool) -> None:
    """Change the passphrase of this home."""
    settings = current()
    if new_passphrase_file == "-" and settings.secret_file() == "-":
        refuse("Only one of the two passphrases can come from stdin; nothing was changed.")
    old = known_passphrase(settings)
    new = new_passphrase(settings, no_passphrase, "key passphrase", new_passphrase_file)

    async def change(workspace: Workspace) -> None:
        given = settings.known or old
        try:
            await workspace.change_passphrase(given, new)
        except PassphraseNeeded:
            if given is not None or not has_terminal():
                raise
            await workspace.change_passphrase(ask_secret("Passphrase until now"), new)

    in_workspace(settings, change)
    if new is None:
        narrate(settings, WITHOUT_PASSPHRASE)
    print_result(settings, {"passphrase": new is not None})
