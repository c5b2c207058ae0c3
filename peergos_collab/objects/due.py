"""What a member should publish now so that everybody can read and write: his duties, found not remembered.

- A slot or back-link that opened to garbage: a complaint.
- A member who lacks a frontier epoch: a forward.
- A member here that has a newer key version: a re-pin; at once for an object. That of an account is replaced
  before one writes, and at once where it lacks keys because of it.
- An add in an object's name, by its old keys, beside a re-pin by who did not know of its author: once more.
- No epoch that may be used for writing: a neutral epoch, before one writes. At once, where there is one that
  a member whose history is hidden does not get: he would not even learn who is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ..codec.ids import AccountId, EpochId, ObjectId, PrincipalId
from ..errors import Conflict, NoAccess
from ..identity.account import Account
from ..values import dataclass
from . import rules
from .epoch_keys import Level
from .history import Entry
from .key_versions import newer_account, newer_epoch
from .member_changes import Maker
from .membership import Member, View
from .nested import acting_for
from .op_kinds import MAX_TARGETS, Add, NewVersion, Target
from .principals import PrincipalKind
from .records import MembershipRecord
from .surroundings import accounts_behind, is_behind
from .usable_epochs import (
    frontier,
    is_after_cuts,
    is_fit,
    known_logs,
    lacking,
    tips,
    usable_epoch,
    who_opens,
)


@dataclass(frozen=True, slots=True)
class ParentFirst:
    """An object that is a member here needs new keys of its own before anything can be done here."""

    object: ObjectId


def due(
    maker: Maker, parents: Mapping[ObjectId, Maker] | None = None, *, to_write: bool = False
) -> MembershipRecord | ParentFirst | None:
    """The next record that ``maker``'s actor should publish, made; None where nothing is due.

    Take what it gives and ask again until there is nothing.

    Args:
        parents: makers for the objects he is in that are members here.
        to_write: he is about to write, so he needs an epoch that may be used.
    """
    view = maker.membership.view
    level = view.level(maker.actor.principal)
    if level is None:
        return None
    deepen(maker)
    own = view.members[maker.actor.principal]
    if not acts_as_listed(maker):
        # And whoever else is outdated: these new keys give nothing to such a version, but the next ones, by
        # somebody who does not see into it, would.
        return _re_pin(maker, parents or {}, [own, *(one for one in _unfit(maker) if one is not own)])
    found = next(_complaints(maker), None) or next(_adds(maker), None) or next(_forwards(maker), None)
    if found is not None or level < Level.WRITE:
        return found
    unfit = _unfit(maker)
    no_epoch = (to_write and usable(maker) is None) or not all_get_newest(maker)
    # A writer of the parent, but not by the keys of the version that is listed, which he joined after.
    weak = maker.actor.level < Level.WRITE
    if unfit and (no_epoch or _keeps_keys_from(maker, unfit)):
        renewed = _re_pin(maker, parents or {}, [own, *unfit] if weak and own not in unfit else unfit)
        if renewed is not None:
            return renewed
    if any(not one.contested or one.principal.id == maker.actor.principal for one in unfit):
        # Keys made now would count as open to an outdated version, or to one of several of which none is
        # known to be newest, the author's own: of no use to anybody. Another has the keys that prove more.
        return None
    if no_epoch and weak:
        return _re_pin(maker, parents or {}, [own])
    return maker.rotate() if no_epoch and _holds_write(maker) else None


def _unfit(maker: Maker) -> list[Member]:
    """The members at key versions that are contested, or not known to be good."""
    view = maker.membership.view
    return [one for one in view.members.values() if not is_fit(view, one, maker.surroundings)]


def acts_as_listed(maker: Maker) -> bool:
    """Whether the actor's keys are of a key version that his principal is listed with."""
    versions = maker.membership.view.members[maker.actor.principal].versions
    return not maker.actor.version or any(one.version == maker.actor.version for one in versions)


def usable(maker: Maker, least: Level = Level.WRITE) -> EpochId | None:
    """The epoch to write in, by the keys (``least`` of it) and the knowledge of ``maker``."""
    deepen(maker)
    return usable_epoch(maker.membership.view, maker.membership.keys, maker.surroundings, least)


def deepen(maker: Maker) -> None:
    """Finds the best keys of the epochs that may be used: back-links gave those of readers only."""
    membership = maker.membership
    role = membership.view.level(maker.actor.principal) or Level.READ
    for epoch in frontier(membership.view, membership.ring):
        membership.ring.deepen(epoch, min(role, maker.actor.level))


def all_get_newest(maker: Maker) -> bool:
    """Whether members whose history is hidden get all that is newest here."""
    view = maker.membership.view
    return not view.cuts or all(is_after_cuts(view, epoch) for epoch in tips(view, maker.membership.ring))


