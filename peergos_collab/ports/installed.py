"""Transports that are installed, found by entry point, so that the core names none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, cast

from ..errors import LocalProtocolError
from .lan import LanTransport
from .peers import PeerTransport
from .transport import Address, Connection, Listener, Transport
from .tunnels import RelayTransport, Tunnels

GROUP: Final = "peergos_collab.transports"


class _Installed:
    """Implements ``Transport`` with the one that is installed, found and loaded when it is first used.

    That takes longer than opening a home does, and most commands never go online.
    """

    def __init__(self) -> None:
        self._found: Transport | None = None

    def _transport(self) -> Transport:
        if self._found is None:
            self._found = cast(Transport, _load("websocket")())
        return self._found

    async def connect(self, address: Address, *, timeout: float = 10.0) -> Connection:
        return await self._transport().connect(address, timeout=timeout)

    async def listen(
        self, host: str, port: int, certificate: object, accept: Callable[[Connection], Awaitable[None]]
    ) -> Listener:
        return await self._transport().listen(host, port, certificate, accept)


def installed_transport() -> Transport:
    """The transport that reaches nodes. Using it raises LocalProtocolError where none is installed."""
    return _Installed()


def installed_relay(entry: Address) -> Transport:
    """The transport that reaches nodes only through ``entry``. Raises LocalProtocolError as above."""
    return cast(RelayTransport, _load("websocket")()).through(entry)


def installed_tunnels(*, private: bool) -> Tunnels:
    """What makes a node an entry node for others. Raises LocalProtocolError where it is not installed."""
    return cast(RelayTransport, _load("websocket")()).tunnels(private=private)


def installed_peers() -> PeerTransport:
    """The transport between peers. Raises LocalProtocolError where none is installed."""
    return cast(PeerTransport, _load("webrtc")())


def installed_lan() -> LanTransport:
    """What finds devices in the local network. Raises LocalProtocolError where it is not installed."""
    return cast(LanTransport, _load("lan")())


@cache
def _load(name: str) -> Any:
    """Found once: to look through all that is installed takes milliseconds, and this is asked at each
    connection through an entry node."""
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    raise LocalProtocolError(
        f"the {name} transport is not installed", hint="Install peergos-collab with pip."
    )
