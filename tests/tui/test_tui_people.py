"""People, driven by keys: contacts, verification, invitations, members, sharing with somebody."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from peergos_collab.workspace.api import Contact, Event, Invitation, Member, NodeState, Role, ShareLink
from support.screen_workspace import START, WORDS, FakeWorkspace
from support.screens import painted, reads, running, settle, stocked
from tui.screens.base import FullScreen
from tui.screens.chatting import Chatting
from tui.screens.home import Home
from tui.screens.past import Past
from tui.screens.people import PeopleScreen
from tui.screens.writing import Writing

NODE = "pgc://abcdef@node.example:7000"
BEN = Contact("Ben", "zben", verified=False)
EVIL = "[red]x[/] \x1b[31m\u202e"


async def peopled(*contacts: Contact) -> FakeWorkspace:
    """Documents, a node, and these contacts."""
    workspace = await stocked()
    workspace.node_states.append(NodeState(NODE, connected=True))
    workspace.known += contacts
    return workspace


@asynccontextmanager
async def people(workspace: FakeWorkspace, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    """The program, at the people screen."""
    async with running(workspace, size=size) as pilot:
        await pilot.press("p")
        await settle(pilot, "My card" if size[0] > 60 else "People")
        yield pilot


# Contacts


async def test_nobody_yet_teaches_what_to_do() -> None:
    """An empty list says how people get on it; the own card shows as text and QR code, and is copied."""
    async with people(await peopled(), (100, 44)) as pilot:
        await settle(pilot, "Nobody here yet.")
        await pilot.press("c")
        await settle(pilot, "pgc-card:mine-0123456789")
        await pilot.press("enter")
        await pilot.press("ctrl+r")
        await settle(pilot, "█▀▀▀▀▀█")
        await pilot.press("escape")
        await settle(pilot, "Nobody here yet.")

        assert pilot.app.clipboard == "pgc-card:mine-0123456789"


@pytest.mark.parametrize(
    ("pasted", "done"),
    [
        ("pgc-pair:back", [("finish_pairing", "p1", "pgc-pair:back")]),
        ("pgc-pair: theirs", [("finish_pairing", "p2", "")]),
    ],
)
async def test_people_are_paired_by_two_texts(pasted: str, done: list[tuple[str, ...]]) -> None:
    """Whichever of the two pastes, an answer or an offer; and what is neither is said to be neither."""
    workspace = await peopled()
    async with people(workspace, (100, 44)) as pilot:
        await pilot.press("n")
        await settle(pilot, "pgc-pair:offer")
        await pilot.press("enter")
        await settle(pilot, "Paste what they gave you first.")
        await pilot.press(*"hello", "enter")
        await reads(pilot, "This is no text of 'pgc pair'")
        await pilot.press("ctrl+r")
        await settle(pilot, "█▀▀▀▀▀█")
        pilot.app.screen.query_one("#theirs", Input).value = pasted
        await pilot.press("enter")
        await reads(pilot, "Connected with Ben, who is a contact now. Nothing proves yet")
        await settle(pilot, "not verified")

    assert workspace.done == done


async def test_leaving_ends_the_offer() -> None:
    """A text that is no longer shown is no longer good."""
    workspace = await peopled()
    async with people(workspace) as pilot:
        await pilot.press("n")
        await settle(pilot, "pgc-pair:offer")
        await pilot.press("escape")
        await settle(pilot, "pgc-pair:offer", gone=True)

    assert workspace.done == [("end_pairing", "p1")]


async def test_a_card_is_pasted_and_a_bad_one_explained() -> None:
    """Line breaks do not matter, a wrong card is said to be wrong, and the new contact is not verified."""
    workspace = await peopled()
    workspace.cards["pgc-card:ben"] = BEN
    async with people(workspace) as pilot:
        await pilot.press("a")
        await settle(pilot, "Their contact card")
        await pilot.press("enter")
        await settle(pilot, "Paste their card first.")
        await pilot.press(*"nonsense", "enter")
        assert "Copy the whole card again." in await settle(pilot, "This is not a contact card.")
        pilot.app.screen.query_one("#card", Input).value = " pgc-card: ben "
        await pilot.press("tab", *"Benny", "enter")
        await settle(pilot, "Benny  ○ not verified")

    assert [one.name for one in workspace.known] == ["Benny"]


async def test_how_sure_one_can_be_is_shown_for_each() -> None:
    """Verified, not verified, introduced, changed keys, asking: each in words, those who ask first."""
    workspace = await peopled(
        Contact("Ana", "z1", verified=True),
        Contact("Ben", "z2", verified=False, via="Ana"),
        Contact("Dora", "z3", verified=True, changed=True),
        Contact("Emil", "z4", verified=False, pending=True),
    )
    async with people(workspace) as pilot:
        shown = await settle(pilot, "Emil has your card")
        rows = shown.splitlines()[2:6]

        assert [re.sub(r" {2,}", "|", row.strip()) for row in rows] == [
            "Emil|asks to be a contact|Enter answers",
            "Ana|✓ verified",
            "Ben|○ not verified|via Ana",
            "Dora|⚠ keys changed",
        ]
        await pilot.press("end")
        await settle(pilot, "Dora has other keys than those you verified")
        await pilot.press("up")
        await settle(pilot, "Ana introduced Ben.")


async def test_the_twelve_words_are_compared_and_then_vouched_for() -> None:
    """All twelve show; an Enter too many vouches for nobody; "the same" marks the contact."""
    workspace = await peopled(BEN)
    async with people(workspace) as pilot:
        await pilot.press("v")
        shown = await settle(pilot, "Verify Ben")
        assert re.findall(r"\d+ (\w+)", shown.split("each other.")[1])[:12] == WORDS
        await pilot.press("enter")
        await settle(pilot, "Verify Ben", gone=True)
        assert not workspace.known[0].verified
        await pilot.press("v")
        await settle(pilot, "Verify Ben")
        await pilot.press("tab", "enter")
        await settle(pilot, "✓ verified")

    assert workspace.known[0].verified


async def test_words_that_changed_while_they_showed_are_shown_anew() -> None:
    """Those that were compared are not those of his newest keys any more: nobody is vouched for by them."""
    workspace = await peopled(BEN)
    async with people(workspace) as pilot:
        await pilot.press("v")
        await settle(pilot, "1 acid")
        workspace.words.reverse()
        await pilot.press("tab", "enter")
        await settle(pilot, "These are not the words.")
        await settle(pilot, "1 lamp")
        assert not workspace.known[0].verified
        while pilot.app.screen.query_one("#same").has_class("-active"):  # a button is deaf for 0.2 s
            await pilot.pause()
        await pilot.press("enter")
        await settle(pilot, "✓ verified")

    assert workspace.known[0].verified


async def test_other_words_or_another_card_leave_a_contact_unverified() -> None:
    """Both are explained. The own card shows as QR code; theirs, scanned, verifies."""
    workspace = await peopled(BEN)
    workspace.cards |= {"pgc-card:ben": BEN, "pgc-card:eve": Contact("Ben", "zeve", verified=False)}
    async with people(workspace, (100, 44)) as pilot:
        await pilot.press("enter")
        await settle(pilot, "Verify Ben")
        await pilot.click("#differ")
        await settle(pilot, "The words differ")
        await pilot.press("ctrl+r")
        await settle(pilot, "█▀▀▀▀▀█")
        field = pilot.app.screen.query_one("#theirs", Input)
        field.focus()
        field.value = "pgc-card:eve"
        await pilot.press("enter")
        await settle(pilot, "This card is not theirs.")
        assert not workspace.known[0].verified
        field.value = " pgc-card: ben"
        await pilot.press("enter")
        await settle(pilot, "✓ verified")

    assert workspace.known[0].verified


async def test_a_contact_is_introduced_to_another() -> None:
    """One chooses to whom; what the other sees is said."""
    workspace = await peopled(Contact("Ana", "z1", verified=True), BEN)
    async with people(workspace) as pilot:
        await settle(pilot, "Ben")
        await pilot.press("i")
        await settle(pilot, "Introduce Ana to")
        await pilot.press("enter")
        await reads(pilot, "Ben gets the card of Ana")

    assert workspace.done == [("introduce", "Ana", "Ben")]


async def test_contacts_are_renamed_and_removed() -> None:
    """The name is one's own; removing says what it does not do, and asks."""
    workspace = await peopled(BEN)
    async with people(workspace) as pilot:
        await pilot.press("r")
        await settle(pilot, "Nobody else sees it.")
        await pilot.press("end", *"ji", "enter")
        await settle(pilot, "Benji")
        await pilot.press("d")
        await settle(pilot, "What you share stays shared")
        await pilot.press("enter")
        await settle(pilot, "What you share stays shared", gone=True)
        await pilot.press("d")
        await settle(pilot, "What you share stays shared")
        await pilot.press("tab", "enter")
        await settle(pilot, "Nobody here yet.")

    assert workspace.known == []


