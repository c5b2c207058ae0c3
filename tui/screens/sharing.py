"""Sharing by link, and joining by one."""

from __future__ import annotations

from time import time
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Button, Label, RadioButton, RadioSet, Static

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Role, Workspace

from ..viewmodels.cells import shown
from ..viewmodels.sharing import CAN, LASTING, ROLES, qr_lines, warning
from ..widgets.field import Field
from .dialog import Dialog, words


class Share(Dialog[None]):
    """Makes a link for one object and shows it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,c", "copy", "Copy the link"),
        Binding("ctrl+r", "picture", "QR code"),
    ]

    DEFAULT_CSS = """
    Share #qr { width: auto; height: auto; margin-top: 1; }
    Share #link { margin-top: 1; }
    Share #warning { margin: 0; }
    Share #ends { height: 1; margin-top: 1; }
    Share #ends-label { width: auto; padding: 0 1 0 0; }
    Share #lasting { layout: horizontal; height: 1; }
    Share #lasting RadioButton { width: auto; margin-right: 2; }
    """

    HELP = """Choose what the holder of the link may do, then make it.
c copies the link, ctrl+r shows it as a QR code, Escape leaves."""

    def __init__(self, workspace: Workspace, path: str) -> None:
        super().__init__()
        self._workspace = workspace
        self._path = path
        self._link = ""
        self.title_words = f"Share {shown(path, 50)}"

    def body(self) -> ComposeResult:
        with RadioSet(id="role", compact=True):
            for number, role in enumerate(ROLES):
                yield RadioButton(Text(f"{role.value}: can {CAN[role]}"), value=number == 0)
        yield words(warning(ROLES[0]), id="warning", classes="loud")
        yield Label("A password for the link (may stay empty; tell it another way)")
        yield Field(id="password", password=True)
        with Horizontal(id="ends"):
            yield Static("The link ends", id="ends-label")
            with RadioSet(id="lasting", compact=True):
                for number, (text, _) in enumerate(LASTING):
                    yield RadioButton(Text(text), value=number == 0)
        with Horizontal(classes="buttons"):
            yield Button("Make the link", variant="primary", id="make", compact=True)
            yield Button("Copy", id="copy", compact=True, disabled=True)
            yield Button("QR code", id="picture", compact=True, disabled=True)
            yield Button("Close", id="close", compact=True)
        yield Static(id="link")
        yield Static(id="qr")

    @property
    def _role(self) -> Role:
        return ROLES[max(0, self.query_one("#role", RadioSet).pressed_index)]

    @property
    def _expires(self) -> int | None:
        """In milliseconds since 1970."""
        _, lasting = LASTING[max(0, self.query_one("#lasting", RadioSet).pressed_index)]
        return None if lasting is None else int(time() * 1000) + lasting

    def on_radio_set_changed(self) -> None:
        self.query_one("#warning", Static).update(Text(warning(self._role)))

    def on_input_submitted(self) -> None:
        self._make()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "make":
                self._make()
            case "copy":
                self.action_copy()
            case "picture":
                self.action_picture()
            case _:
                self.dismiss(None)

    def _make(self) -> None:
        self.show_error("Making the link…")
        self.run_worker(self._share(), exclusive=True, exit_on_error=False)

    async def _share(self) -> None:
        try:
            self._link = await self._workspace.share_link(
                self._path, self._role, expires=self._expires, password=self.field("password")
            )
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.show_error("")
        self.query_one("#link", Static).update(Text(self._link, no_wrap=False, overflow="fold"))
        for name in ("copy", "picture"):
            self.query_one(f"#{name}", Button).disabled = False
        self.query_one("#copy").focus()
        self.call_after_refresh(self.query_one("#link").scroll_visible, animate=False)

    def action_copy(self) -> None:
        if self._link:
            self.app.copy_to_clipboard(self._link)
            self.notify("The link was copied, if your terminal allows it.", markup=False)

    def action_picture(self) -> None:
        if not self._link:
            return
        lines = qr_lines(self._link, self.size.width - 8, self.size.height - 4)
        if not lines:
            self.show_error("The terminal is too small for the QR code: make it larger, or copy the link.")
            return
        ink = Style(color="#000000", bgcolor="#ffffff")
        self.query_one("#qr", Static).update(Text("\n".join(lines), style=ink, no_wrap=True))
        self.query_one("#link", Static).update(Text())
        self.query_one("#qr").scroll_visible(animate=False)


class Join(Dialog[str]):
    """Takes a link; gives the name under which the content is here."""

    title_words = "Join by link"

    HELP = """Paste the whole link, from 'pgc://' to its last character.
A name of your own and a password are only needed where you want one or were given one."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._busy = False

    def body(self) -> ComposeResult:
        yield Label("The link somebody gave you")
        yield Field(id="link", placeholder="pgc://…")
        yield Label("Your name for it (may stay empty)")
        yield Field(id="name")
        yield Label("Password of the link (if it has one)")
        yield Field(id="password", password=True)
        with Horizontal(classes="buttons"):
            yield Button("Join", variant="primary", id="ok", compact=True)
            yield Button("Cancel", id="cancel", compact=True)

    def on_input_submitted(self) -> None:
        self._accept()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self._accept()
        else:
            self.dismiss(None)

    def _accept(self) -> None:
        link = "".join(self.field("link").split())
        if not link:
            self.show_error("Paste the link first.")
        elif not self._busy:
            self._busy = True
            self.show_error("Joining… the content is fetched and checked.")
            self.run_worker(self._join(link), exit_on_error=False)

    async def _join(self, link: str) -> None:
        try:
            path = await self._workspace.join(
                link, self.field("name").strip(), password=self.field("password")
            )
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        finally:
            self._busy = False
        self.dismiss(path)
