"""How many connections there may be, and who gives one up where there are too many: pure.

No address has a fixed share: behind one may be a household, or an entry node with all who come through
it. Only where all seats are taken, whoever has most of them gives up the one that was taken last.
"""

from __future__ import annotations

import ipaddress
import resource
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SEATS: Final = 4096
"""An idle connection takes 40 KiB; for one that does not read less than 2 MiB are held."""

_SHARE_OF_FILES: Final = 0.75
"""Of the open files that the system allows, for connections: the store needs some, and so do handshakes."""


def seats_here(most: int, share: float = _SHARE_OF_FILES) -> int:
    """``most``, or what the system has open files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if files == resource.RLIM_INFINITY else min(most, int(files * share))


def whose(host: str) -> str:
    """What counts as one address: of IPv6 a /64, which each customer has. Not of link-local ones, which all
    machines of a network have from one /64."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    is_six = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is None
    if is_six and not address.is_link_local:
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return host


class Seats(Generic[T]):
    """Connections by the address they come from.

    Args:
        newest: whether the one taken last is given up where there are too many, or else the one taken first.
    """

    def __init__(self, most: int = SEATS, *, newest: bool = True) -> None:
        self._most = most
        self._newest = newest
        self._taken: dict[str, dict[T, None]] = {}
        self._count = 0

    def __iter__(self) -> Iterator[T]:
        for taken in list(self._taken.values()):
            yield from list(taken)

    def take(self, host: str, connection: T) -> T | None:
        """Returns the connection to be ended for it, which may be itself; None while there is room."""
        self._taken.setdefault(host, {})[connection] = None
        self._count += 1
        if self._count <= self._most:
            return None
        greediest = max(self._taken, key=lambda each: (len(self._taken[each]), each == host))
        taken = self._taken[greediest]
        given_up = next(reversed(taken) if self._newest else iter(taken))
        self.leave(greediest, given_up)
        return given_up

    def leave(self, host: str, connection: T) -> None:
        """Idempotent."""
        taken = self._taken.get(host, {})
        if connection in taken:
            del taken[connection]
            self._count -= 1
            if not taken:
                del self._taken[host]
