"""Sends the letters of the outbox: each on a session of its own, again and again until a node keeps it.

Somebody waits for an invitation to be delivered, so that goes at once. Other letters may be for all contacts:
behind an entry node each goes by chance, or their mailboxes would be known to have one sender.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..codec.ids import AccountId, MailAddress
from ..errors import NoNode, PeergosCollabError
from ..identity.cards import ContactCard
from ..identity.contacts import State
from ..identity.pairs import Pair
from ..objects.letters import LetterKind, Writer, seal_in_pair, seal_to_stranger
from ..objects.mail import LEAST_WORK, USUAL_WORK, Mail, day_of
from .by_chance import Turns
from .contact_book import ContactBook, Known
from .machine import now_ms
from .mail_session import MailRefusal, MailSession
from .network import FIRST_SECONDS, RETRY_SECONDS
from .outbox import Outbox, Waiting

if TYPE_CHECKING:
    from .engine import Engine

PAIR_WORK: Final = 14
"""Nobody else knows a pair's mailboxes, so they are not flooded; this makes a place among other mail."""

MORE_WORK: Final = 2
"""Bits more after each refusal for want of room."""

MOST_WORK: Final = 22
"""About 4 s; a mailbox that takes no less is tried again later."""

SAVED_SECONDS: Final = 30.0


class MailSender:
    """See the module's text."""

    def __init__(
        self,
        engine: Engine,
        book: ContactBook,
        outbox: Outbox,
        turns: Turns,
        card: Callable[[], ContactCard],
    ) -> None:
        self._engine = engine
        self._book = book
        self._outbox = outbox
        self._turns = turns
        self._card = card
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._tried: set[bytes] = set()
        self._told: dict[bytes, str] = {}
        self._running = False

    def start(self) -> None:
        self._running = True
        self.refresh()

    def stop(self) -> list[asyncio.Task[None]]:
        """Sends no more; gives the tasks that end, to be waited for. What is not sent stays in the outbox."""
        self._running = False
        tasks = list(self._tasks.values())
        self._tasks.clear()
        self._tried.clear()
        for task in tasks:
            task.cancel()
        return tasks

    def refresh(self) -> None:
        """Looks for new letters."""
        if not self._running:
            return
        for letter in self._outbox.letters():
            if letter.id not in self._tasks:
                self._tasks[letter.id] = asyncio.create_task(self._keep_trying(letter))

    def waits(self, letter: Waiting) -> bool:
        """Whether no node has said yet that it keeps it."""
        return self._outbox.holds(letter)

    def tried_all(self) -> bool:
        """Whether every letter was sent, or could not be."""
        return all(letter.id in self._tried for letter in self._outbox.letters())

    async def _keep_trying(self, letter: Waiting) -> None:
        if letter.kind is not LetterKind.SHARE:
            await self._turns.wait(FIRST_SECONDS)
        pause = RETRY_SECONDS[0]
        while True:
            known = self._book.of(letter.account)
            if known is None:
                break  # he is no contact any more
            try:
                await self._deliver(letter, known)
                break
            except PeergosCollabError as error:
                self._note_failure(letter, known, error)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not lose a letter
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "sending a letter failed", "exception": error}
                )
                self._tried.add(letter.id)
            await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - spreads retries, decides nothing
            pause = min(RETRY_SECONDS[1], pause * 2)
        self._outbox.drop(letter)
        self._tasks.pop(letter.id, None)
        words = self._told.pop(letter.id, "")
        if words in self._engine.problems:
            self._engine.problems.remove(words)
        self._engine.news.pulse()

    def _note_failure(self, letter: Waiting, known: Known, error: PeergosCollabError) -> None:
        if letter.id not in self._tried:
            self._tried.add(letter.id)
            words = f"what was sent to {known.name} waits here and is sent again: {error.message}"
            self._told[letter.id] = words
            self._engine.on_problem(None, words)
        self._engine.news.pulse()

    def look_again(self, account: AccountId) -> None:
        """Tries letters to an account at once, as it is here now."""
        for letter in self._outbox.letters():
            if letter.account == account and letter.id in self._tasks:
                self._tasks.pop(letter.id).cancel()
        self.refresh()

    async def _deliver(self, letter: Waiting, known: Known) -> None:
        """Returns once he has it, if he is here, or one of his nodes keeps it. Raises PeergosCollabError."""
        near = self._engine.online.neighbours.of(known.account)
        if near is not None:
            with contextlib.suppress(
                PeergosCollabError
            ):  # he has gone, or has no room: a node keeps it for him
                address, sealed, _ = self._seal(letter, known)
                await near.put(await _stamp(address, sealed, LEAST_WORK))
                self._outbox.note_told(known.account, self._generation)
                return
        await self._object_saved(letter)
        nodes = known.record.card.nodes or tuple(self._engine.profile.view.nodes())
        failure: PeergosCollabError = NoNode(f"the card of {known.name} names no node")
        for node in nodes:
            try:
                await self._put(letter, known, node)
                return
            except PeergosCollabError as error:
                failure = error
        raise failure

    @property
    def _generation(self) -> bytes:
        """Names this account's user key. A contact finds the mailboxes of the pair once he knows it."""
        return self._engine.keys.credentials.account.user_key.generation

    async def _object_saved(self, letter: Waiting) -> None:
        """An invitation to what no node has yet would be refused there, and be of no use."""
        opened = self._engine.objects.get(letter.object) if letter.object else None
        if opened is not None:
            live = opened.live
            await self._engine.news.wait_until(
                lambda: any(live.saved_on(node) for node in live.nodes), SAVED_SECONDS, "storing it on a node"
            )

    async def _put(self, letter: Waiting, known: Known, node: str) -> None:
        address, sealed, work = self._seal(letter, known)
        while True:
            stamping = asyncio.create_task(_stamp(address, sealed, work))
            try:
                async with await MailSession.connect(self._engine.transport, node, os.urandom) as session:
                    await session.put(await stamping)
                self._outbox.note_told(known.account, self._generation)
                return
            except MailRefusal as refusal:
                work += MORE_WORK
                if refusal.reason != "full" or work > MOST_WORK:
                    raise
            finally:
                stamping.cancel()

    def _seal(self, letter: Waiting, known: Known) -> tuple[MailAddress, bytes, int]:
        credentials = self._engine.keys.credentials
        card = known.record.card
        writer = Writer(self._card(), credentials.device_sign)
        raw = writer.write(known.account, letter.kind, letter.content, id=letter.id, time=letter.time)
        told = self._outbox.told(known.account)
        if known.record.state is State.MUTUAL and told == self._generation:
            pair = Pair.of(credentials.account_id, credentials.user, card.account)
            mailbox = pair.outbox(day_of(now_ms()))
            address = MailAddress(mailbox.key.public)
            return address, seal_in_pair(raw, mailbox.seal, address, os.urandom), PAIR_WORK
        box = card.account.user_key.box
        return card.mailbox, seal_to_stranger(raw, box, card.mailbox, os.urandom), USUAL_WORK


async def _stamp(address: MailAddress, sealed: bytes, work: int) -> Mail:
    """Searches in steps of 2 ms, with a turn of the loop in between."""
    for found in Mail.stamping(address, sealed, day_of(now_ms()), os.urandom, work):
        if found is not None:
            return found
        await asyncio.sleep(0)
    raise AssertionError("the search ends with mail")
