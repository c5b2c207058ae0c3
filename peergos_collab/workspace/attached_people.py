"""The part of an attached workspace that is about people: it asks the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .api import Contact, Invitation, Paired, PairOffer, Role
from .wire import from_wire


class _Calls(Protocol):
    async def call(self, method: str, *arguments: Any) -> Any: ...


class AttachedPeople:
    """Implements that part of ``Workspace``."""

    def __init__(self, calls: _Calls) -> None:
        self._calls = calls

    async def share_with(self, path: str, contact: str, role: Role, *, from_now: bool = False) -> str:
        return str(await self._calls.call("share_with", path, contact, role, from_now))

    async def unshare(self, path: str, who: str) -> None:
        await self._calls.call("unshare", path, who)

    async def change_role(self, path: str, who: str, role: Role) -> None:
        await self._calls.call("change_role", path, who, role)

    async def leave(self, path: str, *, force: bool = False) -> None:
        await self._calls.call("leave", path, force)

    async def contact_card(self) -> str:
        return str(await self._calls.call("contact_card"))

    async def add_contact(self, card: str, name: str = "") -> Contact:
        return _contact(await self._calls.call("add_contact", card, name))

    async def accept_contact(self, name: str) -> Contact:
        return _contact(await self._calls.call("accept_contact", name))

    async def introduce(self, name: str, to: str) -> None:
        await self._calls.call("introduce", name, to)

    async def contacts(self) -> list[Contact]:
        listed: list[Contact] = from_wire(list[Contact], await self._calls.call("contacts"))
        return listed

    async def rename_contact(self, old: str, new: str) -> None:
        await self._calls.call("rename_contact", old, new)

    async def remove_contact(self, name: str) -> None:
        await self._calls.call("remove_contact", name)

    async def contact_words(self, name: str) -> list[str]:
        words: list[str] = from_wire(list[str], await self._calls.call("contact_words", name))
        return words

    async def mark_verified(self, name: str, card: str = "", words: Sequence[str] = ()) -> Contact:
        return _contact(await self._calls.call("mark_verified", name, card, list(words)))

    async def offer_pairing(self) -> PairOffer:
        offer: PairOffer = from_wire(PairOffer, await self._calls.call("offer_pairing"))
        return offer

    async def answer_pairing(self, text: str) -> PairOffer:
        offer: PairOffer = from_wire(PairOffer, await self._calls.call("answer_pairing", text))
        return offer

    async def finish_pairing(self, id: str, answer: str = "") -> Paired:
        paired: Paired = from_wire(Paired, await self._calls.call("finish_pairing", id, answer))
        return paired

    async def end_pairing(self, id: str) -> None:
        await self._calls.call("end_pairing", id)

    async def invitations(self) -> list[Invitation]:
        listed: list[Invitation] = from_wire(list[Invitation], await self._calls.call("invitations"))
        return listed

    async def accept_invitation(self, id: str, path: str = "") -> str:
        return str(await self._calls.call("accept_invitation", id, path))

    async def decline_invitation(self, id: str) -> None:
        await self._calls.call("decline_invitation", id)


def _contact(value: Any) -> Contact:
    contact: Contact = from_wire(Contact, value)
    return contact
