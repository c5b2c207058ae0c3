"""Which prune records count, as nodes see it, who know nobody and open nothing.

One counts while its epoch is the one that admins may sign with, and nobody objected to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from ..codec.ids import EpochId
from ..objects.prunes import Prune
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
    """The prune records that count."""
    epoch = admin_epoch(book) if book.prunes else None
    if epoch is None:
        return []
    refused = {each.objects_to for each in objections(book, epoch)}
    return [
        prune
        for prune in book.prunes.values()
        if prune.replaced and prune.epoch == epoch and prune.id not in refused
    ]
