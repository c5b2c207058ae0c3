"""A session with a node about one mailbox, with no objects and no name: to read it, or to put one letter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, Self

from ..codec.address import parse_address
from ..codec.ids import ObjectId
from ..crypto import SigningKey
from ..errors import Offline, Refused, RemoteProtocolError
from ..objects.mail import Mail
from ..ports import Connection, Random, Transport
from ..sync.logbook import LogBook
from ..sync.session import Session
from ..sync.session_events import (
    Greeted,
    MailCame,
    MailKept,
    MailRefused,
    Ponged,
    RefusedCame,
    SessionEvent,
)

PING_SECONDS: Final = 20.0
PING_SPREAD: Final = (0.7, 1.0)
LOST_SECONDS: Final = 50.0
"""A node that says nothing for so long is taken for lost. Mail is in less of a hurry than typing."""

AT_END: Final = 0
"""Number of the ping behind the last page; later ones count up."""

ANSWER_SECONDS: Final = 20.0
"""For a node to say that it keeps a letter."""

Take = Callable[[list[tuple[int, Mail]]], Awaitable[list[int]]]
"""Takes mail in, and gives the numbers of what the node may forget: all that is safe here, or junk."""


class MailRefusal(Refused):
    """A node does not keep a letter; it waits here. ``reason`` is the node's code."""

    code = "mail_refused"

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(f"the node does not take the letter ({words}); it is safe here")
        self.reason = reason


class MailSession:
    """One connection. Use ``read`` or ``put``, once; as ``async with`` where something is awaited before."""

    def __init__(self, connection: Connection, random: Random) -> None:
        self._connection = connection
        self._session = Session(connection.channel, _no_book, random, with_node=True)
        self._loop = asyncio.get_running_loop()
        self._heard = self._loop.time()

    @classmethod
    async def connect(cls, transport: Transport, address: str, random: Random) -> MailSession:
        """Raises Offline, WrongPin."""
        return cls(await transport.connect(parse_address(address)), random)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def read(self, key: SigningKey, take: Take, at_end: Callable[[], None], *, hold: bool) -> None:
        """Reads a mailbox until the connection ends; without ``hold`` only what is there now.

        Args:
            at_end: called once everything that was there has been taken in.

        Raises:
            Offline, RemoteProtocolError.
        """
        self._session.open_mail(key)
        watch = self._loop.create_task(self._watch())
        ended = False
        try:
            while True:
                for event in await self._receive():
                    if isinstance(event, MailCame):
                        done = await take(event.items)
                        if done:
                            self._session.drop_mail(key, done)
                        if not event.more and not ended:
                            # Its answer shows that the node has forgotten what was dropped before it.
                            ended = True
                            self._session.ping(AT_END)
                    elif isinstance(event, Ponged) and event.number == AT_END:
                        at_end()
                        if not hold:
                            return
        finally:
            watch.cancel()
            await self._connection.close()

    async def put(self, mail: Mail) -> None:
        """Returns once the node keeps ``mail``. Raises MailRefusal, Offline, RemoteProtocolError."""
        self._session.put_mail(mail)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while True:
                    for event in await self._receive():
                        if isinstance(event, MailKept):
                            return
                        if isinstance(event, MailRefused):
                            raise MailRefusal(event.reason, event.words)
        except TimeoutError:
            raise Offline("the node does not answer; the letter is safe here") from None
        finally:
            await self._connection.close()

    async def _receive(self) -> list[SessionEvent]:
        self._flush()
        message = await self._connection.receive()
        self._heard = self._loop.time()
        events = self._session.receive_untrusted(message)
        for event in events:
            if not isinstance(event, MailCame | MailKept | MailRefused | Greeted | Ponged | RefusedCame):
                raise RemoteProtocolError("a frame that has no place in a session about mail")
        return events

    def _flush(self) -> None:
        for message in self._session.take_outgoing():
            self._connection.send(message)

    async def _watch(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(PING_SECONDS * random.uniform(*PING_SPREAD))  # noqa: S311 - no common beat
            if self._loop.time() - self._heard > LOST_SECONDS:
                await self._connection.close()
                return
            count += 1
            self._session.ping(count)
            self._flush()


def _no_book(_: ObjectId) -> LogBook | None:
    return None
