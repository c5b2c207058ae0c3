"""Having husks take the place of segments that are to be forgotten, on one disk, a few at a time."""

from __future__ import annotations

from itertools import islice
from typing import Final

from ..errors import Damaged
from ..objects.archives import MAX_SEGMENTS, Archive, husk_of, pack_archive
from ..objects.segments import Segment
from ..ports import Batch, BeginBranch, TruncateBranch
from ..values import dataclass
from .arrivals import BranchState
from .logbook import LogBook

STEP: Final = 4
"""Husks that are made at once: of archives, 20 ms each."""


@dataclass(frozen=True, slots=True)
class Husked:
    """What takes the place of a run of segments of a branch, by its number.

    Args:
        husks: of all of them, in order.
        rest: of an archive that held later ones, too, archives of those.
    """

    branch: int
    husks: tuple[Archive, ...]
    rest: tuple[Archive, ...] = ()


def first_left(book: LogBook, branch: BranchState, stop: int) -> int | None:
    """The first segment of a branch, up to ``stop``, that a husk can take the place of.

    Who lacks the keys of an archive that goes beyond ``stop`` leaves that whole. Raises Damaged.
    """
    seq, archived = branch.first, book.archived
    while seq <= min(stop, branch.tip):
        span = archived.span_at(branch.number, seq)
        if span is None:
            return seq
        if archived.is_forgotten(branch.number, seq):
            seq = span.last + 1
        elif span.last <= stop or archived.closed_at(branch.number, seq) is None:
            return seq
        else:
            return None
    return None


def make_husks(book: LogBook, branch: BranchState, stop: int) -> Husked | None:
    """The next husks of a branch's segments up to ``stop``; None where nothing of them is left.

    Raises:
        Damaged: something stored is.
    """
    seq = first_left(book, branch, stop)
    if seq is None:
        return None
    archive = book.archived.archive_at(branch.number, seq)
    if archive is not None and archive.last > stop:
        cut, rest = _segments(book, branch, seq, stop), _segments(book, branch, stop + 1, archive.last)
        return Husked(branch.number, (husk_of(cut),), tuple(_pack(book, rest)))
    husks: list[Archive] = []
    while len(husks) < STEP and seq <= min(stop, branch.tip):
        if archive is not None and (archive.is_husk or archive.last > stop):
            break
        husks.append(archive.husk() if archive else husk_of(_segments(book, branch, seq, stop)))
        seq = husks[-1].last + 1
        archive = book.archived.archive_at(branch.number, seq)
    return Husked(branch.number, tuple(husks))


def _segments(book: LogBook, branch: BranchState, first: int, last: int) -> list[Segment]:
    segments = list(islice(book.stored(branch, first), min(MAX_SEGMENTS, last - first + 1)))
    if not all(segment.is_here for segment in segments):
        raise Damaged("a segment of an archive is missing on this disk")
    return segments


def _pack(book: LogBook, segments: list[Segment]) -> list[Archive]:
    packed: list[Archive] = []
    while segments:
        packed.append(pack_archive(segments, book.archived.keys[segments[0].epoch].content))
        segments = segments[len(packed[-1].ids) :]
    return packed


def take_husks(book: LogBook, husked: Husked) -> Batch:
    """Has husks take the place of segments, if these are still what they show; else nothing.

    Nobody may read with another book of the same store meanwhile: it would miss them.
    """
    branch, last = book.numbered.get(husked.branch), husked.husks[-1]
    archives = (*husked.husks, *husked.rest)
    if branch is None or book.id_at(branch, last.last) != last.last_id or archives[0].first > branch.kept:
        return []
    batch: Batch = []
    following = max(archives[-1].last + 1, branch.kept)
    if following > branch.tip >= branch.kept:  # none begins the branch then
        batch.append(TruncateBranch(branch.number, branch.kept))
    if following > branch.kept:
        batch.append(BeginBranch(branch.number, following))
    branch.kept = following
    book.forget_recent()
    return batch + book.archived.replace(branch.number, archives)