def _holds_write(maker: Maker) -> bool:
    keys = maker.membership.keys
    newest = tips(maker.membership.view, maker.membership.ring)
    return any(keys[epoch].level >= Level.WRITE for epoch in newest)


def _complaints(maker: Maker) -> Iterator[MembershipRecord]:
    membership = maker.membership
    for record in sorted(membership.ring.false - membership.view.complaints):
        yield maker.complain(record)


def _adds(maker: Maker) -> Iterator[MembershipRecord]:
    """Whom somebody added in an object's name, by old keys, beside new ones from who did not know him.

    Whoever sees that he is in that object, as he is himself, adds once more.
    """
    view, actor = maker.membership.view, maker.actor
    if min(view.level(actor.principal) or Level.READ, actor.level) < Level.ADMIN:
        return
    inside = maker.surroundings.objects.get(ObjectId(actor.principal))
    behind = accounts_behind(inside, maker.surroundings)[0] if inside is not None else set()
    behind.add(bytes(actor.account.id))
    acts = 0
    for account in behind:
        acts |= view.history.acts_of(actor.principal, account)
    for entry in view.history.members_of(acts):
        op = entry.signed.op
        if not isinstance(op, Add) or entry.id not in view.void:
            continue
        if not rules.is_only_unheard(view.table, entry) or _is_settled(view, entry, op.principal.id):
            continue
        if not _is_on_word_of_others(view, entry, behind):
            with suppress(NoAccess, Conflict):
                yield maker.add(op.principal, op.level, hidden=op.hidden, proof=op.proof)[0]


def _is_settled(view: View, add: Entry, member: PrincipalId) -> bool:
    """Whether somebody is in, was removed, or was added by who knew of ``add``."""
    again = (
        isinstance(entry.signed.op, Add) and entry.signed.op.principal.id == member
        for entry in view.history.entries
        if entry.past & add.bit and not entry.refused
    )
    return member in view.members or bool(view.table.removals_of(member)) or any(again)


def _is_on_word_of_others(view: View, add: Entry, behind: set[bytes]) -> bool:
    """Whether ``add`` did once more what somebody had done in that object's name who is behind it no more.

    Its author took that one for a member, as this duty has it. Whom only he let in is let in by nobody now.
    """
    member, by = add.pins[0].principal.id, add.signed.author.principal
    before = (entry for entry in view.history.members_of(add.past) if not entry.refused)
    authors = [
        entry.signed.author
        for entry in before
        if isinstance(entry.signed.op, Add) and entry.signed.op.principal.id == member
    ]
    return any(one.principal == by and bytes(one.account) not in behind for one in authors)


def _forwards(maker: Maker) -> Iterator[MembershipRecord]:
    view = maker.membership.view
    for epoch in frontier(view, maker.membership.ring):
        to = lacking(view, epoch, maker.to_hand_on(epoch), maker.surroundings)
        if to:
            yield maker.forward(epoch, to)


def _keeps_keys_from(maker: Maker, unfit: list[Member]) -> bool:
    """Whether a re-pin cannot wait: somebody lacks keys, or may, because his key version is unfit."""
    view = maker.membership.view
    if any(one.principal.kind is PrincipalKind.OBJECT for one in unfit):
        return True  # who saw into it gave it no slot, of which nothing tells the others
    if maker.actor.for_itself and any(one.principal.id == maker.actor.principal for one in unfit):
        return True  # others know better than to forward to the old version, and of what one cannot tell
    for epoch in frontier(view, maker.membership.ring):
        have = who_opens(view, epoch)
        if any(one.pin not in have for member in unfit for one in member.versions):
            return True
    return False


def _newest_log(maker: Maker, account: AccountId) -> Account | None:
    newest: Account | None = None
    for log in known_logs(maker.membership.view, maker.surroundings, account):
        newest = log if newest is None else newest.merge(log)
    return newest


def _re_pin(
    maker: Maker, parents: Mapping[ObjectId, Maker], unfit: list[Member]
) -> MembershipRecord | ParentFirst | None:
    """A record that gives all members their newest key versions, as far as one can see them."""
    if not _holds_write(maker):
        return None
    versions: list[NewVersion] = []
    for member in unfit:
        version = _newest_version(maker, parents, member)
        if isinstance(version, ParentFirst):
            return version
        if (version is not None and version.principal.pin != member.principal.pin) or member.contested:
            versions += [version] if version is not None else []
    shown = acts_as_listed(maker) or any(one.principal.id == maker.actor.principal for one in versions)
    if not versions or not shown:  # nobody would know the author's keys, by which he signs
        return None
    del versions[MAX_TARGETS:]  # the others are due after that
    targets = [target for version in versions for target in _gone(maker, parents, version)]
    # Who has never acted here lets nobody in by the old keys, named or not.
    acts = maker.membership.history.acts_of
    targets = sorted(targets, key=lambda target: not acts(target.principal, target.who))[:MAX_TARGETS]
    acting = _acting_newly(maker, parents, versions)
    return acting.re_pin(versions, targets) if acting.actor.level >= Level.WRITE else None


