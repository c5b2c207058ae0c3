"""The versions of a document as lines, and who wrote what of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from peergos_collab.workspace.api import Passage, Version, Writer

from .authorship import Authors, Authorship
from .lines import Line
from .people import Colours, called
from .timeline import clock_words, moment

if TYPE_CHECKING:
    from peergos_collab.documents import Document


def version_lines(versions: Sequence[Version]) -> list[Line]:
    """When, who, and how many characters came and went."""
    return [
        Line(each.id, (when_words(each), who_words(each), f"+{each.added:,}", f"-{each.removed:,}"))
        for each in versions
    ]


def when_words(each: Version) -> str:
    """``26 Nov 14:05``; of another year with the year in place of the clock, as lists of files have it."""
    when = moment(each.time)
    if when is None:
        return "no date"
    same = when.year == when.now().year
    return f"{when.day:>2} {when:%b} {clock_words(when) if same else f'{when.year:>5}'}"


def who_words(each: Version) -> str:
    return "you" if each.me else called(each.author, unverified=each.unverified)


class _Known(Authorship):
    """Whose a text is that does not change, all of it known."""

    def __init__(self, document: Document, owners: list[int | None]) -> None:
        super().__init__(document)
        self._clients = owners

    def look_at(self, start: int, end: int) -> None:
        """It was looked at."""


def authors_of(document: Document, passages: Sequence[Passage], colours: Colours) -> Authors:
    """Who wrote what of a version's text, for an editor that shows it."""
    owners: list[int | None] = []
    people: dict[str, int] = {}
    for passage in passages:
        owners += [people.setdefault(passage.account, len(people))] * (passage.end - passage.start)
    authors = Authors(_Known(document, owners), colours)
    for passage in passages:
        writer = Writer(passage.author, passage.account, me=passage.me, unverified=passage.unverified)
        authors.name(people[passage.account], writer)
    return authors
