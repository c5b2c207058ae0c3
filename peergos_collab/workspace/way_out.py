"""The way to nodes: directly, or through an entry node of another operator and then never directly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..codec.address import parse_address
from ..ports import Address, Connection, Listener, Transport


class WayOut:
    """Implements ``ports.Transport``. Everything that speaks with a node goes this way.

    Args:
        direct: reaches nodes without an entry.
        relay: gives what reaches nodes only through an entry.
        entry: the address of the entry node now; empty for none. It is asked for at each connection.
    """

    def __init__(
        self, direct: Transport, relay: Callable[[Address], Transport], entry: Callable[[], str]
    ) -> None:
        self._direct = direct
        self._relay = relay
        self._entry = entry

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        """See ``ports.Transport``. An entry that fails is an error like any other: nothing goes around it."""
        entry = self._entry()
        way = self.through(entry) if entry else self._direct
        return await way.connect(address, timeout=timeout)

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        return await self._direct.listen(host, port, certificate, accept)

    def through(self, entry: str) -> Transport:
        """Through an entry node whatever is set. Raises UsageError: it is no address."""
        return self._relay(parse_address(entry))

    @property
    def direct(self) -> Transport:
        """To the entry node itself, and to nothing else."""
        return self._direct
