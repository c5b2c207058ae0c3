"""The nodes of this account: what they are for, adding and removing them."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Button, Input, Label, OptionList
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import NodeState, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.status import node_name
from ..widgets.field import Field
from .dialog import Dialog, words


class Nodes(Dialog[None]):
    """Lists nodes; a field adds one."""

    title_words = "Nodes"

    HELP = """A node keeps encrypted copies and passes changes on while others are away. It can read nothing.
Paste the address its operator gave you, or run one: pgc node serve.
Delete removes the chosen node."""

    BINDINGS = [("delete", "remove", "Remove the chosen node")]  # noqa: RUF012  textual's own type

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._listed: list[NodeState] = []

    def body(self) -> ComposeResult:
        yield words(
            "A node keeps encrypted copies and passes changes on while others are away. It can read nothing."
        )
        yield OptionList(id="nodes", compact=True)
        yield Label("Address of a node")
        yield Field(id="address", placeholder="pgc://…@host:port")
        with Horizontal(classes="buttons"):
            yield Button("Add", variant="primary", id="add", compact=True)
            yield Button("Remove the chosen one", id="remove", compact=True)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.query_one("#address").focus()
        self.begin(self._show())

    async def _show(self) -> None:
        try:
            self._listed = await self._workspace.nodes()
            entry = (await self._workspace.status()).entry_node
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        listed = self.query_one(OptionList)
        listed.clear_options()
        for node in self._listed:
            state = shown(node.problem, 200) or ("connected" if node.connected else "not connected")
            listed.add_option(Option(Text(f"{node_name(node.address)}  {state}")))
        if entry:
            words = f"All are reached through {node_name(entry)}, and see no address of yours."
            listed.add_option(Option(Text(words), disabled=True))
        if not self._listed:
            listed.add_option(Option(Text("No node yet. Paste an address below."), disabled=True))

    def on_input_submitted(self) -> None:
        self._add()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "add":
                self._add()
            case "remove":
                self.action_remove()
            case _:
                self.dismiss(None)

    def _add(self) -> None:
        address = self.field("address").strip()
        if not address:
            self.show_error("Paste the address of a node first.")
            return
        self.show_error("Asking the node…")
        self.begin(self._change(address, add=True))

    def action_remove(self) -> None:
        chosen = self.query_one(OptionList).highlighted
        if chosen is None or chosen >= len(self._listed):
            self.show_error("Choose a node in the list first.")
            return
        self.begin(self._change(self._listed[chosen].address, add=False))

    async def _change(self, address: str, *, add: bool) -> None:
        try:
            if add:
                await self._workspace.add_node(address)
            else:
                await self._workspace.remove_node(address)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.show_error("")
        if add:
            self.query_one("#address", Input).value = ""
        await self._show()
