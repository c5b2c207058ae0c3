"""The account's contacts, as its profile holds them: found by petname or account, added, renamed, removed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from ..codec import to_multibase
from ..codec.ids import AccountId
from ..codec.shown import show_person
from ..errors import Conflict, NotFound, PeergosCollabError, UsageError
from ..files.changes import put_entry, remove, rename, replace_reference
from ..files.entries import EntryView
from ..files.names import check_name, show_name
from ..identity.cards import ContactCard
from ..identity.contacts import ContactRecord, State, asking_entry_id, contact_entry_id
from ..objects.mail import day_of
from ..values import dataclass
from .api import Contact
from .called import Names
from .machine import now_ms

if TYPE_CHECKING:
    from .engine import Engine

CONTACT: Final = "contact"
MAX_ASKING: Final = 32
"""People who asked and wait for an answer. Letters of more stay at the node until there is room."""

MAX_INTRODUCED: Final = 32
"""The same of those whom contacts introduced: neither kind takes the seats of the other."""

MAX_OF_ONE: Final = 8
"""Of these, one contact's: he takes no seats of those whom others introduce."""


@dataclass(frozen=True, slots=True)
class Known:
    """A contact under his petname."""

    name: str
    entry: EntryView
    record: ContactRecord

    @property
    def account(self) -> AccountId:
        return self.record.card.id

    @property
    def accepted(self) -> bool:
        return self.record.state is not State.PENDING

    def shown(self) -> Contact:
        record = self.record
        account = to_multibase(self.account)
        return Contact(self.name, account, record.is_verified, record.via, record.changed, not self.accepted)


class ContactBook:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._records: dict[bytes, ContactRecord | None] = {}
        self._named: Mapping[str, EntryView] = {}
        self._petnames: Mapping[bytes, str] = {}

    def names(self) -> Names:
        """How people are called; only accepted contacts count, because others call themselves what they like.

        Each message shown and each change asks for it, so it costs nothing while the contacts stay the same.
        """
        named = self._engine.profile.view.apart(CONTACT)
        if named is not self._named:
            self._named = named
            known = self.all().items()
            self._petnames = {bytes(account): one.name for account, one in known if one.accepted}
        return Names(self._engine.keys.credentials.account_id, self._petnames)

    def all(self) -> dict[AccountId, Known]:
        """By account, sorted by petname. What cannot be read is left out, and who asks and is one already."""
        kept: dict[bytes, ContactRecord | None] = {}
        contacts: list[tuple[EntryView, ContactRecord]] = []
        asking: list[tuple[EntryView, ContactRecord]] = []
        for view in self._engine.profile.view.apart(CONTACT).values():
            record = self._records[view.reference] if view.reference in self._records else _read(view)
            kept[view.reference] = record
            # An entry under another id than its record's would be a second contact with one account.
            if record is not None and view.id == record.entry_id:
                (asking if record.state is State.PENDING else contacts).append((view, record))
        self._records = kept
        # Who asks calls himself what he likes: he takes no name from a contact.
        known = _named(asking, _named(contacts, {}))
        return dict(sorted(known.items(), key=lambda item: item[1].name))

    def of(self, account: AccountId) -> Known | None:
        return self.all().get(account)

    def find(self, name: str) -> Known:
        """Raises NotFound."""
        for known in self.all().values():
            if known.name == name:
                return known
        raise NotFound(f"there is no contact {show_person(name)!r}", hint="'pgc contact list' lists them.")

    def find_accepted(self, name: str) -> Known:
        """A contact that one may share with. Raises NotFound, Conflict."""
        known = self.find(name)
        if not known.accepted:
            raise NotFound(
                f"{name!r} has asked to be a contact, and is none yet; nothing was changed",
                hint=f"Accept with 'pgc contact accept {name}', or add his card.",
            )
        if known.record.newer is not None:
            raise Conflict(
                f"the keys of {name!r} have changed; nothing was changed",
                hint=f"Compare words with 'pgc contact verify {name}' first: somebody else may pose as him.",
            )
        return known

    async def add(self, card: ContactCard, state: State, name: str = "", via: str = "") -> Known:
        """A new contact, under ``name`` or what the card says, suffixed if that is taken."""
        record = ContactRecord.new(card, state, day_of(now_ms()) - 1, via)
        petname = check_name(name) if name else self.free_name(card.name)
        if name and any(known.name == petname for known in self.all().values()):
            raise Conflict(f"there is a contact {petname!r} already; nothing was changed")
        await self._engine.change_profile(
            put_entry(record.entry_id, petname, CONTACT, record.encode(), now=now_ms())
        )
        known = self.of(card.id)
        assert known is not None
        return known

    async def note(self, known: Known, record: ContactRecord) -> Known:
        """Replaces what is remembered of a contact, or of who asked and is one from now on."""
        id_, raw, now = known.entry.id, record.encode(), now_ms()
        if record.entry_id != id_:
            created = known.entry.created
            accepted = put_entry(record.entry_id, known.name, CONTACT, raw, now=now, created=created)
            await self._engine.change_profile(remove(id_), accepted)
        elif record != known.record:
            await self._engine.change_profile(replace_reference(id_, raw, now=now))
        return self.of(known.account) or known

    async def rename(self, old: str, new: str) -> None:
        """Raises NotFound, Conflict, UsageError."""
        known, petname = self.find(old), check_name(new)
        if any(other.name == petname for other in self.all().values()):
            raise Conflict(f"there is a contact {petname!r} already; nothing was changed")
        await self._engine.change_profile(rename(known.entry.id, petname, now=now_ms()))

    async def remove(self, name: str) -> None:
        """Raises NotFound."""
        account = self.find(name).account
        ids = {contact_entry_id(account), asking_entry_id(account)}
        there = [view.id for view in self._engine.profile.view.apart(CONTACT).values() if view.id in ids]
        await self._engine.change_profile(*map(remove, there))

    def room_for(self, via: str = "") -> bool:
        """Whether one more can be kept who asks, or whom the contact of this name introduces."""
        waiting = [known.record.via for known in self.all().values() if not known.accepted]
        introduced = [each for each in waiting if each]
        if not via:
            return len(waiting) - len(introduced) < MAX_ASKING
        return len(introduced) < MAX_INTRODUCED and introduced.count(via) < MAX_OF_ONE

    def free_name(self, name: str) -> str:
        """The name on a card as a petname: safe to show and to type, and not taken."""
        names = {known.name for known in self.all().values()}
        try:
            plain = check_name(show_name(show_person(name)))
        except UsageError:
            plain = "unnamed"
        return _free(plain, names)


def _named(
    some: Iterable[tuple[EntryView, ContactRecord]], before: Mapping[AccountId, Known]
) -> dict[AccountId, Known]:
    """Those of before and the others of some, under names that no two of them have."""
    known, taken = dict(before), {one.name for one in before.values()}
    fresh = [(view, record) for view, record in some if record.card.id not in before]
    names = {show_name(view.name) for view, _ in fresh}
    for view, record in fresh:
        name = show_name(view.name)
        if name in taken:
            name = _free(name, taken | names)
        taken.add(name)
        known[record.card.id] = Known(name, view, record)
    return known


def _free(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain((name,), numbered) if each not in taken)


def _read(view: EntryView) -> ContactRecord | None:
    try:
        return ContactRecord.decode_untrusted(view.reference)
    except PeergosCollabError:
        return None
