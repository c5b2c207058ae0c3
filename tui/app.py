"""The terminal program: opens a home, shows its screens, keeps one picture of its status."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from peergos_collab.errors import NotFound, PassphraseNeeded, PeergosCollabError, WrongPassphrase
from peergos_collab.workspace.api import Options, Status, Workspace

from .gate import Gate, HomeGate
from .hangup import hangup
from .screens.base import FullScreen
from .screens.chatting import Chatting
from .screens.device_joining import JoinDevice, Joined
from .screens.home import Home
from .screens.keys import Keys, help_of, keys_of
from .screens.nodes import Nodes
from .screens.recovering import RecoverAccount, Recovered
from .screens.recovery_code import RecoveryCode
from .screens.welcome import Existing, Fault, FirstRun, Newcomer, Stopped, Unlock, Waiting
from .screens.writing import Writing
from .textual_private import QuietFailure, Unbroken
from .typed_ahead import Meant, TypedAhead
from .viewmodels.cells import shown
from .viewmodels.contacts import People, shares_words
from .viewmodels.devices import JOINED
from .viewmodels.faults import NOT_KEPT, error_words, fault_words
from .widgets.chat_pane import ChatPane

_FIRST_ROWS = 50
"""More than a screen holds: these are shown at once, however many there are."""
_STATUS_PAUSE = 0.15
"""Seconds between two looks at the status while things happen fast."""
_STATUS_AT_LEAST = 1.0
"""Seconds after which the status is looked at though nothing was told: what it says is never older."""
_SAME_PROBLEM = 60.0
"""Seconds in which one and the same problem is said once: a node is tried again and again."""


class PgcApp(Unbroken, QuietFailure, App[int]):
    """peergos_collab in a terminal."""

    TITLE = "peergos_collab"
    ENABLE_COMMAND_PALETTE = True

    # Notices stay off the lines at the bottom: what is being written, and the state it is in.
    CSS = """
    ToastRack { margin-bottom: 4; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f1", "keys", "Help", show=False),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
    ]

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._workspace: Workspace | None = None
        self.status: Status | None = None
        self.waiting = 0
        self.ahead = TypedAhead()
        self._leaving = False
        self._people_at = -_STATUS_AT_LEAST
        self._asking = False
        self._ask_again = False
        self._edits = 0
        self._proved = 0
        self.faults: list[str] = []
        self._problems: dict[str, float] = {}

    @property
    def workspace(self) -> Workspace:
        if self._workspace is None:
            raise RuntimeError("no home is open yet")
        return self._workspace

    # ---------------------------------------------------------------- coming in

    def on_mount(self) -> None:
        self.start(self._begin())

    async def _begin(self) -> None:
        passphrase = self._gate.given_passphrase()
        if not self._gate.exists():
            began = await self._first_minute()
            if began is None:
                return
            passphrase = began.passphrase
        workspace = await self._open(passphrase)
        if workspace is None:
            self.exit(0)
            return
        self._workspace = workspace
        home = Home()
        await self.push_screen(home)
        home.entries_changed(await workspace.list_entries("", _FIRST_ROWS))
        self.start(self._watch())
        self.set_interval(_STATUS_AT_LEAST, self.refresh_status)
        self.start(workspace.go_online(Options(lan=True)))
        await self.update_status()

    async def _first_minute(self) -> Newcomer | Joined | Recovered | None:
        """Makes a home. None where the user leaves, or nothing can be made."""
        while True:
            answer = await self.push_screen_wait(FirstRun())
            if answer is None:
                self.exit(0)
                return None
            if isinstance(answer, Newcomer):
                return await self._make_account(answer)
            if (came := await self._bring(answer)) is not None:
                return came

    async def _bring(self, how: Existing) -> Joined | Recovered | None:
        """Brings an account here that there is already. None where the user goes back."""
        if how is Existing.LOST:
            return await self.push_screen_wait(RecoverAccount(self._gate))
        joined = await self.push_screen_wait(JoinDevice(self._gate))
        if joined is not None:
            self.say(JOINED)
        return joined

    async def _make_account(self, newcomer: Newcomer) -> Newcomer | None:
        waiting = Waiting("Making your keys…")
        await self.push_screen(waiting)
        try:
            code = await self._gate.create(newcomer.name, newcomer.passphrase)
        except PeergosCollabError as problem:
            waiting.dismiss()
            await self.push_screen_wait(Stopped(error_words(problem)))
            self.exit(problem.exit_code)
            return None
        waiting.dismiss()
        await self.push_screen_wait(RecoveryCode(code))
        return newcomer

    async def _open(self, passphrase: str | None) -> Workspace | None:
        problem = ""
        while True:
            waiting = Waiting("Opening your home…")
            await self.push_screen(waiting)
            try:
                return await self._gate.open(passphrase)
            except PassphraseNeeded:
                problem = ""
            except WrongPassphrase as wrong:
                problem = error_words(wrong)
            except PeergosCollabError as stop:
                await waiting.dismiss()
                if not await self.push_screen_wait(Stopped(error_words(stop))):
                    return None
                continue
            finally:
                if waiting.is_attached:
                    await waiting.dismiss()
            passphrase = await self.push_screen_wait(Unlock(problem))
            if passphrase is None:
                return None

    async def close_workspace(self) -> None:
        """Makes everything durable and closes the home."""
        if self._workspace is not None:
            workspace, self._workspace = self._workspace, None
            await workspace.close()

    # ------------------------------------------------------------ what happens

    async def _watch(self) -> None:
        async for event in self.workspace.events():
            if event.event == "problem" and event.text:
                self._say_problem(event.text)
            if event.event == "joined" and event.author:
                self.say(shares_words(event.author, event.path, unverified=event.unverified))
            for screen in self.screen_stack:
                if isinstance(screen, FullScreen):
                    screen.heard(event)
            self.refresh_status()

    def _say_problem(self, text: str, severity: str = "warning") -> None:
        now = monotonic()
        self._problems = {words: then for words, then in self._problems.items() if now - then < _SAME_PROBLEM}
        if text not in self._problems:
            self._problems[text] = now
            self.say(text, severity)

    def refresh_status(self) -> None:
        """Looks at the status soon; many calls make few looks."""
        if self._asking:
            self._ask_again = True
        elif self._workspace is not None:
            self._asking = True
            self.start(self._ask())

    async def _ask(self) -> None:
        try:
            await self.update_status()
        except PeergosCollabError as problem:
            self._say_problem(error_words(problem), "error")
        finally:
            self.set_timer(_STATUS_PAUSE, self._asked)

    def _asked(self) -> None:
        self._asking = False
        if self._ask_again:
            self._ask_again = False
            self.refresh_status()

    def note_edit(self) -> None:
        """The user changed something: what the status says about saving is about the time before."""
        self._edits += 1

    @property
    def status_is_stale(self) -> bool:
        """Whether something was edited after the status was asked for."""
        return self._proved != self._edits

    async def update_status(self) -> None:
        """Looks at the status and the list now, and tells all screens."""
        self._ask_again = False
        edits = self._edits
        status = await self.workspace.status()
        if monotonic() - self._people_at >= _STATUS_AT_LEAST:
            await self._look_at_people()
        # A list that is not in sight asks once it is again; the program may be ending, without any screen.
        home = next((top for top in self.screen_stack[-1:] if isinstance(top, Home)), None)
        entries = await self.workspace.list_entries() if home is not None else []
        self.status = status
        self._proved = edits
        if home is not None:
            home.entries_changed(entries)
        for screen in self.screen_stack:
            if isinstance(screen, FullScreen | Nodes):
                screen.status_changed(status)

    async def _look_at_people(self) -> None:
        """Less often than at the rest: it costs with the number of contacts, and typing must not feel it."""
        contacts, invitations = await self.workspace.contacts(), await self.workspace.invitations()
        self.waiting = People(tuple(contacts), tuple(invitations)).waiting
        self._people_at = monotonic()

    # -------------------------------------------------------------- what others use

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the keys; its errors become a toast, its faults the error screen."""
        self.run_worker(self.guarded(work), exit_on_error=False)

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """The same work, as ``start`` runs it."""
        try:
            await work
        except PeergosCollabError as problem:
            self.say(error_words(problem), "error")
        except Exception as fault:  # noqa: BLE001  whatever it is, the program goes on
            self.show_fault(fault)

    def say(self, text: str, severity: str = "information") -> None:
        """A toast; the text is never markup, its controls are marks."""
        lines = "\n".join(shown(line, 600) for line in text.split("\n"))
        self.notify(lines, severity=severity, markup=False, timeout=8)  # type: ignore[arg-type]

    def show_fault(self, fault: BaseException) -> None:
        """Says that this program has a fault. What was written is safe: it never was only on screen."""
        self.faults.append(fault_words(fault))
        self.ahead.drop()
        if not any(isinstance(screen, Fault) for screen in self.screen_stack):
            self.push_screen(Fault(self.faults[-1]), lambda leave: self.exit(1) if leave else None)

    async def open_entry(self, path: str) -> None:
        """Opens a document or a chat of that name; what was typed meanwhile goes there."""
        try:
            await self._open_entry(path)
        except BaseException:
            if self.ahead.drop():
                self.say(NOT_KEPT, "warning")
            raise
        self.refresh_status()

    async def _open_entry(self, path: str) -> None:
        kinds = {entry.name: entry.kind for entry in await self.workspace.list_entries()}
        if path not in kinds:
            raise NotFound
        if kinds[path] == "chat":
            await self.push_screen(Chatting(await self.workspace.open_chat(path)))
        else:
            await self.push_screen(Writing(await self.workspace.open_document(path)))

    async def send(self, message: ChatPane.Send) -> None:
        """Sends a message; where that fails the words go back to where they were typed."""
        self.note_edit()
        pane, answered = message.pane, message.answered
        try:
            await pane.handle.send(message.text, reply_to=answered.id if answered is not None else "")
            self.refresh_status()
        except PeergosCollabError:
            if not pane.box.text:
                pane.box.put(message.text)
                pane.answer(answered)
            raise

    # ------------------------------------------------------------------------ keys

    async def on_event(self, event: events.Event) -> None:
        if not self.ahead.takes(event):
            await super().on_event(event)

    def give_typed_ahead(self, meant: Meant) -> None:
        """Gives what has the focus now what was typed for it before it was there."""
        # In this pump's turn, so that no newer key comes in between.
        self.call_later(self.ahead.give, meant, super().on_event)

    def action_keys(self) -> None:
        if not isinstance(self.screen, Keys):
            self.push_screen(Keys(help_of(self.focused or self.screen), keys_of(self.screen)))

    def action_leave(self) -> None:
        # After the keys before it, which may wait for what has the focus. Asked for twice, at once.
        if self._leaving or self.focused is None or not self.focused.call_later(self._leave):
            self.exit(0)
        self._leaving = True

    def _leave(self) -> None:
        if self.ahead.takes(events.Key("ctrl+q", None)):
            self._leaving = False
        else:
            self.exit(0)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield SystemCommand("Help", "The keys that work here", self.action_keys)
        yield SystemCommand("Theme", "Other colours, dark or light", self.action_change_theme)
        if isinstance(screen, FullScreen):
            for title, what, action in screen.PALETTE:
                yield SystemCommand(title, what, partial(screen.run_action, action))
        yield SystemCommand("Quit", "Everything is saved", self.action_leave)


def main(home: Path, passphrase: str | None) -> int:
    """Runs the terminal program on a home until the user leaves.

    Returns:
        The exit code: 0 in the ordinary case.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run(PgcApp(HomeGate(home, passphrase))))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _leave_with_terminal(app: PgcApp) -> None:
    await hangup(sys.__stdin__.fileno() if sys.__stdin__ is not None else 0)
    app.exit(128 + signal.SIGHUP)


async def run(app: PgcApp) -> int:
    """Runs an app and closes its home whatever happens, also when the terminal goes away."""
    loop = asyncio.get_running_loop()
    signals = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    for number in signals:
        loop.add_signal_handler(number, app.exit, 128 + number)
    leaving = loop.create_task(_leave_with_terminal(app))
    try:
        await app.run_async()
    finally:
        leaving.cancel()
        await app.close_workspace()
        for number in signals:
            loop.remove_signal_handler(number)
    if app.faults:
        sys.stderr.write("Faults of this program: " + "; ".join(app.faults) + "\n")
    return app.return_value if app.return_value is not None else (app.return_code or 0)
