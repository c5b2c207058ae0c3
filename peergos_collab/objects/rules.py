"""The rules of membership, each a function of its own.

First every op is judged in its own past (``judge``): may its author do this, as far as he could know?
Then a set of ops is folded (``fold``): what do they make of each other where they are concurrent? Both
depend on the set alone, never on the order in which it arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from ..codec.ids import AccountId, PrincipalId
from ..errors import RemoteProtocolError
from ..values import dataclass
from .epoch_keys import Level
from .key_proofs import check_own_keys
from .key_versions import check_newer, knows_version, proved_accounts
from .op_kinds import (
    Add,
    ChangeRole,
    Create,
    Leave,
    Remove,
    RePin,
    Rotate,
    Target,
)
from .payload import Author
from .principals import Principal, PrincipalKind
from .records import Epoch, Grant
from .seats import Pin, Seat, Seats, Standing

if TYPE_CHECKING:
    from .history import Entry, History

OUT: Final = 0
"""What a removal leaves, where a lowering leaves a level."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What an op takes from one principal, or from an account or device behind it.

    Args:
        leaves: the level that is left; 0 for none.
        accepted: records of the removed, concurrent with the removal, that still count.
        known: of an account's device, the devices in the log that shows its removal.
    """

    target: Target
    leaves: int
    accepted: frozenset[bytes]
    by: Entry
    known: frozenset[bytes] = frozenset()

    def concerns(self, entry: Entry) -> bool:
        """Whether the author of ``entry`` is who is removed."""
        author, account = entry.signed.author, entry.account
        if author.principal != self.target.principal:
            return False
        return self.takes_from(author.account, author.device) or (
            account is not None and self.takes_from_added(author.device, account.adders(author.device))
        )

    def takes_from(self, account: bytes, device: bytes) -> bool:
        """Whether it is the whole member that is removed, or this account or device behind it."""
        return self.target.who in (b"", account, device)

    def takes_from_added(self, device: bytes, adders: Collection[bytes]) -> bool:
        """Whether a device was added by the one that is removed, unknown to who removed that.

        Such an addition is void. Else a removed device would have others act that it kept to itself.

        Args:
            adders: the devices that added it, by the log it shows.
        """
        return self.target.who in adders and device not in self.known


@dataclass(frozen=True, slots=True)
class FalseAdd:
    """An add with keys that nothing shows to be those of whom it names: no honest program makes one.

    Args:
        record: its id.
        author: who signed it.
        principal: whom it names, with the keys that are not his as far as it shows.
    """

    record: bytes
    author: Author
    principal: Principal


# -- an op in its own past ------------------------------------------------------------------------


def judge(history: History, entry: Entry) -> None:
    """Fills in what an op does, and why it is refused if it is."""
    try:
        if entry.opened.creator is not None:
            _judge_create(history, entry, entry.opened.creator)
            return
        level = _author_level(entry, _prove_author(entry))
        if isinstance(entry.signed.op, RePin):
            _judge_re_pin(history, entry, level)
        else:
            _JUDGES.get(type(entry.signed.op), _judge_notice)(entry, level)
        if isinstance(entry.signed.op, RePin):
            for account in proved_accounts(entry.signed.op.versions):
                history.take_proof(account)
        elif isinstance(entry.signed.op, Add):
            _take_shown_log(history, entry.signed.op)
    except RemoteProtocolError as error:
        entry.refused = str(error)
        entry.proved, entry.removals, entry.pins = None, (), ()


def _take_shown_log(history: History, op: Add) -> None:
    """The log that comes with an add may know of removals that others have not heard of."""
    account = check_own_keys(op.principal, op.proof)
    if account is not None:
        history.take_proof(account)


def _judge_create(history: History, entry: Entry, creator: Principal) -> None:
    record = entry.record
    if not isinstance(record, Epoch) or not record.first or entry.past:
        raise RemoteProtocolError("only the first epoch creates an object")
    if creator.kind is not PrincipalKind.ACCOUNT:
        raise RemoteProtocolError("an object whose creator is no account")
    _prove(entry, [creator])
    entry.acted_at = _check_own_version(entry, [creator])
    op = entry.signed.op
    assert isinstance(op, Create)
    history.kind = op.kind
    entry.pins = (Pin(entry.index, op.creator),)


def _prove_author(entry: Entry) -> Seat:
    """The seat of an op's author, who proved that it is his. Raises RemoteProtocolError."""
    seat = entry.before.get(entry.opened.principal)
    if seat is None:
        raise RemoteProtocolError("an op by somebody who is no member")
    # Whoever joined a folder after its keys changed has only the new ones to act with.
    principals = [*entry.opened.own_versions, *(pin.principal for pin in seat.pins)]
    principal = _prove(entry, principals)
    is_account = principal.kind is PrincipalKind.ACCOUNT
    entry.acted_at = _check_own_version(entry, principals) if is_account else principal.version
    return seat


