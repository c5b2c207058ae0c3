"""``pgc contact``, ``invitation`` and ``share --with``."""

from __future__ import annotations

from typing import Any

import pytest

from peergos_collab.errors import BadCard, Conflict, NotFound
from peergos_collab.workspace.api import Role
from support.fake_workspace import CARD, NODE, WORDS, FakeWorkspace


def test_card(pgc: Any, workspace: FakeWorkspace) -> None:
    """On a line of its own, or {card}; without a node it says that nobody can write yet."""
    ran = pgc("contact", "card")
    assert ran.out == f"{CARD}\n".encode()
    assert "node add" in ran.err
    workspace.addresses.append(NODE)
    ran = pgc("contact", "card", "--json")
    assert ran.document["card"] == CARD
    assert ran.err == ""


def test_add(pgc: Any, workspace: FakeWorkspace) -> None:
    """From the command line or stdin, under the card's name or another one."""
    assert pgc("contact", "add", CARD).out == b"Ben\n"
    ran = pgc("contact", "add", "-", "--name", "Benny", "--json", stdin=f" {CARD}\n".encode())

    assert ran.document["name"] == "Benny"
    assert workspace.calls == [("add_contact", CARD, ""), ("add_contact", CARD, "Benny")]


def test_bad_cards(pgc: Any, workspace: FakeWorkspace) -> None:
    """Exit 2, with what to do."""
    workspace.failure = BadCard()
    ran = pgc("contact", "add", "x", "--json")

    assert (ran.code, ran.failure["error"]) == (2, "bad_card")
    assert "pgc-card:" in ran.failure["hint"]


def test_list(pgc: Any, workspace: FakeWorkspace) -> None:
    """{contacts: [{name, verified, account}]}; as text the doubts stand beside the name."""
    listed = pgc("contact", "list", "--json").document["contacts"]
    assert [(each["name"], each["verified"], each["account"]) for each in listed] == [
        ("Ben", True, "z6B"),
        ("Cai", False, "z6C"),
        ("Dora", False, "z6D"),
    ]
    lines = pgc("contact", "list").out.decode().splitlines()
    assert "verified" in lines[0]
    assert "via Ben" in lines[1]
    assert "accept" in lines[1]
    assert "CHANGED" in lines[2]


def test_verify_shows_words_and_marks_nothing(pgc: Any, workspace: FakeWorkspace) -> None:
    """Without a terminal nobody can be asked, so nothing is taken as compared."""
    ran = pgc("contact", "verify", "Ben", "--json")

    assert (ran.document["words"], ran.document["verified"]) == (WORDS, False)
    assert workspace.calls == [("contact_words", "Ben")]
    assert pgc("contact", "verify", "Ben").out.decode().split() == WORDS


@pytest.mark.parametrize(
    ("more", "compared"),
    [(["--equal", " ".join(WORDS).upper()], ("", WORDS)), (["--card", CARD], (CARD, []))],
)
def test_verify_marks_when_told(
    pgc: Any, workspace: FakeWorkspace, more: list[str], compared: tuple[str, list[str]]
) -> None:
    """What the other sees is handed on, his words or his card: only that is taken as compared."""
    ran = pgc("contact", "verify", "Ben", *more, "--json")

    assert ran.document["verified"] is True
    assert ("mark_verified", "Ben", *compared) in workspace.calls


def test_the_rest(pgc: Any, workspace: FakeWorkspace) -> None:
    """Each command says to the workspace what it was told."""
    assert pgc("contact", "rename", "Ben", "Benny").code == 0
    assert pgc("contact", "remove", "Ben").code == 0
    assert pgc("contact", "accept", "Cai").out == b"Cai\n"
    assert pgc("contact", "introduce", "Ben", "--to", "Dora").code == 0
    assert pgc("invitation", "accept", "z6I").out == b"plan\n"
    assert pgc("invitation", "accept", "z6I", "mine", "--json").document["path"] == "mine"
    assert pgc("invitation", "decline", "z6I").code == 0

    assert workspace.calls == [
        ("rename_contact", "Ben", "Benny"),
        ("remove_contact", "Ben"),
        ("accept_contact", "Cai"),
        ("introduce", "Ben", "Dora"),
        ("accept_invitation", "z6I", ""),
        ("accept_invitation", "z6I", "mine"),
        ("decline_invitation", "z6I"),
    ]


def test_invitations(pgc: Any) -> None:
    """{invitations}; as text nothing in a title reorders the line."""
    (listed,) = pgc("invitation", "list", "--json").document["invitations"]
    assert (listed["id"], listed["role"], listed["who"]) == ("z6I", "writer", "Eve")
    line = pgc("invitation", "list").out.decode()
    assert "\u202e" not in line
    assert "not verified" in line


def test_share_with(pgc: Any, workspace: FakeWorkspace) -> None:
    """{delivered_to}; readers unless said otherwise."""
    assert pgc("share", "notes", "--with", "Ben", "--json").document["delivered_to"] == "Ben"
    assert pgc("share", "notes", "--with", "Ben", "--role", "writer").out == b"shared with Ben\n"

    assert workspace.calls == [
        ("share_with", "notes", "Ben", Role.READER),
        ("share_with", "notes", "Ben", Role.WRITER),
    ]


def test_share_from_now(pgc: Any, workspace: FakeWorkspace) -> None:
    """What it means is said beside the result; {from_now}."""
    shared = pgc("share", "notes", "--with", "Ben", "--from-now", "--json")

    assert shared.document["from_now"] is True
    assert workspace.calls == [("share_with", "notes", "Ben", Role.READER, "from now")]
    assert "who is in it" in pgc("share", "notes", "--with", "Ben", "--from-now").err


@pytest.mark.parametrize(
    "more",
    [
        [],
        ["--link", "--with", "Ben"],
        ["--with", "Ben", "--expires", "1d"],
        ["--link", "--from-now"],
    ],
    ids=["how", "both", "end", "link"],
)
def test_share_says_how(pgc: Any, workspace: FakeWorkspace, more: list[str]) -> None:
    """One way, and no option that belongs to the other: exit 2."""
    assert pgc("share", "notes", *more).code == 2
    assert workspace.calls == []


@pytest.mark.parametrize(("failure", "code"), [(NotFound(), 3), (Conflict(), 8)])
def test_failures(pgc: Any, workspace: FakeWorkspace, failure: Exception, code: int) -> None:
    """No such contact; keys that changed."""
    workspace.failure = failure
    assert pgc("share", "notes", "--with", "Ben").code == code
