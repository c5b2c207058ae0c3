# ruff: noqa: SLF001 aiortc gives roles, limits and the certificate it saw only by private names.
"""Data channels between two devices: aiortc's ICE, DTLS and SCTP under our own descriptions.

The only importer of aiortc, which is loaded on first use. RTCPeerConnection is left out: its parser and its
background tasks are more than one data channel needs.
"""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from peergos_collab.errors import Offline, PeergosCollabError, RemoteProtocolError, UsageError, WrongPin
from peergos_collab.ports.peers import DEFAULT_OPTIONS, PeerOptions

from .ice import gather_quickly, keep_mapped, until_called
from .peer_connection import PIPE_LOW, PeerConnection
from .reflexive import StunServers
from .session_description import SCTP_PORT, Candidate, CandidateType, SessionDescription, Setup
from .timers import Timers

if TYPE_CHECKING:
    from aiortc import RTCIceServer
    from aiortc.rtcsctptransport import RTCSctpTransport

MAX_MISORDERED: Final = 4096
"""Packets received ahead of a gap; an honest sender has a few hundred in flight at most."""


_PREFERENCES: Final = {CandidateType.HOST: 126, CandidateType.SRFLX: 100, CandidateType.RELAY: 0}


class WebRtcPeers:
    """Implements ``ports.PeerTransport``.

    Args:
        timers: passed in by tests, for heartbeats; the running event loop otherwise.
    """

    def __init__(self, *, timers: Timers | None = None) -> None:
        self._timers = timers
        self._servers = StunServers()

    async def offer(self, options: PeerOptions = DEFAULT_OPTIONS) -> PendingPeer:
        """See ``ports.PeerTransport``. Takes up to a second where a STUN server does not answer."""
        stack = self._stack(options, offering=True)
        await stack.gather()
        pending = PendingPeer(stack)
        pending.wait()
        return pending

    async def answer(
        self, offer: bytes, options: PeerOptions = DEFAULT_OPTIONS, *, timeout: float = 10.0
    ) -> tuple[bytes, PendingPeer]:
        """See ``ports.PeerTransport``."""
        remote = SessionDescription.parse_untrusted(offer)
        stack = self._stack(options, offering=False)
        await stack.gather()
        pending = PendingPeer(stack, Setup.PASSIVE if remote.setup is Setup.ACTIVE else Setup.ACTIVE)
        pending.begin(remote, timeout)
        return pending.description, pending

    def _stack(self, options: PeerOptions, *, offering: bool) -> _Stack:
        timers = self._timers or asyncio.get_running_loop()
        return _Stack(options, self._servers, timers, offering=offering)


class PendingPeer:
    """A connection in the making: implements ``ports.PendingOffer`` and ``ports.PendingAnswer``."""

    def __init__(self, stack: _Stack, setup: Setup = Setup.ACTPASS) -> None:
        self._stack = stack
        self._setup = setup
        self._description = stack.describe(setup).to_bytes()
        self._opening: asyncio.Task[PeerConnection] | None = None
        self._mapping: asyncio.Task[None] | None = None

    @property
    def description(self) -> bytes:
        return self._description

    def wait(self) -> None:
        """Stays reachable where the description says, until ``begin`` or ``close``."""
        self._mapping = asyncio.get_running_loop().create_task(self._stack.keep_mapped())

    def begin(self, remote: SessionDescription, timeout: float) -> None:
        """Starts to open. After ``timeout`` seconds everything is freed, asked for or not."""
        if self._mapping is not None:
            self._mapping.cancel()
        # An offerer who left the choice open takes the part that the answer leaves him.
        left_open = self._setup is Setup.ACTPASS
        active = remote.setup is Setup.PASSIVE if left_open else self._setup is Setup.ACTIVE
        self._opening = asyncio.get_running_loop().create_task(self._open(remote, active, timeout))
        self._opening.add_done_callback(_seen)

    async def accept(self, answer: bytes, *, timeout: float = 10.0) -> PeerConnection:
        """See ``ports.PendingOffer``. A malformed answer leaves the offer open for a good one."""
        remote = SessionDescription.parse_untrusted(answer)
        if remote.setup is Setup.ACTPASS:
            raise RemoteProtocolError("an answer says who starts DTLS; this is an offer")
        if self._opening is None:
            self.begin(remote, timeout)
        return await self.opened(timeout=timeout)

    async def opened(self, *, timeout: float = 10.0) -> PeerConnection:
        """See ``ports.PendingAnswer``."""
        assert self._opening is not None
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(self._opening)
        except TimeoutError:
            await self.close()
            raise Offline(f"The peer was not connected within {timeout:g} s.") from None
        except asyncio.CancelledError:
            if not self._opening.cancelled():
                raise
            raise Offline("The connection was given up before it opened.") from None

    async def close(self) -> None:
        """Frees everything, or closes the connection where it is open already."""
        for task in (self._mapping, self._opening):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        await self._stack.connection.close()

    async def _open(self, remote: SessionDescription, active: bool, timeout: float) -> PeerConnection:
        try:
            async with asyncio.timeout(timeout):
                await self._stack.start(remote, active=active)
        except BaseException as error:
            self._stack.connection.lost("The connection was never opened.")
            await asyncio.shield(self._stack.connection.close())
            if isinstance(error, TimeoutError):
                raise Offline(f"The peer was not connected within {timeout:g} s.") from error
            if isinstance(error, (PeergosCollabError, asyncio.CancelledError)):
                raise
            raise Offline(f"The peer could not be connected: {error!r}.") from error
        return self._stack.connection


