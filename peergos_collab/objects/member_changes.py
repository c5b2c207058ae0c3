"""Making membership records: each function gives the records to take oneself and to publish.

None of them changes anything by itself, but that the ring keeps the keys of an epoch that was made. Epochs
get keys of their own, wrapped to all who are members after the op, and link back to all frontier epochs
that their author holds. Whose history is hidden gets the keys, and not what opens those links. Where the
author acts for an object that is listed at an outdated version, nothing is wrapped to it: do what is ``due``
to write before anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ..codec.ids import AccountId, EpochId, ObjectId, PrincipalId
from ..crypto import OpsSecret
from ..errors import Conflict, NoAccess
from ..ports import Random
from ..values import dataclass
from .back_links import MAX_BACK_LINKS
from .epoch_keys import EpochKeys, Level
from .key_proofs import own_keys_proof
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
    Proof,
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
from .surroundings import ALONE, Surroundings
from .usable_epochs import (
    Lacking,
    author_pin,
    frontier,
    is_wrapped_to,
    known_logs,
    may_get,
    tips,
)
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

    def add(
        self, principal: Principal, level: Level, *, hidden: bool = False, proof: Proof | None = None
    ) -> list[MembershipRecord]:
        """Makes ``principal`` a member: all frontier epochs held are wrapped to it.

        Args:
            hidden: it gets nothing that was written before: new keys are made first, and it gets those. So is
                everybody whom a member adds from whom the history is hidden himself.
            proof: shows that the keys are its own; by default what is known here that does.

        Raises:
            NoAccess: no epoch's keys are held, or nothing known shows that the keys are the principal's own.
            Conflict: the object would be a member of itself, by whatever way; or the history of one that is a
                member of others, or has such members, would be hidden.
        """
        self._check_no_cycle(principal, frozenset())
        members = self.membership.view.members
        own = members.get(self.actor.principal)
        hidden = hidden or (own is not None and own.hidden)
        if hidden:
            self._check_can_hide(principal)
        shown = self._proof_of(principal) if proof is None else proof
        if hidden:
            return self._after_new_keys(
                Add(principal, level, hidden=True, proof=shown), Member(principal, level, hidden=True)
            )
        if next(iter(self._frontier().values())).history is None:
            return self._after_new_keys(Add(principal, level, proof=shown), Member(principal, level))
        return self._hand_out(Add(principal, level, proof=shown), Member(principal, level))

    def raise_role(self, member: PrincipalId, level: Level) -> list[MembershipRecord]:
        """Gives a member a higher role, and the secrets that go with it.

        While its key version is contested these are new ones, without what was written before: they are for
        re-pinning it, and whoever is out may have them, too.
        """
        listed, op = self._listed(member), ChangeRole(Target(member), level)
        if listed.contested:
            return self._after_new_keys(op, replace(listed, level=level, hidden=True))
        return self._hand_out(op, replace(listed, level=level))

    def forward(self, epoch: EpochId, to: Sequence[Lacking]) -> Grant:
        """Hands the keys of an epoch to members who lack them, each as much of them as he may have."""
        keys = self.to_hand_on(epoch)
        given = [(one, keys.history is not None and not one.member.hidden) for one in to]
        op = Forward(
            tuple(Forwarded(*one.member.principal.pin, one.level, history) for one, history in given)
        )
        recipients = [
            recipient
            for one, history in given
            for recipient in recipients_of(one.member.principal, one.level, keys, history=history)
        ]
        return self._grant(epoch, keys, recipients, op, self._heads())

    def to_hand_on(self, epoch: EpochId) -> EpochKeys:
        """What this member can hand on of an epoch that he holds.

        Whose history is hidden may have that of an epoch which another one made, from somebody who handed it
        on for himself. Nobody believes that he has, so others would give it all the same.
        """
        view, keys = self.membership.view, self.membership.keys[epoch]
        own = view.members.get(self.actor.principal)
        if own is None or not own.hidden or author_pin(view.history.entry(epoch))[0] == self.actor.principal:
            return keys
        return keys.at(keys.level, history=False)

    # -- new keys ---------------------------------------------------------------------------------

    def remove(self, targets: Sequence[Target], accepted: Iterable[bytes] = ()) -> Epoch:
        """Ends memberships. ``accepted``: what the removed did, and the author has not seen, still counts."""
        gone = {target.principal for target in targets}
        members = [one for id_, one in self.membership.view.members.items() if id_ not in gone]
        return self._epoch(Remove(tuple(targets), tuple(accepted)), members)

    def lower_role(self, target: Target, level: Level, accepted: Iterable[bytes] = ()) -> Epoch:
        """Gives a member a lower role."""
        listed = self._listed(target.principal)
        lowered = replace(listed, level=level)
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
        new = [
            replace(self._listed(version.principal.id), principal=version.principal, contested=())
            for version in versions
        ]
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
        for epoch in frontier(membership.view, membership.ring):
            keys = membership.ring.deepen(epoch, min(role, self.actor.level))
            if keys is not None:
                held[epoch] = keys
        if not held:
            raise NoAccess("the keys of this object are not here yet; nothing was changed")
        newest = sorted(held, key=lambda epoch: (-membership.history.entry(epoch).count, epoch))
        return {epoch: held[epoch] for epoch in newest[:MOST_PARENTS]}

    def _hand_out(self, op: Op, to: Member) -> list[MembershipRecord]:
        view = self.membership.view
        held = {epoch: keys for epoch, keys in self._frontier().items() if may_get(view, to, epoch)}
        if not held:
            return self._after_new_keys(op, to)
        first, *others = held
        records: list[MembershipRecord] = [self._wrap(first, held[first], to, op, self._heads())]
        return records + self._hand_on({epoch: held[epoch] for epoch in others}, to, records[-1].id)

    def _hand_on(self, held: dict[EpochId, EpochKeys], to: Member, after: bytes) -> list[MembershipRecord]:
        """Forwards of several epochs to one member, each after the one before."""
        records: list[MembershipRecord] = []
        for epoch, keys in held.items():
            history = keys.history is not None and not to.hidden
            one = Forwarded(*to.principal.pin, min(to.level, keys.level), history)
            records.append(self._wrap(epoch, keys, to, Forward((one,)), (after,)))
            after = records[-1].id
        return records

    def _after_new_keys(self, op: Op, to: Member) -> list[MembershipRecord]:
        """New keys for all members as they are, and a grant of these."""
        epoch, keys = self._make_epoch(Rotate(), list(self.membership.view.members.values()))
        return [epoch, self._wrap(epoch.id, keys, to, op, (epoch.id,))]

    def _proof_of(self, principal: Principal) -> Proof:
        view, inside = self.membership.view, self.surroundings.objects.get(ObjectId(principal.id))
        logs = known_logs(view, self.surroundings, AccountId(principal.id))
        records = [entry.record for entry in inside.epochs] if inside is not None else []
        epochs = {record.id: record for record in records if isinstance(record, Epoch)}
        return own_keys_proof(principal, logs, epochs)

    def _check_can_hide(self, principal: Principal) -> None:
        members = self.membership.view.members.values()
        if any(one.kind is PrincipalKind.OBJECT for one in (principal, *(m.principal for m in members))):
            # Its own members reach the keys by other ways, of which nothing here says who has them.
            raise Conflict("the history cannot be hidden where a folder is a member; nothing was changed")

    def _notice(self, op: Op) -> Grant:
        epoch, keys = next(iter(self._frontier().items()))
        return self._grant(epoch, keys, [], op, self._heads())

    def _wrap(
        self,
        epoch: EpochId,
        keys: EpochKeys,
        to: Member,
        op: Op,
        heads: tuple[bytes, ...],
    ) -> Grant:
        recipients = recipients_of(to.principal, to.level, keys, history=not to.hidden)
        return self._grant(epoch, keys, recipients, op, heads)

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
        return self._make_epoch(op, members)[0]

    def _make_epoch(self, op: Op, members: Iterable[Member]) -> tuple[Epoch, EpochKeys]:
        held = self._frontier()
        newest = set(tips(self.membership.view, self.membership.ring))
        parents = {epoch: keys for epoch, keys in held.items() if epoch in newest}
        admin = self.membership.view.level(self.actor.principal) is Level.ADMIN
        acts_as_admin = admin and self.actor.level is Level.ADMIN
        keys = (EpochKeys.generate if acts_as_admin else EpochKeys.generate_neutral)(self.random)
        recipients = [
            recipient
            for member in members
            if is_wrapped_to(self.membership.view, member, self.surroundings)
            for recipient in recipients_of(member.principal, member.level, keys, history=not member.hidden)
        ]
        own = account_principal(self.actor.account)
        if self.actor.for_itself and all(recipient.box != own.box for recipient in recipients):
            # Listed at a key version that is outdated: nothing goes to that, but the author keeps his keys.
            recipients += recipients_of(own, keys.level, keys)
        said = self._said(op, self._heads())
        told = self._on_other_branches()
        handed = self._handed_on_by(parents) if acts_as_admin else None
        epoch = next_epoch(
            self.membership.object, keys, parents, held, recipients, said, self.random, told, handed
        )
        self.membership.ring.give(epoch.id, keys)
        return epoch, keys

    def _handed_on_by(self, parents: Mapping[EpochId, EpochKeys]) -> tuple[EpochId, EpochKeys] | None:
        """The last epoch before neutral ones of which the admin key is held; None where a parent's is."""
        if any(keys.level is Level.ADMIN for keys in parents.values()):
            return None
        epochs = {entry.id: entry.record for entry in self.membership.view.epochs}
        seen, waiting = set(parents), list(parents)
        while waiting:
            record, keys = epochs.get(waiting[0]), self.membership.keys.get(waiting[0])
            if keys is not None and keys.level is Level.ADMIN:
                return waiting[0], keys
            above = record.parents if isinstance(record, Epoch) and record.neutral else ()
            waiting = [*waiting[1:], *(parent for parent in above if parent not in seen)]
            seen.update(above)
        return None

    def _on_other_branches(self) -> dict[EpochId, OpsSecret]:
        """What is held of the epochs right before those that are not held.

        Whoever is on such a branch would else not learn what is done here, and could not forward its keys.
        """
        keys, view, ops = self.membership.keys, self.membership.view, self.membership.ring.ops
        lacked = [entry.record for entry in view.epochs if entry.id not in keys]
        parents = {parent for record in lacked if isinstance(record, Epoch) for parent in record.parents}
        held = sorted(parent for parent in parents if parent in ops)
        return {parent: ops[parent] for parent in held[: MAX_OP_SEALS - MOST_PARENTS - 1]}

    def _heads(self) -> tuple[bytes, ...]:
        return self.membership.view.heads[:MAX_HEADS]

    def _said(self, op: Op, heads: tuple[bytes, ...]) -> Said:
        history = self.membership.history
        past = history.closure(history.indices[head] for head in heads if head in history)
        # A record that is not here yet is one that this actor has made right before: it has the log.
        known = any(head not in history for head in heads) or history.log_known(
            log_digest(self.actor.account.raw), past
        )
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
