"""Names that members give to versions of a document: their byte form, and which of them are in effect.

A version that has a name is told by segments and all they build on, so it stays what its namer saw, whatever
comes in late. What he had not sealed himself yet no segment tells: it ends with a change of his.
The format is specified in docs/spec/documents.md.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.ids import ID_LENGTH, DeviceId, PrincipalId, RunId, SegmentId
from ..codec.shape import array, blob, many, number, string
from ..codec.shown import escape_hidden, name_problem
from ..errors import Quarantined, RemoteProtocolError, UsageError
from ..objects.payload import MAX_CITES, Author, Delivery
from ..values import dataclass

VERSION: Final = 1
NOW: Final = "now"
"""Stands for the newest version, whichever that is, and is no name."""

MAX_NAME: Final = 64
"""Code points, as of a person's name: it stands in a line beside who, when and how much."""

MOST_NAMES: Final = 256
"""Names of one member in effect: who gives more loses his own oldest, and nobody else's."""

_MAX_CONTENT: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """What has a name, or had one.

    Args:
        heads: it holds these segments and all they build on, in the order of their ids.
        device: whose changes up to the last one it holds as well; None where all are in the segments.
        run, number: its last change.
    """

    heads: tuple[SegmentId, ...]
    device: DeviceId | None
    run: RunId
    number: int

    def fields(self) -> list[Any]:
        return [list(self.heads), self.device, self.run, self.number]


@dataclass(frozen=True, slots=True)
class Naming:
    """Says what a version is called from now on. ``name`` is empty where it has none any more."""

    version: NamedVersion
    name: str

    def encode(self) -> bytes:
        return encode([VERSION, *self.version.fields(), self.name])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, _MAX_CONTENT), 6, "naming")
        number(fields[0], VERSION, VERSION, "version of a naming")
        heads = [blob(head, ID_LENGTH, "head") for head in many(fields[1], MAX_CITES, "heads of a version")]
        if any(one >= other for one, other in pairwise(heads)):
            raise RemoteProtocolError("heads of a version: they do not ascend")
        version = NamedVersion(
            tuple(map(SegmentId, heads)),
            None if fields[2] is None else DeviceId(blob(fields[2], ID_LENGTH, "device")),
            RunId(blob(fields[3], 16, "run")),
            number(fields[4], 1, 2**53, "change number"),
        )
        return cls(version, string(fields[5], MAX_NAME, "name of a version"))


def naming_in_untrusted(delivery: Delivery) -> Naming:
    """What a segment of kind NAME says. Raises RemoteProtocolError, Quarantined.

    Characters that nobody honest gives are shown escaped and not refused: which those are depends on the
    Unicode tables here, and the verdict on a segment must not.
    """
    if delivery.count != 1:
        raise Quarantined("a name of a version is one change")
    return Naming.decode_untrusted(delivery.content)


def check_version_name(name: str) -> str:
    """A name in Unicode form NFC, if it may be given to a version. Raises UsageError."""
    name = unicodedata.normalize("NFC", name)
    problem = name_problem(name)
    if len(name) > MAX_NAME:
        problem = f"it has more than {MAX_NAME} characters"
    elif name == NOW:
        problem = "it means the newest version"
    if problem is not None:
        raise UsageError(f"{name[:100]!a} cannot be the name of a version: {problem}; nothing was changed")
    return name


@dataclass(frozen=True, slots=True)
class Given:
    """A name in effect.

    Args:
        author, time: who called it so, and when by his clock, ms since 1970.
    """

    version: NamedVersion
    name: str
    author: Author
    time: int

    @property
    def shown(self) -> str:
        """The name, safe to show."""
        return escape_hidden(self.name)

    def is_called(self, name: str) -> bool:
        """Whether somebody who writes a name may mean this one."""
        return unicodedata.normalize("NFC", name) in (self.name, self.shown)


class VersionNames:
    """The names in effect after namings that were taken in canonical order, the last given at the end."""

    def __init__(self) -> None:
        self._given: dict[NamedVersion, Given] = {}
        self._counts: dict[PrincipalId, int] = {}

    def __iter__(self) -> Iterator[Given]:
        return iter(self._given.values())

    def of(self, version: NamedVersion) -> Given | None:
        return self._given.get(version)

    def count(self, principal: PrincipalId) -> int:
        """How many a member gave. Who came by one link counts as one: it may let in any number."""
        return self._counts.get(principal, 0)

    def take(self, naming: Naming, author: Author, time: int) -> None:
        version, principal = naming.version, author.principal
        if version not in self._given and version.device not in (None, author.device):
            return  # what somebody had not sealed yet he alone could see
        self._drop(version)
        if not naming.name:
            return
        if self.count(principal) == MOST_NAMES:
            self._drop(next(each.version for each in self if each.author.principal == principal))
        self._given[version] = Given(version, naming.name, author, time)
        self._counts[principal] = self.count(principal) + 1

    def _drop(self, version: NamedVersion) -> None:
        given = self._given.pop(version, None)
        if given is not None:
            self._counts[given.author.principal] -= 1
