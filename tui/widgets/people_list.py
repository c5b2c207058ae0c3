"""The list of people."""

from __future__ import annotations

from .line_list import LineList


class PeopleList(LineList):
    """Its keys are those of ``viewmodels.contacts.People``."""

    HELP = """The people you know, and those who wait for an answer; Enter answers, or compares words.
"Verified" means that you compared 12 words with them: only then do you know whose keys these are.
"via" says who introduced them. Names are your own and nobody else sees them."""

    HEADS = ("Name", "State", "")
