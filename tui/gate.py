"""The way into a home: whether there is one, making one, opening it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Workspace

if TYPE_CHECKING:
    from peergos_collab.workspace.recovering import RecoveredAccount

Compare = Callable[[str], Awaitable[bool]]
"""Shows digits, and says whether the other device shows the same."""
Keep = Callable[[str], Awaitable[None]]
"""Shows a new recovery code, and returns once it is written down."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an account is reached: the node's address, and that of an entry node on the way, or empty."""

    node: str
    entry: str = ""


class Gate(Protocol):
    """What the first screens need; ``HomeGate`` is the real one."""

    def exists(self) -> bool: ...

    async def create(self, name: str, passphrase: str | None) -> str:
        """Makes a home and returns its recovery code."""

    async def join(self, code: str, compare: Compare, passphrase: str | None, way: Way) -> None:
        """Makes a home of the account whose device shows ``code``; ``compare`` is asked of its digits.

        The node of ``way`` is empty unless the code is in words.
        Raises BadCode, UsageError, TimedOut, MeetingEnded, Offline, WrongPin.
        """

    async def recover(
        self, code: str, keep: Keep, passphrase: str | None, way: Way, *, end_links: bool
    ) -> RecoveredAccount:
        """Makes a home of the account whose recovery code this is, and ends all its other devices.

        What ``keep`` raises ends it before anything was changed.
        Raises UsageError, NotFound, NoAccess, Refused, Offline, WrongPin, TimedOut. Late errors leave a home.
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

    async def join(self, code: str, compare: Compare, passphrase: str | None, way: Way) -> None:
        from peergos_collab.codec.address import parse_address
        from peergos_collab.ports.installed import installed_relay
        from peergos_collab.workspace.machine import host_name
        from peergos_collab.workspace.new_device import join_account

        await join_account(
            self._home,
            code,
            compare,
            device_name=host_name(),
            passphrase=passphrase,
            node=way.node,
            transport=installed_relay(parse_address(way.entry)) if way.entry else None,
        )

    async def recover(
        self, code: str, keep: Keep, passphrase: str | None, way: Way, *, end_links: bool
    ) -> RecoveredAccount:
        from peergos_collab.workspace.machine import host_name
        from peergos_collab.workspace.recovering import recover_account

        return await recover_account(
            self._home,
            code,
            keep,
            node=way.node,
            device_name=host_name(),
            passphrase=passphrase,
            entry=way.entry,
            end_links=end_links,
        )

    async def open(self, passphrase: str | None) -> Workspace:
        from peergos_collab.workspace import open_workspace

        return await open_workspace(self._home, passphrase=passphrase, lasting=True)

    def given_passphrase(self) -> str | None:
        return self._passphrase
