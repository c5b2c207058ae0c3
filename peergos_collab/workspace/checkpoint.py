"""What is saved of an object beside its state: how far its segments were delivered, and what came of them.

checkpoint = [8, applied, changes, authors, set aside, modified, [snapshots, unverified], stated,
              [unsettled, contested, stuck], bases, journaled]
"""

from __future__ import annotations

from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId, EpochId, LogId, PrincipalId, RunId
from ..codec.shape import array, many
from ..crypto import VerifyKey
from ..errors import Damaged, RemoteProtocolError
from ..objects.bindings import Introduced
from ..objects.epoch_keys import Level
from ..objects.payload import Author
from ..objects.snapshots import SnapshotPlace
from ..sync.causal_order import CausalOrder, SetAside
from ..values import dataclass

VERSION: Final = 8
_LIMIT: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Known:
    """What a checkpoint says beside the order.

    Args:
        modified: when the content last changed, ms since 1970.
        unverified: the snapshot that what is shown comes from, as long as its history was not compared.
        stated: a state of the fold belongs to it.
        journaled: the newest journal entry of which that state holds all changes; 0 if it holds none.
    """

    modified: int
    unverified: SnapshotPlace | None
    stated: bool
    journaled: int


def encode_checkpoint(
    order: CausalOrder,
    modified: int,
    unverified: SnapshotPlace | None,
    *,
    stated: bool,
    journaled: int = 0,
) -> bytes:
    """For ``restore_checkpoint``."""
    authors = [
        [number, epoch, seq, *_author_fields(who)]
        for (number, epoch), (seq, who) in order.introductions.said.items()
    ]
    changes = [[device, run, following] for (device, run), following in order.changes.items()]
    aside = [[s.log, s.seq, s.name, s.reason] for s in order.set_aside]
    applied = [list(item) for item in order.applied.items()]
    snapshots = [order.snapshots.stored(), unverified.fields() if unverified else []]
    doubt = [order.unsettled, [list(run) for run in order.contested], [list(m) for m in order.stuck]]
    bases = order.bases.stored()
    known = [modified, snapshots, stated]
    return encode([VERSION, applied, changes, authors, aside, *known, doubt, bases, journaled])


def is_current(checkpoint: bytes) -> bool:
    """Whether this version of the program wrote it."""
    try:
        return many(decode_untrusted(checkpoint, _LIMIT), 11, "state")[:1] == [VERSION]
    except RemoteProtocolError:
        return False


def restore_checkpoint(order: CausalOrder, checkpoint: bytes) -> Known:
    """Brings an order to where it was. Raises Damaged, RemoteProtocolError."""
    fields = array(decode_untrusted(checkpoint, _LIMIT), 11, "state")
    if fields[0] != VERSION:
        raise Damaged("another version of this program wrote it")
    _, applied, changes, authors, aside, modified, snapshots, stated, doubt, bases, journaled = fields
    order.applied = dict(many(applied, _LIMIT, "state"))
    if not order.applied.keys() <= order.book.numbered.keys():
        raise Damaged("it goes beyond what is stored")
    for device, run, following in many(changes, _LIMIT, "state"):
        order.changes[DeviceId(device), RunId(run)] = following
    for branch, epoch, seq, *who in many(authors, _LIMIT, "state"):
        order.introductions.said[branch, EpochId(epoch)] = seq, _author(*who)
    order.set_aside = [SetAside(LogId(log), seq, name, why) for log, seq, name, why in aside]
    order.unsettled, contested, stuck = array(doubt, 3, "state")
    order.contested = {(DeviceId(device), RunId(run)) for device, run in contested}
    order.stuck = [(client, clock) for client, clock in stuck]
    known, unverified = array(snapshots, 2, "state")
    order.snapshots.restore(known)
    order.bases.restore(bases)
    place = SnapshotPlace.parse_untrusted(unverified) if unverified else None
    return Known(modified, place, bool(stated), journaled)


def _author_fields(who: Introduced) -> list[Any]:
    author, key = who.author, who.device_key.public
    return [
        author.account,
        author.device,
        author.principal,
        author.name,
        key,
        int(who.level),
        sorted(who.adders),
    ]


def _author(
    account: bytes, device: bytes, principal: bytes, name: str, key: bytes, level: int, adders: list[bytes]
) -> Introduced:
    author = Author(AccountId(account), DeviceId(device), PrincipalId(principal), name)
    return Introduced(author, VerifyKey(key), Level(level), frozenset(map(DeviceId, adders)))
