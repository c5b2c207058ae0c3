"""Reads this account's mailboxes: each on a session of its own, so that a node cannot tell whose they are.

The mailbox for strangers and today's of the contacts are held open. Those of other days (somebody's
clock is ahead or behind, or nobody here was online then) are read once, and again now and then.

Behind an entry node none is held: sessions that are there all day, and end at one moment with the client or
its network, would be known for those of one account, whose card names one of them. Each mailbox is read at
times of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, MailAddress
from ..codec.shape import array, blob, many, number
from ..crypto import SigningKey, Tag, UserSeed, copen, cseal
from ..errors import Damaged, PeergosCollabError, RemoteProtocolError, WrongPin
from ..identity.cards import mailbox_key
from ..identity.credentials import user_pair
from ..identity.pairs import Pair
from ..objects.letters import open_from_stranger_untrusted, open_in_pair_untrusted
from ..objects.mail import DAY, Mail, day_of
from ..ports import PutValue
from ..values import dataclass
from .by_chance import Span, Turns, draw
from .contact_book import ContactBook, Known
from .machine import now_ms
from .mail_session import MailSession
from .network import FIRST_SECONDS, RETRY_SECONDS, WRONG_PIN_SECONDS

if TYPE_CHECKING:
    from .engine import Engine

DAYS_BACK: Final = 31
"""Older mail no node keeps."""

OFTEN_SECONDS: Final = (120.0, 360.0)
"""Behind an entry node, between two readings of a mailbox that would be held open without one."""

POLL_SECONDS: Final = (300.0, 900.0)
"""Between two readings of the other mailboxes."""

SPREAD_SECONDS: Final = 60.0
"""Over so long the sessions of one round are spread, so that they do not all begin at once."""

MOST_HELD: Final = 24
"""Contacts whose mailbox of today is held open: those of whom something changed last. Others' are polled."""

AT_ONCE: Final = 8
"""Connections that are being made at the same time."""

