"""Making membership records: each function gives the records to take oneself and to publish.

None of them changes anything by itself, but that the ring keeps the keys of an epoch that was made. Epochs
get keys of their own, wrapped to all who are members after the op, and link back to all frontier epochs
that their author holds. Where he acts for an object that is listed at an outdated version, nothing is
wrapped to it: do what is ``due`` to write before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..codec.ids import EpochId, PrincipalId
from ..errors import Conflict, NoAccess
from ..ports import Random
from .back_links import MAX_BACK_LINKS
from .epoch_keys import EpochKeys, Level
from .key_versions import account_principal
from .membership import Member, Membership
from .op_kinds import (
    Add,
    ChangeRole,
    Close,
    Complaint,
    Forward,
    Forwarded,
    Leave,
    News,
    NewVersion,
    Op,
    Remove,
    RePin,
    Rotate,
    Target,
)
from .operations import MAX_HEADS, Actor, Relied, log_digest
from .principals import Principal, PrincipalKind
from .records import (
    MAX_OP_SEALS,
    MAX_PARENTS,
    Epoch,
    Grant,
    MembershipRecord,
    Said,
    make_grant,
    next_epoch,
)
from .usable_epochs import ALONE, Lacking, Surroundings, frontier, is_wrapped_to
from .wraps import Recipient, recipients_of

MOST_PARENTS: Final = min(MAX_BACK_LINKS, MAX_PARENTS)


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes records of which object, and what he knows beside it.

    Args:
        closes: the accepted heads of all logs of a principal, or of an account or device behind it
            (empty: all of it); a log that is not named is closed at 0.
    """

    membership: Membership
    actor: Actor
    random: Random
    surroundings: Surroundings = ALONE
    closes: Callable[[PrincipalId, bytes], Sequence[Close]] = lambda *_: ()

    # -- adding -----------------------------------------------------------------------------------

    def add(self, principal: Principal, level: Level) -> list[MembershipRecord]:
        """Makes ``principal`` a member: all frontier epochs held are wrapped to it.

        Raises:
            NoAccess: no epoch's keys are held.
            Conflict: the object would be a member of itself, by whatever way.
        """
        self._check_no_cycle(principal, frozenset())
        return self._hand_out(Add(principal, level), principal, level)

    def raise_role(self, member: PrincipalId, level: Level) -> list[MembershipRecord]:
        """Gives a member a higher role, and the secrets that go with it."""
        listed = self._listed(member)
        return self._hand_out(ChangeRole(Target(member), level), listed.principal, level)

    def forward(self, epoch: EpochId, to: Sequence[Lacking]) -> Grant:
        """Hands the keys of an epoch to members who lack them."""
        op = Forward(tuple(Forwarded(*one.member.principal.pin, one.level) for one in to))
        keys = self.membership.keys[epoch]
        recipients = [r for one in to for r in recipients_of(one.member.principal, one.level, keys)]
        return self._grant(epoch, keys, recipients, op, self._heads())

    # -- new keys ---------------------------------------------------------------------------------

    def remove(self, targets: Sequence[Target], accepted: Iterable[bytes] = ()) -> Epoch:
        """Ends memberships. ``accepted``: what the removed did, and the author has not seen, still counts."""
        gone = {target.principal for target in targets}
        members = [one for id_, one in self.membership.view.members.items() if id_ not in gone]
        return self._epoch(Remove(tuple(targets), tuple(accepted)), members)

    def lower_role(self, target: Target, level: Level, accepted: Iterable[bytes] = ()) -> Epoch:
        """Gives a member a lower role."""
        listed = self._listed(target.principal)
        lowered = Member(listed.principal, level, listed.name, listed.rank, listed.contested)
        return self._epoch(ChangeRole(target, level, tuple(accepted)), self._members_with(lowered))

    def rotate(self) -> Epoch:
        """New keys for the same members; merges all frontier epochs."""
        return self._epoch(Rotate(), list(self.membership.view.members.values()))

    def re_pin(
        self, versions: Sequence[NewVersion], targets: Sequence[Target] = (), accepted: Iterable[bytes] = ()
    ) -> Epoch:
        """Replaces key versions of members.

        Args:
            targets: devices or accounts that are no longer behind their principal.
        """
        new = [Member(version.principal, self._listed(version.principal.id).level) for version in versions]
        return self._epoch(RePin(tuple(versions), tuple(targets), tuple(accepted)), self._members_with(*new))

    # -- notices ----------------------------------------------------------------------------------

    def leave(self, op: Leave) -> Grant:
        """The actor's account goes; the next who writes makes new keys."""
        return self._notice(op)

    def complain(self, about: bytes) -> Grant:
        """A slot or back-link of a record opened to something that is not its key."""
        return self._notice(Complaint(about))

    def tell_news(self) -> Grant:
        """The actor's account log, which has changed."""
        return self._notice(News())

    # -- how ----------------------------------------------------------------------------------------

    def _listed(self, member: PrincipalId) -> Member:
        listed = self.membership.view.members.get(member)
        if listed is None:
            raise NoAccess("whose role or keys are to change is no member; nothing was changed")
        return listed

    def _members_with(self, *changed: Member) -> list[Member]:
        members = {**self.membership.view.members, **{one.principal.id: one for one in changed}}
        return list(members.values())

    def _frontier(self) -> dict[EpochId, EpochKeys]:
        """The frontier epochs held, with the best keys that can be found."""
        membership = self.membership
        role = membership.view.level(self.actor.principal) or Level.READ
        held = {}
        for epoch in frontier(membership.view, membership.keys):
            keys = membership.ring.deepen(epoch, min(role, self.actor.level))
            if keys is not None:
                held[epoch] = keys
        if not held:
            raise NoAccess("the keys of this object are not here yet; nothing was changed")
        newest = sorted(held, key=lambda epoch: (-membership.history.entry(epoch).count, epoch))
        return {epoch: held[epoch] for epoch in newest[:MOST_PARENTS]}

    def _hand_out(self, op: Op, principal: Principal, level: Level) -> list[MembershipRecord]:
        held = self._frontier()
        first, *others = held
        records: list[MembershipRecord] = [
            self._wrap(first, held[first], principal, level, op, self._heads())
        ]
        for epoch in others:
            to = Forward((Forwarded(*principal.pin, min(level, held[epoch].level)),))
            records.append(self._wrap(epoch, held[epoch], principal, level, to, (records[-1].id,)))
        return records

    def _notice(self, op: Op) -> Grant:
        epoch, keys = next(iter(self._frontier().items()))
        return self._grant(epoch, keys, [], op, self._heads())

    def _wrap(
        self,
        epoch: EpochId,
        keys: EpochKeys,
        principal: Principal,
        level: Level,
        op: Op,
        heads: tuple[bytes, ...],
    ) -> Grant:
        return self._grant(epoch, keys, recipients_of(principal, level, keys), op, heads)

    def _grant(
        self,
        epoch: EpochId,
        keys: EpochKeys,
        recipients: Sequence[Recipient],
        op: Op,
        heads: tuple[bytes, ...],
    ) -> Grant:
        said = self._said(op, heads)
        return make_grant(self.membership.object, epoch, keys, recipients, said, self.random)

    def _epoch(self, op: Op, members: Iterable[Member]) -> Epoch:
        held = self._frontier()
        admin = self.membership.view.level(self.actor.principal) is Level.ADMIN
        acts_as_admin = admin and self.actor.level is Level.ADMIN
        keys = (EpochKeys.generate if acts_as_admin else EpochKeys.generate_neutral)(self.random)
        recipients = [
            recipient
            for member in members
            if is_wrapped_to(self.membership.view, member, self.surroundings)
            for recipient in recipients_of(member.principal, member.level, keys)
        ]
        own = account_principal(self.actor.account)
        if self.actor.for_itself and all(recipient.box != own.box for recipient in recipients):
            # Listed at a key version that is outdated: nothing goes to that, but the author keeps his keys.
            recipients += recipients_of(own, keys.level, keys)
        said = self._said(op, self._heads())
        epoch = next_epoch(
            self.membership.object, keys, held, held, recipients, said, self.random, self._on_other_branches()
        )
        self.membership.ring.give(epoch.id, keys)
        return epoch

    def _on_other_branches(self) -> dict[EpochId, EpochKeys]:
        """What is held of the epochs right before those that are not held.

        Whoever is on such a branch would else not learn what is done here, and could not forward its keys.
        """
        keys, view = self.membership.keys, self.membership.view
        lacked = [entry.record for entry in view.epochs if entry.id not in keys]
        parents = {parent for record in lacked if isinstance(record, Epoch) for parent in record.parents}
        held = sorted(parent for parent in parents if parent in keys)
        return {parent: keys[parent] for parent in held[: MAX_OP_SEALS - MOST_PARENTS - 1]}

    def _heads(self) -> tuple[bytes, ...]:
        return self.membership.view.heads[:MAX_HEADS]

    def _said(self, op: Op, heads: tuple[bytes, ...]) -> Said:
        history = self.membership.history
        past = history.closure(history.indices[head] for head in heads if head in history)
        known = history.log_known(log_digest(self.actor.account.raw), past)
        relied = []
        for member in self.membership.view.members.values():
            view = self.surroundings.sees(member.principal)
            if member.principal.kind is PrincipalKind.OBJECT and view is not None:
                relied.append(Relied(member.principal.id, view.heads[:MAX_HEADS]))
        return Said(op, self.actor, heads, tuple(relied[:MAX_HEADS]), known)

    def _check_no_cycle(self, principal: Principal, path: frozenset[bytes]) -> None:
        if bytes(principal.id) == bytes(self.membership.object):
            raise Conflict("an object cannot be a member of what is a member of it; nothing was changed")
        view = self.surroundings.sees(principal)
        if principal.kind is PrincipalKind.OBJECT and view is not None and principal.id not in path:
            for member in view.members.values():
                self._check_no_cycle(member.principal, path | {principal.id})
