"""What follows from a change of the profile, for the objects, nodes and devices of this home.

Only entries that changed are looked at: of ten thousand a change touches one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..codec.ids import ObjectId
from ..errors import PeergosCollabError
from ..files.changes import EntryId, remove
from ..files.entries import EntryView
from .one_entry import surplus
from .open_object import OpenObject
from .references import ObjectReference

if TYPE_CHECKING:
    from .engine import Engine


class ProfileChanges:
    """See the module's text."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._surplus: set[EntryId] = set()
        self._taking_out = False
        self._unheeded: set[EntryId] = set()
        """Entries of objects that somebody uses otherwise than the profile says by now."""

    def take(self) -> None:
        """Takes in what the profile says by now: names, nodes, objects, devices."""
        engine = self._engine
        engine.devices.take_logs()
        engine.online.enter_by(engine.entry_node())
        live, nodes = engine.objects[engine.keys.profile].live, engine.own_nodes()
        if live.nodes != nodes:
            live.nodes = nodes
            self._look_at([opened.live.id for opened in engine.objects.values() if opened.live is not live])
        self.take_entries()
        if engine.resting.moved(engine.account()):
            engine.waking.wake(list(engine.resting.asleep))
        if engine.online.network is not None:
            engine.waking.open_awake()
        engine.mailroom.refresh()

    def take_entries(self) -> None:
        """Takes in entries that changed."""
        engine = self._engine
        touched, self._unheeded = engine.profile.take_touched() | self._unheeded, set()
        views = {id_: engine.profile.view.view(id_) for id_ in touched}
        engine.waking.entries_changed(views)
        self._look_at(object_id for view in views.values() if (object_id := referred(view)) is not None)
        self._let_go({id_ for id_, view in views.items() if view is None})

    def _look_at(self, objects: Iterable[ObjectId]) -> None:
        """Holds what leads to objects against how they are open."""
        engine = self._engine
        for object_id in dict.fromkeys(objects):
            leading = list(self.leading_to(object_id))
            extra = surplus(leading)
            self._surplus |= extra
            opened = engine.objects.get(object_id)
            for view, reference in leading:
                if opened is not None and view.id not in extra:
                    opened.path, opened.entry = view.shown, view.id
                    opened.live.nodes = engine.nodes_of(reference)
                    self._act_as_it_says(opened, view, reference)
        if self._surplus and not self._taking_out:
            engine.spawn(self._take_out())

    def _let_go(self, gone: set[EntryId]) -> None:
        """What no entry leads to any more is not in use, once nobody has it open."""
        engine = self._engine
        for opened in [each for each in engine.objects.values() if each.entry in gone]:
            assert opened.entry is not None
            if opened.handles:
                self._unheeded.add(opened.entry)
            elif next(self.leading_to(opened.live.id), None) is None:
                engine.forget(opened.live.id)

    def leading_to(self, object_id: ObjectId) -> Iterator[tuple[EntryView, ObjectReference]]:
        """The entries of an object: one, but for a moment in which devices came by it apart."""
        engine = self._engine
        view = engine.profile.view
        opened, note = engine.objects.get(object_id), engine.resting.note_of(object_id)
        found = list(engine.waking.due_entries(object_id))
        if note is not None:
            found.append(note.entry)
        if opened is not None and (known := view.find(opened.path)) is not None:
            found.append(known.id)
        for id_ in dict.fromkeys(found):
            entry = view.view(id_)
            if entry is not None and referred(entry) == object_id:
                yield entry, ObjectReference.decode_untrusted(entry.reference)

    def _act_as_it_says(self, opened: OpenObject, view: EntryView, reference: ObjectReference) -> None:
        """Another device may have come in another way. Whoever has it open goes on as he began."""
        engine = self._engine

        def due() -> bool:
            used = opened.handles or engine.objects.get(opened.live.id) is not opened
            return not used and self._is_other(opened, reference)

        async def act() -> None:
            await opened.live.durable()
            if due():
                await engine.reopening.as_member(opened, reference)

        if due():
            engine.spawn(act())
        elif self._is_other(opened, reference):
            self._unheeded.add(view.id)

    def _is_other(self, opened: OpenObject, reference: ObjectReference) -> bool:
        """Whether it is open as another member than the profile says."""
        actor = reference.actor(self._engine.keys.credentials)
        return actor.principal != opened.live.replica.actor.principal

    async def _take_out(self) -> None:
        self._taking_out = True
        try:
            while self._surplus:
                extra, self._surplus = self._surplus, set()
                await self._engine.change_profile(*(remove(entry) for entry in sorted(extra)))
        finally:
            self._taking_out = False


def referred(view: EntryView | None) -> ObjectId | None:
    """The object that an entry leads to; None where it is not there, or cannot be read."""
    try:
        return (
            ObjectReference.decode_untrusted(view.reference).capability.object if view is not None else None
        )
    except PeergosCollabError:
        return None
