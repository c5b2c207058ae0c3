"""The nodes of this account: what they are for, adding and removing them."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, OptionList
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import NodeState, Status, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.status import LAN, directly_words, entry_words, node_name
from ..widgets.field import Field
from .dialog import Confirm, Dialog, words


class Nodes(Dialog[None]):
    """Lists nodes; a field adds one."""

    title_words = "Nodes"

    HELP = """A node keeps encrypted copies and passes changes on while others are away. It can read nothing.
Paste the address its operator gave you, or run one: pgc node serve.
An entry node belongs to somebody else than your nodes: all of them are reached through it, so that they
do not see your network address. While it cannot be reached nothing is sent. Delete removes the chosen one."""

    BINDINGS = [("delete", "remove", "Remove the chosen one")]  # noqa: RUF012  textual's own type

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._listed: list[NodeState] = []
        self._entry = ""

    def body(self) -> ComposeResult:
        yield words(
            "A node keeps encrypted copies and passes changes on while others are away. It can read nothing."
        )
        yield OptionList(id="nodes", compact=True)
        yield Label(id="lan")
        yield Label("Address of a node")
        yield Field(id="address", placeholder="pgc://…@host:port")
        with Horizontal(classes="buttons"):
            yield Button("Add", variant="primary", id="add", compact=True)
            yield Button("Use as entry node", id="entry", compact=True)
            yield Button("Remove chosen", id="remove", compact=True)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.query_one("#address").focus()
        self.begin(self._show())

    async def _show(self) -> None:
        try:
            status = await self._workspace.status()
            self._show_lan(status)
            self._list(status)
        except PeergosCollabError as problem:
            self.show_error(problem)

    def status_changed(self, status: Status) -> None:
        """A node came or went, perhaps."""
        self._show_lan(status)
        if (list(status.nodes), status.entry_node) != (self._listed, self._entry):
            self._list(status)

    def _show_lan(self, status: Status) -> None:
        self.query_one("#lan", Label).update(LAN[status.lan])

    def _list(self, status: Status) -> None:
        self._listed, self._entry = list(status.nodes), status.entry_node
        listed = self.query_one(OptionList)
        chosen = listed.highlighted
        listed.clear_options()
        for node in self._listed:
            state = shown(node.problem, 200) or ("connected" if node.connected else "not connected")
            listed.add_option(Option(Text(f"{node_name(node.address)}  {state}")))
        if self._entry:
            listed.add_option(Option(Text(entry_words(self._entry))))
        if not self._listed:
            listed.add_option(Option(Text("No node yet. Paste an address below."), disabled=True))
        if chosen is not None and chosen < len(self._listed) + bool(self._entry):
            listed.highlighted = chosen

    def on_input_submitted(self) -> None:
        self._add()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "add":
                self._add()
            case "entry":
                self._use_as_entry()
            case "remove":
                self.action_remove()
            case _:
                self.dismiss(None)

    def _given(self) -> str:
        """The address in the field; says so where there is none."""
        address = self.field("address").strip()
        self.show_error("Asking the node…" if address else "Paste the address of a node first.")
        return address

    def _add(self) -> None:
        if address := self._given():
            self.begin(self._change(self._workspace.add_node(address), given=True))

    def _use_as_entry(self) -> None:
        if address := self._given():
            self.begin(self._change(self._workspace.set_entry_node(address), given=True))

    def action_remove(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        if chosen is not None and chosen < len(self._listed):
            self.begin(self._change(self._workspace.remove_node(self._listed[chosen].address)))
        elif chosen == len(self._listed) and self._entry:
            self.begin(self._go_directly())
        else:
            self.show_error("Choose a node in the list first.")

    async def _go_directly(self) -> None:
        asked = Confirm("Without an entry node", directly_words(self._entry), "Go directly")
        if await self.app.push_screen_wait(asked):
            await self._change(self._workspace.set_entry_node(""))

    async def _change(self, change: Coroutine[Any, Any, None], *, given: bool = False) -> None:
        """``given``: with the address in the field, which has had its use then."""
        try:
            await change
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.show_error("")
        if given:
            self.query_one("#address", Input).value = ""
        await self._show()
