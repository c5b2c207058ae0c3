"""The people one knows, those who wait for an answer, and how sure one can be of each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Contact, Invitation, Paired

from .cells import shown
from .lines import Line

NAME = 32
TITLE = 40
OFFER = "Give them this text, and paste what they give back. Or paste the text that they show."
ANSWER = "Give them this back."
_KINDS = {"doc": "document", "chat": "chat"}


def person(name: str) -> str:
    """A name of a contact, made safe to show, never empty."""
    return shown(name.strip(), NAME) or "somebody"


def title_of(path: str) -> str:
    """The title of an object, made safe to show within a sentence."""
    return f"“{shown(path, TITLE)}”"


@dataclass(frozen=True, slots=True)
class People:
    """Everybody on the people screen, by the key of his line."""

    contacts: tuple[Contact, ...] = ()
    invitations: tuple[Invitation, ...] = ()

    def contact(self, key: str | None) -> Contact | None:
        return next((one for one in self.contacts if key == _contact_key(one)), None)

    def knows(self, account: str) -> bool:
        """Whether an account is one of the contacts."""
        return any(one.account == account for one in self.known)

    def changed(self, account: str) -> Contact | None:
        """The contact of an account, where his keys are others than those in use."""
        return next((one for one in self.known if one.account == account and one.changed), None)

    def invitation(self, key: str | None) -> Invitation | None:
        return next((one for one in self.invitations if key == _invitation_key(one)), None)

    @property
    def waiting(self) -> int:
        """How many wait for an answer."""
        return len(self.invitations) + sum(one.pending for one in self.contacts)

    @property
    def known(self) -> tuple[Contact, ...]:
        """Contacts one can share with, sorted by name."""
        return tuple(
            sorted((one for one in self.contacts if not one.pending), key=lambda one: _order(one.name))
        )

    def lines(self) -> list[Line]:
        """Those who wait for an answer first, then the contacts, sorted by name."""
        asking = sorted((one for one in self.contacts if one.pending), key=lambda one: _order(one.name))
        invited = [
            Line(_invitation_key(one), (person(one.who), _invites(one), "Enter answers"), "call")
            for one in self.invitations
        ]
        waiting = [
            Line(_contact_key(one), (person(one.name), sure(one), "Enter answers"), "call") for one in asking
        ]
        known = [
            Line(_contact_key(one), (person(one.name), sure(one), _via(one)), _tone(one))
            for one in self.known
        ]
        return [*invited, *waiting, *known]


def _order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _contact_key(contact: Contact) -> str:
    return f"contact {contact.account}"


def _invitation_key(invitation: Invitation) -> str:
    return f"invitation {invitation.id}"


def _invites(invitation: Invitation) -> str:
    return f"shares {title_of(invitation.path)}"


def _tone(contact: Contact) -> str:
    return "warn" if contact.changed else "good" if contact.verified else ""


def _via(contact: Contact) -> str:
    return f"via {person(contact.via)}" if contact.via else ""


def sure(contact: Contact) -> str:
    """How sure one can be that these are his keys, in few words."""
    if contact.pending:
        return "is introduced to you" if contact.via else "asks to be a contact"
    if contact.changed:
        return "⚠ keys changed"
    return "✓ verified" if contact.verified else "○ not verified"


def about(people: People, key: str | None) -> str:
    """What one should know of the chosen person, and what to do next."""
    invitation, contact = people.invitation(key), people.contact(key)
    if invitation is not None:
        account = invitation.account
        return invitation_words(invitation, people.knows(account), changed=people.changed(account))
    if contact is None:
        return ""
    name = person(contact.name)
    if contact.pending:
        asks = f"{person(contact.via)} introduces {name}." if contact.via else f"{name} has your card."
        return f"{asks} Enter accepts, or declines."
    if contact.changed:
        return f"{changed_words(contact)} Then compare words again: v."
    if contact.verified:
        return f"You compared words with {name}: these keys are theirs and nobody else's."
    introduced = f"{person(contact.via)} introduced {name}. " if contact.via else ""
    return f"{introduced}Nothing proves yet that this is {name}. v compares 12 words to make sure."


def changed_words(contact: Contact) -> str:
    """A change of keys is ordinary after a loss, and it is what an attack looks like."""
    name = person(contact.name)
    return (
        f"{name} has other keys than those you verified: they started anew, perhaps after a loss, or "
        f"somebody uses their name. Ask {name}."
    )


def invitation_words(invitation: Invitation, known: bool, *, changed: Contact | None = None) -> str:
    """Who shares what. Nobody vouches for the name of a stranger, nor for keys that changed."""
    kind = _KINDS.get(invitation.kind, "object")
    what = f"the {kind} {title_of(invitation.path)} with you, as {invitation.role.value}"
    if changed is not None:
        return f"{person(invitation.who)} shares {what}. ⚠ {changed_words(changed)}"
    if known:
        return f"{person(invitation.who)} shares {what}. Enter accepts, or declines."
    return (
        f"Somebody who says: {person(invitation.who)} shares {what}. They are none of your contacts: "
        "accept if you know who it is."
    )


def request_words(contact: Contact) -> str:
    """Who asks to be a contact, or was introduced."""
    name = person(contact.name)
    if contact.via:
        return (
            f"{person(contact.via)} introduces {name} to you. Accept, and you can share with each other; "
            "what they share appears on your list by itself. Compare words later to be sure who it is."
        )
    return (
        f"Somebody who says: {name} has your card and asks to be a contact. Accept if you expected it; what "
        "they share then appears on your list by itself. Compare words later to be sure who it is."
    )


def heading(people: People) -> str:
    """The first line of the screen."""
    count = len(people.known)
    contacts = "no contacts yet" if not count else "1 contact" if count == 1 else f"{count} contacts"
    waiting = f"  ·  {people.waiting} waiting for your answer" if people.waiting else ""
    return f"People  ·  {contacts}{waiting}"


def empty_words() -> str:
    return (
        "Nobody here yet.\n\n"
        "  c   show your own card: give it to somebody, as text or QR code\n"
        "  a   add somebody by their card\n"
        "  n   connect with somebody directly, by two short texts and without a node\n"
        "  e   the devices of this account\n"
        "  ?   all keys\n\n"
        "With contacts you share without a link: what you share appears on their list, also when they "
        "are away now. Nobody keeps a directory of people; a card is all there is."
    )


def removal_words(contact: Contact) -> str:
    """What taking somebody off the list does and does not do."""
    name = person(contact.name)
    return (
        f"Take {name} off your list of people? What you share stays shared: to end that, remove "
        f"{name} from its members (m in the list)."
    )


def added_words(contact: Contact) -> str:
    return (
        f"{person(contact.name)} is a contact now. Nothing proves yet that the card is theirs: "
        "v compares 12 words."
    )


def paired_words(paired: Paired) -> str:
    if paired.me:
        return "Connected with another device of yours."
    sure = "" if paired.verified else " Nothing proves yet that it is really them: v compares 12 words."
    return f"Connected with {person(paired.name)}, who is a contact now.{sure}"


def introduced_words(contact: Contact, to: str) -> str:
    return f"{person(to)} gets the card of {person(contact.name)}, and sees that it comes from you."


def shares_words(who: str, path: str, *, unverified: bool) -> str:
    """Something that was shared is on the list now."""
    says = "Somebody who says: " if unverified else ""
    return f"{says}{person(who)} shares {title_of(path)} with you: it is on your list."


def waiting_words(count: int) -> str:
    """For the list: that somebody waits for an answer."""
    if not count:
        return ""
    return "1 person waits for an answer: p" if count == 1 else f"{count} people wait for an answer: p"


def names_of(contacts: Sequence[Contact]) -> list[tuple[str, str]]:
    """(the name the workspace knows, what is shown) of each."""
    widest = max((cell_len(person(one.name)) for one in contacts), default=0)
    padded = [person(one.name) + " " * (widest - cell_len(person(one.name))) for one in contacts]
    return [(one.name, f"{name}  {sure(one)}") for name, one in zip(padded, contacts, strict=True)]
