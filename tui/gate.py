"""The way into a home: whether there is one, making one, opening it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from peergos_collab.workspace.api import Workspace

Compare = Callable[[str], Awaitable[bool]]
"""Shows digits, and says whether the other device shows the same."""


class Gate(Protocol):
    """What the first screens need; ``HomeGate`` is the real one."""

    def exists(self) -> bool: ...

    async def create(self, name: str, passphrase: str | None) -> str:
        """Makes a home and returns its recovery code."""

    async def join(self, code: str, compare: Compare, passphrase: str | None, node: str) -> None:
        """Makes a home of the account whose device shows ``code``; ``compare`` is asked of its digits.

        Raises BadCode, UsageError, TimedOut, MeetingEnded, Offline, WrongPin.
        """

    async def open(self, passphrase: str | None) -> Workspace:
        """Raises PassphraseNeeded, WrongPassphrase."""

    def given_passphrase(self) -> str | None:
        """What was passed to the program, if anything."""


class HomeGate:
    """A home on disk."""

    def __init__(self, home: Path, passphrase: str | None) -> None:
        self._home = home
        self._passphrase = passphrase

    def exists(self) -> bool:
        from peergos_collab.workspace import home_exists

        return home_exists(self._home)

    async def create(self, name: str, passphrase: str | None) -> str:
        from peergos_collab.workspace import create_workspace

        # Stretching the passphrase takes about a second.
        created = await asyncio.to_thread(create_workspace, self._home, name=name, passphrase=passphrase)
        return created.recovery_code

    async def join(self, code: str, compare: Compare, passphrase: str | None, node: str) -> None:
        from peergos_collab.workspace.machine import host_name
        from peergos_collab.workspace.new_device import join_account

        name = host_name()
        await join_account(self._home, code, compare, device_name=name, passphrase=passphrase, node=node)

    async def open(self, passphrase: str | None) -> Workspace:
        from peergos_collab.workspace import open_workspace

        return await open_workspace(self._home, passphrase=passphrase, lasting=True)

    def given_passphrase(self) -> str | None:
        return self._passphrase
