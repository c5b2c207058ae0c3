"""Who wrote what: from the client id of a piece of text to the person behind it."""

from __future__ import annotations

from ..codec import to_multibase
from ..documents.client_id import client_id
from ..objects.payload import Author
from ..sync.replica import Replica
from .api import Writer
from .called import Names


def writer_of(replica: Replica, client: int, names: Names) -> Writer | None:
    """The writer of text under ``client``; None where no segment or local change says so.

    Client ids are hashes of an object, a device and a run, so those known are tried.
    """
    for device, run in replica.order.changes:
        if client == client_id(replica.object, device, run):
            return next(
                (
                    _writer(known.author, names)
                    for known in replica.order.introductions.writers()
                    if known.author.device == device
                ),
                None,
            )
    author = replica.author
    waiting = {replica.run, *(change.run for change in replica.unsealed)}
    if any(client == client_id(replica.object, author.device, run) for run in waiting):
        return _writer(author, names)
    return None


def _writer(author: Author, names: Names) -> Writer:
    called = names.of(author.account, author.name)
    return Writer(called.name, to_multibase(author.account), called.me, called.unverified)
