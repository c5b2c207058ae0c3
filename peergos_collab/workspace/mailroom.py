"""What this account and its contacts tell each other by mail: cards, shares and introductions.

What a letter asks for is done and durable before the node may forget it; doing it twice changes nothing,
so a letter that comes again, from another node or after a crash, does no harm.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ..codec.ids import AccountId, DeviceId, ObjectId
from ..codec.shown import show_person
from ..crypto import BadSignature
from ..errors import Conflict, Damaged, Offline, PeergosCollabError, RemoteProtocolError
from ..files.entries import EntryView
from ..identity.cards import ContactCard
from ..identity.contacts import State
from ..objects.letters import Letter, LetterKind, read_letter_untrusted
from ..objects.links import Capability
from ..objects.mail import DAY, Mail
from ..ports import PutValue
from .by_chance import Turns
from .contact_book import CONTACT, ContactBook, Known
from .invitations import Invitations, Invited
from .machine import now_ms
from .mail_reader import DAYS_BACK, Box, MailReader
from .mail_sender import MailSender
from .outbox import Outbox, Waiting
from .references import ObjectReference
from .sharing import KIND_NAMES, entry_of

if TYPE_CHECKING:
    from .engine import Engine

LETTERS: Final = "letters seen"
FORGET: Final = (DAYS_BACK + 3) * DAY
"""Milliseconds after which the id of a letter is forgotten; letters of that age are no longer taken."""

DELIVERY_SECONDS: Final = 30.0

ACCEPTED_AT_ONCE: Final = 4
"""Invitations of one contact that are being accepted: each leads to as many nodes as he names."""


class Mailroom:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.book = ContactBook(engine)
        self.invitations = Invitations(engine, self.book)
        self.outbox = Outbox(engine.store, engine.keys.credentials.local)
        self.turns = Turns(lambda: engine.online.patient, os.urandom)
        self.reader = MailReader(engine, self.book, self.turns, self._take_mail)
        self.sender = MailSender(engine, self.book, self.outbox, self.turns, self.card)
        self._accepting: dict[bytes, asyncio.Task[None]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._turn_of: WeakValueDictionary[AccountId, asyncio.Semaphore] = WeakValueDictionary()
        self._contacts: Mapping[str, EntryView] = {}
        self._trusted: frozenset[AccountId] = frozenset()

    # -- running --------------------------------------------------------------------------------

    def start(self, *, reading: bool = True) -> None:
        """Sends, and reads, while the engine is online."""
        self.sender.start()
        if not self.turns.patient:
            self.reader.look_again()
        if reading and not self.reader.running:
            self.reader.start()
            self._forget_old()
            self.accept_known()
            self._telling = asyncio.create_task(self._tell_keys())

    async def stop(self) -> None:
        """Leaves no task. Whoever starts it again meanwhile is not disturbed."""
        tasks = [*self._accepting.values(), *([self._telling] if self._telling is not None else [])]
        self._telling = None
        self._accepting.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self.reader.stop(), *self.sender.stop(), return_exceptions=True)

    def refresh(self) -> None:
        """Contacts or nodes may have changed, also by another device."""
        self.reader.refresh()
        contacts = self._engine.profile.view.apart(CONTACT)
        if contacts is not self._contacts:
            self._contacts = contacts
            before, self._trusted = self._trusted, self._trusted_now()
            self.accept_known(self._trusted - before)

    def hurry(self) -> None:
        """What failed before may succeed now."""
        self.reader.hurry()
        self.accept_known()

    def start_over(self) -> None:
        """Sessions end, and come back by today's way out. What could not be accepted is tried that way."""
        if self.reader.running:
            self.accept_known()
            self._engine.spawn(self.reader.start_over())

    def settled(self) -> bool:
        """Whether all mail is here and went out, as far as that is possible now."""
        told = self._telling is not None and self._telling.done()
        return told and self.reader.caught_up() and self.sender.tried_all() and not self._accepting

    # -- what this side tells -------------------------------------------------------------------

    def card(self) -> ContactCard:
        """This account's card as of now."""
        nodes = tuple(self._engine.profile.view.nodes())
        return ContactCard.make(self._engine.keys.credentials, nodes, now_ms())

    async def tell(
        self, account: AccountId, kind: LetterKind, content: bytes = b"", about: ObjectId | None = None
    ) -> Waiting:
        """Writes a letter; returns once it is durable here. It is on its way while the engine is online."""
        letter = await self.outbox.put(account, kind, content, about or ObjectId(b""))
        self.sender.refresh()
        return letter

    async def _tell_keys(self) -> None:
        """Tells contacts who know an older user key of this account of the newest one."""
        generation = self._engine.keys.credentials.account.user_key.generation
        for known in self.book.all().values():
            if known.accepted and self.outbox.told(known.account) not in (b"", generation):
                await self.tell(known.account, LetterKind.HELLO)
        self._engine.news.pulse()

    async def tell_card(self) -> None:
        """Tells all contacts where this account is to be reached from now on."""
        for known in self.book.all().values():
            if known.accepted:
                await self.tell(known.account, LetterKind.HELLO)

    async def delivered(self, letter: Waiting) -> None:
        """Returns once a node keeps it. Raises TimedOut."""
        what = "delivering the invitation"
        await self._engine.news.wait_until(lambda: not self.sender.waits(letter), DELIVERY_SECONDS, what)

    async def accept_contact(self, known: Known) -> Known:
        """From now on his shares are taken by themselves, those that wait included; he hears of it."""
        record = known.record.accept_keys()
        if not known.accepted:
            record = replace(record, state=State.MUTUAL)
        known = await self.book.note(known, record)
        await self.tell(known.account, LetterKind.HELLO)
        self.refresh()
        return known

    async def add_contact(self, card: ContactCard, name: str) -> Known:
        """Adds whom a card is of, or takes the later card of somebody known.

        Raises:
            Conflict: it is one's own card, or the name is taken. RemoteProtocolError: contradicting logs.
        """
        if card.id == self._engine.keys.credentials.account_id:
            raise Conflict("this is your own card; nothing was changed", hint="Give it to somebody else.")
        known = self.book.of(card.id)
        if known is None:
            known = await self.book.add(card, State.ADDED, name)
            await self.tell(known.account, LetterKind.HELLO)
            self.refresh()
            return known
        seen = await self.book.note(known, known.record.see(card))
        if name and name != seen.name:
            await self.book.rename(seen.name, name)
            seen = self.book.of(card.id) or seen
        return seen if seen.accepted else await self.accept_contact(seen)

    async def meet(self, card: ContactCard, device: DeviceId) -> Known:
        """Takes the card of who was paired with: he is a contact from now on, and has this account's card."""
        self.outbox.note_told(card.id, self._engine.keys.credentials.account.user_key.generation)
        known = self.book.of(card.id)
        if known is None:
            known = await self.book.add(card, State.MUTUAL)
            self.refresh()
            return known
        known = await self._see(known, card, device, now_ms())
        return known if known.accepted else await self.accept_contact(known)

    # -- what comes -----------------------------------------------------------------------------

    async def take_from_neighbour_untrusted(self, account: AccountId, raw: bytes) -> bool:
        """As a node's mail is taken. Raises RemoteProtocolError where it is for no mailbox of the two."""
        mail = Mail.parse_untrusted(raw)
        box = self.reader.box_of(account, mail.address)
        if box is None:
            raise RemoteProtocolError("mail for another mailbox")
        return await self._take(box, mail)

    async def _take_mail(self, box: Box, items: list[tuple[int, Mail]]) -> list[int]:
        """Does what each letter asks for, and says which mail the node may forget."""
        done = []
        for number, mail in items:
            if await self._take(box, mail):
                done.append(number)
            await asyncio.sleep(0)  # whoever floods a mailbox does not hold up typing
        return done

    async def _take(self, box: Box, mail: Mail) -> bool:
        """False for what has to stay at the node, because there is no room for it here now."""
        own = self._engine.keys.credentials.account_id
        try:
            letter = read_letter_untrusted(box.open(mail.sealed), own)
            if letter.card.id == own or box.account not in (None, letter.card.id):
                raise RemoteProtocolError("a letter in somebody else's mailbox")
        except RemoteProtocolError:
            return True  # junk
        if abs(now_ms() - letter.time) > FORGET or self._seen(letter.id):
            return True
        try:
            taken = await self._do(letter)
        except (Damaged, Offline):
            raise
        except PeergosCollabError as error:
            # Whatever is wrong with it: if it stayed, the node would give it again, before all that follow.
            who = self._name(letter)
            self._engine.on_problem(None, f"a letter from {who} was not used: {error.message}")
            taken = True
        if taken:
            seen = PutValue(LETTERS, letter.id, letter.time.to_bytes(8, "big"))
            await asyncio.wrap_future(self._engine.store.write([seen]))
        return taken

    def _name(self, letter: Letter) -> str:
        known = self.book.of(letter.card.id)
        return (
            known.name if known is not None else f"somebody who calls himself {show_person(letter.card.name)}"
        )

    async def _do(self, letter: Letter) -> bool:
        known = await self._meet(letter)
        if known is None:
            return False
        if letter.kind is LetterKind.SHARE:
            return await self._take_share(known, letter)
        if letter.kind is LetterKind.INTRODUCE:
            return await self._take_introduction(known, letter)
        return True

    async def _meet(self, letter: Letter) -> Known | None:
        """Who wrote, after what his letter says of himself. None where no more strangers can be kept."""
        known = self.book.of(letter.card.id)
        if known is None:
            if not self.book.room_for():
                return None
            return await self.book.add(letter.card, State.PENDING)
        return await self._see(known, letter.card, letter.device, letter.time)

    async def _see(self, known: Known, card: ContactCard, device: DeviceId, time: int) -> Known:
        """Takes in what a device of somebody known says of him. Raises BadSignature, RemoteProtocolError."""
        record = known.record.see(card)
        self._engine.accounts.take_newest(card.account, device, time)
        newest = self._engine.accounts.newest[card.id].merge((record.newer or record.card).account)
        if device not in newest.devices:
            raise BadSignature("it is signed by a device that was removed from his account")
        if record.state is State.ADDED:
            record = replace(record, state=State.MUTUAL)
        if record.newer is not None and known.record.newer is None:
            self._engine.on_problem(None, _changed_words(known, card))
        return await self.book.note(known, record)

    async def _take_share(self, known: Known, letter: Letter) -> bool:
        capability = Capability.decode_untrusted(letter.content)
        if capability.kind not in KIND_NAMES:
            raise RemoteProtocolError("it shares a kind of object that this version does not know")
        if self._have(capability):
            return True
        if not self.invitations.room_for(known.account):
            return False
        id_ = await self.invitations.put(capability, known.account, letter.card.name)
        self._accept_soon(invited for invited in self.invitations.all() if invited.entry.id == id_)
        self._engine.news.pulse()
        return True

    def _have(self, capability: Capability) -> bool:
        """Whether this account itself holds as much of the object already."""
        view = entry_of(self._engine, capability.object)
        if view is None:
            return False
        reference = ObjectReference.decode_untrusted(view.reference)
        held = reference.capability
        same = held.epoch == capability.epoch and held.keys.level >= capability.keys.level
        return same and reference.link is None

    async def _take_introduction(self, known: Known, letter: Letter) -> bool:
        card = ContactCard.parse_untrusted(letter.content)
        if not known.accepted or card.id == self._engine.keys.credentials.account_id:
            return True
        if self.book.of(card.id) is not None:
            return True
        if not self.book.room_for(known.name):
            return False
        await self.book.add(card, State.PENDING, via=known.name)
        return True

    # -- accepting by itself --------------------------------------------------------------------

    def accept_known(self, of: Collection[AccountId] | None = None) -> None:
        """Invitations from contacts are accepted without asking: of all of them, or of some."""
        if of is None or of:
            self._accept_soon(each for each in self.invitations.all() if of is None or each.account in of)

    def _trusted_now(self) -> frozenset[AccountId]:
        known = self.book.all().values()
        return frozenset(each.account for each in known if each.accepted and each.record.newer is None)

    def _accept_soon(self, some: Iterable[Invited]) -> None:
        if not self.reader.running:
            return
        trusted = self._trusted_now()
        for invited in some:
            if invited.account in trusted and invited.entry.id not in self._accepting:
                self._accepting[invited.entry.id] = asyncio.create_task(self._accept(invited))

    async def _accept(self, invited: Invited) -> None:
        try:
            async with self._turn_of.setdefault(invited.account, asyncio.Semaphore(ACCEPTED_AT_ONCE)):
                # Not as one who wants to be online: this must never be what keeps a connection up.
                if self._engine.online.network is not None:
                    await self.invitations.accept(invited, self._engine.online.network)
        except Offline:
            pass  # it waits, and is tried again when this account is online next time, or in another network
        except PeergosCollabError as error:
            self._engine.on_problem(None, f"an invitation was not accepted: {error.message}")
        finally:
            if self._accepting.get(invited.entry.id) is asyncio.current_task():
                del self._accepting[invited.entry.id]
            self._engine.news.pulse()

    # -- letters seen ---------------------------------------------------------------------------

    def _seen(self, id_: bytes) -> bool:
        try:
            return self._engine.store.value(LETTERS, id_) is not None
        except Damaged:
            return False

    def _forget_old(self) -> None:
        try:
            seen = list(self._engine.store.values(LETTERS))
        except Damaged:
            return
        old = [id_ for id_, time in seen if int.from_bytes(time, "big") < now_ms() - FORGET]
        if old:
            self._engine.store.write([PutValue(LETTERS, id_, None) for id_ in old])


def _changed_words(known: Known, card: ContactCard) -> str:
    """What to say of a contact whose letter brings other keys than those in use here."""
    words = f"the keys of {known.name} have changed; compare words before you share with him again"
    then, now = known.record.card.account.standing, card.account.standing
    if now.root_generation > then.root_generation:
        words += (
            ". The account was taken back with its recovery code: the devices it had may be in other hands, "
            "and what they wrote of late may not be his"
        )
    return words
