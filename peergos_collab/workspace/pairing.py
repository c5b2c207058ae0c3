"""Pairing: two people without a node give each other a text, and are connected directly and contacts.

The texts lead to a connection that both certificates' fingerprints name. Who is at its other end the greeting
says; that this is whom one meant is as sure as the way the texts took, and comparing words makes it surer.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, cast

from ..codec import to_multibase
from ..errors import BadPairText, Conflict, NotFound, Offline, PeergosCollabError, WrongPin
from ..identity.pair_texts import ID_LENGTH, PairText
from ..ports import Connection
from ..ports.peers import PeerOptions, PendingAnswer, PendingOffer
from ..values import dataclass
from .api import Paired, PairOffer
from .machine import now_ms
from .network import stun_server, with_node

if TYPE_CHECKING:
    from .engine import Engine

PAIR_SECONDS: Final = 600
"""How long people may take to carry the texts."""

OPEN_SECONDS: Final = 60.0
"""After the answer is here. Generous, as nobody can tell whether the other side still waits."""

NODE_SECONDS: Final = 2.0
"""How long a pairing waits for the account's nodes, to say how the world sees this device."""

MAX_PAIRINGS: Final = 4
"""At once in one home: each holds ports."""


@dataclass(frozen=True, slots=True)
class _Pairing:
    """A text that was shown here, and the connection that may come of it."""

    shown: PairText
    pending: PendingOffer | PendingAnswer


class Pairings:
    """Those under way in this home."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: dict[str, _Pairing] = {}

    async def offer(self) -> PairOffer:
        """Makes the first text. Raises Conflict."""
        options = await self._options()
        pending = await self._engine.peers().offer(options)
        expires = now_ms() // 1000 + PAIR_SECONDS
        return self._keep(PairText(False, os.urandom(ID_LENGTH), expires, pending.description), pending)

    async def answer(self, text: str) -> PairOffer:
        """Makes the second text, from the first. Raises BadPairText, Conflict, RemoteProtocolError."""
        offer = PairText.read_untrusted(text, answers=False)
        if offer.expires * 1000 < now_ms():
            raise BadPairText("this offer has expired", hint="Ask for a new one: it is good for ten minutes.")
        options = await self._options()
        described, pending = await self._engine.peers().answer(
            offer.description, options, timeout=PAIR_SECONDS
        )
        return self._keep(PairText(True, offer.id, offer.expires, described), pending)

    def _keep(self, shown: PairText, pending: PendingOffer | PendingAnswer) -> PairOffer:
        id_ = os.urandom(8).hex()
        self._running[id_] = _Pairing(shown, pending)
        return PairOffer(id_, shown.text(), shown.expires * 1000)

    async def _options(self) -> PeerOptions:
        for id_ in [id_ for id_, known in self._running.items() if known.shown.expires * 1000 < now_ms()]:
            await self.end(id_)  # whoever showed it is gone
        if len(self._running) >= MAX_PAIRINGS:
            raise Conflict("other people are being paired with; finish or end that first")
        engine = self._engine
        options = engine.online.peer_options_in(engine.objects[engine.keys.profile].live)
        if options is None:
            raise Conflict("pairing needs direct connections, and this workspace was told to make none")
        if options == PeerOptions():
            options = PeerOptions(await self._stun_servers())
        return options

    async def _stun_servers(self) -> tuple[str, ...]:
        """A node of this account that answers STUN; sessions may not have begun yet."""
        nodes = self._engine.profile.view.nodes()
        asked = [asyncio.create_task(self._ask(node)) for node in nodes]
        try:
            async with asyncio.timeout(NODE_SECONDS):
                for answer in asyncio.as_completed(asked):
                    if found := await answer:
                        return found
        except TimeoutError:
            pass
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        return ()

    async def _ask(self, node: str) -> tuple[str, ...]:
        engine = self._engine
        try:
            async with await with_node(engine.transport, engine.link_events, os.urandom, node) as link:
                await link.get_drop(bytes(32))  # any question: with the answer its hello is here
                return stun_server(link)
        except PeergosCollabError:
            return ()

    async def finish(self, id_: str, answer: str) -> Paired:
        """Returns once both are connected.

        Args:
            answer: the text that came back; empty on the side that made it.

        Raises:
            BadPairText, RemoteProtocolError: the offer stays good. NotFound, Offline, WrongPin.
        """
        pairing = self._running.get(id_)
        if pairing is None:
            raise NotFound("that text is not in use any more", hint="Make a new one with 'pgc pair'.")
        try:
            connection = await _opened(pairing, answer)
        except (Offline, WrongPin):
            await self.end(id_)
            raise
        self._running.pop(id_, None)
        return await self._meet(connection)

    async def _meet(self, connection: Connection) -> Paired:
        engine = self._engine
        met = await engine.online.neighbours.meet(connection)
        account = to_multibase(met.card.id)
        try:
            if met.card.id == engine.keys.credentials.account_id:
                paired = Paired("another device of yours", account, verified=True, me=True)
            else:
                known = await engine.mailroom.meet(met.card, met.device)
                paired = Paired(known.name, account, known.record.is_verified)
        except BaseException:
            await connection.close()
            raise
        engine.online.neighbours.serve(met, connection)
        return paired

    async def end(self, id_: str) -> None:
        """A text that is no longer shown is no longer good."""
        pairing = self._running.pop(id_, None)
        if pairing is not None:
            await pairing.pending.close()

    async def end_all(self) -> None:
        await asyncio.gather(*(self.end(id_) for id_ in list(self._running)))


async def _opened(pairing: _Pairing, answer: str) -> Connection:
    shown, pending = pairing.shown, pairing.pending
    if shown.answers:
        return await cast(PendingAnswer, pending).opened(timeout=PAIR_SECONDS)
    found = PairText.read_untrusted(answer, answers=True)
    if found.id != shown.id:
        raise BadPairText("this answers another offer", hint="Each offer is good for one answer.")
    return await cast(PendingOffer, pending).accept(found.description, timeout=OPEN_SECONDS)
