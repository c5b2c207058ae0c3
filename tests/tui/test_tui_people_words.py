"""What is said about people, worked out without a screen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peergos_collab.workspace.api import Contact, Invitation, Member, Message, Presence, Role, Writer
from tui.viewmodels.contacts import (
    People,
    about,
    heading,
    invitation_words,
    shares_words,
    sure,
    waiting_words,
)
from tui.viewmodels.members import may_manage, member_lines, removal_words, together_words
from tui.viewmodels.people import name_of
from tui.viewmodels.sharing import contact_words
from tui.viewmodels.timeline import author_words, message_lines
from tui.viewmodels.verifying import how_words, word_rows
from tui.viewmodels.writers import writer_words

BEN = Contact("Ben", "zben", verified=False)
INVITED = Invitation("i1", "party", "chat", Role.READER, "Farid", "zfarid")
ME = Member("Me", Role.ADMIN, "account", "id", me=True)
LINK = Member("link (writer)", Role.WRITER, "link", "zlink1234")


@pytest.mark.parametrize(
    ("contact", "words"),
    [
        (BEN, "○ not verified"),
        (replace(BEN, verified=True), "✓ verified"),
        (replace(BEN, changed=True), "⚠ keys changed"),
        (replace(BEN, verified=True, changed=True), "⚠ keys changed"),
        (replace(BEN, pending=True), "asks to be a contact"),
        (replace(BEN, pending=True, via="Ana"), "is introduced to you"),
        (replace(BEN, pending=True, changed=True, verified=True), "asks to be a contact"),
    ],
)
def test_verified_is_said_only_of_keys_that_were_compared(contact: Contact, words: str) -> None:
    """Changed keys are never shown as verified, nor is anybody who was not accepted."""

    assert sure(contact) == words


def test_those_who_wait_come_first_and_are_counted() -> None:
    """Invitations, then requests, then contacts by name; only those one answers count as waiting."""
    people = People((replace(BEN, name="zoe", account="z1"), BEN, replace(BEN, pending=True)), (INVITED,))

    assert [line.cells[0] for line in people.lines()] == ["Farid", "Ben", "Ben", "zoe"]
    assert [one.name for one in people.known] == ["Ben", "zoe"]
    assert heading(people) == "People  ·  2 contacts  ·  2 waiting for your answer"
    assert [waiting_words(count) for count in (0, 1, 2)] == [
        "",
        "1 person waits for an answer: p",
        "2 people wait for an answer: p",
    ]


def test_a_line_leads_to_its_person() -> None:
    """Keys tell an invitation from a contact of the same account; an unknown one is nobody."""
    people = People((replace(BEN, account="zfarid"),), (INVITED,))
    first, second = people.lines()

    assert people.invitation(first.key) == INVITED
    assert people.contact(first.key) is None
    assert people.contact(second.key) is not None
    assert about(people, None) == ""


def test_a_stranger_is_quoted_and_a_contact_named() -> None:
    """What a stranger calls himself is never told as if it were known."""

    assert invitation_words(INVITED, known=False).startswith("Somebody who says: Farid shares the chat")
    assert invitation_words(INVITED, known=True).startswith(
        "Farid shares the chat “party” with you, as reader"
    )


def test_an_invitation_under_other_keys_is_not_told_as_a_friends() -> None:
    """It is what an attack looks like; in the list and where one answers."""
    known = Contact("Farid", "zfarid", verified=True)
    for changed in (True, False):
        people = People((replace(known, changed=changed),), (INVITED,))
        words = about(people, people.lines()[0].key)

        assert ("other keys than those you verified" in words) is changed
        assert words == invitation_words(INVITED, known=True, changed=people.changed("zfarid"))


def test_sharing_says_what_one_does_not_know_of_somebody() -> None:
    """Nothing of a verified contact; of the others, that they are not, or that keys changed."""

    assert contact_words(replace(BEN, verified=True), Role.READER) == "Ben can read it, history included."
    assert "not verified yet" in contact_words(BEN, Role.READER)
    assert "compare words first" in contact_words(replace(BEN, verified=True, changed=True), Role.READER)


@pytest.mark.parametrize(("width", "columns"), [(200, 4), (60, 4), (30, 2), (5, 1)])
def test_twelve_words_fit_any_width(width: int, columns: int) -> None:
    """They are numbered in the order of reading, at most four beside each other."""
    rows = word_rows([f"word{number}" for number in range(1, 13)], width)

    assert len(rows) == 12 // columns
    assert " ".join(rows).split() == [part for n in range(1, 13) for part in (str(n), f"word{n}")]


def test_changed_keys_are_explained_before_words_are_compared() -> None:
    """The dialog says so first."""

    assert how_words(replace(BEN, changed=True)).startswith("Ben has other keys than those you verified")
    assert "other keys" not in how_words(BEN)


def test_a_member_who_is_no_contact_is_quoted() -> None:
    """He could call himself like a contact; when he is removed he is called by that name all the same."""
    eve = Member("Ben", Role.WRITER, "account", "zeve", unverified=True)
    guest = Member("Gus", Role.WRITER, "guest", "zgus", unverified=True)
    known = Member("Ben", Role.WRITER, "guest", "zben")

    assert member_lines([ME, eve, known, guest]) == [
        "Me         admin   you",
        "says: Ben  writer  none of your contacts",
        "Ben        writer  came by a link",
        "says: Gus  writer  came by a link, name unverified",
    ]
    assert "Remove Ben from" in removal_words(eve, "notes", [ME, eve])


def test_what_nobody_vouches_for_is_marked() -> None:
    """In a chat, as a cursor, as the writer of a text."""
    message = Message("m1", "Ben", 0, "hello")

    assert [author_words(replace(message, unverified=said)) for said in (True, False)] == [
        "Ben (unverified)",
        "Ben",
    ]
    assert author_words(replace(message, mine=True)) == "You"
    assert name_of(Presence("k", "Ben", None, None, False, "node", unverified=True)) == "Ben (unverified)"
    assert writer_words(Writer("Ben", "zben", unverified=True)) == "by Ben (unverified)"
    assert shares_words("Ben", "notes", unverified=True).startswith("Somebody who says: Ben shares")


def test_two_of_one_name_are_not_one_author() -> None:
    """A stranger who takes a contact's name does not go on under that contact's head line."""
    known, stranger = Message("m1", "Ben", 0, "one"), Message("m2", "Ben", 1, "two", unverified=True)

    heads = [line.text for line in message_lines(stranger, known, 40) if line.kind == "head"]
    assert heads == ["Ben (unverified)"]


def test_members_stand_in_columns_whatever_their_script() -> None:
    """Wide characters take two cells each."""
    lines = member_lines([ME, Member("漢字", Role.READER, "account", "z1")])

    assert lines == ["Me    admin   you", "漢字  reader"]


def test_removal_words_name_links_only_where_there_are_some() -> None:
    """A link is another way back in; where there is none nothing is said of it."""
    ben = Member("Ben", Role.READER, "account", "zben")
    plain, linked = (removal_words(ben, "notes", [ME, ben, *links]) for links in ([], [LINK, LINK]))

    assert "already saw" in plain
    assert "link" not in plain
    assert "There are 2 links to it as well" in linked
    assert "whoever came by it is out" in removal_words(LINK, "notes", [ME, LINK])


def test_only_an_admin_manages() -> None:
    """Another's being admin is not one's own."""

    assert may_manage([ME])
    assert not may_manage([replace(ME, role=Role.WRITER), Member("Ana", Role.ADMIN, "account", "z")])


def test_who_else_can_come_in_is_said() -> None:
    """Alone, nobody, though nobody forgets what he saw; with a link, whoever holds it."""

    assert together_words([ME]) == "Nobody else is in it. Whoever was removed still has what they saw."
    assert "Anyone who holds a link" in together_words([ME, LINK])
