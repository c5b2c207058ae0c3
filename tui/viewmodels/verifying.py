"""Comparing words: two lists that must be the same at both ends."""

from __future__ import annotations

from peergos_collab.workspace.api import Contact

from .contacts import changed_words, person

_WORD = 9
"""Cells of a column beside its number: words have at most eight letters."""


def word_rows(words: list[str], width: int) -> list[str]:
    """The words, numbered from left to right, in as many columns as fit, at most four."""
    columns = max(1, min(4, width // (_WORD + 4)))
    cells = [f"{number:>2} {word:<{_WORD}}" for number, word in enumerate(words, 1)]
    return [" ".join(cells[at : at + columns]).rstrip() for at in range(0, len(cells), columns)]


def how_words(contact: Contact) -> str:
    """What to do, for somebody who never did it."""
    name = person(contact.name)
    again = f"{changed_words(contact)}\n\n" if contact.changed else ""
    return (
        f"{again}{name} sees the same 12 words for you. Call them or meet, so that you would notice if it "
        "was not them, and read the words to each other."
    )


def differ_words(contact: Contact) -> str:
    """What two different lists mean, and what to do."""
    name = person(contact.name)
    return (
        f"The words differ: one of you has an old card, or somebody stands between you. {name} stays not "
        f"verified. Remove this contact, take a new card from {name} yourself, and compare again."
    )


def verified_words(contact: Contact) -> str:
    return f"{person(contact.name)} is verified."
