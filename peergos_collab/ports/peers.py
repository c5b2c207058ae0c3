"""Direct connections between two devices, opened with descriptions the caller carries across."""

from __future__ import annotations

from dataclasses import field
from typing import Final, Protocol

from ..values import dataclass
from .transport import Connection

MAX_DESCRIPTION: Final = 16 * 1024
"""Largest offer or answer in bytes; real ones have 0.5 to 2 KiB."""


@dataclass(frozen=True, slots=True)
class PeerOptions:
    """How to look for a path to a peer.

    Args:
        ice_servers: ``stun:host[:port]`` or ``turn:user:secret@host[:port]``; user and secret
            percent-encoded. At most one of each kind is used. Empty by default: no third
            party is ever asked unless the user named it.
        relay_only: gather no address of this machine, only relayed ones, so that the peer
            learns none. Without a ``turn:`` server no connection opens.
        reflexive: send to addresses that a server told the peer, too. Such a server can name its
            own, and see from where somebody comes.
    """

    ice_servers: tuple[str, ...] = field(default=(), repr=False)
    relay_only: bool = False
    reflexive: bool = True


DEFAULT_OPTIONS: Final = PeerOptions()


class PendingOffer(Protocol):
    """An offer that waits for its answer. Close it, or accept an answer: nothing else frees it."""

    @property
    def description(self) -> bytes:
        """What the peer needs, complete; opaque. Carry it over an authentic channel."""

    async def accept(self, answer: bytes, *, timeout: float = 10.0) -> Connection:
        """Opens the connection the answer describes.

        Args:
            answer: the peer's description, untrusted; at most ``MAX_DESCRIPTION`` bytes.
            timeout: seconds until it has to be open.

        Raises:
            RemoteProtocolError: the answer is malformed.
            WrongPin: the peer shows another certificate than the answer names.
            Offline: no path to the peer was found in time.
        """

    async def close(self) -> None:
        """Idempotent; frees ports and tasks of an offer that nobody answered."""


class PendingAnswer(Protocol):
    """An answer on its way. Close it, or wait until it is opened: nothing else frees it."""

    async def opened(self, *, timeout: float = 10.0) -> Connection:
        """The connection, once the peer has used the answer. Raises as ``PendingOffer.accept``."""

    async def close(self) -> None:
        """Idempotent."""


class PeerTransport(Protocol):
    """Opens connections of kind ``webrtc`` whose channel is both DTLS fingerprints, sorted.

    Whoever carries the descriptions could put himself in between, so they must travel signed.
    Everything belongs to the event loop it was made on.
    """

    async def offer(self, options: PeerOptions = DEFAULT_OPTIONS) -> PendingOffer: ...

    async def answer(
        self, offer: bytes, options: PeerOptions = DEFAULT_OPTIONS, *, timeout: float = 10.0
    ) -> tuple[bytes, PendingAnswer]:
        """The answer to an untrusted offer, and the connection to come.

        Args:
            offer: the peer's description, at most ``MAX_DESCRIPTION`` bytes.
            timeout: seconds the peer has to use the answer before everything is freed.

        Raises:
            RemoteProtocolError: the offer is malformed.
        """


__all__ = [
    "DEFAULT_OPTIONS",
    "MAX_DESCRIPTION",
    "PeerOptions",
    "PeerTransport",
    "PendingAnswer",
    "PendingOffer",
]