def _acting_newly(maker: Maker, parents: Mapping[ObjectId, Maker], versions: list[NewVersion]) -> Maker:
    """Who acts for a principal that gets newer keys acts by those where they give him a higher level."""
    parent = parents.get(ObjectId(maker.actor.principal))
    for version in versions:
        if parent is not None and version.principal.id == maker.actor.principal:
            actor = acting_for(maker.actor, parent.membership, EpochId(version.principal.version))
            return replace(maker, actor=actor) if actor.level >= maker.actor.level else maker
    return maker


def _newest_version(
    maker: Maker, parents: Mapping[ObjectId, Maker], member: Member
) -> NewVersion | ParentFirst | None:
    principal = member.principal
    if principal.kind is PrincipalKind.ACCOUNT:
        account = _newest_log(maker, AccountId(principal.id))
        return newer_account(account) if account is not None else None
    parent = parents.get(ObjectId(principal.id))
    if parent is None:
        return None
    if is_behind(maker.membership.view, parent.membership.view, maker.surroundings):
        return None
    history, holds, actor = maker.membership.history, parent.membership, maker.actor
    role = holds.view.level(parent.actor.principal) or Level.READ
    epoch = usable(parent, min(role, Level.WRITE))
    if epoch is None:
        # Who only reads there cannot make new keys; what else is due here does not wait for who can.
        return ParentFirst(ObjectId(principal.id)) if role >= Level.WRITE else None
    if epoch == principal.version and not member.contested:
        return None
    if epoch in history.replaced(principal.id, history.everything):
        return None  # more is known here than of that object itself, whose newer records are on the way
    view, seat = maker.membership.view, maker.membership.view.seats.get(principal.id)
    level = view.level(actor.principal)
    assert seat is not None
    assert level is not None
    pins = history.pins_believed(seat, actor.principal, actor.account.id, level, history.everything)
    ever = [pin.principal for pin in pins]
    for known in ever:
        holds.ring.deepen(EpochId(known.version))
    try:
        return newer_epoch(member.contested, ever, holds.ring.epochs, holds.keys, epoch)
    except NoAccess:
        return None  # another member may have the keys that prove more


def _gone(maker: Maker, parents: Mapping[ObjectId, Maker], version: NewVersion) -> list[Target]:
    """The devices or accounts that were behind a principal's older versions and are not any more."""
    principal = version.principal
    if principal.kind is PrincipalKind.ACCOUNT:
        gone = _devices_gone(maker, AccountId(principal.id))
    else:
        listed = maker.membership.view.members[principal.id].versions
        gone = _accounts_gone(maker, parents[ObjectId(principal.id)], [one.version for one in listed])
    return [Target(principal.id, who, tuple(maker.closes(principal.id, who))) for who in sorted(gone)]


def _devices_gone(maker: Maker, account_id: AccountId) -> set[bytes]:
    account = _newest_log(maker, account_id)
    gone = account.standing.gone if account is not None else ()
    removals = maker.membership.view.table.removals_of(PrincipalId(account_id))
    return {bytes(device) for device in gone} - {removal.target.who for removal in removals}


def _accounts_gone(maker: Maker, parent: Maker, versions: Sequence[bytes]) -> set[bytes]:
    """Who can open some of an object's epochs, or has acted for it here, and is behind it no more.

    So it is with whom removals there took out that these epochs did not know of: a member, who may have been
    added beside them, a device, or somebody in an object that is a member there, who could act here as well.
    """
    view, principal = parent.membership.view, PrincipalId(parent.membership.object)
    behind, all_seen = accounts_behind(view, maker.surroundings)
    epochs = [EpochId(version) for version in versions if version in view.history]
    before = {bytes(who) for epoch in epochs for who, _ in who_opens(view, epoch)}
    known = view.history.closure(view.history.indices[epoch] for epoch in epochs)
    for member, removals in view.table.removals.items():
        before |= {one.target.who or bytes(member) for one in removals if not one.by.bit & known}
    for former in [view for id_, view in maker.surroundings.objects.items() if id_ in before - behind]:
        before |= accounts_behind(former, maker.surroundings)[0]
    if all_seen:
        entries = maker.membership.history.entries
        authors = (entry.signed.author for entry in entries if not entry.refused)
        before |= {bytes(author.account) for author in authors if author.principal == principal}
    return before - behind
