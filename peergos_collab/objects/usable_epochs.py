"""Which epochs may be used for writing, who can open an epoch, and who lacks one.

An epoch may be used if every removal one has seen is in its past, and everybody who can open it is a
member now, at a key version that is good: for an account its newest user key, for an object an epoch
that may itself be used there. No clocks; ties go to the lowest id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from ..codec.ids import AccountId, EpochId, PrincipalId
from ..identity.account import Account
from ..values import dataclass
from .epoch_keys import EpochKeys, Level
from .history import Entry
from .key_ring import KeyRing
from .key_versions import account_principal, knows_version
from .membership import Member, View
from .principals import Principal, PrincipalKind
from .records import Epoch
from .surroundings import ALONE, Surroundings, is_behind

MAX_DEPTH: Final = 16
"""Objects in objects in objects: deeper ones are taken to be wrong."""

_REMEMBERED: Final = 256
"""Unions of two logs kept: the same ones are asked about whenever an epoch is chosen."""

Pin = tuple[PrincipalId, bytes]
"""A principal at a key version."""


def usable_epoch(
    view: View,
    keys: Mapping[EpochId, EpochKeys],
    surroundings: Surroundings = ALONE,
    least: Level = Level.WRITE,
) -> EpochId | None:
    """The epoch to write in; None where a neutral one has to be published first.

    Args:
        least: what has to be held of it.
    """
    now = _current_pins(view, surroundings, frozenset())
    best: EpochId | None = None
    passed = 0
    for entry in sorted(_covering(view), key=lambda entry: (-entry.count, entry.id)):
        held = keys.get(EpochId(entry.id))
        if held is None or held.level < least or passed & entry.bit:
            continue
        if who_opens(view, EpochId(entry.id)).keys() <= now:
            passed |= entry.past
            best = EpochId(entry.id) if best is None else min(best, EpochId(entry.id))
    return best


def known_logs(view: View, surroundings: Surroundings, account: AccountId) -> list[Account]:
    """The logs of an account that one has, from the records and from elsewhere; then both united.

    United they can say more than each: that a key in one is by a device which the other knows to be gone.
    """
    found = (view.accounts().get(account), surroundings.accounts.get(account))
    logs = list({log.raw: log for log in found if log is not None}.values())
    return logs if len(logs) < len(found) else [*logs, _united(logs[0].raw, logs[1].raw)]


@lru_cache(maxsize=_REMEMBERED)
def _united(one: bytes, other: bytes) -> Account:
    return Account.parse_untrusted(one).merge(Account.parse_untrusted(other))


def is_good_version(
    view: View,
    principal: Principal,
    surroundings: Surroundings,
    path: frozenset[bytes] = frozenset(),
    *,
    trusting: bool = False,
) -> bool:
    """Whether who holds this key version of a principal belongs to it now, as far as one can see.

    Args:
        view: of the object that it is a member of.
        path: objects that were asked about on the way here; one that is its own member is no good.
        trusting: what is said of a version that one has not heard of yet, by who is not known to be out.
    """
    if principal.kind is PrincipalKind.ACCOUNT:
        logs = known_logs(view, surroundings, AccountId(principal.id))
        return not any(_is_outdated(principal.version, log) for log in logs)
    parent = surroundings.sees(principal) if principal.kind is PrincipalKind.OBJECT else None
    if parent is None:
        return True
    if principal.id in path or len(path) >= MAX_DEPTH:
        return False
    if principal.version not in parent.history:
        return trusting and is_behind(view, parent, surroundings)
    entry = parent.history.entry(principal.version)
    now = _current_pins(parent, surroundings, path | {principal.id}, trusting=trusting)
    return _is_covering(parent, entry) and who_opens(parent, EpochId(entry.id)).keys() <= now


def _is_outdated(version: bytes, log: Account) -> bool:
    """Whether a log has a newer key version than this one; one it does not know is newer than the log."""
    standing = log.standing
    names = (standing.user_keys, standing.false_user_keys, standing.ended)
    known = any(version in known for known in names)
    return known and version != log.user_key.generation


def who_opens(view: View, epoch: EpochId) -> dict[Pin, Level]:
    """Who can open an epoch, and which of its secrets: by its wraps, grants, and links back to it."""
    found: dict[Pin, Level] = {}
    _who_is_given(view, epoch, found, Level.ADMIN)
    waiting, seen = [epoch], {epoch}
    while waiting:
        for linking in view.linking.get(waiting.pop(), ()):
            if linking not in seen:
                seen.add(linking)
                waiting.append(linking)
                _who_is_given(view, linking, found, Level.READ)
    return found


def who_is_given(view: View, epoch: EpochId) -> frozenset[PrincipalId]:
    """Who is given an epoch itself, in whatever key version: who has no history follows no link to it."""
    found: dict[Pin, Level] = {}
    _who_is_given(view, epoch, found, Level.READ)
    return frozenset(principal for principal, _ in found)


def tips(view: View, ring: KeyRing) -> list[EpochId]:
    """The epochs held that no other epoch held links back to, sorted; normally one."""
    return _not_linked(view, ring, lambda linking, old: True)


def frontier(view: View, ring: KeyRing) -> list[EpochId]:
    """The epochs held of which no other epoch held gives all that one has, sorted; normally the ``tips``.

    Also those, with their history, that somebody without it linked back to: he could not pass that on.
    """
    keys, passing = ring.keys, ring.passing

    def passes(linking: EpochId, old: EpochId) -> bool:
        return (linking, old) in passing or old not in keys or keys[old].history is None

    return _not_linked(view, ring, passes)


def _not_linked(view: View, ring: KeyRing, counts: Callable[[EpochId, EpochId], bool]) -> list[EpochId]:
    held = [entry.record for entry in view.epochs if entry.id in ring.keys]
    linked = {
        old
        for record in held
        if isinstance(record, Epoch)
        for old in record.back_links
        if counts(record.id, old)
    }
    return sorted(EpochId(record.id) for record in held if record.id not in linked)


def is_after_cuts(view: View, epoch: EpochId) -> bool:
    """Whether an epoch was made with all knowledge that some members' history is hidden from them."""
    entry = view.history.entry(epoch)
    return not view.cuts & ~(entry.past | entry.bit)


