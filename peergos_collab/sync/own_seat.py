"""This device's seat in one object: the keys it finds as records come, the epoch it writes in, and the
records it should publish so that others can go on.

Which epoch may be used is for ``usable_epochs`` to say. Here one thing is added: nodes and peers serve who
proves a *newest* epoch, so where somebody made one that this member was not given, another is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ..codec.ids import AccountId, DeviceId, EpochId, ObjectId, PrincipalId
from ..errors import NoAccess
from ..identity.account import Account
from ..objects.due import ParentFirst, due, usable
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.key_ring import KeyRing
from ..objects.member_changes import Maker
from ..objects.membership import Membership, View
from ..objects.op_kinds import Close
from ..objects.operations import Actor
from ..objects.records import MembershipRecord
from ..objects.surroundings import Surroundings
from ..objects.usable_epochs import usable_epoch
from ..ports import Batch, Random
from ..values import dataclass
from .epoch_graph import EpochGraph
from .logbook import LogBook

MOST_DUTIES: Final = 16
"""Records published in a row: each can make the next one due, as a forward does a new epoch."""


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The epoch to write in, and what it was chosen by: to choose is dear, and done at each segment."""

    view: View
    actor: Actor
    accounts: Mapping[AccountId, Account]
    state: tuple[int, int]
    epoch: EpochId | None


class OwnSeat:
    """See the module's text.

    Args:
        keys: of epochs that came another way than in a record: in a link, or made here.
        actor: who sits here; its pairs open what is wrapped to it.
        closes: the accepted heads of a member's logs, as ``Maker`` wants them.

    Attributes:
        keys: all that are held; the same object always, so that sessions see what is found.
        known_accounts: account logs that came another way than with this object's records.
    """

    def __init__(
        self,
        book: LogBook,
        keys: Mapping[EpochId, EpochKeys],
        actor: Actor,
        random: Random,
        closes: Callable[[PrincipalId, bytes], Sequence[Close]],
    ) -> None:
        self.membership = Membership(book.object, KeyRing(actor.pairs, keys))
        self.keys = dict(keys)
        self.actor = actor
        self._book = book
        self._random = random
        self._closes = closes
        self.known_accounts: Mapping[AccountId, Account] = {}
        self._known: _Chosen | None = None

    @property
    def object(self) -> ObjectId:
        return self._book.object

    @property
    def view(self) -> View:
        return self.membership.view

    @property
    def maker(self) -> Maker:
        """Makes records in this member's name, by all he knows now."""
        accounts = self.view.accounts()
        for account in (*self.known_accounts.values(), self.actor.account):
            known = accounts.get(account.id)
            accounts[account.id] = account if known is None else known.merge(account)
        surroundings = Surroundings(accounts=accounts)
        return Maker(self.membership, self.actor, self._random, surroundings, self._closes)

    def take(self, records: Iterable[MembershipRecord]) -> None:
        """Takes records that are in the book."""
        self.membership.take(records)
        self._gather()

    def act_as(self, actor: Actor) -> None:
        """Takes the same member with a newer account log, or newer user keys."""
        self.actor = actor
        for pair in actor.pairs:
            self.membership.add_pair(pair)
        self._gather()

    def _gather(self) -> None:
        """Keys given beforehand that turned out not to be an epoch's are dropped."""
        ring = self.membership.ring
        for epoch in [epoch for epoch in self.keys if epoch in ring.epochs and epoch not in ring.keys]:
            del self.keys[epoch]
        self.keys.update(ring.keys)

    @property
    def stands(self) -> bool:
        """Whether this device is still one of its account's: else what it publishes counts for nothing."""
        account = self.maker.surroundings.accounts[self.actor.account.id]
        return DeviceId(self.actor.device.public) in account.devices

    # -- which epoch ----------------------------------------------------------------------------

    def level(self) -> Level | None:
        """This member's role now, as far as the records here say."""
        return self.view.level(self.actor.principal)

    def epoch(self) -> EpochId | None:
        """The epoch to write in; None where another one has to be published first."""
        state = self._book.graph.version, len(self.keys)
        known, view = self._known, self.view
        if known is None or not self._is_same(known, view) or known.state != state:
            chosen = usable(self.maker)
            self._gather()  # a higher level may have been found
            chosen = chosen if self._is_proved_by(chosen, Level.WRITE) else None
            self._known = known = _Chosen(self.view, self.actor, self.known_accounts, state, chosen)
        return known.epoch

    def _is_same(self, known: _Chosen, view: View) -> bool:
        return known.view is view and known.actor is self.actor and known.accounts is self.known_accounts

    def speaking_epoch(self) -> EpochId | None:
        """The epoch for what is said in passing, which readers may do, too; None: better be silent."""
        if (self.level() or 0) >= Level.WRITE:
            return self.epoch()
        chosen = usable_epoch(self.view, self.membership.keys, self.maker.surroundings, Level.READ)
        return chosen if self._is_proved_by(chosen, Level.READ) else None

    def hearing_epochs(self) -> list[EpochId]:
        """The epochs under which something said in passing is heard."""
        return [epoch for epoch in self._book.graph.newest if epoch in self.keys]

    def _is_proved_by(self, epoch: EpochId | None, least: Level) -> bool:
        """Whether a newest epoch held has ``epoch`` in its past, as members see it and as nodes do."""
        return epoch is not None and all(
            graph.covers(graph.past(self._held(graph, least)), epoch)
            for graph in (self._book.graph, self._book.plain_graph)
        )

    def _held(self, graph: EpochGraph, least: Level) -> list[EpochId]:
        return [epoch for epoch in graph.newest if epoch in self.keys and self.keys[epoch].level >= least]

    # -- what to publish ------------------------------------------------------------------------

    def duties(self) -> Batch:
        """Publishes what others need to go on: forwards, complaints, newer key versions."""
        return self._publish(due)

    def enter(self) -> Batch:
        """Publishes new keys where none of the newest epochs, as nodes see them, can be proved.

        They say nothing of anybody, and with them a node gives what was written before. Whoever has all of
        that can then say what of it counts.
        """
        return self._publish(lambda maker: None if self._proves_newest() else maker.rotate())

    def _proves_newest(self) -> bool:
        newest = self._book.plain_graph.newest
        return not newest or any(epoch in self.keys for epoch in newest)

    def prepare(self) -> Batch:
        """Publishes what is needed before ``epoch`` gives one to write in: nothing, or a neutral epoch."""
        return self._publish(self._due_to_write)

    def _due_to_write(self, maker: Maker) -> MembershipRecord | ParentFirst | None:
        if self.epoch() is not None:
            return None
        found = due(maker, to_write=True)
        if found is not None or usable(maker) is None:
            return found
        return maker.rotate()  # one may be used, but nobody takes it: somebody made another one beside us

    def _publish(self, next_one: Callable[[Maker], MembershipRecord | ParentFirst | None]) -> Batch:
        batch: Batch = []
        if not self.stands:
            return batch
        for _ in range(MOST_DUTIES):
            try:
                record = next_one(self.maker)
            except NoAccess:
                break
            if record is None or isinstance(record, ParentFirst):
                break
            offered = self._book.take_records([record.raw])
            if not offered.records:
                break  # the object has as many records as it may
            batch += offered.batch
            self.take([record])
        return batch
