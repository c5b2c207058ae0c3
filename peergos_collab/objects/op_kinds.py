"""The kinds of membership ops: what an epoch or a grant says about who is in.

Each is a CBOR array that begins with its kind. What a removal has in common stands in ``Target``: who
goes, and the heads of his logs that still count, which closes them.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from ..codec.ids import LogId, PrincipalId, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG
from ..values import dataclass
from .epoch_keys import Level
from .principals import Principal

MAX_TARGETS: Final = 256
MAX_CLOSES: Final = 1024
MAX_ACCEPTED: Final = 256
MAX_FORWARDS: Final = 4096
MAX_PROOF: Final = 256
"""Epochs between two key versions of an object; after more, an admin adds it anew."""

MAX_EPOCH_LINK: Final = 5 << 10


Proof = bytes | tuple[bytes, ...]
"""What shows that a principal's keys are its own, or newer: nothing or an account log; or epoch links."""


class OpKind(enum.IntEnum):
    CREATE = 0
    ADD = 1
    REMOVE = 2
    CHANGE_ROLE = 3
    LEAVE = 4
    ROTATE = 5
    RE_PIN = 6
    FORWARD = 7
    COMPLAINT = 8
    NEWS = 9


@dataclass(frozen=True, slots=True)
class Close:
    """The last segment of a log that counts; ``seq`` starts at 1."""

    log: LogId
    seq: int
    id: SegmentId

    def fields(self) -> list[Any]:
        return [self.log, self.seq, self.id]


@dataclass(frozen=True, slots=True)
class Target:
    """Who is removed or lowered.

    Args:
        principal: the member.
        who: empty for all of it; else the account (of an object principal) or device that loses access
            while the principal itself stays, under a newer key version.
        closes: the accepted heads of all its logs; a log that is not named is closed at 0.
    """

    principal: PrincipalId
    who: bytes = b""
    closes: tuple[Close, ...] = ()

    def fields(self) -> list[Any]:
        return [self.principal, self.who, [close.fields() for close in self.closes]]


@dataclass(frozen=True, slots=True)
class Create:
    """The first op: what kind of object this is, and its first admin."""

    kind: int
    creator: Principal

    def fields(self) -> list[Any]:
        return [int(OpKind.CREATE), self.kind, self.creator.fields()]


@dataclass(frozen=True, slots=True)
class Add:
    """Makes ``principal`` a member with the role of ``level``.

    Args:
        hidden: he gets nothing that was written before: only what is sealed under the epoch of this grant, or
            under one that has it in its past.
        proof: shows that the keys are the principal's own (``key_proofs``); empty where its id does.
    """

    principal: Principal
    level: Level
    hidden: bool = False
    proof: Proof = b""

    def fields(self) -> list[Any]:
        shown = _proof_fields(self.proof)
        return [int(OpKind.ADD), int(self.level), self.principal.fields(), int(self.hidden), shown]


@dataclass(frozen=True, slots=True)
class Remove:
    """Ends memberships. ``accepted``: records of the removed, concurrent with this, that still count."""

    targets: tuple[Target, ...]
    accepted: tuple[bytes, ...] = ()

    def fields(self) -> list[Any]:
        return [int(OpKind.REMOVE), [target.fields() for target in self.targets], list(self.accepted)]


@dataclass(frozen=True, slots=True)
class ChangeRole:
    """Raises a member (in a grant) or lowers one (in an epoch, which closes its logs)."""

    target: Target
    level: Level
    accepted: tuple[bytes, ...] = ()

    def fields(self) -> list[Any]:
        return [int(OpKind.CHANGE_ROLE), self.target.fields(), int(self.level), list(self.accepted)]


@dataclass(frozen=True, slots=True)
class Leave:
    """The author goes. The next who writes rotates first. ``closes`` are his own heads."""

    closes: tuple[Close, ...] = ()

    def fields(self) -> list[Any]:
        return [int(OpKind.LEAVE), [close.fields() for close in self.closes]]


@dataclass(frozen=True, slots=True)
class Rotate:
    """New keys for the same members; with several parents it merges them."""

    def fields(self) -> list[Any]:
        return [int(OpKind.ROTATE)]


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A principal's newer key version, and what proves that it is newer.

    Args:
        proof: an account's log; or public parts of an object's epochs (``EpochLink``), each vouched for
            by one before it or by the version listed, the last one for the new version.
    """

    principal: Principal
    proof: Proof

    def fields(self) -> list[Any]:
        return [self.principal.fields(), _proof_fields(self.proof)]


@dataclass(frozen=True, slots=True)
class RePin:
    """Replaces key versions, which removes the old ones.

    Args:
        targets: devices or accounts that are behind the old version and not behind the new one.
        accepted: their records, concurrent with this, that still count.
    """

    versions: tuple[NewVersion, ...]
    targets: tuple[Target, ...] = ()
    accepted: tuple[bytes, ...] = ()

    def fields(self) -> list[Any]:
        versions = [version.fields() for version in self.versions]
        return [int(OpKind.RE_PIN), versions, [t.fields() for t in self.targets], list(self.accepted)]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """To which member, at which key version, a forward wraps which level.

    Args:
        history: with what opens the epochs before.
    """

    principal: PrincipalId
    version: bytes
    level: Level
    history: bool = True

    def fields(self) -> list[Any]:
        return [self.principal, self.version, int(self.level), int(self.history)]


@dataclass(frozen=True, slots=True)
class Forward:
    """Hands keys that its author holds to members who lack them."""

    to: tuple[Forwarded, ...]

    def fields(self) -> list[Any]:
        return [int(OpKind.FORWARD), [one.fields() for one in self.to]]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A slot or back-link of the record ``about`` opens to something that is not its key."""

    about: bytes

    def fields(self) -> list[Any]:
        return [int(OpKind.COMPLAINT), self.about]


