"""Every private name of Textual that this program leans on. Textual is pinned for their sake."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from types import UnionType

    from textual import events
    from textual.app import App
    from textual.message import Message
    from textual.screen import Screen
    from textual.widget import Widget

Some = TypeVar("Some")

NAMES = (
    ("textual.app:App", "_handle_exception"),
    ("textual.app:App", "_fatal_error"),
    ("textual.app:App", "_exit_renderables"),
    ("textual.app:App", "_close_messages_no_wait"),
    ("textual.app:App", "_batch_count"),
    ("textual.screen:Screen", "_compositor"),
    ("textual.screen:Screen", "_compositor_refresh"),
    ("textual.screen:Screen", "_layout_required"),
    ("textual.dom:DOMNode", "_bindings"),
    ("textual.message_pump:MessagePump", "_dispatch_message"),
    ("textual.message_pump:MessagePump", "_message_queue"),
    ("textual.message_pump:MessagePump", "_pending_message"),
)
"""Owner and attribute, for the test that looks whether they are still there."""


def paint_now(widget: Widget) -> None:
    """Sends what changed on a widget to the terminal at once, not with the next frame (up to 17 ms later).

    Does nothing where more input is waiting already, so that a burst is painted once.
    """
    app = widget.app
    screen = widget.screen
    if not screen.is_current or app._batch_count or screen._layout_required:
        return
    if not widget._message_queue.empty() or not app._message_queue.empty():
        return
    screen._compositor.update_widgets({widget})
    screen._compositor_refresh()


def taken_from_queue(widget: Widget, kinds: type[Some] | UnionType) -> list[Some]:
    """Takes messages of some kinds out of a widget's queue, in their order; all others stay."""
    taken: list[Some] = []
    left: list[Message | None] = []
    # The pump looks one message ahead.
    if isinstance(widget._pending_message, kinds):
        taken.append(widget._pending_message)
        widget._pending_message = None
        widget._message_queue.task_done()
    while not widget._message_queue.empty():
        message = widget._message_queue.get_nowait()
        widget._message_queue.task_done()
        if isinstance(message, kinds):
            taken.append(message)
        else:
            left.append(message)
    for message in left:
        widget._message_queue.put_nowait(message)
    return taken


class QuietFailure:
    """Mixed into an App: a fault shows without the values of variables, which could be secret."""

    def _fatal_error(self) -> None:
        import rich
        from rich.segment import Segments
        from rich.text import Text
        from rich.traceback import Traceback

        app: App[object] = self  # type: ignore[assignment]
        words = "This program has a fault and had to stop. What you wrote is saved on this device.\n"
        for part in (Text(words), Traceback(show_locals=False, width=None, suppress=[rich])):
            app._exit_renderables.append(Segments(app.console.render(part, app.console.options)))
        app._close_messages_no_wait()


class Unbroken:
    """Mixed into screens and widgets: a fault in a handler shows the error screen, and they go on."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)  # type: ignore[misc]
        except Exception as fault:
            failed = getattr(self.app, "show_fault", None)  # type: ignore[attr-defined]
            if failed is None:
                raise
            failed(fault)


class CommandsInOrder:
    """Mixed into full screens of commands: a key's command begins before the next key is looked at.

    Otherwise a key goes up to the App, and what was typed right behind it, meant for a dialog that it
    opens, is a command as well.
    """

    async def on_key(self, event: events.Key) -> None:
        # What has the focus has asked already, or something around it is to be asked first.
        if self.focused is None:  # type: ignore[attr-defined]
            await self.command(event)

    async def command(self, event: events.Key) -> None:
        screen: Screen[object] = self  # type: ignore[assignment]
        if not screen.is_current:
            # It was left by the key before: this one must not leave the screen below as well.
            event.stop()
            event.prevent_default()
            return
        for binding in screen._bindings.key_to_bindings.get(event.key, ()):
            if not binding.priority:
                event.stop()
                event.prevent_default()
                await screen.run_action(binding.action)
                return


def _is_bound(key: str, widget: Widget) -> bool:
    """Whether a widget, or one around it below the screen, has a use of its own for a key."""
    within = (one for one in widget.ancestors_with_self if one is not widget.screen and one is not widget.app)
    return any(key in one._bindings.key_to_bindings for one in within)


class KeysInOrder:
    """Mixed into widgets one types into: what a key is bound to happens before the next letter.

    Otherwise a key goes up to the App, through several queues, and letters that came in the same burst
    overtake it: "end" and "x", typed over a slow line, would write before they move.
    """

    async def on_key(self, event: events.Key) -> None:
        widget: Widget = self  # type: ignore[assignment]
        if event.is_printable:
            return
        if isinstance(widget.screen, CommandsInOrder) and not _is_bound(event.key, widget):
            await widget.screen.command(event)
            return
        for binding in widget._bindings.key_to_bindings.get(event.key, ()):
            if not binding.priority:
                event.stop()
                event.prevent_default()
                await widget.run_action(binding.action)
                return