@pytest.mark.parametrize(("presses", "left"), [(1, ["Emil"]), (2, [])])
async def test_who_asks_to_be_a_contact_is_answered(presses: int, left: list[str]) -> None:
    """The list says that somebody waits; accepting keeps him, declining does not, and Enter does neither."""
    workspace = await peopled(Contact("Emil", "z4", verified=False, pending=True))
    async with running(workspace, at="1 person waits for an answer: p") as pilot:
        await pilot.press("p")
        await settle(pilot, "asks to be a contact")
        await pilot.press("enter")
        await settle(pilot, "Somebody who says: Emil")
        await pilot.press("enter")
        await settle(pilot, "Somebody who says: Emil", gone=True)
        assert workspace.known[0].pending
        await pilot.press("enter")
        await settle(pilot, "Somebody who says: Emil")
        await pilot.press(*["tab"] * presses, "enter")
        await settle(pilot, "asks to be a contact", gone=True)

    assert [one.name for one in workspace.known if not one.pending] == left


# Invitations


async def test_an_invitation_is_accepted_under_a_name() -> None:
    """It names who, what and as what; accepted it opens under the name given."""
    workspace = await peopled()
    workspace.invited.append(Invitation("i1", "street party", "doc", Role.WRITER, "Farid", "zf"))
    async with people(workspace) as pilot:
        assert "as writer" in await reads(pilot, "shares the document “street party” with you")
        await pilot.press("enter")
        await settle(pilot, "Your name for it")
        await pilot.press("shift+tab")
        field = pilot.app.screen.query_one("#name", Input)
        field.focus()
        field.value = "party"
        await pilot.press("enter")
        await settle(pilot, "saved here")

        assert isinstance(pilot.app.screen, Writing)
        assert pilot.app.screen.handle.path == "party"


