"""Runs what a command does with an open workspace, and ends it well: on success, on a signal, on an error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import PassphraseNeeded
from . import starting
from .output import warn
from .settings import Settings, ask_secret, has_terminal

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ..workspace.api import Workspace

T = TypeVar("T")


class Terminated(Exception):
    """Somebody asked this process to end (SIGTERM).

    Args:
        expected: it runs until it is asked to end, so this is a success.
    """

    def __init__(self, expected: bool) -> None:
        super().__init__()
        self.expected = expected


def run(main: Coroutine[Any, Any, T], *, lasting: bool = False) -> T:
    """Runs a coroutine on a loop of its own.

    Args:
        lasting: it runs until it is interrupted.

    Raises:
        KeyboardInterrupt: on SIGINT, after everything was closed.
        Terminated: on SIGTERM, after everything was closed.
    """
    import asyncio  # here and below: 'pgc --help' needs no event loop

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_terminated(main, lasting))


def _loop_factory() -> Callable[[], AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _until_terminated(main: Coroutine[Any, Any, T], lasting: bool) -> T:
    import asyncio
    import signal
    import threading

    asked = False
    task = asyncio.ensure_future(main)
    asyncio.get_running_loop().call_soon(starting.over)  # once ``main`` waits: what it needs is loaded then

    def end() -> None:
        nonlocal asked
        asked = True
        task.cancel()

    if threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    try:
        return await task
    except asyncio.CancelledError:
        if asked:
            raise Terminated(expected=lasting) from None
        task.cancel()  # cancelled from outside, by SIGINT: let the command close what it opened
        await asyncio.wait([task])
        raise


def in_workspace(
    settings: Settings, body: Callable[[Workspace], Awaitable[T]], *, lasting: bool = False
) -> T:
    """Opens the workspace, runs ``body`` on it, and closes it whatever happens."""

    async def main() -> T:
        async with opened(settings, lasting=lasting) as workspace:
            return await body(workspace)

    return run(main(), lasting=lasting)


@asynccontextmanager
async def opened(settings: Settings, *, lasting: bool = False) -> AsyncIterator[Workspace]:
    """The workspace of the home, as engine or attached to the running one.

    Args:
        lasting: the command streams until it is interrupted.
    """
    workspace = await _open(settings, lasting)
    if workspace.salvage:
        warn(f"Note: {workspace.salvage}.")
    try:
        yield workspace
    finally:
        await workspace.close()


async def _open(settings: Settings, lasting: bool) -> Workspace:
    from ..workspace import open_workspace

    home = settings.home_directory()
    given = known_passphrase(settings)
    try:
        return await open_workspace(home, passphrase=given, lasting=lasting)
    except PassphraseNeeded:
        if given is not None or not has_terminal():
            raise
    asked = ask_secret("Passphrase")
    workspace = await open_workspace(home, passphrase=asked, lasting=lasting)
    settings.known = asked
    return workspace


def known_passphrase(settings: Settings) -> str | None:
    """The passphrase from its file, read once, or as it was typed earlier in this command."""
    if settings.known is None:
        settings.known = settings.passphrase()
    return settings.known