def may_get(view: View, member: Member, epoch: EpochId) -> bool:
    """Whether a member gets an epoch: whose history is hidden, only from the one he began with on."""
    if not member.hidden:
        return True
    seat, entry = view.seats.get(member.principal.id), view.history.entry(epoch)
    seen = entry.past | entry.bit
    cuts = [view.history.entry(cut).bit for cut in (seat.cuts if seat else ()) if cut in view.history]
    return any(seen & cut for cut in cuts)


@dataclass(frozen=True, slots=True)
class Lacking:
    """A member who lacks the keys of an epoch, or a level of them, that another could forward."""

    member: Member
    level: Level


def lacking(view: View, epoch: EpochId, held: EpochKeys, surroundings: Surroundings = ALONE) -> list[Lacking]:
    """To whom somebody who holds ``held`` of one of his frontier epochs should forward it."""
    have, history = who_opens(view, epoch), who_has_history(view, epoch)
    found = []
    for listed in view.members.values():
        member, own = _by_its_log(view, listed, surroundings)
        wanted = min(held.level, member.level)
        without = held.history is not None and not member.hidden and own.isdisjoint(history)
        if any(have.get(pin, 0) >= wanted for pin in own) and not without:
            continue
        if may_get(view, member, epoch) and is_fit(view, member, surroundings):
            found.append(Lacking(member, wanted))
    return found


def _by_its_log(view: View, member: Member, surroundings: Surroundings) -> tuple[Member, set[Pin]]:
    """An account that is outdated or contested at the newest key version by all logs known, and all it had.

    Else who may not write could not tell it what came to pass.
    """
    id_ = member.principal.id
    logs = known_logs(view, surroundings, AccountId(id_))
    if not logs or is_fit(view, member, surroundings):
        return member, {member.principal.pin}
    account = logs[-1]
    if not all(knows_version(account, one) for one in member.versions):
        return member, {member.principal.pin}
    own = {(id_, version) for version in account.standing.user_keys}
    return replace(member, principal=account_principal(account), contested=()), own


