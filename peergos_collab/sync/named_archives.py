"""Archives that prune records name, and what is here of the same segments."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from ..codec.ids import EpochId
from ..errors import LocalProtocolError, RemoteProtocolError
from ..objects.archives import Archive, pack_archive
from ..objects.epoch_keys import EpochKeys
from ..objects.prunes import Replaced
from ..objects.segments import Segment
from .arrivals import BranchState
from .logbook import LogBook

Keys = Mapping[EpochId, EpochKeys]


def made_here(book: LogBook, before: Mapping[bytes, int]) -> list[tuple[Replaced, int]]:
    """The archives of this disk that are open, with their size in bytes; not what is forgotten.

    Args:
        before: by log, a seq: what lies in an archive with it, or after it, is left out.

    Raises:
        Damaged: one of them is.
    """
    found: list[tuple[Replaced, int]] = []
    for branch in book.numbered.values():
        seq = branch.first
        while seq < branch.kept and (archive := book.archived.archive_at(branch.number, seq)) is not None:
            seq = archive.last + 1
            if seq > before.get(branch.log, seq):
                break
            if archive.epoch in book.archived.keys and not archive.is_husk:
                found.append((Replaced.by(archive), len(archive.raw)))
    return found


def is_own(book: LogBook, keys: Keys, named: Replaced) -> bool:
    """Whether it is the archive that this device has, or makes, of the same segments.

    Raises:
        Damaged: a stored segment is.
    """
    branches = book.branches.get(named.log, ())
    held = [branch for branch in branches if branch.first <= named.first and named.last <= branch.tip]
    return any(_is_made_of(book, keys, named, branch) for branch in held)


def _is_made_of(book: LogBook, keys: Keys, named: Replaced, branch: BranchState) -> bool:
    if book.archived.find(branch.number, named) is not None:
        return True
    segments = _segments(book, branch, named.first, named.last)
    held = keys.get(segments[0].epoch) if segments else None
    if held is None or not all(segment.is_here for segment in segments):
        return False
    try:
        return pack_archive(segments, held.content).id == named.archive
    except LocalProtocolError:
        return False


def holds(book: LogBook, keys: Keys, archive: Archive) -> bool | None:
    """Whether an archive holds what is here; None where its segments, or its keys, are not.

    Of what is forgotten here husks show enough: the ids are hashes of the segments, and each is made again.

    Raises:
        Damaged: a stored segment is.
    """
    branch, held = book.find(archive.log, archive.last, archive.last_id), keys.get(archive.epoch)
    if branch is None or held is None:
        return None
    own = _segments(book, branch, archive.first, archive.last)
    if len(own) < len(archive.ids):
        return None
    try:
        raws = archive.unpack_untrusted(held.content)
    except RemoteProtocolError:
        return False
    return all(
        segment.raw == raw if segment.is_here else segment.signature == archive.signature(at)
        for at, (segment, raw) in enumerate(zip(own, raws, strict=True))
    )


def is_gone(book: LogBook, named: Replaced, stops: Mapping[int, int]) -> bool:
    """Whether all that an archive can be of is forgotten here, and is to be forgotten everywhere.

    Args:
        stops: by branch, up to where it is.
    """
    branches = [each for each in book.branches.get(named.log, ()) if _overlaps(each, named)]
    return any(named.last <= branch.tip for branch in branches) and all(
        min(named.last, branch.tip) <= stops.get(branch.number, 0)
        and _is_husk(book, branch, max(named.first, branch.first))
        and _is_husk(book, branch, min(named.last, branch.tip))
        for branch in branches
    )


def is_begun(book: LogBook, named: Replaced) -> bool:
    """Whether its segments are here, and the first is forgotten: nobody makes it of them any more."""
    return any(
        branch.first <= named.first and named.last <= branch.tip and _is_husk(book, branch, named.first)
        for branch in book.branches.get(named.log, ())
    )


def _overlaps(branch: BranchState, named: Replaced) -> bool:
    return branch.first <= named.last and named.first <= branch.tip


def _is_husk(book: LogBook, branch: BranchState, seq: int) -> bool:
    return book.archived.is_forgotten(branch.number, seq)


def _segments(book: LogBook, branch: BranchState, first: int, last: int) -> list[Segment]:
    return list(islice(book.stored(branch, first), last - first + 1)) if first >= branch.first else []
