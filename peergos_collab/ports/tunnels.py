"""Two hops: a client reaches the node that stores through an entry node of another operator."""

from __future__ import annotations

from typing import Protocol

from .transport import Address, Connection, Transport


class Tunnels(Protocol):
    """The entry node's side: it carries bytes between a client and a node, and cannot read them."""

    def is_asked_for(self, message: bytes) -> bool:
        """Whether the first message of a connection asks for a tunnel."""

    async def serve_untrusted(self, connection: Connection, message: bytes) -> None:
        """Answers ``message``, and carries bytes until an end is gone or a limit is reached.

        Raises:
            RemoteProtocolError: the message is malformed.
        """


class RelayTransport(Transport, Protocol):
    """A transport that also knows tunnels."""

    def through(self, entry: Address) -> Transport:
        """A transport that reaches every node through a tunnel of the entry node, and never directly."""

    def tunnels(self, *, private: bool) -> Tunnels:
        """What an entry node serves. With ``private`` to addresses of local networks too."""
