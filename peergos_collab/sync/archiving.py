"""Putting older segments of a log into archives, on this disk alone: nobody sees anything of it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Final

from ..codec.ids import EpochId
from ..errors import LocalProtocolError
from ..objects.archives import MAX_SEGMENTS, Archive, pack_archive
from ..objects.epoch_keys import EpochKeys
from ..ports import Batch, TruncateBranch
from ..values import dataclass
from .arrivals import BranchState
from .logbook import LogBook

KEEP: Final = 1024
"""The newest segments of a log that stay as they are: they are sent to others, and read at each opening."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive, and of which branch, by its number."""

    branch: int
    archive: Archive


def is_due(branch: BranchState) -> bool:
    """Whether enough segments of a branch lie in no archive for another one."""
    return branch.tip - branch.kept >= KEEP + MAX_SEGMENTS


def pack_next(
    book: LogBook, branch: BranchState, keys: Mapping[EpochId, EpochKeys], stop: int | None = None
) -> Packed | None:
    """An archive of the first segments of a branch that lie in none; None where it cannot be made.

    It was unpacked again, and compared: about 0.3 s for one of keystrokes.

    Args:
        stop: the seq of the first that stays as it is; the last one if not given.

    Raises:
        Damaged: a stored segment is.
    """
    count = min(MAX_SEGMENTS, (stop or branch.tip) - branch.kept)
    segments = list(islice(book.stored(branch, branch.kept), count))
    held = keys.get(segments[0].epoch) if segments else None
    if held is None:
        return None
    try:
        archive = pack_archive(segments, held.content)
    except LocalProtocolError:
        return None  # one that fills a segment by itself would win nothing
    packed = segments[: archive.last - archive.first + 1]
    if archive.unpack_untrusted(held.content) != [segment.raw for segment in packed]:
        return None
    return Packed(branch.number, archive)


def take_packed(book: LogBook, packed: Packed) -> Batch:
    """Has an archive take the place of its segments, if they are still the first ones; else nothing.

    Nobody may read with another book of the same store meanwhile: it would miss them.
    """
    branch, archive = book.numbered.get(packed.branch), packed.archive
    fits = branch is not None and branch.kept == archive.first and archive.last <= branch.tip
    if branch is None or not fits or book.id_at(branch, archive.last) != archive.last_id:
        return []
    # Where it takes the place of all of them, none begins the branch.
    emptied: Batch = [TruncateBranch(branch.number, branch.kept)] if archive.last == branch.tip else []
    branch.kept = archive.last + 1
    return emptied + book.archived.put(branch.number, archive)


def pack_before(book: LogBook, closed: Archive) -> Packed | None:
    """The next archive of what can be read here and comes right before a closed one; None where that is all.

    It need not be given up for the closed one then: archives lie in front of single segments.

    Raises:
        Damaged: a stored segment is.
    """
    branch = book.find(closed.log, closed.first - 1, closed.previous)
    if branch is None or branch.kept >= closed.first:
        return None
    if branch.tip >= closed.first and book.find(closed.log, closed.first, closed.ids[0]) is not branch:
        return None  # it is a fork
    return pack_next(book, branch, book.archived.keys, closed.first)


def put_back(book: LogBook, packed: Packed) -> None:
    """An archive that was taken could not be stored: its segments are there as before."""
    branch, first = book.numbered.get(packed.branch), packed.archive.first
    if branch is not None and book.archived.span_at(branch.number, first) is not None:
        book.archived.forget(branch.number, first)
        branch.kept = first
