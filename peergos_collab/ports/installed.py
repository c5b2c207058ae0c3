"""Transports that are installed, found by entry point, so that the core names none of them."""

from __future__ import annotations

from typing import Any, Final, cast

from ..errors import LocalProtocolError
from .peers import PeerTransport
from .transport import Transport

GROUP: Final = "peergos_collab.transports"


def installed_transport() -> Transport:
    """The transport that reaches nodes. Raises LocalProtocolError where none is installed."""
    return cast(Transport, _load("websocket")())


def installed_peers() -> PeerTransport:
    """The transport between peers. Raises LocalProtocolError where none is installed."""
    return cast(PeerTransport, _load("webrtc")())


def _load(name: str) -> Any:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        return entry.load()
    raise LocalProtocolError(
        f"the {name} transport is not installed", hint="Install peergos-collab with pip."
    )