class _Stack:
    """The four layers of one connection and the connection on top; all on one event loop."""

    def __init__(self, options: PeerOptions, stun: StunServers, timers: Timers, *, offering: bool) -> None:
        from aiortc import (
            RTCCertificate,
            RTCDtlsTransport,
            RTCIceGatherer,
            RTCIceTransport,
            RTCSctpTransport,
        )
        from aiortc.rtcconfiguration import RTCIceTransportPolicy
        from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters

        policy = RTCIceTransportPolicy.RELAY if options.relay_only else RTCIceTransportPolicy.ALL
        servers = [_ice_server(text) for text in options.ice_servers]
        try:
            self._gatherer = RTCIceGatherer(iceServers=servers, iceTransportPolicy=policy)
        except ValueError as error:
            raise UsageError(f"An ICE server is not understood: {error}.") from error
        gather_quickly(self._gatherer._connection, stun, relay_only=options.relay_only)
        self._reflexive = options.reflexive
        self._ice = RTCIceTransport(self._gatherer)
        self._offering = self._ice._connection.ice_controlling = offering
        # A fresh certificate for each connection, so that nobody can link two of them.
        self._dtls = RTCDtlsTransport(self._ice, [RTCCertificate.generateCertificate()])
        self._sctp = RTCSctpTransport(self._dtls, SCTP_PORT)
        # Negotiated by this very line on both sides: saves a round trip and a parser.
        self._data = RTCDataChannel(self._sctp, RTCDataChannelParameters(label="", negotiated=True, id=0))
        self._data.bufferedAmountLowThreshold = PIPE_LOW
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connection = PeerConnection(self, self._close, timers)
        self._connect_events()

    def _connect_events(self) -> None:
        self._data.on("open", self._opened)
        self._data.on("message", self.connection.frame_received_untrusted)
        self._data.on("bufferedamountlow", self.connection.pump)
        self._data.on("close", self._lost)
        self._dtls.on("statechange", self._state_changed)
        self._ice.on("statechange", self._state_changed)
        self._guard()
        self._let_datagrams_go()

    # peer_connection.Pipe

    @property
    def buffered(self) -> int:
        return self._data.bufferedAmount

    def send(self, frame: bytes) -> None:
        if self._data.readyState == "open":
            self._data.send(frame)

    # opening

    async def gather(self) -> None:
        try:
            await self._gatherer.gather()
        except BaseException:
            await asyncio.shield(self.connection.close())
            raise

    async def keep_mapped(self) -> None:
        await keep_mapped(self._gatherer._connection)

    def describe(self, setup: Setup) -> SessionDescription:
        ice = self._gatherer.getLocalParameters()
        assert ice.usernameFragment is not None
        assert ice.password is not None
        found = sorted(self._gatherer.getLocalCandidates(), key=lambda c: -c.priority)
        return SessionDescription(
            ufrag=ice.usernameFragment,
            password=ice.password,
            fingerprint=self._own_fingerprint(),
            setup=setup,
            candidates=tuple(
                Candidate(CandidateType[c.type.upper()], c.ip, c.port)
                for at, c in enumerate(found)
                # Behind no NAT a STUN server tells what is known already (RFC 8445, 5.1.3).
                if (c.ip, c.port) not in [(better.ip, better.port) for better in found[:at]]
            ),
        )

    async def start(self, remote: SessionDescription, *, active: bool) -> None:
        """Opens layer by layer. Raises ``Offline``, ``WrongPin``."""
        await self._start_ice(remote)
        await self._start_dtls(remote, active=active)
        await self._start_sctp()
        self.connection.opened(b"".join(sorted([self._own_fingerprint(), self._peer_fingerprint()])))

    async def _start_ice(self, remote: SessionDescription) -> None:
        from aiortc import RTCIceCandidate, RTCIceParameters

        for at, c in enumerate(remote.candidates):
            if c.type is CandidateType.SRFLX and not self._reflexive:
                continue
            await self._ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=str(at),
                    ip=c.ip,
                    port=c.port,
                    priority=_PREFERENCES[c.type] << 24 | (0xFFFF - at) << 8 | 0xFF,  # RFC 8445, 5.1.2.1
                    protocol="udp",
                    type=c.type.name.lower(),
                )
            )
        await self._ice.addRemoteCandidate(None)
        if not self._offering:
            await until_called(self._gatherer._connection)
        await self._ice.start(RTCIceParameters(usernameFragment=remote.ufrag, password=remote.password))
        if self._ice.state != "completed":
            raise Offline("No path to the peer was found.")

    async def _start_dtls(self, remote: SessionDescription, *, active: bool) -> None:
        from aiortc import RTCDtlsFingerprint, RTCDtlsParameters

        self._dtls._set_role("client" if active else "server")
        expected = RTCDtlsFingerprint(algorithm="sha-256", value=remote.fingerprint.hex(":").upper())
        await self._dtls.start(RTCDtlsParameters(fingerprints=[expected]))
        shown = self._peer_fingerprint()
        if shown and shown != remote.fingerprint:
            raise WrongPin("The peer shows another certificate than its description names.")
        if self._dtls.state != "connected":
            raise Offline("The peer could not be connected: DTLS failed.")

    async def _start_sctp(self) -> None:
        from aiortc import RTCSctpCapabilities

        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=65536), SCTP_PORT)
        await self._open

    def _own_fingerprint(self) -> bytes:
        found = {f.algorithm: f.value for f in self._dtls.getLocalParameters().fingerprints}
        return bytes.fromhex(found["sha-256"].replace(":", ""))

    def _peer_fingerprint(self) -> bytes:
        """Of the certificate that DTLS really saw; empty before the handshake."""
        from aiortc.rtcdtlstransport import certificate_digest

        if self._dtls._ssl is None:
            return b""
        certificate = self._dtls._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return b""
        return bytes.fromhex(certificate_digest(certificate, "sha-256").replace(":", ""))

    # events

    def _opened(self) -> None:
        if not self._open.done():
            self._open.set_result(None)

    def _lost(self) -> None:
        if not self._open.done():
            self._open.set_exception(Offline("The peer ended the connection before it was open."))
            self._open.exception()
        else:
            self.connection.lost("The peer ended the connection.")

    def _state_changed(self) -> None:
        if self._dtls.state in {"closed", "failed"} or self._ice.state in {"closed", "failed"}:
            self._lost()

    def _guard(self) -> None:
        """Bounds what a hostile peer can make SCTP hold; aiortc announces limits, but keeps none."""
        handle: Callable[[bytes], Awaitable[None]] = self._sctp._handle_data

        async def guarded(data: bytes) -> None:
            try:
                await handle(data)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 aiortc's parser meets hostile bytes with any error
                self._drop(f"The peer sent SCTP that is malformed ({type(error).__name__}).")
                return
            if _is_flooded(self._sctp):
                self._drop("The peer floods the connection.")

        self._sctp._handle_data = guarded  # type: ignore[method-assign]

    def _let_datagrams_go(self) -> None:
        """Makes sending to nobody what it is for datagrams: no error.

        SCTP's timers send from tasks that aiortc never looks at again. One that runs between the end of DTLS
        and their own would leave a traceback behind. That the path has ended is told by the layers' states.
        """
        from OpenSSL import SSL

        send: Callable[[bytes], Awaitable[None]] = self._dtls._send_data

        async def send_if_there(data: bytes) -> None:
            try:
                await send(data)
            except (ConnectionError, SSL.Error):
                self._lost()

        self._dtls._send_data = send_if_there  # type: ignore[method-assign]

    def _drop(self, reason: str) -> None:
        self.connection.lost(reason)

    async def _close(self) -> None:
        pump = self._dtls._task
        await self._sctp.stop()
        await self._dtls.stop()
        await self._ice.stop()
        if pump is not None:
            await asyncio.wait([pump])
        # One step for tasks that aiortc started and nobody holds.
        await asyncio.sleep(0)


def _is_flooded(sctp: RTCSctpTransport) -> bool:
    return (
        sctp._advertised_rwnd < 0
        or len(sctp._sack_misordered) > MAX_MISORDERED
        or len(sctp._data_channels) > 1
        or len(sctp._inbound_streams) > 1
    )


def _ice_server(text: str) -> RTCIceServer:
    from aiortc import RTCIceServer

    scheme, _, rest = text.partition(":")
    credentials, at, place = rest.rpartition("@")
    if not at:
        return RTCIceServer(urls=text)
    user, colon, secret = credentials.partition(":")
    if not scheme.startswith("turn") or not colon:
        raise UsageError("An ICE server is not understood: write turn:USER:SECRET@HOST:PORT.")
    return RTCIceServer(
        urls=f"{scheme}:{place}",
        username=urllib.parse.unquote(user),
        credential=urllib.parse.unquote(secret),
    )


def _seen(task: asyncio.Task[PeerConnection]) -> None:
    """Nobody may ever ask for the outcome, and that is no reason for a warning."""
    if not task.cancelled():
        task.exception()
