"""The device that has the account links another one to it: shows a code, compares, hands over."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Final

from ..codec import to_multibase
from ..codec.address import format_address, parse_address
from ..codec.shown import show_person
from ..errors import Conflict, NoNode, NotFound, Offline, PeergosCollabError, Refused
from ..identity.device_code import DeviceCode
from ..identity.device_meeting import Offering
from .api import Device, DeviceComparison, DeviceOffer
from .device_book import DeviceBook
from .engine import Engine
from .home import parcel_of
from .known_circles import KnownCircles
from .machine import now_ms
from .meeting_place import MeetingPlace
from .network import circle_of

CODE_SECONDS: Final = 600.0
"""How long a code may be used."""

COMPARE_SECONDS: Final = 300.0
"""How long people may take to compare."""

DONE_SECONDS: Final = 60.0
MAX_LINKINGS: Final = 4
"""At once in one home: each holds a connection."""

MOVING: Final = 30.0


class Linking:
    """One code and what comes of it."""

    def __init__(self, engine: Engine, book: DeviceBook, code: DeviceCode) -> None:
        credentials = engine.keys.credentials
        self.id = os.urandom(8).hex()
        self._engine = engine
        self._book = book
        self._code = code
        self._node = format_address(code.node)
        self._offering = Offering(code, credentials.account_id, credentials.device_id, os.urandom)
        self._expires = now_ms() + int(CODE_SECONDS * 1000)
        self._place = MeetingPlace(
            engine.transport, self._node, code.to_first(), code.to_new(), self._take_untrusted
        )

    @property
    def expired(self) -> bool:
        """Whether nobody came with the code while it could be used."""
        return now_ms() >= self._expires and self._offering.joiner is None

    async def start(self) -> DeviceOffer:
        """Raises Offline, WrongPin."""
        await self._place.__aenter__()
        return DeviceOffer(self.id, self._code.text(), tuple(self._code.words()), self._node, self._expires)

    async def _take_untrusted(self, sealed: bytes) -> None:
        for answer in self._offering.take_untrusted(sealed):
            await self._place.send(answer)

    async def compare(self) -> DeviceComparison:
        """Returns once another device has come. Raises TimedOut, MeetingEnded, Offline."""
        left = (self._expires - now_ms()) / 1000
        await self._place.until(
            lambda: self._offering.joiner is not None, max(0.0, left), "linking: nobody used the code, which"
        )
        joiner = self._offering.joiner
        assert joiner is not None
        return DeviceComparison(self._offering.digits, show_person(joiner.name))

    async def finish(self) -> Device:
        """This user said that both show the same. Raises TimedOut, MeetingEnded, Offline."""
        offering, engine = self._offering, self._engine
        joiner = offering.joiner
        if joiner is None:
            raise Refused("no other device has come yet; nothing was changed")
        await self._place.until(
            lambda: offering.same_there, COMPARE_SECONDS, "waiting for the word on the other device"
        )
        self._book.keep(engine.keys.credentials.add_device(joiner.device))
        await self._book.note(joiner.device.id, joiner.name)
        await self._book.note_own()
        await self._store_profile()
        parcel = replace(parcel_of(engine.keys), circles=self._circles())
        await self._place.send(offering.parcel(parcel.encode()))
        await self._place.until(lambda: offering.done, DONE_SECONDS, "handing over to the other device")
        await self._place.__aexit__(None, None, None)
        id_ = to_multibase(joiner.device.id)
        return next(device for device in self._book.all() if device.id == id_)

    async def _store_profile(self) -> None:
        """What the other device will look for is on the node before it looks."""
        engine = self._engine
        live = engine.objects[engine.keys.profile].live
        saved = "storing the profile on the node"
        await engine.news.wait_until(lambda: live.saved_on(live.nodes[0]), MOVING, saved)

    def _circles(self) -> KnownCircles:
        """Of all objects, at rest or in use, of which the members are known here."""
        resting = self._engine.resting
        known = {id_: circle for (circle, _), ids in resting.collections.items() for id_ in ids}
        lives = [opened.live for opened in self._engine.objects.values()]
        known |= {live.id: circle_of(live) for live in lives if live.replica.view.members}
        return KnownCircles.gather(known.items())

    async def refuse(self) -> None:
        """Ends it; the other device is told if it can be."""
        try:
            if self._offering.joiner is not None:
                await self._place.send(self._offering.refusal())
        except Offline:
            pass  # it will wait in vain, and says so itself
        finally:
            await self._place.__aexit__(None, None, None)


class Linkings:
    """Those under way in this home."""

    def __init__(self, engine: Engine, book: DeviceBook) -> None:
        self._engine = engine
        self._book = book
        self._running: dict[str, Linking] = {}

    async def start(self) -> DeviceOffer:
        nodes = self._engine.profile.view.nodes()
        if not nodes:
            raise NoNode(
                "linking a device needs a node, where both meet and where the new one finds everything"
            )
        for id_ in [id_ for id_, linking in self._running.items() if linking.expired]:
            await self.end(id_)  # whoever showed it is gone
        if len(self._running) >= MAX_LINKINGS:
            raise Conflict("other devices are being linked; finish or end that first")
        linking = Linking(self._engine, self._book, DeviceCode.generate(parse_address(nodes[0]), os.urandom))
        offer = await linking.start()
        self._running[linking.id] = linking
        return offer

    def _find(self, id_: str) -> Linking:
        linking = self._running.get(id_)
        if linking is None:
            raise NotFound("that code is not in use any more", hint="Show a new one with 'pgc device link'.")
        return linking

    async def compare(self, id_: str) -> DeviceComparison:
        linking = self._find(id_)
        try:
            return await linking.compare()
        except PeergosCollabError:
            await self.end(id_)
            raise

    async def finish(self, id_: str, *, same: bool) -> Device | None:
        linking = self._find(id_)
        if not same:
            await self.end(id_)
            return None
        try:
            async with self._engine.online.needed() as network:
                with self._engine.online.hurrying():
                    network.refresh()
                    return await linking.finish()
        finally:
            await self.end(id_)

    async def end(self, id_: str) -> None:
        linking = self._running.pop(id_, None)
        if linking is not None:
            await linking.refuse()

    async def end_all(self) -> None:
        await asyncio.gather(*(self.end(id_) for id_ in list(self._running)))