MAIL_DAYS: Final = "mail days"
MAX_DAYS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox of this account.

    Args:
        account: the contact who writes to it; None for strangers.
        open: gives the letter in what is sealed. Raises RemoteProtocolError.
        hold: read live.
    """

    key: SigningKey
    account: AccountId | None
    open: Callable[[bytes], bytes]
    hold: bool

    @property
    def address(self) -> MailAddress:
        return MailAddress(self.key.public)


TakeMail = Callable[[Box, list[tuple[int, Mail]]], Awaitable[list[int]]]
Place = tuple[MailAddress, str]


class MailReader:
    """See the module's text. ``take`` is given what comes, and says which of it the node may forget."""

    def __init__(self, engine: Engine, book: ContactBook, turns: Turns, take: TakeMail) -> None:
        self._engine = engine
        self._book = book
        self._turns = turns
        self._take = take
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._boxes: dict[Place, Box] = {}
        self._done: set[Place] = set()
        self._failed: set[Place] = set()
        self._hurried = asyncio.Event()
        self._failing = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._made: dict[bytes, Pair] = {}
        self._making = asyncio.Semaphore(AT_ONCE)
        self._poll: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._poll is not None

    def start(self) -> None:
        if self._poll is None:
            self._poll = asyncio.create_task(self._keep_polling())
            self.refresh()

    def stop(self) -> list[asyncio.Task[None]]:
        """Ends all sessions at once; gives the tasks that end with them, to be waited for."""
        tasks = [*self._tasks.values(), *self._ending, *([self._poll] if self._poll is not None else [])]
        self._tasks.clear()
        self._boxes.clear()
        self._done.clear()
        self._failed.clear()
        self._poll = None
        for task in tasks:
            task.cancel()
        return tasks

    async def start_over(self) -> None:
        """Ends all sessions and makes them anew."""
        await asyncio.gather(*self.stop(), return_exceptions=True)
        self.start()

    def refresh(self, spread: float = 0.0) -> None:
        """Brings sessions in line with contacts, nodes and the day; new ones begin within ``spread`` s."""
        if not self.running:
            return
        wanted = self._wanted()
        for place in [place for place in self._tasks if place not in wanted]:
            self._end(self._tasks.pop(place))
        for place, box in wanted.items():
            known = self._boxes.get(place)
            if place not in self._tasks or (box.hold and known is not None and not known.hold):
                self._begin(place, box, spread)
        self._boxes = wanted
        self._done &= wanted.keys()
        self._failed &= wanted.keys()

    def look_again(self) -> None:
        """Reads at once what waits for its turn, and counts as not caught up until that is done."""
        if self._engine.entry_node():
            self._done.clear()
            self._hurried.set()
            self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """What failed before may succeed now."""
        self._failing.set()
        self._failing = asyncio.Event()

    def caught_up(self) -> bool:
        """Whether every mailbox was read to its end, or could not be."""
        return self.running and self._boxes.keys() <= self._done | self._failed

    def box_of(self, account: AccountId, address: MailAddress) -> Box | None:
        """The mailbox that a contact who is here writes to, by its address."""
        boxes = [_strangers_box(seed) for seed in self._engine.keys.credentials.user_seeds.values()]
        known, today = self._book.of(account), day_of(now_ms())
        if known is not None:
            pairs = self.pairs([known])[account]
            boxes += [_pair_box(pair, today + ahead, hold=False) for pair in pairs for ahead in (-1, 0, 1)]
        return next((box for box in boxes if box.address == address), None)

    def _begin(self, place: Place, box: Box, spread: float) -> None:
        if place in self._tasks:
            self._end(self._tasks[place])
        wait = draw((0.0, spread), os.urandom)
        self._tasks[place] = asyncio.create_task(self._keep_up(place, box, wait))

    def _end(self, task: asyncio.Task[None]) -> None:
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    # -- which ----------------------------------------------------------------------------------

    def _wanted(self) -> dict[Place, Box]:
        own = tuple(self._engine.profile.view.nodes())
        wanted: dict[Place, Box] = {}
        for seed in self._engine.keys.credentials.user_seeds.values():
            strangers = _strangers_box(seed)
            for node in own:
                wanted[strangers.address, node] = strangers
        today, read = day_of(now_ms()), self._days_read()
        people = [known for known in self._book.all().values() if known.accepted]
        people.sort(key=lambda known: known.entry.modified, reverse=True)
        pairs = self.pairs(people)
        for at, known in enumerate(people):
            first = min(today - 1, max(known.record.since, read.get(known.account, 0), today - DAYS_BACK))
            for pair in pairs[known.account]:
                for day in range(first, today + 2):
                    box = _pair_box(pair, day, hold=day == today and at < MOST_HELD)
                    for node in own or known.record.card.nodes:
                        wanted[box.address, node] = box
        return wanted

    def pairs(self, people: Iterable[Known]) -> dict[AccountId, list[Pair]]:
        """With each contact one for each of this side's user keys and of his; made once."""
        credentials = self._engine.keys.credentials
        made: dict[bytes, Pair] = {}
        found: dict[AccountId, list[Pair]] = {}
        for known in people:
            record = known.record
            cards = [record.card] if record.newer is None else [record.card, record.newer]
            for card in cards:
                for generation, seed in credentials.user_seeds.items():
                    name = generation + card.account.user_key.generation
                    pair = self._made.get(name)
                    if pair is None:
                        pair = Pair.of(credentials.account_id, user_pair(seed), card.account)
                    made[name] = pair
                    found.setdefault(known.account, []).append(pair)
        self._made.update(made)
        return found

    # -- reading --------------------------------------------------------------------------------

    async def _keep_up(self, place: Place, box: Box, wait: float) -> None:
        await asyncio.sleep(wait)
        # Mailboxes that are all opened at one moment would be known for those of one account.
        await self._turns.wait(FIRST_SECONDS)
        pause = RETRY_SECONDS[0]
        while True:
            wrong_pin = False
            try:
                hidden, hurried = bool(self._engine.entry_node()), self._hurried
                await self._read(place, box, hold=box.hold and not hidden)
                if hidden:
                    pause = RETRY_SECONDS[0]
                    await _rest(OFTEN_SECONDS if box.hold else POLL_SECONDS, hurried)
                    continue
                if not box.hold:
                    return
            except PeergosCollabError as error:
                wrong_pin = isinstance(error, WrongPin)
            except Exception as error:  # noqa: BLE001 - a fault of ours must not end the reading for good
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "reading a mailbox failed", "exception": error}
                )
            self._failed.add(place)
            self._engine.news.pulse()
            mean = WRONG_PIN_SECONDS if wrong_pin else pause
            await _rest((mean * 0.5, mean * 1.5), self._failing)
            pause = min(RETRY_SECONDS[1], pause * 2)

    async def _read(self, place: Place, box: Box, *, hold: bool) -> None:
        async with self._making:
            session = await MailSession.connect(self._engine.transport, place[1], os.urandom)

        async def take(items: list[tuple[int, Mail]]) -> list[int]:
            return await self._take(box, items)

        await session.read(box.key, take, lambda: self._at_end(place), hold=hold)

    def _at_end(self, place: Place) -> None:
        self._failed.discard(place)
        if place not in self._done:
            self._done.add(place)
            account = self._boxes[place].account if place in self._boxes else None
            if account is not None and self._all_read(account):
                self._note_read(account)
        self._engine.news.pulse()

    def _all_read(self, account: AccountId) -> bool:
        return all(place in self._done for place, box in self._boxes.items() if box.account == account)

    async def _keep_polling(self) -> None:
        while True:
            pause = draw(POLL_SECONDS, os.urandom)
            await asyncio.sleep(min(pause, (DAY - now_ms() % DAY) / 1000 + 1))
            for place, task in list(self._tasks.items()):
                if task.done():
                    del self._tasks[place]
            self.refresh(SPREAD_SECONDS)

    # -- how far --------------------------------------------------------------------------------

    def _days_read(self) -> dict[AccountId, int]:
        """Per contact the first day of which something may be unread. A cache: where empty, all is read."""
        try:
            sealed = self._engine.store.value(MAIL_DAYS, b"")
            if sealed is None:
                return {}
            raw = copen(self._engine.keys.credentials.local, Tag.MAIL_DAYS, sealed, b"")
            pairs = [array(item, 2, "day") for item in many(decode_untrusted(raw, 1 << 24), MAX_DAYS, "days")]
            return {AccountId(blob(who, 32, "account")): number(day, 0, 2**32, "day") for who, day in pairs}
        except (Damaged, RemoteProtocolError):
            return {}

    def _note_read(self, account: AccountId) -> None:
        # Mail for a day is put until the next one has ended, by whoever's clock is a day behind.
        days = self._days_read()
        first = day_of(now_ms()) - 1
        if days.get(account) != first:
            days[account] = first
            raw = encode([[who, day] for who, day in sorted(days.items())][-MAX_DAYS:])
            sealed = cseal(self._engine.keys.credentials.local, Tag.MAIL_DAYS, raw, b"", os.urandom)
            self._engine.store.write([PutValue(MAIL_DAYS, b"", sealed)])


async def _rest(span: Span, hurried: asyncio.Event) -> None:
    """Until a mailbox's turn comes by chance, or somebody is in a hurry."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(draw(span, os.urandom)):
            await hurried.wait()


def _strangers_box(seed: UserSeed) -> Box:
    key, pair = mailbox_key(seed), user_pair(seed).box
    address = MailAddress(key.public)

    def open_(sealed: bytes) -> bytes:
        return open_from_stranger_untrusted(sealed, pair, address)

    return Box(key, None, open_, hold=True)


def _pair_box(pair: Pair, day: int, *, hold: bool) -> Box:
    mailbox = pair.inbox(day)
    address = MailAddress(mailbox.key.public)

    def open_(sealed: bytes) -> bytes:
        return open_in_pair_untrusted(sealed, mailbox.seal, address)

    return Box(mailbox.key, pair.other, open_, hold)
