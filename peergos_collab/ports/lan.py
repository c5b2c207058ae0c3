"""Finding other devices in the local network, with no node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ..values import dataclass
from .transport import Address, Connection


@dataclass(frozen=True, slots=True)
class Announcement:
    """What some device announces: nothing in it is proved.

    Args:
        pin: of the certificate it shows, 32 bytes; made for this announcement.
        marks: 8 bytes each, which mean something to some.
        addresses: where it listens, in this network; at least one.
    """

    pin: bytes
    marks: tuple[bytes, ...]
    addresses: tuple[Address, ...]


class LanPlace(Protocol):
    """A place in the local network: a certificate of its own, and a port."""

    @property
    def pin(self) -> bytes: ...

    async def announce(self, marks: Sequence[bytes]) -> None:
        """Tells all who look; replaces what was told before."""

    async def connect(self, announcement: Announcement) -> Connection:
        """A connection of kind ``lan``; its channel is that pin alone. Raises ``Offline``, ``WrongPin``."""

    async def close(self) -> None:
        """Takes the announcement back, and ends the connections that others opened; leaves no task."""


class LanTransport(Protocol):
    async def open(
        self, accept: Callable[[Connection], Awaitable[None]], found: Callable[[Announcement], None]
    ) -> LanPlace:
        """Listens and looks around.

        Args:
            accept: runs once for each connection from outside, which closes when it returns.
            found: called with each announcement, as often as it changes.

        Raises:
            Offline: there is no network.
        """


__all__ = ["Announcement", "LanPlace", "LanTransport"]