def _author_level(entry: Entry, seat: Seat) -> Level:
    """The role in which an op's author acts."""
    level = _succession(entry.before, seat)
    acts_for_object = seat.pins[0].principal.kind is PrincipalKind.OBJECT
    return min(level, entry.signed.level) if acts_for_object else level


def _prove(entry: Entry, principals: Sequence[Principal]) -> Principal:
    """Checks an op's signatures; returns as which of these its author acts."""
    if entry.account is None:
        raise RemoteProtocolError("an op whose author's account log is nowhere in its past")
    entry.proved, principal = entry.opened.verify(entry.account, principals)
    return principal


def _check_own_version(entry: Entry, listed: Sequence[Principal]) -> bytes:
    """An account that acts for itself shows a log that knows a key version it is listed with.

    Otherwise a device that was removed since could show the log of before. Returns the log's own version:
    a log that is older than the device's removal cannot show a newer one.
    """
    assert entry.account is not None
    if not any(knows_version(entry.account, principal) for principal in listed):
        raise RemoteProtocolError("an op by an account at another key version than it is listed with")
    return entry.account.user_key.generation


def _succession(seats: Seats, seat: Seat) -> Level:
    """The last-admin rule: where no admin is left, the most senior member counts as one."""
    if seat.level is Level.ADMIN:
        return Level.ADMIN
    best = seat
    for other in seats:
        if other.level is Level.ADMIN:
            return seat.level
        if other.rank < best.rank:
            best = other
    return Level.ADMIN if best is seat else seat.level


def _need(level: Level, least: Level) -> None:
    if level < least:
        raise RemoteProtocolError(f"an op that needs {least.name.lower()} access, by somebody without it")


def _need_epoch(entry: Entry, level: Level) -> None:
    if not isinstance(entry.record, Epoch):
        raise RemoteProtocolError("an op that needs new keys, in a record that makes none")
    if not entry.record.neutral:
        _need(level, Level.ADMIN)


def _need_grant(entry: Entry) -> None:
    if not isinstance(entry.record, Grant):
        raise RemoteProtocolError("an op that needs no new keys, in a record that makes some")


def _judge_add(entry: Entry, level: Level) -> None:
    op = entry.signed.op
    assert isinstance(op, Add)
    _need_grant(entry)
    if level < Level.ADMIN:
        raise RemoteProtocolError("an add by somebody who is no admin")
    if bytes(op.principal.id) == bytes(entry.record.object):
        raise RemoteProtocolError("an object that is its own member")
    author = entry.before.get(entry.signed.author.principal)
    if author is not None and author.hidden and not op.hidden:
        # Others would hand the newcomer what was written before, and his adder may be behind him.
        raise RemoteProtocolError("an add with history by somebody who was not given it")
    try:
        check_own_keys(op.principal, op.proof)
    except RemoteProtocolError:
        entry.false_add = FalseAdd(entry.id, entry.signed.author, op.principal)
        raise
    entry.pins = (Pin(entry.index, op.principal),)


def _judge_remove(entry: Entry, level: Level) -> None:
    op = entry.signed.op
    assert isinstance(op, Remove)
    _need_epoch(entry, level)
    _need(level, Level.ADMIN)
    for target in op.targets:
        _check_senior(entry, level, target.principal)
    entry.removals = tuple(Removal(t, OUT, frozenset(op.accepted), entry) for t in op.targets)


def _judge_change(entry: Entry, level: Level) -> None:
    op = entry.signed.op
    assert isinstance(op, ChangeRole)
    _need(level, Level.ADMIN)
    seat = entry.before.get(op.target.principal)
    if seat is None:
        raise RemoteProtocolError("a role for somebody who is no member")
    if op.level >= seat.level:
        _need_grant(entry)
        return
    _need_epoch(entry, level)
    _check_senior(entry, level, op.target.principal)
    entry.removals = (Removal(op.target, op.level, frozenset(op.accepted), entry),)


