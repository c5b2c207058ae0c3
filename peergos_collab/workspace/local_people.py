"""Contacts, sharing with them, and invitations: the part of a workspace that is about people."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import Conflict, NoNode, UsageError
from ..identity.cards import ContactCard
from ..identity.pairs import comparison_words, fingerprint
from ..objects.key_proofs import account_proof
from ..objects.key_versions import account_principal
from ..objects.letters import LetterKind
from ..objects.membership import View
from ..objects.principals import Principal
from .administration import change_role, leave, unshare
from .api import Contact, Invitation, Paired, PairOffer, Role
from .contact_book import Known
from .engine import Engine
from .from_now import adds_from_now, check_from_now, come_to_rest, give_base
from .mailroom import Mailroom
from .sharing import LEVELS, add_member, capability_for, check_is_admin, store_on_node


class LocalPeople:
    """Implements that part of ``Workspace``."""

    engine: Engine

    @property
    def _mailroom(self) -> Mailroom:
        return self.engine.mailroom

    async def share_with(self, path: str, contact: str, role: Role, *, from_now: bool = False) -> str:
        engine, mailroom, level = self.engine, self._mailroom, LEVELS[role]
        opened = engine.find(path)
        known = mailroom.book.find_accepted(contact)
        near = engine.online.neighbours.of(known.account) is not None
        if not opened.live.nodes and (from_now or not near):
            raise NoNode("sharing needs a node that keeps it while nobody else is there")
        account = known.record.card.account
        principal = account_principal(account)
        check_is_admin(opened, "share this")
        async with engine.online.needed() as network:
            if from_now or adds_from_now(opened):
                check_from_now(opened, principal, known.name)
                await come_to_rest(engine, opened, network)
            if not _has(opened.live.replica.view, principal, level):
                await add_member(opened, principal, level, account_proof(account), from_now=from_now)
            await give_base(engine, opened, network, principal)
            capability = capability_for(opened, level, path, principal)
            letter = await mailroom.tell(known.account, LetterKind.SHARE, capability.encode(), opened.live.id)
            if not near:
                await store_on_node(engine, opened, network, path)
            mailroom.start(reading=False)
            await mailroom.delivered(letter)
        return known.name

    async def unshare(self, path: str, who: str) -> None:
        await unshare(self.engine, path, who)

    async def change_role(self, path: str, who: str, role: Role) -> None:
        await change_role(self.engine, path, who, role)

    async def leave(self, path: str, *, force: bool = False) -> None:
        await leave(self.engine, path, force=force)

    async def contact_card(self) -> str:
        return self._mailroom.card().text()

    async def add_contact(self, card: str, name: str = "") -> Contact:
        read = ContactCard.read_untrusted(card)
        return (await self._mailroom.add_contact(read, name)).shown()

    async def accept_contact(self, name: str) -> Contact:
        return (await self._mailroom.accept_contact(self._mailroom.book.find(name))).shown()

    async def introduce(self, name: str, to: str) -> None:
        book = self._mailroom.book
        known, receiver = book.find_accepted(name), book.find_accepted(to)
        if known.account == receiver.account:
            raise UsageError("nobody is introduced to himself; nothing was sent")
        await self._mailroom.tell(receiver.account, LetterKind.INTRODUCE, known.record.card.raw)

    async def contacts(self) -> list[Contact]:
        return [known.shown() for known in self._mailroom.book.all().values()]

    async def rename_contact(self, old: str, new: str) -> None:
        await self._mailroom.book.rename(old, new)

    async def remove_contact(self, name: str) -> None:
        await self._mailroom.book.remove(name)
        self._mailroom.refresh()

    async def contact_words(self, name: str) -> list[str]:
        known = self._mailroom.book.find(name)
        return comparison_words(self.engine.keys.credentials.account, _newest(known).account)

    async def mark_verified(self, name: str, card: str = "", words: Sequence[str] = ()) -> Contact:
        book = self._mailroom.book
        known = book.find(name)
        if card:
            known = await self._compare(known, ContactCard.read_untrusted(card))
        elif list(words) != await self.contact_words(name):
            raise Conflict(
                f"these are not the words for {name!r}; he is not verified",
                hint="His keys are others than those compared, or a word was misread. Compare them anew.",
            )
        record = known.record.accept_keys().verify()
        known = await book.note(known, record)
        self._mailroom.refresh()
        self._mailroom.accept_known()
        return known.shown()

    async def _compare(self, known: Known, card: ContactCard) -> Known:
        """Raises Conflict unless the card, from the contact's own screen, has the keys known here."""
        if card.id == known.account:
            known = await self._mailroom.book.note(known, known.record.see(card))
        if fingerprint(card.account) != fingerprint(_newest(known).account):
            raise Conflict(
                f"this card is not that of {known.name!r} as known here; he is not verified",
                hint="It is somebody else's card, or somebody posed as him. Ask him for his card anew.",
            )
        return known

    async def offer_pairing(self) -> PairOffer:
        return await self.engine.pairings.offer()

    async def answer_pairing(self, text: str) -> PairOffer:
        return await self.engine.pairings.answer(text)

    async def finish_pairing(self, id: str, answer: str = "") -> Paired:
        return await self.engine.pairings.finish(id, answer)

    async def end_pairing(self, id: str) -> None:
        await self.engine.pairings.end(id)

    async def invitations(self) -> list[Invitation]:
        people = self._mailroom.book.all()
        return [
            invited.shown(people[invited.account].name if invited.account in people else "")
            for invited in self._mailroom.invitations.all()
        ]

    async def accept_invitation(self, id: str, path: str = "") -> str:
        invitations = self._mailroom.invitations
        async with self.engine.online.needed() as network:
            return await invitations.accept(invitations.find(id), network, path)

    async def decline_invitation(self, id: str) -> None:
        await self._mailroom.invitations.decline(self._mailroom.invitations.find(id))


def _newest(known: Known) -> ContactCard:
    return known.record.newer or known.record.card


def _has(view: View, principal: Principal, level: int) -> bool:
    """Whether a member with these very keys may do as much already."""
    member = view.members.get(principal.id)
    return member is not None and member.level >= level and member.principal == principal
