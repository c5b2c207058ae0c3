"""Which prune records count, as nodes see it, who know nobody and open nothing.

One counts while its epoch is the one that admins may sign with, and nobody objected to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..codec.ids import EpochId
from ..objects.prunes import Prune
from ..objects.records import Epoch
from .record_book import RecordBook


def admin_epoch(book: RecordBook) -> EpochId | None:
    """The one epoch whose admins are today's; None while there are several.

    An ex-admin can make an epoch beside today's, from the last one that he has the keys of. Then nobody can
    tell from outside which of the two counts, so neither does.
    """
    admins: dict[EpochId, frozenset[EpochId]] = {}
    for epoch in book.epochs.values():  # parents come first
        above = _latest(book, [each for parent in epoch.parents for each in admins[parent]])
        admins[epoch.id] = frozenset([epoch.id]) if _is_of_admins(epoch, above) else above
    latest = _latest(book, [each for newest in book.plain_graph.newest for each in admins[newest]])
    return next(iter(latest)) if len(latest) == 1 else None


def _is_of_admins(epoch: Epoch, above: frozenset[EpochId]) -> bool:
    """Whether admins of before gave it admin keys. Those that a writer, or an ex-admin, makes up are none."""
    return epoch.first or (not epoch.neutral and epoch.admins_of in above)


def _latest(book: RecordBook, epochs: Iterable[EpochId]) -> frozenset[EpochId]:
    """Those that are not in the past of another of them."""
    every = frozenset(epochs)
    if len(every) < 2:
        return every
    graph = book.plain_graph
    return frozenset(one for one in every if not graph.covers(graph.past(every - {one}), one))


def objections(book: RecordBook, prune: Prune) -> list[Prune]:
    """The objections to a prune record of who read its epoch, or one that follows it."""
    graph = book.plain_graph
    return [
        each
        for each in book.prunes.values()
        if each.objects_to == prune.id and graph.covers(graph.past([each.epoch]), prune.epoch)
    ]


def standing(book: RecordBook) -> list[Prune]:
    """The prune records that count."""
    epoch = admin_epoch(book) if book.prunes else None
    return [
        prune
        for prune in book.prunes.values()
        if prune.replaced and prune.epoch == epoch and not objections(book, prune)
    ]