def _check_senior(entry: Entry, level: Level, target: PrincipalId) -> None:
    """Only a senior removes or lowers; nobody removes himself, who leaves instead."""
    own, other = entry.before.get(entry.signed.author.principal), entry.before.get(target)
    if other is None:
        return
    assert own is not None
    if (-level, *own.rank[1:]) >= other.rank:
        raise RemoteProtocolError("a removal of somebody who is not junior to its author")


def _judge_leave(entry: Entry, level: Level) -> None:
    op, author = entry.signed.op, entry.signed.author
    assert isinstance(op, Leave)
    _need_grant(entry)
    if not entry.signed.for_itself:
        raise RemoteProtocolError("a link or an object does not leave by one who acts for it")
    entry.removals = (Removal(Target(author.principal, b"", op.closes), OUT, frozenset(), entry),)


def _judge_rotate(entry: Entry, level: Level) -> None:
    _need(level, Level.WRITE)
    _need_epoch(entry, level)


def _judge_re_pin(history: History, entry: Entry, level: Level) -> None:
    op = entry.signed.op
    assert isinstance(op, RePin)
    _judge_rotate(entry, level)
    pins = []
    for version in op.versions:
        seat = entry.before.get(version.principal.id)
        if seat is None:
            raise RemoteProtocolError("a key version of somebody who is no member")
        id_, author = version.principal.id, entry.signed.author
        ever = history.pins_believed(seat, author.principal, author.account, level, entry.past)
        listed = [pin.principal for pin in seat.pins]
        gone = [target.who for target in op.targets if target.principal == version.principal.id]
        if version.principal.version in history.replaced(id_, entry.past):
            raise RemoteProtocolError("a key version that was replaced before")
        older = check_newer(version, listed, [pin.principal for pin in ever], gone, contested=seat.contested)
        pins.append(Pin(entry.index, version.principal, older))
    entry.pins = tuple(pins)
    shown = [(account.id, account.standing) for account in proved_accounts(op.versions)]
    known = {id_: standing.gone.union(standing.devices) for id_, standing in shown}
    entry.removals = tuple(
        Removal(t, OUT, frozenset(op.accepted), entry, known.get(AccountId(t.principal), frozenset()))
        for t in op.targets
    )


def _judge_notice(entry: Entry, level: Level) -> None:
    _need_grant(entry)


_JUDGES: Final = {
    Add: _judge_add,
    Remove: _judge_remove,
    ChangeRole: _judge_change,
    Leave: _judge_leave,
    Rotate: _judge_rotate,
}


# -- concurrent ops -------------------------------------------------------------------------------


def never_void(entry: Entry) -> bool:
    """Removals that were authorised in their past always count."""
    op = entry.signed.op
    return isinstance(op, Remove | Leave | Create) or (isinstance(op, ChangeRole) and bool(entry.removals))


def needed_level(entry: Entry) -> Level:
    """The role without which nobody does this."""
    op = entry.signed.op
    if isinstance(op, Add | ChangeRole | Remove):
        return Level.ADMIN
    return Level.WRITE if isinstance(op, Rotate | RePin) else Level.READ


@dataclass(slots=True)
class Table:
    """The ops of a fold, and what they do to each other.

    Args:
        removals: those that count, by whom they are of.
        versions: the key versions that re-pins gave to objects.
        named: those of re-pins that are void because their author was removed.
    """

    history: History
    entries: list[Entry]
    removals: dict[PrincipalId, list[Removal]]
    versions: dict[PrincipalId, list[Pin]] = field(default_factory=dict)
    named: dict[PrincipalId, list[Removal]] = field(default_factory=dict)

    def removals_of(self, principal: PrincipalId) -> list[Removal]:
        return self.removals.get(principal, [])


def is_deaf(table: Table, op: int, removal: Removal) -> bool:
    """Whether what rests on ``op`` was given in knowledge that the removal's author had been removed.

    Or that somebody had been by whom he was let in. Such a removal would be one that an ex-admin, or an
    accomplice of one, made later and dated back. It has no effect, unless the removal of its author names it.
    """
    known = table.history.entries[op].past
    return _is_ended(table, removal.by, known) or _rests_on_ended(table, removal.by, known)


def _is_ended(table: Table, entry: Entry, known: int) -> bool:
    """Whether one of the ops ``known``, beside ``entry``, removes its author and does not name it."""
    return any(
        known & removal.by.bit
        and removal.concerns(entry)
        and table.history.concurrent(entry, removal.by)
        and entry.id not in removal.accepted
        for removal in table.removals_of(entry.signed.author.principal)
    ) or bool(_unheard_beside(table, entry, known))


