"""Where two devices meet: two mailboxes at one node, of which one is read live and the other written to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from ..errors import Offline, PeergosCollabError, RemoteProtocolError
from ..identity.device_code import Mailbox
from ..identity.device_meeting import MeetingEnded
from ..objects.mail import LEAST_WORK, Mail, day_of
from ..ports import Transport
from .machine import now_ms
from .mail_session import MailSession
from .news import News

OPENING_SECONDS: Final = 20.0
WORK: Final = LEAST_WORK + 1
"""Nobody else knows these mailboxes, so there is no junk to outbid; people wait for this."""


class MeetingPlace:
    """Use as ``async with``: inside, the inbox is being read.

    Args:
        node: its address.
        take: what to do with a sealed message; its errors end the meeting if they say so.
    """

    def __init__(
        self,
        transport: Transport,
        node: str,
        inbox: Mailbox,
        outbox: Mailbox,
        take: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._transport = transport
        self._node = node
        self._inbox = inbox
        self._outbox = outbox
        self._take = take
        self._news = News()
        self._sending = asyncio.Lock()
        self._open = False
        self._ended: PeergosCollabError | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises Offline, WrongPin."""
        self._task = asyncio.create_task(self._read())
        try:
            await self.until(lambda: self._open, OPENING_SECONDS, "reaching the node")
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, happened: Callable[[], bool], seconds: float, what: str) -> None:
        """Returns once ``happened`` says so, which is asked after each message.

        Raises:
            TimedOut: not in time.
            MeetingEnded, Offline, RemoteProtocolError: the meeting is over.
        """

        def look() -> bool:
            if not happened() and self._ended is not None:
                raise self._ended
            return happened()

        await self._news.wait_until(look, seconds, what)

    async def send(self, sealed: bytes) -> None:
        """Puts a message into the other's mailbox. Raises Offline, MailRefusal."""
        async with self._sending:  # one after the other: each has a meaning only after those before it
            address, day = self._outbox.address, day_of(now_ms())
            mail = await asyncio.to_thread(Mail.stamp, address, sealed, day, os.urandom, WORK)
            session = await MailSession.connect(self._transport, self._node, os.urandom)
            await session.put(mail)

    async def _read(self) -> None:
        try:
            session = await MailSession.connect(self._transport, self._node, os.urandom)
            await session.read(self._inbox.key, self._take_mail, self._at_end, hold=True)
        except PeergosCollabError as error:
            self._ended = error
        self._ended = self._ended or Offline("the node ended the connection; nothing was changed")
        self._news.pulse()

    def _at_end(self) -> None:
        self._open = True
        self._news.pulse()

    async def _take_mail(self, items: list[tuple[int, Mail]]) -> list[int]:
        for _, mail in items:
            try:
                await self._take(mail.sealed)
            except MeetingEnded:
                raise
            except RemoteProtocolError:
                continue  # somebody else's, or a second copy: the meeting goes on
        self._news.pulse()
        return [number for number, _ in items]
