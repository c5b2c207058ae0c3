"""What is to be told of objects at rest: that all is well, and whether one of their nodes is connected.

It is made once, and anew only of what changed since: of ten thousand objects that takes a moment, and it is
asked for whenever something happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..files.changes import EntryId
from ..files.entries import EntryView
from .api import ObjectState, Path
from .resting import Place

if TYPE_CHECKING:
    from .engine import Engine

IN_TURN: Final = 256
"""States made, or entries read, without giving others their turn: 2 to 4 ms."""

TRIES: Final = 3
"""Where the profile goes on changing, it is read at once after that."""


async def read_profile(engine: Engine) -> None:
    """Reads all entries of the profile in turns, so that asking for them takes no time. Raises Damaged."""
    for _ in range(TRIES):
        view = engine.profile.view
        for _ in view.read_in_turns(IN_TURN):
            await asyncio.sleep(0)
            if engine.profile.view is not view:
                break
        else:
            return


class StatesAtRest:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._views: Mapping[str, EntryView] = {}
        self._states: dict[EntryId, tuple[EntryView, ObjectState | None]] = {}
        """Of each entry, in the order of names; None where its object is not at rest."""
        self._connected: frozenset[Place] = frozenset()
        self._outdated: dict[EntryId, None] = {}

    async def all(self) -> list[ObjectState]:
        """Of all objects that are at rest when this returns. Raises Damaged."""
        await read_profile(self._engine)
        while self._take_changes():
            for entry in list(islice(self._outdated, IN_TURN)):
                view, _ = self._states[entry]
                self._states[entry] = view, self._state(view)
                del self._outdated[entry]
            if self._outdated:
                await asyncio.sleep(0)
        return [state for _, state in self._states.values() if state is not None]

    def _take_changes(self) -> bool:
        """Notes what is not as it was; whether there is anything of that."""
        views = self._engine.profile.view.entries()
        if views is not self._views:
            self._take_views(views)
        connected = self._now_connected()
        for place in connected ^ self._connected:
            self._note(self._engine.resting.entries_at(place))
        self._connected = connected
        self._note(self._engine.resting.take_touched())
        return bool(self._outdated)

    def _take_views(self, views: Mapping[str, EntryView]) -> None:
        before, self._views, self._states = self._states, views, {}
        for view in views.values():
            old, state = before.get(view.id, (None, None))
            self._states[view.id] = view, state
            if old is None or (old.shown, old.kind) != (view.shown, view.kind):
                self._outdated[view.id] = None
        self._outdated = {entry: None for entry in self._outdated if entry in self._states}

    def _note(self, entries: set[EntryId]) -> None:
        self._outdated.update(dict.fromkeys(entries & self._states.keys()))

    def _now_connected(self) -> frozenset[Place]:
        network = self._engine.online.network
        links = network.links.items() if network is not None else ()
        return frozenset(place for place, link in links if link.connected)

    def _state(self, view: EntryView) -> ObjectState | None:
        note = self._engine.resting.note_at(view.id)
        if note is None:
            return None
        reached = any((note.circle, node) in self._connected for node in note.nodes)
        path = Path.NODE if reached else Path.OFFLINE
        return ObjectState(view.shown, view.kind, ("here", *note.nodes), 0, path, 0, (), "")