async def test_an_invitation_is_declined() -> None:
    """It is gone, and nothing is on the list."""
    workspace = await peopled()
    workspace.invited.append(Invitation("i1", "street party", "doc", Role.WRITER, "Farid", "zf"))
    async with people(workspace) as pilot:
        await pilot.press("enter")
        await settle(pilot, "Your name for it")
        await pilot.click("#decline")
        await settle(pilot, "Nobody here yet.")

    assert "street party" not in workspace.documents


async def test_what_somebody_shares_is_announced() -> None:
    """A notice says who and what, also while one writes; one's own joining by link is not news."""
    workspace = await peopled(BEN)
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await settle(pilot, "Back")
        workspace.announce(Event("joined", "other"))
        workspace.announce(Event("joined", "plan [b]", "Ben"))
        shown = await reads(pilot, "Ben shares “plan [b]” with you: it is on your list.")

        assert "other" not in shown


async def test_who_comes_in_meanwhile_appears_by_himself() -> None:
    """An event of the workspace brings the screen up to date without a key."""
    workspace = await peopled()
    async with people(workspace) as pilot:
        await settle(pilot, "Nobody here yet.")
        workspace.known.append(BEN)
        workspace.announce(Event("change"))
        await settle(pilot, "○ not verified")


# Sharing with somebody


async def test_sharing_with_a_contact_chooses_who_and_as_what() -> None:
    """Contacts come first and a link last; what is not verified is said; the contact gets that role."""
    workspace = await peopled(Contact("Ana", "z1", verified=True), BEN)
    async with running(workspace) as pilot:
        await pilot.press("s")
        await settle(pilot, "Ana can read it, history included.")
        await pilot.press("down")
        await reads(pilot, "You have not verified yet that this is Ben.")
        await pilot.press("enter", "down", "space")
        await settle(pilot, "Ben can read and change it")
        await pilot.click("#make")
        await reads(pilot, "Ben gets it, as writer")

    assert workspace.done == [("share_with", "notes", "Ben", Role.WRITER)]


async def test_sharing_from_now_on_says_what_it_means() -> None:
    """Offered for a contact, not for a link, where nothing is hidden from whoever comes."""
    workspace = await peopled(Contact("Ana", "z1", verified=True))
    async with running(workspace) as pilot:
        await pilot.press("s")
        await settle(pilot, "from now on, with the text as it is")
        await pilot.press("end")
        assert "from now on" not in await settle(pilot, "A password for the link")
        await pilot.press("home")
        await settle(pilot, "from now on")
        await pilot.click("#since RadioButton:last-child")
        await reads(
            pilot, "nothing that was written before now but the text as it is. The names of members they do"
        )
        await pilot.click("#make")
        await reads(pilot, "Ana gets it, as reader")

    assert workspace.done == [("share_with", "notes", "Ana", Role.READER, "from now")]


