"""How people are called here: by this account's own name for them, or else by what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping

from ..codec.shown import show_person
from ..values import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """A name, safe to show. ``unverified``: it is their own word for themselves; nobody vouches for it."""

    name: str
    me: bool = False
    unverified: bool = False

    @property
    def words(self) -> str:
        """For the middle of a sentence."""
        return f"somebody who calls himself {self.name}" if self.unverified else self.name


@dataclass(frozen=True, slots=True)
class Names:
    """Who is called how.

    Args:
        own: this account.
        petnames: by account; of accepted contacts.
    """

    own: bytes
    petnames: Mapping[bytes, str]

    def of(self, account: bytes, said: str) -> Called:
        """``said`` is what whoever it is says of himself."""
        if account == self.own:
            return Called(show_person(said), me=True)
        petname = self.petnames.get(bytes(account))
        return Called(petname or show_person(said), unverified=petname is None)
