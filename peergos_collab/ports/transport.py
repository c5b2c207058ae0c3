"""Ways to move messages between two ends. Everything above is the same on all of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens, and which key it must show.

    Args:
        pin: SHA-256 of the certificate's SubjectPublicKeyInfo, DER; 32 bytes.
        host: name or IP address (IPv6 without brackets).
        port: TCP port.
    """

    pin: bytes
    host: str
    port: int


class Connection(Protocol):
    """An ordered, reliable, encrypted pipe of whole messages between two ends.

    ``channel`` names this very channel to both ends and to nobody else's channel: the node's pin
    for a node, both DTLS fingerprints (in one order) between peers. Signed proofs bind to it.
    """

    @property
    def channel(self) -> bytes: ...

    @property
    def kind(self) -> str:
        """``node``, ``webrtc``, ``lan`` or ``memory``: what ``via`` shows."""

    def send(self, message: bytes) -> None:
        """Queues one message of at most 1 MiB. Never blocks; sending on a closed connection is a no-op."""

    async def drain(self) -> None:
        """Returns once little enough is queued that more may be sent without growing memory."""

    async def receive(self) -> bytes:
        """The next message. Raises ``Offline`` once the connection is closed, by whomever."""

    async def close(self) -> None:
        """Idempotent; leaves no task, socket or thread."""


class Listener(Protocol):
    @property
    def address(self) -> Address: ...

    async def close(self) -> None: ...


class Transport(Protocol):
    """Reaches nodes at addresses, and listens at one."""

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        """Raises ``WrongPin`` where another key is shown, ``Offline`` where nobody answers."""

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        """Serves until closed; ``accept`` runs once per connection, which closes when it returns."""