def _rests_on_ended(table: Table, entry: Entry, known: int) -> bool:
    """Whether the author of ``entry`` had his role by who was removed beside that, by the ops ``known``."""
    ended: set[int] = set()
    for op in table.history.members_of(entry.rests):
        if _is_ended(table, op, known) or lacks_role(op, ended):
            ended.add(op.index)
    return bool(ended) and lacks_role(entry, ended)


def lacks_role(entry: Entry, void: Collection[int]) -> bool:
    """Whether an op needs a higher role than its author had without the adds and raises that are void."""
    seat = entry.before.get(entry.signed.author.principal)
    if seat is None or not any(standing.op in void for standing in seat.standings):
        return False
    left = [standing for standing in seat.standings if standing.op not in void]
    if not any(standing.is_add for standing in left):
        return True
    # What is the same as before suffices, whatever it was: perhaps no admin was left.
    level = max(standing.level for standing in left)
    return level < seat.level and level < needed_level(entry)


def hits(table: Table, standing: Standing, removal: Removal) -> bool:
    """Whether a removal takes away or caps a standing: one in its past, or a concurrent one."""
    given = table.history.entries[standing.op]
    if given.past & removal.by.bit:
        return False
    if removal.by.past & given.bit:
        return True
    return beats_concurrent(removal) and not is_deaf(table, standing.op, removal)


def beats_concurrent(removal: Removal) -> bool:
    """A removal beats a concurrent add or raise of the same member."""
    return True


def is_void(table: Table, entry: Entry) -> bool:
    """Ops of a removed member that are concurrent with its removal and not named in it are void.

    So is what was given in an object's name by keys that were replaced beside that, by an account not known.
    """
    return _is_taken(table, entry) or _is_disowned(table, entry) or bool(_unheard_by(table, entry))


def is_only_unheard(table: Table, entry: Entry) -> bool:
    """Whether something given in an object's name is void for no other reason."""
    taken = _is_taken(table, entry) or _is_disowned(table, entry)
    return bool(_unheard_by(table, entry)) and not taken


def _is_disowned(table: Table, entry: Entry) -> bool:
    """Whether something was given by whom a re-pin that is void named as gone from behind his principal.

    Who removed that one had perhaps seen what was given, and not that its author was behind it no more.
    """
    return isinstance(entry.signed.op, Add | ChangeRole) and any(
        _ends(table, entry, removal) and not _is_taken(table, removal.by, behind=True)
        for removal in table.named.get(entry.signed.author.principal, ())
    )


def _is_taken(table: Table, entry: Entry, *, behind: bool = False) -> bool:
    """Whether a removal makes an op void; ``behind``: one of an account or device behind its principal."""
    return any(
        (not behind or bool(removal.target.who)) and _ends(table, entry, removal)
        for removal in table.removals_of(entry.signed.author.principal)
    )


def _ends(table: Table, entry: Entry, removal: Removal) -> bool:
    """Whether a removal reaches what its target did at the same time."""
    return (
        removal.concerns(entry)
        and table.history.concurrent(entry, removal.by)
        and entry.id not in removal.accepted
        and needed_level(entry) > removal.leaves
        and not _all_deaf(table, entry, removal)
    )


def _unheard_by(table: Table, entry: Entry) -> list[Entry]:
    """The re-pins of an object that make void what was given in its name by who may not be in it.

    Whoever has its old keys may say to be anybody. So an account counts by which somebody had acted for the
    object as far as the author of the re-pin knew, and others only once they have its new keys.
    """
    if not isinstance(entry.signed.op, Add | ChangeRole):
        return []
    return [
        re_pin
        for re_pin in _unheard_beside(table, entry, table.history.everything)
        if not _all_deaf(table, entry, _of_all_behind(entry, re_pin))
    ]


def _unheard_beside(table: Table, entry: Entry, known: int) -> list[Entry]:
    """Those of them that are ``known``, whatever is known of their authors; of any op."""
    author, history = entry.signed.author, table.history
    if author.principal not in table.versions:
        return []
    acts = history.acts_of(author.principal, author.account)
    given = [(pin, history.entries[pin.op]) for pin in table.versions[author.principal]]
    return [
        re_pin
        for pin, re_pin in given
        if known & re_pin.bit
        and history.concurrent(entry, re_pin)
        and entry.id not in _of_all_behind(entry, re_pin).accepted
        and not acts & (re_pin.past | re_pin.bit)
        and not _acts_by_newer(history, entry, pin)
    ]


