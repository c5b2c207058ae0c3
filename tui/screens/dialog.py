"""What all dialogs share: a box in the middle, a place for errors, escape to leave."""

from __future__ import annotations

from collections.abc import Coroutine
from itertools import pairwise
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from peergos_collab.errors import PeergosCollabError

from ..textual_private import Unbroken
from ..typed_ahead import Meant
from ..viewmodels.faults import error_words
from ..widgets.field import Field

Result = TypeVar("Result")


def words(text: str, *, classes: str = "", id: str | None = None) -> Static:
    """Text shown as it is: nothing in it is markup."""
    return Static(Text(text), classes=classes, id=id)


class _Problem(Static):
    """What went wrong, brought into sight as soon as its lines have their place."""

    _said = ""

    def say(self, text: str) -> None:
        self._said = text
        self.update(Text(text))
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        if self._said:
            self.scroll_visible(animate=False)


class Dialog(Unbroken, ModalScreen[Result]):
    """A box over the screen below. Subclasses fill ``body`` and call ``dismiss``."""

    HELP = "Tab goes to the next field, Enter confirms, Escape leaves without doing anything."

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > VerticalScroll {
        width: 72; max-width: 96%; height: auto; max-height: 96%;
        border: round $primary; background: $surface; padding: 0 2;
    }
    Dialog.-frameless > VerticalScroll {
        width: auto; max-width: 100%; max-height: 100%; border: none; padding: 0; scrollbar-size: 0 0;
    }
    Dialog Label { margin-top: 1; width: 100%; }
    Dialog .error { color: $text-error; height: auto; }
    Dialog .note { color: $foreground 70%; height: auto; }
    Dialog .loud { text-style: bold; height: auto; margin: 1 0; }
    Dialog.-short.-form Label, Dialog.-short.-form Tick { margin-top: 0; }
    Dialog .digits { text-align: center; color: $accent; }
    Dialog Input { padding: 0 1; background: $boost; }
    Dialog Input:focus { background: $primary 30%; }
    Dialog .buttons { height: auto; margin-top: 1; }
    Dialog .choices { height: auto; }
    Dialog Label:first-child { margin-top: 0; }
    Dialog Button { margin-right: 1; min-width: 8; padding: 0 1; }
    Dialog.-narrow .buttons, Dialog.-narrow .choices { layout: vertical; }
    Dialog OptionList { height: auto; max-height: 12; border: none; padding: 0; background: $boost; }
    Dialog RadioSet { border: none; padding: 0; background: $surface; width: 1fr; }
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-wide")]  # noqa: RUF012  declared so by textual
    VERTICAL_BREAKPOINTS = [(0, "-short"), (28, "-high")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave"),
        Binding("f1", "app.keys", "Help"),
        Binding("pageup", "turn(-1)", "A page up", show=False),
        Binding("pagedown", "turn(1)", "A page down", show=False),
    ]

    title_words = ""

    def body(self) -> ComposeResult:
        raise NotImplementedError
        yield

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False) as box:
            box.border_title = Text(self.title_words)
            yield from self.body()
            yield _Problem(classes="error")

    def on_mount(self) -> None:
        self.screen_layout_refresh_signal.subscribe(self, lambda _: self._place_terminal_cursor())

    def _place_terminal_cursor(self) -> None:
        """Input methods draw what they compose at the terminal's own cursor; the box may have moved."""
        field = self.focused
        if isinstance(field, Input) and self.app.cursor_position != field.cursor_screen_offset:
            self.app.cursor_position = field.cursor_screen_offset
            field.refresh()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Field):
            give = getattr(self.app, "give_typed_ahead", None)
            if give is not None:
                give(Meant.FIELD)

    def show_error(self, error: PeergosCollabError | str) -> None:
        """Says what went wrong and what to do, inside the dialog."""
        self.query_one(_Problem).say(error if isinstance(error, str) else error_words(error))

    def begin(self, work: Coroutine[Any, Any, None], *, alone: bool = False) -> None:
        """Runs work beside the keys; its errors show in here, its faults on the error screen.

        ``alone`` ends what was begun before.
        """
        self.run_worker(self._guarded(work), exclusive=alone, exit_on_error=False)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except PeergosCollabError as problem:
            self.show_error(problem)
        except Exception as fault:
            failed = getattr(self.app, "show_fault", None)
            if failed is None:
                raise
            failed(fault)

    def field(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value

    def action_leave(self) -> None:
        self.dismiss(None)

    def to_top(self) -> None:
        """Brings the beginning into sight, wherever the focus is, once what is shown has its place."""
        self.call_after_refresh(self.query_one(VerticalScroll).scroll_home, animate=False)

    def action_turn(self, pages: int) -> None:
        """On a small terminal not all of it is in sight."""
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=pages * box.size.height, animate=False)


