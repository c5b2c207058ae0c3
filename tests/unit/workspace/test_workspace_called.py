"""How people are called: petnames before own words, and those marked."""

from __future__ import annotations

from peergos_collab.workspace.called import Called, Names

NAMES = Names(b"me", {b"ana": "Anna from work"})


def test_a_contact_has_the_name_given_to_him() -> None:
    """Whatever he calls himself."""
    assert NAMES.of(b"ana", "The boss") == Called("Anna from work")
    assert NAMES.of(b"ana", "The boss").words == "Anna from work"


def test_who_is_no_contact_says_so_himself() -> None:
    """Even under the name of a contact; what is hidden in it shows."""
    called = NAMES.of(b"eve", "Anna from work\u202e")

    assert called == Called("Anna from work<U+202E>", unverified=True)
    assert called.words == "somebody who calls himself Anna from work<U+202E>"


def test_oneself_needs_nobody_to_vouch() -> None:
    """One's own word is enough."""
    assert NAMES.of(b"me", "Me") == Called("Me", me=True)