def _of_all_behind(entry: Entry, re_pin: Entry) -> Removal:
    op = re_pin.signed.op
    assert isinstance(op, RePin)
    return Removal(Target(entry.signed.author.principal), OUT, frozenset(op.accepted), re_pin)


def _acts_by_newer(history: History, entry: Entry, given: Pin) -> bool:
    """Whether somebody acts for an object by the keys that are ``given`` beside that, or by newer ones."""
    pins = history.pins_of(given.principal.id, entry.past)
    return any(
        pin.principal.version == entry.acted_at and given.principal.version in (entry.acted_at, *pin.older)
        for pin in pins
    )


def _all_deaf(table: Table, entry: Entry, removal: Removal) -> bool:
    """Whether the author of ``entry`` sat on standings that the removal does not reach."""
    seat = entry.before.get(entry.signed.author.principal)
    return seat is not None and all(is_deaf(table, standing.op, removal) for standing in seat.standings)


def table_of(history: History, entries: Iterable[Entry]) -> Table:
    """What some ops do to each other.

    A re-pin is no removal of a member, so it can be void itself; all other removals never are.
    """
    table = Table(history, list(entries), {})
    for entry in table.entries:
        if not entry.refused and never_void(entry):
            for removal in entry.removals:
                table.removals.setdefault(removal.target.principal, []).append(removal)
    re_pins = [e for e in table.entries if not e.refused and isinstance(e.signed.op, RePin)]
    void = _void_by(table) if re_pins else set()
    for entry in re_pins:
        if entry.index in void:
            for removal in () if lacks_role(entry, void) else entry.removals:
                table.named.setdefault(removal.target.principal, []).append(removal)
            continue
        for removal in entry.removals:
            table.removals.setdefault(removal.target.principal, []).append(removal)
        for pin in entry.pins:
            if pin.principal.kind is PrincipalKind.OBJECT:
                table.versions.setdefault(pin.principal.id, []).append(pin)
    return table


def void_in(table: Table) -> set[int]:
    """Indices of the ops that other ops make void. Re-pins do not make one another void."""
    void = _void_by(table)
    re_pins = {e.index for e in table.entries if not e.refused and isinstance(e.signed.op, RePin)}
    if not re_pins:
        return void
    never = {
        principal: [r for r in removals if never_void(r.by)] for principal, removals in table.removals.items()
    }
    return (void - re_pins) | (_void_by(Table(table.history, table.entries, never)) & re_pins)


def _void_by(table: Table) -> set[int]:
    """The ops that others make void, and those that need a role which their authors had by these."""
    void: set[int] = set()
    if not table.removals and not table.versions:
        return void
    for entry in table.entries:
        if entry.refused or never_void(entry):
            continue
        if is_void(table, entry) or (void and lacks_role(entry, void)):
            void.add(entry.index)
    return void


def fold(history: History, base: Seats, entries: list[Entry]) -> Seats:
    """Who sits where after ``entries``.

    Args:
        base: the seats after everything that is before them; no entry is concurrent with any of that.
        entries: causes first.
    """
    if len(entries) == 1 and not changes_seats(entries[0]):
        return base
    table = table_of(history, entries)
    void = void_in(table) if len(entries) > 1 else set()
    seats: dict[PrincipalId, Seat | None] = {}

    def seat_of(principal: PrincipalId) -> Seat | None:
        return seats[principal] if principal in seats else base.get(principal)

    for kinds in _IN_TURN:
        for entry in entries:
            if not entry.refused and isinstance(entry.signed.op, kinds):
                gives = entry.index not in void
                seats.update(_given(entry, seat_of) if gives else _doubted(table, entry, seat_of))
    for principal in table.removals:
        seats.setdefault(principal, base.get(principal))
    left = {
        principal: _what_is_left(table, seat) if seat is not None else None
        for principal, seat in seats.items()
    }
    return base.replaced(left)


_IN_TURN: Final = ((Create, Add), (ChangeRole,), (RePin,))
"""A role or key version may be given beside the add that counts in the end, so adds come first."""


def changes_seats(entry: Entry) -> bool:
    """Whether an op gives or takes anything."""
    return not entry.refused and isinstance(
        entry.signed.op, Create | Add | Remove | ChangeRole | Leave | RePin
    )


