"""Being online: once, for a while, or watching what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden
from ..errors import Offline
from .output import narrate, print_json, print_result
from .session import in_workspace, opened, run
from .settings import Command, Settings, current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..workspace.api import Contact, Event, Invitation, ObjectState, Options, Workspace


@click.command(cls=Command)
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds to wait."
)
def sync(timeout: float) -> None:
    """Sync once with every node.

    Done when everything here is saved on every node, and everything there is here.
    """
    settings = current()

    async def once(workspace: Workspace) -> list[str]:
        await workspace.sync(timeout)
        told = _troubled((await workspace.status()).objects)
        return told + _waiting(await workspace.invitations(), await workspace.contacts())

    waiting = in_workspace(settings, once)
    for words in ("Everything here is saved on every node, and everything there is here.", *waiting):
        narrate(settings, words)
    print_result(settings, {"synced": True})


def _troubled(objects: Sequence[ObjectState]) -> list[str]:
    """Of which objects there is more to say, as of one that no node has yet."""
    names = [escape_hidden(state.path) for state in objects if state.problems]
    return [f"There is more to say of {', '.join(names)}: 'pgc status' shows it."] if names else []


def _waiting(invitations: list[Invitation], contacts: list[Contact]) -> list[str]:
    """What came and waits for an answer."""
    words = []
    if invitations:
        words.append(f"Invitations that wait: {len(invitations)}. 'pgc invitation list' shows them.")
    changed = [escape_hidden(contact.name) for contact in contacts if contact.changed]
    if changed:
        words.append(f"Keys have changed: {', '.join(changed)}. 'pgc contact verify NAME' compares them.")
    asking = sum(contact.pending for contact in contacts)
    if asking:
        words.append(f"Contacts that wait for an answer: {asking}. 'pgc contact list' shows them.")
    return words


@click.command(cls=Command)
@click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="S", help="End after S seconds.")
@click.option("--no-webrtc", is_flag=True, help="Only through nodes, never directly to peers.")
@click.option("--relay-only", is_flag=True, help="Do not show this device's addresses to peers.")
@click.option("--no-lan", is_flag=True, help="Announce nothing in the local network.")
def online(seconds: float | None, no_webrtc: bool, relay_only: bool, no_lan: bool) -> None:
    """Stay online, and print what happens.

    Connects to peers directly where possible; prints JSON lines until interrupted.
    """
    from ..workspace.api import Options

    options = Options(webrtc=not no_webrtc, relay_only=relay_only, lan=not no_lan)
    run(_online(current(), options, seconds), lasting=True)


async def _online(settings: Settings, options: Options, seconds: float | None) -> None:
    import asyncio

    try:
        async with asyncio.timeout(seconds):
            while await _online_until_engine_ends(settings, options):
                narrate(settings, "The program that held this workspace has ended; going on here.")
    except TimeoutError:
        pass


async def _online_until_engine_ends(settings: Settings, options: Options) -> bool:
    """True where another process was the engine and has ended, so that this one should take over."""
    import asyncio

    async with opened(settings, lasting=True) as workspace:
        events = asyncio.create_task(print_events(workspace, ""))
        try:
            await asyncio.sleep(0)  # subscribed before anything can happen
            await workspace.go_online(options)
            print_json({"event": "online", "path": "", "author": "", "via": ""})
            await events
        except Offline:
            if not workspace.attached:
                raise
        finally:
            events.cancel()
            await asyncio.gather(events, return_exceptions=True)
        return workspace.attached


@click.command(cls=Command)
@click.argument("path")
def watch(path: str) -> None:
    """Print each change of PATH as it arrives.

    Prints JSON lines until interrupted. Shows what the program that is online receives: 'pgc
    online', or the text interface.
    """
    settings = current()

    async def stream(workspace: Workspace) -> None:
        if not workspace.attached:
            narrate(settings, "Nothing here is online, so nothing will arrive: 'pgc online' changes that.")
        await workspace.members(path)  # raises NotFound where there is nothing to watch
        await print_events(workspace, path)

    in_workspace(settings, stream, lasting=True)


async def print_events(workspace: Workspace, path: str) -> None:
    """Prints what happens, until cancelled or the engine ends."""
    async for event in workspace.events(path):
        print_json(event_fields(event))


def event_fields(event: Event) -> dict[str, object]:
    """An event as a JSON line has it; ``delay_ms``, ``text`` and ``unverified`` only where there is one."""
    fields: dict[str, object] = {
        "event": event.event,
        "path": event.path,
        "author": event.author,
        "via": event.via,
    }
    if event.delay_ms is not None:
        fields["delay_ms"] = round(event.delay_ms, 3)
    if event.text:
        fields["text"] = event.text
    if event.unverified:
        fields["unverified"] = True
    return fields
