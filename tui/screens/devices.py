"""The devices of this account, and linking one more."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from peergos_collab.errors import PeergosCollabError
from peergos_collab.workspace.api import Device, DeviceComparison, DeviceOffer, Workspace

from ..viewmodels.devices import (
    EXPLAINED,
    OWN,
    REFUSED,
    compare_words,
    device_lines,
    device_name,
    digit_words,
    linked_words,
    removal_words,
    removed_words,
    word_lines,
)
from ..widgets.qr_code import QrCode
from .dialog import Dialog, words
from .pictured import Pictured


class Devices(Dialog[None]):
    """Lists them."""

    title_words = "Your devices"

    HELP = """The devices of this account. l links one more: it shows a code that you give to the new device,
then both show six digits that must be the same. Delete removes the chosen one: it opens nothing that
is written afterwards, and keeps what it has."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "link", "Link one more"),
        Binding("delete,d", "remove", "Remove the chosen one"),
    ]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._devices: list[Device] = []

    def body(self) -> ComposeResult:
        yield words(EXPLAINED)
        yield OptionList(id="devices", compact=True)
        with Horizontal(classes="buttons"):
            yield Button("Link one more", variant="primary", id="link", compact=True)
            yield Button("Remove", id="remove", compact=True)
            yield Button("Close", id="close", compact=True)

    def on_mount(self) -> None:
        self.begin(self._show())

    async def _show(self) -> None:
        try:
            devices = await self._workspace.devices()
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self._devices = devices
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(Text(line, no_wrap=True)) for line in device_lines(devices)])
        listed.highlighted = 0 if devices else None

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "link":
                self.action_link()
            case "remove":
                self.action_remove()
            case _:
                self.dismiss(None)

    def action_remove(self) -> None:
        at = self.query_one(OptionList).highlighted
        device = self._devices[at] if at is not None and at < len(self._devices) else None
        if device is None or device.me:
            self.show_error(OWN if device is not None else "Choose a device first.")
        else:
            self.begin(self._remove(device), alone=True)

    async def _remove(self, device: Device) -> None:
        end_links = await self.app.push_screen_wait(AskRemoval(device))
        if end_links is not None:
            self.show_error("Making new keys…")
            removal = await self._workspace.remove_device(device.id, end_links=end_links)
            self.show_error("")
            self.notify(removed_words(removal), markup=False)
            await self._show()

    def action_link(self) -> None:
        self.show_error("Making a code…")
        self.begin(self._link(), alone=True)

    async def _link(self) -> None:
        try:
            offer = await self._workspace.link_device()
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self.show_error("")
        device = await self.app.push_screen_wait(LinkDevice(self._workspace, offer))
        if device is not None:
            self.notify(linked_words(device), markup=False)
            await self._show()


class AskRemoval(Dialog[bool]):
    """Asks before a device is removed; says whether links end with it. None where it stays."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self._device = device
        self.title_words = f"Remove {device_name(device.name)}"

    def body(self) -> ComposeResult:
        yield words(removal_words(self._device))
        with Horizontal(classes="buttons"):
            yield Button("Cancel", id="cancel", compact=True)
            yield Button("Remove it", variant="warning", id="remove", compact=True)
            yield Button("Remove it, end my links", variant="warning", id="links", compact=True)

    def on_mount(self) -> None:
        self.query_one("#cancel").focus(scroll_visible=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "cancel":
            self.dismiss(None)
        else:
            self.dismiss(event.button.id == "links")


class LinkDevice(Pictured[Device]):
    """Shows a code until a device has come with it, then the digits to compare."""

    title_words = "Link a device"

    HELP = """Start the program on the new device and choose "another device of mine" there. Type, paste or
scan the code. Both devices then show six digits: say that they are the same only if they are."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy", "Copy the code")]

    BEHIND = ("code", "or", "words")
    FILE = "device-code.png"
    PRIVATE = "Whoever gets it within ten minutes can try to come in: look at the digits."

    DEFAULT_CSS = """
    LinkDevice Vertical { height: auto; }
    LinkDevice #comparing { display: none; }
    LinkDevice.-met #comparing { display: block; }
    LinkDevice.-met #offering { display: none; }
    """

    def __init__(self, workspace: Workspace, offer: DeviceOffer) -> None:
        super().__init__()
        self._workspace = workspace
        self._offer = offer

    def body(self) -> ComposeResult:
        with Vertical(id="offering"):
            yield words("On the new device choose “another device of mine” and give it this code:")
            yield Static(Text(self._offer.code, overflow="fold"), id="code", classes="loud")
            yield words(f"or these words, with the node {self._offer.node}", id="or", classes="note")
            yield words(word_lines(self._offer.words), id="words", classes="loud")
            yield words(
                "It is good for ten minutes and for one device. Show it to nobody else.", classes="note"
            )
            yield QrCode()
            with Horizontal(classes="buttons"):
                yield Button("Copy", variant="primary", id="copy", compact=True)
                yield from self.picture_buttons()
                yield Button("Cancel", id="cancel", compact=True)
        with Vertical(id="comparing"):
            yield Static(id="digits", classes="loud digits")
            yield words("", id="question")
            with Horizontal(classes="buttons"):
                yield Button("Not the same", variant="warning", id="differ", compact=True)
                yield Button("The same", variant="primary", id="same", compact=True)

    @property
    def pictured(self) -> str:
        return "" if self.has_class("-met") else self._offer.code

    def on_mount(self) -> None:
        self.query_one("#copy").focus(scroll_visible=False)
        self.begin(self._meet(), alone=True)

    async def _meet(self) -> None:
        try:
            found = await self._workspace.compare_device(self._offer.id)
        except PeergosCollabError as problem:
            self.show_error(problem)
            return
        self._show_digits(found)

    def _show_digits(self, found: DeviceComparison) -> None:
        self.add_class("-met")
        self.remove_class("-frameless")
        self.query_one("#digits", Static).update(Text(digit_words(found.digits)))
        question = compare_words(f"the new device, {device_name(found.name)},")
        self.query_one("#question", Static).update(Text(question))
        # The harmless one has the focus: an Enter too many must not give the account away.
        self.query_one("#differ").focus(scroll_visible=False)
        self.to_top()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "copy":
                self.action_copy()
            case "same":
                self._finish(same=True)
            case "differ":
                self._finish(same=False)
            case "cancel":
                self.action_leave()

    def action_copy(self) -> None:
        if not self.has_class("-met"):
            self.app.copy_to_clipboard(self._offer.code)
            self.notify("The code was copied, if your terminal allows it.", markup=False)

    def _finish(self, *, same: bool) -> None:
        self.show_error("Handing the account over…" if same else "")
        self.begin(self._finished(same), alone=True)

    async def _finished(self, same: bool) -> None:
        try:
            device = await self._workspace.finish_linking(self._offer.id, same=same)
        except PeergosCollabError as problem:
            if same:
                self.show_error(problem)
                return
            device = None  # it has ended already, which is what was asked for
        if not same and self.has_class("-met"):
            self.notify(REFUSED, severity="warning", markup=False)
        self.dismiss(device)

    def action_leave(self) -> None:
        """A code that is no longer shown is no longer good."""
        self._finish(same=False)
