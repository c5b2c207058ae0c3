"""Searching the history of a chat."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import ChatHandle, Message, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.timeline import author_words, clock_words, day_words, index_of, moment
from ..widgets.field import Field
from .dialog import Dialog, words

_SHOWN = 200
_CHUNK = 2000


class ChatSearch(Dialog[int]):
    """Gives the place of the message chosen."""

    title_words = "Search this chat"

    HELP = "Type a word and press Enter; then choose a message with the arrows and press Enter to go there."

    def __init__(self, workspace: Workspace, handle: ChatHandle) -> None:
        super().__init__()
        self._workspace = workspace
        self._handle = handle
        self._found: list[Message] = []

    def body(self) -> ComposeResult:
        yield Field(id="query", placeholder="a word")
        yield words("", id="count", classes="note")
        yield OptionList(id="results", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.begin(self._search(event.value.strip()), alone=True)

    async def _search(self, query: str) -> None:
        try:
            found = await self._workspace.search_messages(self._handle.path, query)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self._found = found[:_SHOWN]  # the newest first
        more = f", the last {_SHOWN} are shown" if len(found) > _SHOWN else ""
        self.query_one("#count").update(Text(f"{len(found)} found{more}"))  # type: ignore[attr-defined]
        results = self.query_one(OptionList)
        results.clear_options()
        for message in self._found:
            when = moment(message.time)
            said = f"{author_words(message)}: {shown(message.text, 120)}"
            results.add_option(Option(Text(f"{day_words(when)} {clock_words(when)} {said}", no_wrap=True)))
        if self._found:
            results.highlighted = 0
            results.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.begin(self._go(self._found[event.option_index]), alone=True)

    async def _go(self, wanted: Message) -> None:
        """Looks for the place from the newest message back, letting keys through in between."""
        stop = len(self._handle)
        while stop > 0:
            start = max(0, stop - _CHUNK)
            if (index := index_of(self._handle, wanted, start, stop)) is not None:
                self.dismiss(index)
                return
            stop = start
            await asyncio.sleep(0)
        self.show_error("The message is not here any more.")
