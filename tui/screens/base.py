"""What the full screens share."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from textual import events
from textual.screen import Screen

from ..textual_private import Unbroken
from ..typed_ahead import Meant
from ..widgets.field import Field

if TYPE_CHECKING:
    from peergos_collab.workspace.api import Event, Status, Workspace

    from ..app import PgcApp

Result = TypeVar("Result")


class FullScreen(Unbroken, Screen[None]):
    """A screen that knows the app, and hears of every new status."""

    PALETTE: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    """(name, what it does, action) for the command palette."""
    WRITES: ClassVar[bool] = False
    """Whether it opens with the focus on something to write in: that gets what was typed before."""

    @property
    def pgc(self) -> PgcApp:
        return cast("PgcApp", self.app)

    @property
    def workspace(self) -> Workspace:
        return self.pgc.workspace

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if isinstance(event.widget, Field):
            self.pgc.give_typed_ahead(Meant.FIELD)
        elif self.WRITES:
            self.pgc.give_typed_ahead(Meant.TEXT)

    def status_changed(self, status: Status | None) -> None:
        """Called with every new status."""

    def heard(self, event: Event) -> None:
        """Called with everything that happens in the workspace."""

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work beside the keys; its errors become a toast, its faults the error screen."""
        self.pgc.start(work)

    def start_here(self, work: Coroutine[Any, Any, None]) -> None:
        """The same for work that only this screen shows: it ends with the screen."""
        if self in self.app.screen_stack:
            self.run_worker(self.pgc.guarded(work), exit_on_error=False)
        else:
            work.close()

    def start_asking(self, work: Coroutine[Any, Any, None]) -> None:
        """As ``start``, for work that asks with a field first: it gets what is typed from now on."""
        self.pgc.ahead.hold(self.focused or self, Meant.FIELD)
        self.start(self._asking(work))

    async def _asking(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self.pgc.ahead.drop(Meant.FIELD)
