"""People: cards, contacts, and the invitations of those who are none yet."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from .output import narrate, print_result, table
from .session import in_workspace
from .settings import Group, current, has_terminal, refuse

if TYPE_CHECKING:
    from ..workspace.api import Contact, Invitation, Workspace

MAX_CARD: Final = 1 << 18
"""Bytes read from stdin for a card; a card has about 1,500."""

COMPARE = (
    "Read these words to each other, over the phone or face to face. "
    "If both of you see the same ones, nobody sits in between."
)


@click.group(cls=Group)
def contact() -> None:
    """People you share with."""


@contact.command("card")
def card() -> None:
    """Print your card: give it to whoever wants to share with you."""
    settings = current()

    async def make(workspace: Workspace) -> tuple[str, bool]:
        return await workspace.contact_card(), bool(await workspace.nodes())

    text, reachable = in_workspace(settings, make)
    if not reachable:
        narrate(settings, "This card names no node, so nobody can write to you yet: 'pgc node add' first.")
    print_result(settings, {"card": text}, [text])


@contact.command("add")
@click.argument("card")
@click.option("--name", metavar="NAME", default="", help="Your word for this person; else that on the card.")
def add(card: str, name: str) -> None:
    """Add the person whose CARD this is; '-' reads it from stdin."""
    settings = current()
    text = _read_card(card)

    async def take(workspace: Workspace) -> Contact:
        return await workspace.add_contact(text, name)

    added = in_workspace(settings, take)
    command = shlex.join(["pgc", "contact", "verify", added.name])
    narrate(settings, f"{command} makes sure that it is really this person.")
    print_result(settings, dataclasses.asdict(added), [added.name])


def _read_card(card: str) -> str:
    if card != "-":
        return card
    if current().secret_file() == "-":
        refuse("Only one thing can come from stdin: the card or the passphrase.")
    return sys.stdin.buffer.read(MAX_CARD).decode("utf-8", "replace").strip()


@contact.command("list")
def list_contacts() -> None:
    """List your contacts, and who asks to be one."""
    settings = current()

    async def show(workspace: Workspace) -> list[Contact]:
        return await workspace.contacts()

    found = in_workspace(settings, show)
    rows = [(each.name, _note(each), each.account) for each in found]
    print_result(settings, {"contacts": [dataclasses.asdict(each) for each in found]}, table(rows))


def _note(each: Contact) -> str:
    notes = ["verified" if each.verified else "not verified"]
    if each.changed:
        notes = ["KEYS HAVE CHANGED: verify again"]
    if each.pending:
        notes.append("waits for 'pgc contact accept'")
    if each.via:
        notes.append(f"via {each.via}")
    return ", ".join(notes)


@contact.command("verify")
@click.argument("name")
@click.option("--equal", "theirs", metavar="WORDS", help="The twelve words that he sees.")
@click.option(
    "--card", "card_text", metavar="CARD", help="Compare with the card on his screen; '-' for stdin."
)
def verify(name: str, theirs: str | None, card_text: str | None) -> None:
    """Make sure that NAME is who you think, by twelve words or by his card."""
    settings = current()
    text = _read_card(card_text) if card_text is not None else ""
    compared = theirs.lower().split() if theirs is not None else []
    told = theirs is not None or bool(text)
    asks = has_terminal() and not settings.json and not told

    async def look(workspace: Workspace) -> list[str]:
        return await workspace.contact_words(name)

    async def mark(workspace: Workspace) -> Contact:
        return await workspace.mark_verified(name, text, compared)

    words = in_workspace(settings, look)
    if not told:
        narrate(settings, COMPARE)
    lines = [" ".join(words[at : at + 4]) for at in range(0, len(words), 4)]
    if asks:
        print_result(settings, {}, lines)
        lines = []
        told = click.confirm("Are they the same on both sides?", default=False, err=True)
        compared = words
    verified = in_workspace(settings, mark).verified if told else False
    if verified:
        narrate(settings, f"{name!r} is verified.")
    print_result(settings, {"name": name, "words": words, "verified": verified}, lines)


@contact.command("rename")
@click.argument("old")
@click.argument("new")
def rename(old: str, new: str) -> None:
    """Give the contact OLD another name, which only you see."""
    settings = current()

    async def change(workspace: Workspace) -> None:
        await workspace.rename_contact(old, new)

    in_workspace(settings, change)
    print_result(settings, {"name": new})


@contact.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget a contact. What you share with him stays shared."""
    settings = current()

    async def change(workspace: Workspace) -> None:
        await workspace.remove_contact(name)

    in_workspace(settings, change)
    print_result(settings, {"name": name})


@contact.command("accept")
@click.argument("name")
def accept(name: str) -> None:
    """Accept who asked or was introduced: what he shares then comes by itself."""
    settings = current()

    async def change(workspace: Workspace) -> Contact:
        return await workspace.accept_contact(name)

    accepted = in_workspace(settings, change)
    print_result(settings, dataclasses.asdict(accepted), [accepted.name])


@contact.command("introduce")
@click.argument("name")
@click.option("--to", required=True, metavar="CONTACT", help="Who gets the card of NAME.")
def introduce(name: str, to: str) -> None:
    """Send the card of the contact NAME to another one; it goes out with the next sync."""
    settings = current()

    async def send(workspace: Workspace) -> None:
        await workspace.introduce(name, to)

    in_workspace(settings, send)
    print_result(settings, {"name": name, "to": to})


@click.group(cls=Group)
def invitation() -> None:
    """What people who are no contacts share with you. Contacts' shares come by themselves."""


@invitation.command("list")
def list_invitations() -> None:
    """List what waits for an answer."""
    settings = current()

    async def show(workspace: Workspace) -> list[Invitation]:
        return await workspace.invitations()

    found = in_workspace(settings, show)
    rows = [(each.id, each.kind, each.path, each.role, f"from {each.who}, not verified") for each in found]
    fields: list[dict[str, Any]] = [dataclasses.asdict(each) for each in found]
    print_result(settings, {"invitations": fields}, table(rows))


@invitation.command("accept")
@click.argument("id")
@click.argument("path", required=False)
def accept_invitation(id: str, path: str | None) -> None:
    """Accept an invitation, under the name PATH. Done once the content is here."""
    settings = current()

    async def take(workspace: Workspace) -> str:
        return await workspace.accept_invitation(id, path or "")

    entered = in_workspace(settings, take)
    print_result(settings, {"path": entered}, [entered])


@invitation.command("decline")
@click.argument("id")
def decline_invitation(id: str) -> None:
    """Forget an invitation."""
    settings = current()

    async def drop(workspace: Workspace) -> None:
        await workspace.decline_invitation(id)

    in_workspace(settings, drop)
    print_result(settings, {"id": id})
