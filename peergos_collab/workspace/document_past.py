"""The past of a document: its versions, who wrote which part when, and what the text was at any of them.

All stored segments are delivered once more, apart and in canonical order, to a document that keeps what each
of them changed. So all members see the same past. A version is named by the last local change in it, of the
process that made it; what comes later, but stands before it in that order, comes into it as well. One that
somebody gave a name stays what it was for him.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from ..codec import from_multibase_untrusted, to_multibase
from ..codec.ids import PrincipalId, SegmentId
from ..documents import Past
from ..documents.version_names import MOST_NAMES, NOW, Given, NamedVersion, Naming, check_version_name
from ..errors import Conflict, NotFound, RemoteProtocolError, UsageError
from ..objects.payload import MAX_CITES
from ..sync.unsealed import SITTING
from ..values import dataclass
from .api import Passage, Version
from .called import Called, Names
from .recording import FORGOTTEN, ID_BYTES, RecordingFold, Step, change_id, named_id

LEAST_PREFIX: Final = 6
_FEW: Final = 4


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A version that somebody means: where in the past it ends, and its name, if that tells it."""

    place: int
    given: Given | None = None


class DocumentPast:
    """What a ``RecordingFold`` kept, as people are shown it."""

    def __init__(self, recorded: RecordingFold, names: Names) -> None:
        self._recorded = recorded
        self._told = recorded.told
        self._names = names
        self._ids = [step.id for step in self._told]
        self._named = list(self._those_here())
        self._last_shown: tuple[Given, tuple[Past, list[Step]]] | None = None

    def _those_here(self) -> Iterator[_Chosen]:
        """What has a name and is here, the last named at the end."""
        for given in self._recorded.names:
            step = self._recorded.find(given.version)
            if step is not None and step.place:
                yield _Chosen(step.place, given)

    # -- what there is --------------------------------------------------------------------------

    def versions(self) -> list[Version]:
        """The newest first."""
        named: dict[int, list[Given | None]] = {}
        for each in self._named:
            named.setdefault(each.place, []).append(each.given)
        found = []
        for start, stop in self._sittings(named.keys()):
            first, *more = named.get(stop, [None])
            found.append(self._version(start, stop, first))
            found += [self._version(stop, stop, given) for given in more]
        return found[::-1]

    def _sittings(self, ends: Container[int]) -> Iterator[tuple[int, int]]:
        """Changes that belong together, as ranges of their numbers; what has a name ends one."""
        start = 0
        for number in range(1, len(self._told) + 1):
            together = number < len(self._told) and _together(self._told[number - 1], self._told[number])
            if not together or number in ends:
                yield start, number
                start = number

    def _version(self, start: int, stop: int, given: Given | None) -> Version:
        last = self._told[stop - 1]
        added, removed = self._recorded.past.size(start, stop)
        called = self._called(last)
        version = Version(
            self._ids[stop - 1], last.time, called.name, to_multibase(last.author.account), added, removed,
            me=called.me, unverified=called.unverified,
        )  # fmt: skip
        if given is None:
            return version
        by = self._names.of(given.author.account, given.author.name)
        return replace(
            version, id=named_id(given.version), name=given.shown, named_by=by.name, named=given.time,
            named_by_me=by.me, named_by_unverified=by.unverified,
        )  # fmt: skip

    # -- one of them ----------------------------------------------------------------------------

    def text(self, version: str) -> str:
        """What the text was. Raises NotFound, UsageError."""
        past, _, place = self._past(self._find(version))
        return past.text(place)

    def passages(self, version: str) -> list[Passage]:
        """Who wrote which part of a version's text, and when. Raises NotFound, UsageError."""
        past, told, place = self._past(self._find(version))
        passages = []
        for stretch in past.stretches(place):
            step = told[stretch.change]
            called = self._called(step)
            passages.append(Passage(
                stretch.start, stretch.end, step.id, step.time, called.name,
                to_multibase(step.author.account), me=called.me, unverified=called.unverified,
            ))  # fmt: skip
        return passages

    def _past(self, chosen: _Chosen) -> tuple[Past, list[Step], int]:
        given = chosen.given
        if given is None:
            return self._recorded.past, self._told, chosen.place
        shown = self._last_shown
        if shown is None or shown[0] is not given:  # other threads may ask for others
            shown = self._last_shown = given, self._recorded.of_version(given.version)
        past, told = shown[1]
        return past, told, len(past)

    def _find(self, version: str) -> _Chosen:
        """What is meant by a name, by an id or the begin of one, or by ``now``."""
        if version == NOW:
            return _Chosen(len(self._told))
        found = self._by_id(version)
        if not _is_whole_id(version):  # whatever else somebody calls so
            found = [*(each for each in self._named if _is_called(each, version)), *found]
        found = list(dict.fromkeys(found)) or self._by_old_id(version)  # a name may be the begin of the id
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(map(self._id, found[:_FEW]))
            more = " and others" if len(found) > _FEW else ""
            raise UsageError(
                f"{version!r} may be several versions: {ids}{more}; nothing was changed",
                hint="Write the whole id of the one you mean.",
            )
        if len(version) < LEAST_PREFIX and any(id_.startswith(version) for id_ in self._ids):
            raise UsageError(
                f"{version!r} is too short to name one version; nothing was changed",
                hint="Write more of the id that 'pgc doc history --json' gives.",
            )
        raise NotFound(
            f"there is no version {version!r} here{self._why_gone()}; nothing was changed",
            hint="'pgc doc history' shows those there are.",
        )

    def _called(self, step: Step) -> Called:
        """Who wrote a step, or that it is forgotten, and by whom."""
        called = self._names.of(step.author.account, step.author.name)
        by = self._by_whom()
        return Called(f"(forgotten, by {by})") if step.author is FORGOTTEN and by else called

    def _by_whom(self) -> str:
        forgotten = self._recorded.forgotten
        return self._names.of(forgotten[0].account, forgotten[0].name).name if forgotten else ""

    def _why_gone(self) -> str:
        forgotten = self._recorded.forgotten
        if forgotten is None:
            return ""
        day = datetime.fromtimestamp(forgotten[1] / 1000, UTC).date()
        return f": older ones were forgotten on {day}, by {self._by_whom()}"

    def delivered_at(self, version: str) -> set[SegmentId]:
        """The segments that were there at a version. Raises NotFound, UsageError."""
        chosen = self._find(version)
        return self._recorded.heads(chosen.place)

    def _id(self, chosen: _Chosen) -> str:
        given = chosen.given
        return self._ids[chosen.place - 1] if given is None else named_id(given.version)

    def _by_id(self, begin: str) -> list[_Chosen]:
        if len(begin) < LEAST_PREFIX:
            return []
        found = [_Chosen(place) for place, id_ in enumerate(self._ids, 1) if id_.startswith(begin)]
        return found + [each for each in self._named if self._id(each).startswith(begin)]

    def _by_old_id(self, begin: str) -> list[_Chosen]:
        """By an id from before its change was sealed, together with later ones; it takes long."""
        if len(begin) < LEAST_PREFIX or not begin.isalnum():
            return []
        return [
            _Chosen(place)
            for place, step in enumerate(self._told, 1)
            if any(
                change_id(step.author.device, step.run, number).startswith(begin)
                for number in range(step.first, step.last)
            )
        ]

    # -- names ----------------------------------------------------------------------------------

    def naming(self, version: str, name: str, by: PrincipalId) -> tuple[str, Naming | None]:
        """What gives a version another name, or none where that is empty; None where it has it already.

        Args:
            by: who is to give it.

        Returns:
            That, and the id of the version then.

        Raises:
            NotFound, UsageError, Conflict
        """
        name = check_version_name(name) if name else ""
        chosen = self._find(version)
        if not chosen.place:
            raise NotFound("nothing was written here yet that could have a name; nothing was changed")
        given = chosen.given or self._recorded.names.of(self._recorded.version(chosen.place))
        meant = given.version if given is not None else self._recorded.version(chosen.place)
        if name:
            self._check_free(name, meant)
            if given is None or given.author.principal != by:
                self._check_room(by)
        if self._told[chosen.place - 1].is_of_base or len(meant.heads) > MAX_CITES:
            raise Conflict("others could not tell which version that is; nothing was changed")
        id_ = named_id(meant) if name else self._ids[chosen.place - 1]
        return id_, None if name == (given.name if given is not None else "") else Naming(meant, name)

    def _check_free(self, name: str, meant: NamedVersion) -> None:
        taken = any(
            each.given and each.given.version != meant for each in self._named if _is_called(each, name)
        )
        if taken or self._by_id(name) or _is_whole_id(name):
            raise Conflict(f"{name!r} means another version already; nothing was changed")

    def _check_room(self, by: PrincipalId) -> None:
        if self._recorded.names.count(by) >= MOST_NAMES:
            raise Conflict(
                f"you gave {MOST_NAMES} versions a name, and more are not kept; nothing was changed",
                hint="Take one away first.",
            )


def _together(one: Step, two: Step) -> bool:
    return one.run == two.run and abs(two.time - one.time) < SITTING


def _is_whole_id(text: str) -> bool:
    try:
        return len(from_multibase_untrusted(text)) == ID_BYTES
    except RemoteProtocolError:
        return False


def _is_called(chosen: _Chosen, name: str) -> bool:
    return chosen.given is not None and chosen.given.is_called(name)