def _given(entry: Entry, seat_of: Callable[[PrincipalId], Seat | None]) -> Iterable[tuple[PrincipalId, Seat]]:
    """The seats of those to whom an op gives something: a membership, a higher role, a key version."""
    op = entry.signed.op
    if isinstance(op, Create | Add):
        principal, level = (op.creator, Level.ADMIN) if isinstance(op, Create) else (op.principal, op.level)
        standing = Standing(entry.index, entry.count, entry.id, level, True, _cut(entry))
        name = entry.signed.author.name if isinstance(op, Create) else ""
        yield principal.id, _joined(seat_of(principal.id), standing, entry.pins[0], name)
    elif isinstance(op, ChangeRole) and not entry.removals:
        seat = seat_of(op.target.principal)
        if seat is not None:
            raised = Standing(entry.index, entry.count, entry.id, op.level, False)
            yield op.target.principal, replace(seat, standings=(*seat.standings, raised))
    elif isinstance(op, RePin):
        for pin in entry.pins:
            seat = seat_of(pin.principal.id)
            if seat is not None:
                yield pin.principal.id, replace(seat, pins=(*seat.pins, pin))


def _doubted(
    table: Table, entry: Entry, seat_of: Callable[[PrincipalId], Seat | None]
) -> Iterable[tuple[PrincipalId, Seat]]:
    """The seats of the objects to which a re-pin that is void gave a key version.

    It may be right all the same, unless its author was named as gone from behind his principal. (Of accounts
    the logs say which version is the newest.)
    """
    if not isinstance(entry.signed.op, RePin) or _is_taken(table, entry, behind=True):
        return
    for pin in entry.pins:
        seat = seat_of(pin.principal.id)
        if seat is not None and pin.principal.kind is PrincipalKind.OBJECT:
            yield pin.principal.id, replace(seat, doubts=(*seat.doubts, pin))


def _cut(entry: Entry) -> bytes:
    """With which epoch a member begins whose history is hidden; empty for all others."""
    op, record = entry.signed.op, entry.record
    return bytes(record.epoch) if isinstance(op, Add) and op.hidden and isinstance(record, Grant) else b""


def _joined(seat: Seat | None, standing: Standing, pin: Pin, name: str) -> Seat:
    if seat is None:
        return Seat(pin.principal.id, (standing,), (pin,), name)
    return replace(
        seat, standings=(*seat.standings, standing), pins=(*seat.pins, pin), name=seat.name or name
    )


def _what_is_left(table: Table, seat: Seat) -> Seat | None:
    removals = [removal for removal in table.removals_of(seat.principal) if not removal.target.who]
    standings, gone = [], set()
    for standing in seat.standings:
        level = min([standing.level, *(r.leaves for r in removals if hits(table, standing, r))])
        if level > OUT:
            standings.append(replace(standing, level=Level(level)))
        else:
            gone.add(standing.op)
    adds = [table.history.entries[standing.op] for standing in standings if standing.is_add]
    # Who was out and is added anew has the role that is given then: not that of a raise of before.
    standings = [one for one in standings if one.is_add or any(not add.past >> one.op & 1 for add in adds)]
    if not adds:
        return None
    pins = [pin for pin in seat.pins if pin.op not in gone] or seat.pins
    newest, doubts = _newest(table.history, pins), _doubts(table.history, seat.doubts, pins)
    return replace(seat, standings=tuple(standings), pins=newest, doubts=doubts)


def _newest(history: History, pins: Sequence[Pin]) -> tuple[Pin, ...]:
    """The key versions that no other replaces: by an op after theirs, or by what its proof shows.

    All of them where each is: one was added anew after a proof that it is older.
    """
    if len(pins) == 1:
        return tuple(pins)
    left: list[Pin] = []
    for pin in sorted(pins, key=lambda pin: (pin.principal.version, history.entries[pin.op].id)):
        if not _is_replaced(history, pin, pins) and all(not pin.is_same(other) for other in left):
            left.append(pin)
    return tuple(left or pins)


def _is_replaced(history: History, pin: Pin, pins: Iterable[Pin]) -> bool:
    bit = 1 << pin.op
    return any(
        other.op != pin.op and (history.entries[other.op].past & bit or pin.principal.version in other.older)
        for other in pins
    )


def _doubts(history: History, doubts: Iterable[Pin], pins: Sequence[Pin]) -> tuple[Pin, ...]:
    """Those of the key versions by void re-pins of which nothing says that they are older, or listed."""
    left = (doubt for doubt in doubts if not _is_replaced(history, doubt, pins))
    return tuple(doubt for doubt in left if not any(doubt.is_same(pin) for pin in pins))


def ends_access(entry: Entry) -> bool:
    """Whether an op takes access from somebody, so that who knows of it needs keys made after it."""
    return bool(entry.removals) or isinstance(entry.signed.op, RePin)
