"""Who is in: a pure function of the set of membership records one can open.

This version knows one epoch per object: its creator, and members added by admins. The records are
the ones later versions use; an op this version does not know leaves the view as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..codec.ids import EpochId, PrincipalId
from ..errors import NoAccess, RemoteProtocolError
from .epoch_keys import EpochKeys, Level
from .operations import Add, Create, SignedOp
from .principals import Principal, PrincipalKind
from .records import Epoch, MembershipRecord, open_op


@dataclass(frozen=True, slots=True)
class Member:
    """A member in effect. ``name`` is what an account said of itself in the op that names it, or empty."""

    principal: Principal
    level: Level
    name: str = ""


@dataclass(slots=True)
class View:
    """The membership of an object.

    Args:
        kind: what kind of object it is; -1 while its first epoch cannot be opened.
        members: by principal id.
        void: ids of records whose op is false or not allowed, with the reason, for the user.
    """

    kind: int = -1
    members: dict[PrincipalId, Member] = field(default_factory=dict)
    void: dict[bytes, str] = field(default_factory=dict)

    def level(self, principal: PrincipalId) -> Level | None:
        member = self.members.get(principal)
        return member.level if member else None


def fold(records: Iterable[MembershipRecord], keys: Mapping[EpochId, EpochKeys]) -> View:
    """The view that follows from a set of verified records, whatever order they are given in."""
    view = View()
    adds: list[tuple[bytes, SignedOp]] = []
    for record in records:
        try:
            signed = open_op(record, keys)
        except NoAccess:
            continue
        except RemoteProtocolError as error:
            view.void[record.id] = str(error)
            continue
        if isinstance(signed.op, Create):
            _create(view, record, signed)
        else:
            adds.append((record.id, signed))
    _apply_adds(view, adds)
    return view


def check_acts_as(signed: SignedOp, principal: Principal) -> None:
    """Raises RemoteProtocolError unless the op's author proved to act as ``principal``."""
    if signed.author.principal != principal.id:
        raise RemoteProtocolError("an op on behalf of somebody else")
    if principal.kind is PrincipalKind.ACCOUNT:
        user = signed.account.user_key
        if bytes(principal.id) != bytes(signed.account.id) or principal.sign != user.sign:
            raise RemoteProtocolError("an op on behalf of another account")
    signed.principal_check(principal)


def _create(view: View, record: MembershipRecord, signed: SignedOp) -> None:
    assert isinstance(signed.op, Create)
    creator = signed.op.creator
    try:
        if not isinstance(record, Epoch) or not record.first:
            raise RemoteProtocolError("only the first epoch creates an object")
        if creator.kind is not PrincipalKind.ACCOUNT:
            raise RemoteProtocolError("an object whose creator is no account")
        check_acts_as(signed, creator)
    except RemoteProtocolError as error:
        view.void[record.id] = str(error)
        return
    view.kind = signed.op.kind
    view.members[creator.id] = Member(creator, Level.ADMIN, signed.author.name)


def _apply_adds(view: View, adds: list[tuple[bytes, SignedOp]]) -> None:
    """Repeats until nothing changes: an add counts once its author is an admin, in whatever order."""
    waiting = sorted(adds, key=lambda item: item[0])
    progress = True
    while progress:
        progress = False
        for item in list(waiting):
            record_id, signed = item
            author = view.members.get(signed.author.principal)
            if author is None or author.level is not Level.ADMIN:
                continue
            waiting.remove(item)
            progress = True
            try:
                check_acts_as(signed, author.principal)
            except RemoteProtocolError as error:
                view.void[record_id] = str(error)
                continue
            assert isinstance(signed.op, Add)
            _add(view, signed.op)
    for record_id, _ in waiting:
        view.void[record_id] = "an add by somebody who is no admin"


def _add(view: View, op: Add) -> None:
    known = view.members.get(op.principal.id)
    if known is None or known.level < op.level:
        view.members[op.principal.id] = Member(op.principal, op.level, known.name if known else "")