def who_has_history(view: View, epoch: EpochId) -> set[Pin]:
    """Who was given an epoch together with what opens the epochs before, by who can have had that."""
    entry = view.history.entry(epoch)
    found: set[Pin] = set()
    if not entry.refused:
        found = {author_pin(entry)}
        seats = [seat for seat in view.history.seats_after(entry.index) if not seat.hidden]
        found |= {seat.pins[0].principal.pin for seat in seats if not seat.contested}
    for grant in view.grants.get(epoch, ()):
        if grant.refused:
            continue
        author = grant.signed.author.principal
        seat = grant.before.get(author)
        if seat is None or (seat.hidden and author_pin(entry)[0] != author):
            continue  # what he says is false: somebody else still has to give it
        found |= {
            (given.principal, given.version)
            for given in grant.opened.given
            if given.history and given.version is not None
        }
    return found


def is_fit(view: View, member: Member, surroundings: Surroundings) -> bool:
    """Whether a member is forwarded keys: not while its key version is contested, or not known to be good."""
    return not member.contested and is_good_version(view, member.principal, surroundings)


def is_wrapped_to(view: View, member: Member, surroundings: Surroundings) -> bool:
    """Whether a member gets a slot of new keys: also at a version that one has not heard of yet.

    Everybody takes that slot for given, and later nothing would tell that it was left out. Nothing is
    written in these keys by who does not know that the version is good.
    """
    return not member.contested and is_good_version(view, member.principal, surroundings, trusting=True)


def _covering(view: View) -> Iterable[Entry]:
    return [entry for entry in view.epochs if _is_covering(view, entry)]


def _is_covering(view: View, entry: Entry) -> bool:
    """Whether an epoch was made with every removal known that is known here."""
    seen = entry.past | entry.bit
    return not entry.refused and isinstance(entry.record, Epoch) and not view.endings & ~seen


def _current_pins(
    view: View, surroundings: Surroundings, path: frozenset[bytes], *, trusting: bool = False
) -> set[Pin]:
    """The members at their key versions, all of them good; else nobody.

    Whoever does not know that a version is bad may forward to it whatever he has, at any time.
    """
    listed = [member.principal for member in view.members.values() if not member.contested]
    good = all(is_good_version(view, one, surroundings, path, trusting=trusting) for one in listed)
    return {principal.pin for principal in listed} if good else set()


def _who_is_given(view: View, epoch: EpochId, found: dict[Pin, Level], most: Level) -> None:
    """Who is given an epoch by its own wraps and by grants, at ``most`` at that level."""
    entry = view.history.entry(epoch)
    if not entry.refused:
        _from_epoch(view, entry, found, most)
    for grant in view.grants.get(epoch, ()):
        _from_grant(grant, found, most)


def _from_epoch(view: View, entry: Entry, found: dict[Pin, Level], most: Level) -> None:
    """An epoch's slots are those of the members after its op, and its author knows the keys anyway.

    He counts at the key version that he showed to have: not at one that he gave to his principal, which
    he may be no part of any more.
    """
    seat = entry.before.get(entry.signed.author.principal)
    _give(found, author_pin(entry), min(most, seat.level if seat is not None else Level.ADMIN))
    for seat in view.history.seats_after(entry.index):
        if not seat.contested:
            _give(found, seat.pins[0].principal.pin, min(most, seat.level))


def author_pin(entry: Entry) -> Pin:
    """As which key version an op's author knew what he made."""
    return entry.signed.author.principal, entry.acted_at


def _from_grant(entry: Entry, found: dict[Pin, Level], most: Level) -> None:
    """Of grants that are refused, too: what was wrapped was wrapped."""
    for given in entry.opened.given:
        seat = entry.before.get(given.principal) if given.version is None else None
        versions = [pin.principal.version for pin in seat.pins] if seat is not None else []
        for version in versions if given.version is None else [given.version]:
            _give(found, (given.principal, version), min(most, given.level))


def _give(found: dict[Pin, Level], pin: Pin, level: Level) -> None:
    found[pin] = max(level, found.get(pin, level))
