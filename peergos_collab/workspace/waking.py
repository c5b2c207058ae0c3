"""Which objects are in use: those that are not at rest are opened, and come to rest again once nothing is
left to do for them. So as many are open as there is something to do for, and not as there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..codec.ids import ObjectId
from ..errors import Damaged, PeergosCollabError
from ..files.changes import EntryId
from ..files.entries import EntryView
from ..ports import Batch
from .circle_people import people_in
from .network import circle_of
from .open_object import PROFILE_PATH, OpenObject
from .profile_changes import referred
from .resting import Note

if TYPE_CHECKING:
    from .engine import Engine

AT_ONCE: Final = 64
"""Objects opened without giving others their turn: about 0.1 s."""

IN_TURN: Final = 8
"""The same where there are more: about 10 ms."""

ROOM: Final = 256
"""Objects that are open at a time, at 120 KiB each, if no more of them have something to do."""

LIVELY: Final = 64
"""Objects that were changed last: while somebody stays online they are in use, so that others in them are
seen, and reached directly. The rest is woken by whatever comes."""

UNUSED_SECONDS: Final = 60.0
"""Since somebody asked for an object: who does something with it is done within that time, or holds it."""

LOOK_SECONDS: Final = 0.1
PATIENCE_SECONDS: Final = 2.0
"""How often it is looked what can rest where there is no room; and for how long, if nothing more can, until
others are opened all the same."""


class Waking:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due: dict[EntryId, ObjectId | None] = {}
        """Entries of which the object is not open, and not known to be at rest."""
        self._due_of: dict[ObjectId, set[EntryId]] = {}
        """The same by object."""
        self._complete = False
        """Whether those are among them that were so when the home was closed."""
        self._queue: dict[EntryId, None] = {}
        self._keeping = False

    # -- what is to be opened -------------------------------------------------------------------

    def entries_changed(self, views: Mapping[EntryId, EntryView | None]) -> None:
        """Takes in entries that are otherwise than before; None for one that is gone."""
        for id_, view in views.items():
            self.opened(id_)
            if view is not None and self._engine.resting.note_at(id_) is None:
                self._due[id_] = to = referred(view)
                if to is not None:
                    self._due_of.setdefault(to, set()).add(id_)

    def due_entries(self, object_id: ObjectId) -> list[EntryId]:
        """Entries that lead to an object and are to be opened."""
        self._complete_due()
        return list(self._due_of.get(object_id, ()))

    def _complete_due(self) -> None:
        if self._complete:
            return
        self._complete = True
        engine = self._engine
        view, others = engine.profile.view, engine.resting.others if engine.clean else None
        views = view.entries().values() if others is None else map(view.view, others)
        self.entries_changed({each.id: each for each in views if each is not None})

    # -- opening --------------------------------------------------------------------------------

    def open_all(self) -> None:
        """Opens every object of the profile; damaged entries are named in ``problems``."""
        for view in self._engine.profile.view.entries().values():
            self._open(view)
        self._engine.online.refresh()

    def open_awake(self) -> None:
        """Opens what is not at rest; where that is much, a few at a time, and offline no more than a few."""
        engine = self._engine
        engine.profile_changes.take_entries()
        self._complete_due()
        online = engine.online.network is not None
        if online and len(self._due) > AT_ONCE:
            self._begin(self._due)
        elif online or len(engine.objects) <= ROOM:
            for id_ in list(islice(self._due, AT_ONCE)):
                self._open_entry(id_)
        engine.online.refresh()

    def wake(self, objects: Iterable[ObjectId]) -> None:
        """Takes objects into use that are at rest, a few at a time."""
        notes = map(self._engine.resting.note_of, objects)
        self._begin(note.entry for note in notes if note is not None)
        self._engine.news.pulse()

    def open_at_rest(self, object_id: ObjectId) -> None:
        """Opens an object that is at rest: a neighbour shows that he is in it. Raises Damaged."""
        note = self._engine.resting.note_of(object_id)
        if note is not None:
            self._open_entry(note.entry)
            self._engine.online.refresh()

    def wake_lively(self) -> None:
        """Takes into use what others may be in just now."""
        self.wake(self._engine.resting.latest(LIVELY))

    @property
    def busy(self) -> bool:
        """Whether objects are being taken into use."""
        return bool(self._queue)

    def _begin(self, entries: Iterable[EntryId]) -> None:
        begun = self.busy
        self._queue.update(dict.fromkeys(entries))
        if self._queue and not begun:
            self._engine.spawn(self._open_in_turn())

    async def _open_in_turn(self) -> None:
        engine, new, mended = self._engine, 0, False
        try:
            while self._queue:
                if not new:
                    await self._make_room()
                for id_ in list(islice(self._queue, IN_TURN)):
                    try:
                        await self._open_ahead(id_)
                        self._open_entry(id_)
                    except Damaged:
                        if mended:
                            raise
                        mended = True  # the profile, by the next turn
                        break
                    self._queue.pop(id_, None)
                    new += 1
                if new * IN_TURN >= len(engine.objects) or not self._queue:
                    engine.online.refresh()  # which looks at all that are open
                    new = 0
                engine.news.pulse()
                await asyncio.sleep(0)
        finally:
            self._queue.clear()
            for opened in engine.objects.values():
                engine.online.bring(opened)  # who was only passed through greeted nobody

    async def _open_ahead(self, id_: EntryId) -> None:
        view = self._engine.profile.view.view(id_)
        if view is not None:
            await self._engine.reopening.ahead(view)

    def _open_entry(self, id_: EntryId) -> None:
        view = self._engine.profile.view.view(id_)
        if view is not None:
            self._open(view)
            return
        self.opened(id_)
        note = self._engine.resting.note_at(id_)
        if note is not None:  # nothing in the profile leads to it
            self._engine.resting.forget(note.object)

    def _open(self, view: EntryView) -> None:
        engine = self._engine
        try:
            engine.open_view(view)
        except PeergosCollabError as error:
            if error.message not in engine.problems:
                engine.problems.append(error.message)

    def opened(self, entry: EntryId) -> None:
        """The object of an entry is open, or the entry is gone."""
        to = self._due.pop(entry, None)
        if to is not None:
            self._due_of[to].discard(entry)
            if not self._due_of[to]:
                del self._due_of[to]

    # -- putting to rest ------------------------------------------------------------------------

    def keep_room(self) -> None:
        """Sees to it that of many objects in use those come to rest that nobody uses any more."""
        if len(self._engine.objects) > ROOM and not self._keeping:
            self._keeping = True
            self._engine.spawn(self._keep_room())

    async def _keep_room(self) -> None:
        try:
            while len(self._engine.objects) > ROOM:
                await asyncio.sleep(UNUSED_SECONDS)
                if not self.busy:
                    await self._put_to_rest(self._spare())
        finally:
            self._keeping = False

    async def _make_room(self) -> None:
        """Puts objects to rest where many are open, or waits a moment until some can be."""
        engine = self._engine
        if len(engine.objects) <= ROOM or engine.online.neighbours.here:
            return  # what is opened for a neighbour is on the session with it only in a moment
        spare, waited = self._spare(), 0.0
        while len(spare) < ROOM // 4 and waited < PATIENCE_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            before, spare = len(spare), self._spare()
            waited = waited + LOOK_SECONDS if len(spare) <= before else 0.0
        await self._put_to_rest(spare)

    def _spare(self) -> list[OpenObject]:
        """Objects in use that could rest, but for those that were changed last."""
        latest = sorted(self._engine.objects.values(), key=lambda opened: -opened.live.modified)
        return [opened for opened in latest[LIVELY:] if self._may_rest(opened)]

    def _may_rest(self, opened: OpenObject) -> bool:
        """Whether nobody uses an object, and all of it is at its nodes."""
        engine, live = self._engine, opened.live
        unused = asyncio.get_running_loop().time() - opened.used > UNUSED_SECONDS and not opened.handles
        alone = not opened.presence.present and all(via == "node" for _, via, _ in live.links.values())
        busy = opened.settling or opened.preview or engine.is_busy_with(live.id)
        stands = engine.objects.get(live.id) is opened and opened.path != PROFILE_PATH
        return stands and unused and alone and not busy and live.is_saved and bool(live.resting_sum())

    async def _put_to_rest(self, spare: list[OpenObject]) -> None:
        engine = self._engine
        for opened in spare:
            opened.live.save()
        try:
            await asyncio.wrap_future(engine.store.write([]))
        except Damaged:
            return  # the disk refuses, which is told where something is written
        still = filter(self._may_rest, spare)
        notes = [note for opened in still if (note := self._note(opened)) is not None]
        batch = engine.resting.rest(notes)  # before the sessions they are on would end
        engine.forget(*(note.object for note in notes))
        engine.store.write(batch)
        engine.online.rested(notes)
        engine.news.pulse()

    def at_end(self) -> Batch:
        """Notes what need not be opened at the next start. All was saved before."""
        engine = self._engine
        notes = [note for opened in engine.objects.values() if (note := self._note(opened)) is not None]
        others = self._others({note.entry for note in notes})
        return [*engine.resting.rest(notes), *engine.resting.save_others(others)]

    def _others(self, at_rest: set[EntryId]) -> set[EntryId] | None:
        """Entries of which nothing is noted; None where nobody had to know so far."""
        engine = self._engine
        before = set() if self._complete else engine.resting.others if engine.clean else None
        if before is None:
            return None
        engine.profile_changes.take_entries()
        found = map(engine.profile.view.find, (opened.path for opened in engine.objects.values()))
        opened = {view.id for view in found if view is not None}
        return (before | self._due.keys() | opened | engine.resting.unkept()) - at_rest

    def _note(self, opened: OpenObject) -> Note | None:
        engine, live = self._engine, opened.live
        view = engine.profile.view.find(opened.path) if opened.path != PROFILE_PATH else None
        sum_ = live.resting_sum() if view is not None and not engine.devices.is_outdated(opened) else b""
        if view is None or not sum_ or referred(view) != live.id:
            return None
        circle = circle_of(live)
        engine.resting.people.take(circle, people_in(live))
        return Note(live.id, view.id, sum_, circle, live.nodes, live.summary())
