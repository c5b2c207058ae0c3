"""The list of versions of a document."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from .line_list import LineList


class VersionList(LineList):
    """Its keys are the versions' ids."""

    HELP = """The versions of a document, the newest first: what one person wrote without a long pause.
Up and down go through time; the text beside shows what it was, in its authors' colours.
D shows instead what changed since the version before, or since the one where you pressed Space:
what came is underlined, with a + before its line; what went is struck through, with a -.
N gives a version a name that all members see, and Delete takes it away.
J goes to the next older version that has a name, K to the next newer one.
Enter makes the document again what it was then: that is an edit like any other, and nothing is lost."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "open", "Make it so again")]

    HEADS = ("When", "Who", "", "")
