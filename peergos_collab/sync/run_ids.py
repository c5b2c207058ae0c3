"""Which of the runs with one id in a state was the first: ids are short, so who wants finds two."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from ..codec.ids import DeviceId, RunId

DeviceRun: TypeAlias = tuple[DeviceId, RunId]


class RunIds:
    """See the module's text.

    Args:
        id_of: that of the fold.
        runs: that were delivered before, in order; looked at once something is asked.
    """

    def __init__(self, id_of: Callable[[DeviceId, RunId], Hashable], runs: Iterable[DeviceRun]) -> None:
        self._id_of = id_of
        self._before = runs
        self._known: dict[Hashable, DeviceRun] | None = None

    def first(self, run: DeviceRun) -> DeviceRun:
        """The first of those with the id of a run, which may be none of them itself."""
        return self._by_id().get(self._id_of(*run), run)

    def note(self, run: DeviceRun) -> DeviceRun:
        """The same, of a run that is delivered."""
        return self._by_id().setdefault(self._id_of(*run), run)

    def _by_id(self) -> dict[Hashable, DeviceRun]:
        if self._known is None:
            self._known = {}
            for run in self._before:
                self._known.setdefault(self._id_of(*run), run)
        return self._known
