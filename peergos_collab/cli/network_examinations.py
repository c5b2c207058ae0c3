"""What ``pgc doctor`` looks at on the network: nodes and their pins, UDP, a data channel on this machine."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

from ..errors import NotFound, Offline, PassphraseNeeded, PeergosCollabError, WrongPin
from ..ports.installed import installed_peers, installed_relay, installed_transport
from .examinations import Finding
from .session import opened, run
from .settings import Settings

if TYPE_CHECKING:
    from ..ports import PeerTransport

PATIENCE: Final = 5.0
"""Seconds for a node to answer, and for a data channel to open."""


def all_of(settings: Settings) -> list[Finding]:
    """Every examination of the network, in the order they are shown."""
    return [*run(_nodes(settings)), udp(), run(data_channel())]


async def _nodes(settings: Settings) -> list[Finding]:
    """One finding per node of the account; none where the home cannot be opened."""
    from ..workspace import home_exists

    if not home_exists(settings.home_directory()):
        return [Finding("nodes", "ok", "none yet: there is no home")]
    try:
        async with opened(settings) as workspace:
            status = await workspace.status()
    except (PassphraseNeeded, NotFound) as error:
        return [Finding("nodes", "warn", f"not looked at: {error.message}", error.hint)]
    except PeergosCollabError as error:
        return [Finding("nodes", "bad", f"the home does not open: {error.message}", error.hint)]
    if not status.nodes:
        todo = "'pgc node add ADDRESS' adds one, 'pgc node serve' runs your own."
        return [Finding("nodes", "warn", "none: nothing is stored away from this device", todo)]
    return [await node(each.address, status.entry_node) for each in status.nodes]


async def node(address: str, entry_node: str = "") -> Finding:
    """Whether the node at ``address`` answers, under its pin; through the entry node, if there is one."""
    from ..codec.address import parse_address

    try:
        way = installed_relay(parse_address(entry_node)) if entry_node else installed_transport()
        connection = await way.connect(parse_address(address), timeout=PATIENCE)
    except WrongPin as error:
        return Finding("node", "bad", error.message, error.hint)
    except Offline as error:
        return Finding("node", "warn", error.message, "Is it running, and does a firewall let it through?")
    except PeergosCollabError as error:
        return Finding("node", "bad", error.message, error.hint)
    await connection.close()
    return Finding("node", "ok", f"{address} answers, under its key")


def udp() -> Finding:
    """Whether a UDP packet of this machine reaches it."""
    name = "udp"
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            one.bind(("127.0.0.1", 0))
            one.settimeout(1)
            other.sendto(b"probe", one.getsockname())
            arrived = one.recv(16)
    except OSError as error:
        todo = "A firewall stops UDP, so peers are reached through nodes only."
        return Finding(name, "warn", f"no packet came back: {error}", todo)
    return Finding(name, "ok" if arrived == b"probe" else "warn", "reaches this machine")


async def data_channel() -> Finding:
    """Whether two ends on this machine open a WebRTC data channel, and how long that takes."""
    name = "webrtc"
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        await _open_a_pair(installed_peers())
    except PeergosCollabError as error:
        todo = "Peers are reached through nodes only, a little slower."
        return Finding(name, "warn", f"no data channel opens: {error.message}", todo)
    return Finding(name, "ok", f"a data channel opens in {(loop.time() - begun) * 1000:.0f} ms")


async def _open_a_pair(peers: PeerTransport) -> None:
    offer = await peers.offer()
    try:
        description, answer = await peers.answer(offer.description, timeout=PATIENCE)
        try:
            one, other = await asyncio.gather(
                offer.accept(description, timeout=PATIENCE), answer.opened(timeout=PATIENCE)
            )
            one.send(b"probe")
            async with asyncio.timeout(PATIENCE):
                await other.receive()
        except TimeoutError:
            raise Offline("a message did not arrive") from None
        finally:
            await answer.close()
    finally:
        await offer.close()
