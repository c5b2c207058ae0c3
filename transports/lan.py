"""The local network: multicast DNS says who is there, TLS connects.

The only importer of zeroconf, which is loaded on first use. What is announced is a service (RFC 6763) whose
name is random; its text holds the pin of a certificate that was made for this place, and marks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from peergos_collab.crypto.certificates import NodeCertificate
from peergos_collab.errors import Offline, RemoteProtocolError, WrongPin
from peergos_collab.ports.lan import Announcement
from peergos_collab.ports.transport import Address, Connection

from .websocket import WebSocketListener, WebSocketTransport

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

SERVICE: Final = "_pgc._tcp.local."
MARK: Final = 8
PER_STRING: Final = 31
"""A string of DNS text has at most 255 bytes, two of them its name."""

CONNECT_SECONDS: Final = 3.0
RESOLVE_MILLISECONDS: Final = 3000
SEATS: Final = 128
"""Connections from outside: twice the neighbours one may have. This is no server."""

MAX_IPV4: Final = 4
MAX_IPV6: Final = 2
"""Addresses of one announcement that are tried, one after the other."""

MAX_RESOLVING: Final = 32
"""Announcements that are looked up at once: anybody in the network can send as many as he likes."""


class MulticastDns:
    """Implements ``ports.LanTransport``."""

    async def open(
        self, accept: Callable[[Connection], Awaitable[None]], found: Callable[[Announcement], None]
    ) -> MulticastPlace:
        """See ``ports.LanTransport``."""
        transport, certificate = WebSocketTransport(kind="lan", seats=SEATS), NodeCertificate.generate()
        listener = await transport.listen("0.0.0.0", 0, certificate, accept)  # noqa: S104 all of the local network
        for address in own_addresses():
            if "%" in address:  # not on all of IPv6: there the whole world could call
                with contextlib.suppress(Offline):
                    await listener.start(address, listener.address.port)
        try:
            return MulticastPlace(transport, listener, found)
        except BaseException as error:
            await listener.close()
            if isinstance(error, OSError):
                raise Offline(f"There is no local network to look around in: {error}.") from error
            raise


class MulticastPlace:
    """Implements ``ports.LanPlace``."""

    def __init__(
        self,
        transport: WebSocketTransport,
        listener: WebSocketListener,
        found: Callable[[Announcement], None],
    ) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

        self._transport = transport
        self._listener = listener
        self._found = found
        self._name = f"{self.pin[:16].hex()}.{SERVICE}"
        self._info: AsyncServiceInfo | None = None
        self._resolving: set[asyncio.Task[None]] = set()
        self._dns: AsyncZeroconf = AsyncZeroconf(zc=_multicast())
        self._browser: AsyncServiceBrowser = AsyncServiceBrowser(
            self._dns.zeroconf, [SERVICE], handlers=[self._changed]
        )

    @property
    def pin(self) -> bytes:
        return self._listener.address.pin

    async def announce(self, marks: Sequence[bytes]) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        properties = {b"p": self.pin}
        for at in range(0, len(marks), PER_STRING):
            properties[b"%d" % (at // PER_STRING)] = b"".join(marks[at : at + PER_STRING])
        info = AsyncServiceInfo(
            SERVICE,
            self._name,
            parsed_addresses=[address.partition("%")[0] for address in own_addresses()],
            port=self._listener.address.port,
            properties=properties,
            server=f"{self.pin[16:].hex()}.local.",
        )
        if self._info is None:
            await self._dns.async_register_service(info)
        else:
            await self._dns.async_update_service(info)
        self._info = info

    async def connect(self, announcement: Announcement) -> Connection:
        failure: Offline | WrongPin = Offline("it announces no address")
        for address in announcement.addresses:
            try:
                return await self._transport.connect(address, timeout=CONNECT_SECONDS)
            except (Offline, WrongPin) as error:
                failure = error
        raise failure

    async def close(self) -> None:
        for task in self._resolving:
            task.cancel()
        await asyncio.gather(*self._resolving, return_exceptions=True)
        await self._browser.async_cancel()
        await self._dns.async_close()
        await self._listener.close()

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        from zeroconf import ServiceStateChange

        if state_change is ServiceStateChange.Removed or name == self._name:
            return
        if len(self._resolving) < MAX_RESOLVING:
            task = asyncio.get_running_loop().create_task(self._resolve(zeroconf, name))
            self._resolving.add(task)
            task.add_done_callback(self._resolving.discard)

    async def _resolve(self, zeroconf: Zeroconf, name: str) -> None:
        from zeroconf.asyncio import AsyncServiceInfo

        info = AsyncServiceInfo(SERVICE, name)
        if not await info.async_request(zeroconf, RESOLVE_MILLISECONDS):
            return
        try:
            found = announcement_untrusted(info.properties, info.port, info.parsed_scoped_addresses())
        except RemoteProtocolError:
            return  # some other program's, or nonsense
        self._found(found)


def announcement_untrusted(
    properties: Mapping[bytes, bytes | None], port: int | None, addresses: Sequence[str]
) -> Announcement:
    """Raises RemoteProtocolError where it is not what ``announce`` makes."""
    pin = properties.get(b"p")
    if pin is None or len(pin) != 32 or port is None or not 0 < port <= 65535:
        raise RemoteProtocolError("an announcement without a pin or a port")
    marks = b"".join(properties.get(key) or b"" for key in (b"0", b"1"))
    if len(marks) % MARK:
        raise RemoteProtocolError("an announcement with a part of a mark")
    near = [text for text in addresses if _is_near(text)]
    near = [text for text in near if ":" not in text][:MAX_IPV4] + [text for text in near if ":" in text][
        :MAX_IPV6
    ]
    if not near:
        raise RemoteProtocolError("an announcement without an address in this network")
    return Announcement(
        pin,
        tuple(marks[at : at + MARK] for at in range(0, len(marks), MARK)),
        tuple(Address(pin, text, port) for text in near),
    )


def _is_near(text: str) -> bool:
    """Whether an address lies in this network: nobody makes us call somebody anywhere else.

    Of IPv6 only what is link-local, with the link it was heard on: others may stand for any of IPv4.
    """
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        return address.is_link_local and address.scope_id is not None
    return not address.is_global


def own_addresses() -> list[str]:
    """This machine's own in its networks, those of IPv6 with their link; 127.0.0.1 where it has no other."""
    import ifaddr

    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    four = [ip for ip in found if isinstance(ip, str)]
    six = [f"{ip[0]}%{ip[2]}" for ip in found if not isinstance(ip, str)]
    others = [text for text in four + six if not ipaddress.ip_address(text).is_loopback]
    return [text for text in others if _is_near(text)] or four


def _multicast() -> Zeroconf:
    """On all links, by IPv6 as well where this machine has it."""
    from zeroconf import IPVersion, Zeroconf

    try:
        return Zeroconf(ip_version=IPVersion.All)
    except OSError:
        return Zeroconf(ip_version=IPVersion.V4Only)
