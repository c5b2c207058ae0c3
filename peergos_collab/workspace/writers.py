"""Who wrote what: from the client id of a piece of text to the person behind it."""

from __future__ import annotations

from collections.abc import Mapping

from ..codec import to_multibase
from ..codec.ids import AccountId
from ..codec.shown import show_person
from ..documents.client_id import client_id
from ..objects.payload import Author
from ..sync.replica import Replica
from .api import Writer


def writer_of(replica: Replica, client: int, own: AccountId, petnames: Mapping[bytes, str]) -> Writer | None:
    """The writer of text under ``client``; None where no segment or local change says so.

    Client ids are hashes of an object, a device and a run, so those known are tried.

    Args:
        petnames: this account's own names for people, by the bytes of their accounts.
    """
    for device, run in replica.order.changes:
        if client == client_id(replica.object, device, run):
            return next(
                (
                    _writer(known.author, own, petnames)
                    for known in replica.order.writers()
                    if known.author.device == device
                ),
                None,
            )
    author = replica.author
    waiting = {replica.run, *(change.run for change in (*replica.journaled, *replica.pending))}
    if any(client == client_id(replica.object, author.device, run) for run in waiting):
        return _writer(author, own, petnames)
    return None


def _writer(author: Author, own: AccountId, petnames: Mapping[bytes, str]) -> Writer:
    petname, me = petnames.get(bytes(author.account)), author.account == own
    guest = bytes(author.principal) != bytes(author.account) and petname is None and not me
    return Writer(petname or show_person(author.name), to_multibase(author.account), me, guest)