@dataclass(frozen=True, slots=True)
class News:
    """The author's account log travels with this op: it has changed."""

    def fields(self) -> list[Any]:
        return [int(OpKind.NEWS)]


Op = Create | Add | Remove | ChangeRole | Leave | Rotate | RePin | Forward | Complaint | News


def read_op_untrusted(value: Any) -> Op:
    """The op in a decoded body. Raises RemoteProtocolError."""
    fields = many(value, 5, "op")
    if not fields:
        raise RemoteProtocolError("an op without a kind")
    kind = OpKind(number(fields[0], min(OpKind), max(OpKind), "op kind"))
    length, read = _READERS[kind]
    op: Op = read(array(fields, length, "op"))
    return op


def _level(value: Any) -> Level:
    return Level(number(value, 1, 3, "role"))


def _close(value: Any) -> Close:
    log, seq, id_ = array(value, 3, "close")
    return Close(
        LogId(blob(log, 32, "log")), number(seq, 1, 2**32 - 1, "close"), SegmentId(blob(id_, 32, "close"))
    )


def _closes(value: Any) -> tuple[Close, ...]:
    return tuple(_close(item) for item in many(value, MAX_CLOSES, "closes"))


def _target(value: Any) -> Target:
    principal, who, closes = array(value, 3, "target")
    if who != b"":
        blob(who, 32, "target")
    return Target(PrincipalId(blob(principal, 32, "target")), who, _closes(closes))


def _targets(value: Any) -> tuple[Target, ...]:
    return tuple(_target(item) for item in many(value, MAX_TARGETS, "targets"))


def _accepted(value: Any) -> tuple[bytes, ...]:
    return tuple(blob(item, 32, "accepted record") for item in many(value, MAX_ACCEPTED, "accepted records"))


def _create(fields: list[Any]) -> Create:
    return Create(number(fields[1], 0, 255, "object kind"), Principal.parse_untrusted(fields[2]))


def _add(fields: list[Any]) -> Add:
    hidden = number(fields[3], 0, 1, "hidden history")
    proof = _proof(fields[4])
    return Add(Principal.parse_untrusted(fields[2]), _level(fields[1]), bool(hidden), proof)


def _remove(fields: list[Any]) -> Remove:
    targets = _targets(fields[1])
    if not targets or any(target.who for target in targets):
        raise RemoteProtocolError("a removal of nobody, or of a part of a member")
    return Remove(targets, _accepted(fields[2]))


def _change_role(fields: list[Any]) -> ChangeRole:
    target = _target(fields[1])
    if target.who:
        raise RemoteProtocolError("a role for a part of a member")
    return ChangeRole(target, _level(fields[2]), _accepted(fields[3]))


def _new_version(value: Any) -> NewVersion:
    principal, proof = array(value, 2, "new key version")
    return NewVersion(Principal.parse_untrusted(principal), _proof(proof))


def _proof_fields(proof: Proof) -> Any:
    return proof if isinstance(proof, bytes) else list(proof)


def _proof(value: Any) -> Proof:
    if type(value) is bytes:
        return some_bytes(value, MAX_LOG, "account log")
    return tuple(some_bytes(item, MAX_EPOCH_LINK, "proof") for item in many(value, MAX_PROOF, "proof"))


def _re_pin(fields: list[Any]) -> RePin:
    versions = tuple(_new_version(item) for item in many(fields[1], MAX_TARGETS, "key versions"))
    targets = _targets(fields[2])
    named = {version.principal.id for version in versions}
    if not versions or any(not target.who or target.principal not in named for target in targets):
        raise RemoteProtocolError("a re-pin of nobody, or one that removes more than an old key version")
    return RePin(versions, targets, _accepted(fields[3]))


def _forward(fields: list[Any]) -> Forward:
    return Forward(tuple(_forwarded(item) for item in many(fields[1], MAX_FORWARDS, "forward")))


def _forwarded(value: Any) -> Forwarded:
    principal, version, level, history = array(value, 4, "forward")
    return Forwarded(
        PrincipalId(blob(principal, 32, "forward")),
        some_bytes(version, 32, "key version"),
        _level(level),
        bool(number(history, 0, 1, "history")),
    )


_READERS: Final[dict[OpKind, tuple[int, Any]]] = {
    OpKind.CREATE: (3, _create),
    OpKind.ADD: (5, _add),
    OpKind.REMOVE: (3, _remove),
    OpKind.CHANGE_ROLE: (4, _change_role),
    OpKind.LEAVE: (2, lambda fields: Leave(_closes(fields[1]))),
    OpKind.ROTATE: (1, lambda _: Rotate()),
    OpKind.RE_PIN: (4, _re_pin),
    OpKind.FORWARD: (2, _forward),
    OpKind.COMPLAINT: (2, lambda fields: Complaint(blob(fields[1], 32, "record"))),
    OpKind.NEWS: (1, lambda _: News()),
}
