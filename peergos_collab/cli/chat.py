"""Chats: new, send, read, search, follow."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

import click

from ..codec.shown import show_message, show_person
from .documents import read_text
from .following import Following
from .output import local_time, narrate, print_json, print_line, print_result
from .session import in_workspace
from .settings import Group, Settings, current

if TYPE_CHECKING:
    from ..workspace.api import ChatHandle, Message, Workspace

RECENT: Final = 200
"""How far back ``follow`` looks for messages that came late, and so stand before newer ones."""


@click.group(cls=Group)
def chat() -> None:
    """Chats."""


@chat.command("new")
@click.argument("path")
def new(path: str) -> None:
    """Make a chat called PATH."""
    settings = current()

    async def make(workspace: Workspace) -> None:
        await workspace.new_chat(path)

    in_workspace(settings, make)
    print_result(settings, {"path": path})


@chat.command("send")
@click.argument("path")
@click.argument("text")
def send(path: str, text: str) -> None:
    """Send TEXT ('-' for stdin) to the chat PATH.

    Done once it is saved here. Its id is empty until it first goes out.
    """
    settings = current()
    message = read_text(settings, "-").removesuffix("\n") if text == "-" else text

    async def say(workspace: Workspace) -> str:
        return await workspace.send_message(path, message)

    print_result(settings, {"path": path, "id": in_workspace(settings, say)})


@chat.command("log")
@click.argument("path")
@click.option("--last", type=click.IntRange(min=1), default=50, show_default=True, help="How many messages.")
def log(path: str, last: int) -> None:
    """Print the last messages of PATH, oldest first."""
    settings = current()

    async def read(workspace: Workspace) -> list[Message]:
        return await workspace.read_messages(path, last)

    _print_messages(settings, in_workspace(settings, read))


@chat.command("search")
@click.argument("path")
@click.argument("query")
def search(path: str, query: str) -> None:
    """Find messages of PATH that hold QUERY."""
    settings = current()

    async def find(workspace: Workspace) -> list[Message]:
        return await workspace.search_messages(path, query)

    _print_messages(settings, in_workspace(settings, find))


def _print_messages(settings: Settings, messages: list[Message]) -> None:
    if settings.json:
        print_json({"messages": [dataclasses.asdict(message) for message in messages]})
        return
    for message in messages:
        print_line(_message_line(message))


def _message_line(message: Message) -> str:
    edited = " (edited)" if message.edited else ""
    text = show_message(message.text).replace("\n", "\n    ")
    author = show_person(message.author) + (" (unverified)" if message.unverified else "")
    return f"{local_time(message.time)}  {author}: {text}{edited}"


@chat.command("follow")
@click.argument("path")
@click.option(
    "--last", type=click.IntRange(min=0), default=0, help="Begin with this many of the last messages."
)
def follow(path: str, last: int) -> None:
    """Print each message of PATH as it arrives, as JSON lines, until interrupted."""
    settings = current()

    async def stream(workspace: Workspace) -> None:
        if not workspace.attached:
            narrate(settings, "Nothing here is online: only messages written on this device will show.")
        handle = await workspace.open_chat(path)
        try:
            await _follow(handle, last)
        finally:
            await handle.close()

    in_workspace(settings, stream, lasting=True)


async def _follow(handle: ChatHandle, last: int) -> None:
    import asyncio

    changed = asyncio.Event()
    unsubscribe = handle.on_change(changed.set)
    try:
        count = len(handle)
        following = Following(handle.messages(max(0, count - RECENT - last), count - min(last, count)))
        while True:
            start = max(0, count - RECENT - last)
            count = len(handle)
            for message in following.fresh(handle.messages(start, count)):
                print_json(dataclasses.asdict(message))
            await changed.wait()
            changed.clear()
    finally:
        unsubscribe()
