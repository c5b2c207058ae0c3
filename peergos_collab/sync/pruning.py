"""Which prune records count, as nodes see it, who know nobody and open nothing.

One counts while its epoch is the one that admins may sign with, and nobody objected to it. What is forgotten
already stays so: who lacks it looks for what stands for it in all that admins of any time said.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..codec.ids import EpochId
from ..objects.archives import Archive
from ..objects.prunes import Forgets, Prune
from ..objects.records import Epoch
from .record_book import RecordBook


def admin_epoch(book: RecordBook) -> EpochId | None:
    """The one epoch whose admins are today's; None while there are several.

    An ex-admin can make an epoch beside today's, from the last one that he has the keys of. Then nobody can
    tell from outside which of the two counts, so neither does.
    """
    for epoch in islice(book.epochs.values(), len(book.admins), None):  # parents come first
        above = _latest(book, epoch.parents)
        book.admins[epoch.id] = frozenset([epoch.id]) if _is_of_admins(epoch, above) else above
    latest = _latest(book, book.plain_graph.newest)
    return next(iter(latest)) if len(latest) == 1 else None


def _is_of_admins(epoch: Epoch, above: frozenset[EpochId]) -> bool:
    """Whether admins of before gave it admin keys. Those that a writer, or an ex-admin, makes up are none."""
    return epoch.first or (not epoch.neutral and epoch.admins_of in above)


def _latest(book: RecordBook, epochs: Iterable[EpochId]) -> frozenset[EpochId]:
    """The epochs of admins in the past of some epochs, without those that another of them follows."""
    every = {book.admins[epoch] for epoch in epochs}
    return every.pop() if len(every) == 1 else book.plain_graph.latest(frozenset[EpochId]().union(*every))


def objections(book: RecordBook, epoch: EpochId) -> list[Prune]:
    """The objections to prune records of an epoch, of who reads that, or one that follows it."""
    graph = book.plain_graph
    return [
        each
        for each in book.prunes.values()
        if each.objects_to and graph.covers(graph.past([each.epoch]), epoch)
    ]


def standing(book: RecordBook) -> list[Prune]:
    """The prune records that count and name archives."""
    return [prune for prune in _counting(book) if prune.replaced]


def forgetting(book: RecordBook) -> list[Prune]:
    """The prune records that count and forget."""
    return [prune for prune in _counting(book) if prune.forgets is not None]


def _counting(book: RecordBook) -> list[Prune]:
    epoch = admin_epoch(book) if book.prunes else None
    if epoch is None:
        return []
    refused = {each.objects_to for each in objections(book, epoch)}
    return [
        prune
        for prune in book.prunes.values()
        if not prune.objects_to and prune.epoch == epoch and prune.id not in refused
    ]


def named_to_forget(book: RecordBook) -> list[tuple[Forgets, bool]]:
    """What admins ever said is to be forgotten, and whether somebody objected, in time or not.

    It is asked at each segment, so it is looked for only where there are other records than before.
    """
    if not book.prunes:
        return []
    now = len(book.prunes), len(book.epochs)
    if book.named_to_forget[0] != now:
        book.named_to_forget = now, _named_to_forget(book)
    return book.named_to_forget[1]


def _named_to_forget(book: RecordBook) -> list[tuple[Forgets, bool]]:
    admin_epoch(book)  # which finds out the epochs of admins
    objected: dict[bytes, list[EpochId]] = {}
    for each in book.prunes.values():
        if each.objects_to:
            objected.setdefault(each.objects_to, []).append(each.epoch)
    graph = book.plain_graph
    return [
        (prune.forgets, graph.covers(graph.past(objected.get(prune.id, ())), prune.epoch))
        for prune in book.prunes.values()
        if prune.forgets is not None and prune.epoch in book.admins[prune.epoch]
    ]


def may_be_forgotten(book: RecordBook, husk: Archive) -> bool:
    """Whether an admin ever said that all in a husk is to be forgotten, as far as it shows that."""
    return any(shows_part_of(husk, forgets) for forgets, _ in named_to_forget(book))


def shows_part_of(husk: Archive, forgets: Forgets) -> bool:
    """Whether all in a husk comes before one of these heads, as far as it shows that."""
    heads = (head for head in forgets.heads if head.log == husk.log)
    return any(husk.last < head.seq or (husk.last, husk.last_id) == (head.seq, head.id) for head in heads)