async def test_sharing_by_link_is_there_beside_contacts() -> None:
    """The last line is the link, with password and end."""
    workspace = await peopled(BEN)
    async with running(workspace) as pilot:
        await pilot.press("s")
        assert "A password for the link" not in await settle(pilot, "Ben can read it")
        await pilot.press("end")
        await settle(pilot, "A password for the link")
        await pilot.click("#make")
        await settle(pilot, "#reader-")


async def test_sharing_with_a_contact_without_a_node_says_what_is_missing() -> None:
    """The error and its hint stand in the dialog, and nothing was shared."""
    workspace = await peopled(BEN)
    workspace.node_states.clear()
    async with running(workspace) as pilot:
        await pilot.press("s")
        await settle(pilot, "Ben can read it")
        await pilot.click("#make")
        assert "pgc node add" in await settle(pilot, "no node yet")

    assert workspace.done == []


# Members


@asynccontextmanager
async def members(workspace: FakeWorkspace) -> AsyncIterator[Pilot[Any]]:
    """The members of the notes, with Ben, a guest and a link among them."""
    workspace.people += [
        Member("Ben", Role.READER, "account", "zben"),
        Member("Gus", Role.WRITER, "guest", "zgus", unverified=True),
        Member("link (writer)", Role.WRITER, "link", "zlink1234"),
    ]
    async with running(workspace) as pilot:
        await pilot.press("m")
        await settle(pilot, "says: Gus")
        yield pilot


async def test_removing_says_what_it_can_do_and_what_it_cannot() -> None:
    """Before: what they saw stays seen, and a link is another way in. After: new keys, and Ben is gone."""
    workspace = await peopled()
    async with members(workspace) as pilot:
        await pilot.press("down", "delete")
        shown = await reads(pilot, "Remove Ben from")
        assert "Removed people can still see what they already saw; nothing can take that back." in shown
        assert "What is written from now on gets new keys, which Ben does not have." in shown
        assert "There is a link to it as well" in shown
        await pilot.press("enter")
        await settle(pilot, "already saw", gone=True)
        assert workspace.done == []
        await pilot.press("delete")
        await settle(pilot, "already saw")
        await pilot.press("tab", "enter")
        await reads(pilot, "Ben is out. What is written from now on has new keys.")
        await settle(pilot, "reader", gone=True)

    assert workspace.done == [("unshare", "notes", "zben")]


async def test_a_link_is_revoked_in_the_list_of_members() -> None:
    """It says what becomes of those who came by it; they cannot be removed one by one."""
    workspace = await peopled()
    async with members(workspace) as pilot:
        await pilot.press("down", "down", "delete")
        await reads(pilot, "revoke the link to remove them")
        await pilot.press("down", "delete")
        await reads(pilot, "whoever came by it is out")
        await pilot.press("tab", "enter")
        await reads(pilot, "The link is revoked.")

    assert workspace.done == [("unshare", "notes", "zlink1234")]


async def test_a_link_made_here_is_shown_again() -> None:
    """With what is known of it; Enter on it shows it, to be copied. Another's link cannot be shown."""
    workspace = await peopled()
    made = ShareLink("zlink1234", "pgc://node/#again", Role.WRITER, password=True, expires=START)
    async with members(workspace) as pilot:
        await pilot.press("end", "l")
        await settle(pilot, "Choose a link that was made here")
        await pilot.press("escape")
        workspace.made_links.append(made)
        await pilot.press("m")
        await settle(pilot, "link nk1234, yours, with a password")
        await pilot.press("end", "enter")
        await settle(pilot, "pgc://node/#again")
        await pilot.press("enter")

        assert pilot.app.clipboard == "pgc://node/#again"


async def test_a_role_is_changed() -> None:
    """The other roles are offered; the list shows the new one."""
    workspace = await peopled()
    async with members(workspace) as pilot:
        await pilot.press("down", "r")
        await settle(pilot, "writer: can read and change it")
        await pilot.press("down", "enter")
        await settle(pilot, "Ben is admin now.")
        assert re.search(r"Ben +admin", painted(pilot.app))  # type: ignore[arg-type]

    assert workspace.done == [("change_role", "notes", "zben", Role.ADMIN)]


