"""The versions of a document as lines, who wrote what of one, and what changed from one to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from peergos_collab.documents import difference
from peergos_collab.workspace.api import Forgetting, Passage, Version, Writer

from .authorship import Authors, Authorship, Sign
from .cells import shown
from .lines import Line
from .people import COLOURS, Colours, called
from .status import node_name
from .timeline import clock_words, moment

if TYPE_CHECKING:
    from peergos_collab.documents import Document


NAME_CELLS = 24
"""Of a version's name in the list; all of it stands above the text."""


def version_lines(versions: Sequence[Version]) -> list[Line]:
    """When, who or what name, and how many characters came and went."""
    return [
        Line(
            each.id, (when_words(each), _called(each), f"+{each.added:,}", f"-{each.removed:,}"), _tone(each)
        )
        for each in versions
    ]


def _called(each: Version) -> str:
    return f"◆ {shown(each.name, NAME_CELLS - 2)}" if each.name else who_words(each)


def _tone(each: Version) -> str:
    return "call" if each.name else ""


def version_words(each: Version) -> str:
    """All that is known of one."""
    words = f"{when_words(each).strip()}, {who_words(each)}"
    if not each.name:
        return words
    by = "you" if each.named_by_me else called(each.named_by, unverified=each.named_by_unverified)
    return f"{words}  ·  “{shown(each.name)}”, named by {by}"


def forgetting_words(each: Forgetting) -> str:
    """What becomes of it where, a line for each node."""
    lines = [f"{each.changes:,} changes are to be forgotten."]
    for at in each.nodes:
        waits = f"forgets them in {at.hours} h, unless somebody objects" if at.hours else "forgets them now"
        lines.append(f"{node_name(at.node)}: {shown(at.problem, 200) or waits}")
    return "\n".join(lines)


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


_CAME, _WENT = 1, 2
_COLOURS = {_CAME: COLOURS[1], _WENT: COLOURS[4]}
_SIGNS = {_COLOURS[_CAME]: Sign("+", "underline"), _COLOURS[_WENT]: Sign("-", "strike")}


def changed(old: str, new: str) -> tuple[str, list[int | None]]:
    """A text with all that came and all that went, and for each character which of them it is."""
    parts: list[str] = []
    marks: list[int | None] = []
    at = 0
    for start, end, came in [*difference(old, new), (len(old), len(old), "")]:
        for part, mark in ((old[at:start], None), (old[start:end], _WENT), (came, _CAME)):
            parts.append(part)
            marks += [mark] * len(part)
        at = end
    return "".join(parts), marks


class Changes(Authors):
    """What came and went, for an editor that shows it as if it were by two authors."""

    SIGNS = _SIGNS

    def __init__(self, document: Document, marks: list[int | None]) -> None:
        super().__init__(_Known(document, marks), Colours())
        self._marks = set(marks)

    def _colour(self, client: int | None) -> str | None:
        return _COLOURS.get(client or 0)

    def legend(self) -> list[tuple[str, str | None]]:
        words = {_CAME: "came", _WENT: "went"}
        return [(word, _COLOURS[mark]) for mark, word in words.items() if mark in self._marks]


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
