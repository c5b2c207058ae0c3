"""Who wrote which character of what is in sight; nothing else of a document is ever looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from peergos_collab.errors import LocalProtocolError
from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Writer

from .people import Colours, called

if TYPE_CHECKING:
    from peergos_collab.documents import Change, Document

MOST = 20_000
"""Code points in sight that are looked at; a screen holds fewer."""
_YOU = "you"


class Authorship:
    """The client ids behind a stretch of text. Call ``apply_change`` with every change of the document.

    A look at one character costs the pieces of text before it, so each is looked at once: what is typed
    moves what is known, and a page that scrolls keeps what stays in sight.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._first = 0
        self.news = False
        """Whether something was learnt since somebody set this back."""
        self._clients: list[int | None] = []

    @property
    def end(self) -> int:
        return self._first + len(self._clients)

    def look_at(self, start: int, end: int) -> None:
        """From now on this stretch is of interest."""
        end = min(end, start + MOST, len(self._document))
        if (start, end) != (self._first, self.end):
            self._clients = self.clients(start, max(start, end))
            self._first = start

    def client(self, offset: int) -> int | None:
        """Whose run wrote a character; None where that was not looked at yet."""
        at = offset - self._first
        return self._clients[at] if 0 <= at < len(self._clients) else None

    def clients(self, start: int, end: int) -> list[int | None]:
        """As ``client``, for a stretch."""
        inside = self._clients[max(0, start - self._first) : max(0, end - self._first)]
        before = min(end, max(start, self._first)) - start
        return [None] * before + inside + [None] * (end - start - before - len(inside))

    def apply_change(self, change: Change) -> None:
        """What others inserted is looked at later; what was typed here is known."""
        mine = self._document.client if change.local else None
        for start, end, inserted in change.edits:
            size = len(inserted)
            if end <= self._first and (start < self._first or not self._clients):
                self._first += size - (end - start)
            elif start <= self.end:
                first = max(0, start - self._first)
                self._clients[first : max(first, end - self._first)] = [mine] * size
                self._first = min(self._first, start)

    def learn(self, first: Iterable[int], enough: Callable[[], bool]) -> bool:
        """Looks at what is not known yet until ``enough`` says so. Returns whether there is more to look at.

        Args:
            first: offsets that matter more than the rest, such as where lines begin.
        """
        for offset in (*first, *range(self._first, self.end)):
            at = offset - self._first
            if not 0 <= at < len(self._clients) or self._clients[at] is not None:
                continue
            if enough():
                return True
            try:
                self._clients[at] = self._document.writer_at(offset)
                self.news = True
            except LocalProtocolError:
                return False
        return False

    def known(self) -> set[int]:
        """All client ids in sight."""
        return {client for client in self._clients if client is not None}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Text of one author; ``colour`` None for one's own and for what is not known."""

    start: int
    end: int
    colour: str | None


@dataclass(frozen=True, slots=True)
class Sign:
    """Says what a colour says to whoever sees none: a letter in the margin, and a look of the text."""

    letter: str
    look: str


class Authors:
    """Who is behind the client ids, and the colour of each person.

    Args:
        colours: shared with the cursors, so that a person has one colour.
    """

    SIGNS: Mapping[str, Sign] = {}
    """By colour."""

    def __init__(self, authorship: Authorship, colours: Colours) -> None:
        self.authorship = authorship
        self._colours = colours
        self._writers: dict[int, Writer | None] = {}

    def unknown(self) -> list[int]:
        """Client ids in sight whose writers are not known."""
        return sorted(client for client in self.authorship.known() if self._writers.get(client) is None)

    def name(self, client: int, writer: Writer | None) -> None:
        self._writers[client] = writer

    def forget(self) -> None:
        """People may be called otherwise now."""
        self._writers.clear()

    def accounts(self) -> frozenset[str]:
        """Everybody who has a colour for what he wrote."""
        return frozenset(writer.account for writer in self._writers.values() if writer and not writer.me)

    def _colour(self, client: int | None) -> str | None:
        writer = self._writers.get(client) if client is not None else None
        return self._colours.of(writer.account) if writer is not None and not writer.me else None

    def stretches(self, first: int, last: int) -> list[Stretch]:
        """A stretch of text by author, in order."""
        found: list[Stretch] = []
        at = first
        for client, those in groupby(self.authorship.clients(first, last)):
            size, colour = sum(1 for _ in those), self._colour(client)
            if found and found[-1].colour == colour:
                found[-1] = Stretch(found[-1].start, at + size, colour)
            else:
                found.append(Stretch(at, at + size, colour))
            at += size
        return found

    def marks(self, first: int, last: int) -> list[str]:
        """The colours of a line: of whoever wrote most of it first. One's own text has none."""
        sizes: dict[str, int] = {}
        for one in self.stretches(first, last):
            if one.colour is not None:
                sizes[one.colour] = sizes.get(one.colour, 0) + one.end - one.start
        return sorted(sizes, key=lambda colour: -sizes[colour])

    def legend(self) -> list[tuple[str, str | None]]:
        """(name, colour) of everybody whose text is in sight, oneself first."""
        found: dict[str, tuple[str, str | None]] = {}
        for client in self.authorship.known():
            writer = self._writers.get(client)
            if writer is not None:
                name = _YOU if writer.me else called(writer.name, unverified=writer.unverified)
                found[writer.account] = (name, self._colour(client))
        return sorted(found.values(), key=lambda one: (one[1] is not None, one[0].casefold()))