class Accepting(Dialog[Result]):
    """A dialog that takes what is in its fields, by Enter or by its first button, or leaves."""

    FIELDS: ClassVar[tuple[str, ...]] = ()
    """Enter in one of these goes to the next; in the last, or in any other field, it accepts."""

    def on_mount(self) -> None:
        for name in self.FIELDS[:-1]:
            self.query_one(f"#{name}", Field).before_field = True

    def accept(self) -> None:
        """Takes what is in the fields, or says what is wrong with it."""
        raise NotImplementedError

    def buttons(self, accept: str, leave: str = "Cancel") -> ComposeResult:
        with Horizontal(classes="buttons"):
            yield Button(accept, variant="primary", id="ok", compact=True)
            yield Button(leave, id="cancel", compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        # By name, not "the next one": two quick presses of Enter must not skip a field.
        following = dict(pairwise(self.FIELDS)).get(event.input.id or "")
        if following is None:
            self.accept()
        else:
            self.query_one(f"#{following}").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "ok":
                self.accept()
            case "cancel":
                self.action_leave()


class AskName(Accepting[str]):
    """Asks for a name. ``before_text``: a text of that name opens then, and keys go to it.

    ``problem`` is what was wrong with the name given before.
    """

    def __init__(
        self,
        title: str,
        note: str,
        button: str,
        value: str = "",
        *,
        placeholder: str = "a name, like notes or plans/summer",
        before_text: bool = False,
        problem: str = "",
    ) -> None:
        super().__init__()
        self.title_words = title
        self._note = note
        self._button = button
        self._value = value
        self._placeholder = placeholder
        self._before_text = before_text
        self._problem = problem

    def body(self) -> ComposeResult:
        yield words(self._note, classes="note")
        yield Field(self._value, id="name", placeholder=self._placeholder, before_text=self._before_text)
        yield from self.buttons(self._button)

    def on_mount(self) -> None:
        if self._problem:
            self.show_error(self._problem)

    def accept(self) -> None:
        name = self.field("name").strip()
        if name:
            self.dismiss(name)
        else:
            self.show_error("Give it a name first.")


class Confirm(Dialog[bool]):
    """Asks before something is done."""

    def __init__(self, title: str, note: str, button: str) -> None:
        super().__init__()
        self.title_words = title
        self._note = note
        self._button = button

    def body(self) -> ComposeResult:
        yield words(self._note)
        with Horizontal(classes="buttons"):
            yield Button("Cancel", id="cancel", compact=True)
            yield Button(self._button, variant="warning", id="ok", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "ok")


class Choose(Dialog[str]):
    """Asks for one of several names; an empty list teaches what to do."""

    def __init__(self, title: str, names: list[tuple[str, str]], empty: str) -> None:
        super().__init__()
        self.title_words = title
        self._names = names
        self._empty = empty

    def body(self) -> ComposeResult:
        from textual.widgets import OptionList
        from textual.widgets.option_list import Option

        if not self._names:
            yield words(self._empty)
            return
        yield OptionList(*(Option(Text(text)) for _, text in self._names), id="choices")

    def on_option_list_option_selected(self, event: object) -> None:
        index: int = event.option_index  # type: ignore[attr-defined]
        self.dismiss(self._names[index][0])


__all__ = ["AskName", "Choose", "Confirm", "Dialog", "Label", "words"]