async def test_who_is_no_admin_can_only_leave() -> None:
    """Changing others is refused in words; leaving asks, and takes it off the list."""
    workspace = await peopled()
    workspace.people = [
        Member("Ana", Role.ADMIN, "account", "zana"),
        Member("Me", Role.WRITER, "account", "id", me=True),
    ]
    async with running(workspace) as pilot:
        await pilot.press("m")
        await settle(pilot, "Me   writer  you")
        await pilot.press("delete")
        await settle(pilot, "Only an admin can change who is in it.")
        await pilot.press("down", "delete")
        await reads(pilot, "What you wrote in it stays with them.")
        await pilot.press("tab", "enter")
        await settle(pilot, "notes", gone=True)

    assert workspace.done == [("leave", "notes")]


async def test_the_last_who_can_write_is_told_so_before_leaving() -> None:
    """Those who stay could only read; leaving goes all the same."""
    workspace = await peopled()
    workspace.people = [
        Member("Me", Role.ADMIN, "account", "id", me=True),
        Member("Ben", Role.READER, "account", "zben"),
    ]
    async with running(workspace) as pilot:
        await pilot.press("m")
        await settle(pilot, "Me   admin   you")
        await pilot.press("delete")
        await reads(pilot, "Nobody who stays could write in it")
        await pilot.press("tab", "enter")
        await settle(pilot, "notes", gone=True)

    assert workspace.done == [("leave", "notes", "force")]


# Everywhere


@pytest.mark.parametrize("size", [(40, 12), (200, 60)])
async def test_people_fit_small_and_large_terminals(size: tuple[int, int]) -> None:
    """The list, the dialogs and their buttons can be reached at 40 by 12 as well as at 200 by 60."""
    workspace = await peopled(BEN)
    async with people(workspace, size) as pilot:
        await settle(pilot, "○ not verified")
        await pilot.press("v")
        await settle(pilot, "Verify Ben")
        await pilot.press("tab")
        await settle(pilot, "All the same")
        await pilot.press("enter")
        await settle(pilot, "✓ verified")
        await pilot.press("escape", "m")
        await settle(pilot, "Who is in")


async def test_names_of_people_are_never_markup_or_control() -> None:
    """Contacts, introducers, invitations and members show their names as letters, in every dialog."""
    workspace = await peopled(Contact(EVIL, "z1", verified=False, via=EVIL))
    workspace.invited.append(Invitation("i1", EVIL, "doc", Role.WRITER, EVIL, "zf"))
    workspace.people.append(Member(EVIL, Role.READER, "account", "z9"))
    safe = "[red]x[/] ␛[31m␦"
    async with running(workspace, size=(120, 30)) as pilot:
        await pilot.press("p")
        await settle(pilot, f"shares “{safe}”")
        await pilot.press("enter")
        await settle(pilot, f"says: {safe}")
        await pilot.press("escape", "down")
        await settle(pilot, f"{safe} introduced {safe}.")
        for key, said in (("v", f"{safe} sees the same"), ("d", f"Take {safe} off")):
            await pilot.press(key)
            await settle(pilot, said)
            await pilot.press("escape")
        await pilot.press("escape", "s")
        await settle(pilot, f"{safe} can read it")
        await pilot.press("escape", "m")
        await settle(pilot, safe)
        await pilot.press("down", "delete")
        shown = await settle(pilot, f"Remove {safe} from")

    assert "\x1b" not in shown
    assert "\u202e" not in shown


# The command palette


@pytest.mark.parametrize("screen", [Home, Writing, Chatting, PeopleScreen, Past])
def test_every_command_of_the_palette_is_an_action(screen: type[FullScreen]) -> None:
    """Its name leads to a method of the screen."""
    for _, _, action in screen.PALETTE:
        assert callable(getattr(screen, f"action_{action.partition('(')[0]}"))


async def test_people_are_reached_by_the_command_palette() -> None:
    """Without knowing a key: the palette, a few letters, Enter."""
    async with running(await peopled(BEN)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.press(*"people")
        await settle(pilot, "Contacts, invitations, your own card")
        await pilot.press("down", "enter")
        await settle(pilot, "○ not verified")


async def test_who_may_not_share_is_told_before_filling_anything_in() -> None:
    """The button does nothing, and it is said who can."""
    workspace = await stocked()
    workspace.people = [Member("Me", Role.WRITER, "account", "id", me=True)]
    async with running(workspace) as pilot:
        await pilot.press("s")
        await reads(pilot, "Only an admin can share this.")

        assert pilot.app.screen.query_one("#make").disabled
