"""Key versions of principals: which is newer, and what proves it.

An account's log holds all its user-key generations. Of an object's epochs each is signed with the keys
of one before it, so their public parts lead from one key version to another; and whoever holds the
write key of one vouches with it for any later one (``EpochLink``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..codec.ids import EpochId, PrincipalId
from ..errors import NoAccess, RemoteProtocolError
from ..identity.account import Account, UserKey
from .epoch_keys import EpochKeys, EpochPublic, Level
from .key_proofs import follow, signed_way
from .op_kinds import NewVersion
from .principals import Principal, PrincipalKind
from .records import Epoch


def generations(account: Account) -> dict[bytes, UserKey]:
    """All user keys that an account ever had, by key version.

    Those that do not count are among them: a thief may have given them to an object, and then the account
    is listed with them there until they are replaced.
    """
    return {**account.standing.false_user_keys, **account.standing.user_keys}


def account_principal(account: Account) -> Principal:
    """The principal that an account is, at its newest key version."""
    user = account.user_key
    return Principal(PrincipalKind.ACCOUNT, PrincipalId(account.id), user.generation, user.sign, user.box)


def knows_version(account: Account, listed: Principal) -> bool:
    """Whether an account's log has the key version that a member list gives for it."""
    if bytes(account.id) != bytes(listed.id):
        return False
    user = generations(account).get(listed.version)
    if user is None:
        return listed.version in account.standing.ended
    return (user.sign, user.box) == (listed.sign, listed.box)


def check_newer(
    version: NewVersion,
    listed: Sequence[Principal],
    ever: Sequence[Principal],
    gone: Sequence[bytes],
    *,
    contested: bool,
) -> frozenset[bytes]:
    """Checks that a principal's new key version follows one that it was ever listed with.

    Not the last one alone: somebody who is in the principal no more may have listed keys of his own.

    Args:
        listed: the principal as it is listed, normally once.
        ever: all key versions it was listed with before.
        gone: devices that are said to be behind the old version and not behind the new one.
        contested: it is not known which is the newest, so one that is listed may be chosen; and one of
            ``ever`` by its own write key, with which its holder could lead to a newer one as well.

    Returns:
        The versions that are shown to be older.

    Raises:
        RemoteProtocolError: the proof does not show it.
    """
    new = version.principal
    if new.kind is not listed[0].kind:
        raise RemoteProtocolError("a key version of another kind")
    if new.kind is PrincipalKind.ACCOUNT and isinstance(version.proof, bytes):
        older = _older_generations(new, version.proof, gone)
    elif new.kind is PrincipalKind.OBJECT and not isinstance(version.proof, bytes) and new in listed:
        older = frozenset()
    elif new.kind is PrincipalKind.OBJECT and not isinstance(version.proof, bytes):
        older = _older_epochs(new, version.proof, ever)
    else:
        raise RemoteProtocolError("a key version without a proof")
    before = older - {new.version}
    if new in listed and contested:
        return before
    shown = older if contested else before
    if new in listed or not any(principal.version in shown for principal in ever):
        raise RemoteProtocolError("a key version that is not newer than one listed before")
    return before


def proved_accounts(versions: Iterable[NewVersion]) -> list[Account]:
    """The account logs among the proofs of checked key versions."""
    proofs = (version.proof for version in versions)
    return [Account.parse_untrusted(proof) for proof in proofs if isinstance(proof, bytes)]


def _older_generations(new: Principal, proof: bytes, gone: Sequence[bytes]) -> frozenset[bytes]:
    account = Account.parse_untrusted(proof)
    if account_principal(account) != new:
        raise RemoteProtocolError("a key version that its account's log does not have")
    if any(device in account.devices for device in gone):
        raise RemoteProtocolError("a re-pin that removes a device which its account keeps")
    return (account.standing.ended | generations(account).keys()) - {new.version}


def _older_epochs(new: Principal, proof: tuple[bytes, ...], listed: Sequence[Principal]) -> frozenset[bytes]:
    known: dict[EpochId, EpochPublic] = {}
    for principal in listed:
        if principal.levels is not None:
            known[EpochId(principal.version)] = principal.levels
    return _before(new.version, follow(new, proof, known))


def _before(version: bytes, vouched: dict[bytes, set[bytes]]) -> frozenset[bytes]:
    found: set[bytes] = set()
    waiting = [version]
    while waiting:
        for earlier in vouched.get(waiting.pop(), ()):
            if earlier not in found:
                found.add(earlier)
                waiting.append(earlier)
    return frozenset(found)


def newer_account(account: Account) -> NewVersion:
    """An account at its newest key version, which its log proves."""
    return NewVersion(account_principal(account), account.raw)


def newer_epoch(
    sides: Sequence[Principal],
    ever: Sequence[Principal],
    epochs: Mapping[EpochId, Epoch],
    keys: Mapping[EpochId, EpochKeys],
    new: EpochId,
) -> NewVersion:
    """An object principal at the key version ``new``, with what proves that it is newer.

    Args:
        sides: the key versions of which one may be chosen without a proof.
        ever: the principal at all key versions that it was ever listed with.
        epochs: the object's epochs.
        keys: what one holds of them. Who holds the write key of a version that is listed vouches with it
            for the new one, or chooses it beside ``sides``; else the signatures of the epochs between lead
            there.

    Raises:
        NoAccess: neither is possible.
    """
    for side in sides:
        if side.version == new:
            return NewVersion(side, ())
    epoch = epochs[new]
    vouching = [EpochId(one.version) for one in ever if one.version != new or sides]
    links = [
        epoch.public_link_by(old, keys[old])
        for old in vouching
        if old in keys and keys[old].level >= Level.WRITE
    ]
    earlier = set(vouching) - {new}
    if not links and not earlier:
        raise NoAccess("who was named as gone from an object cannot show its newer keys")
    if not links:
        links = signed_way(epochs, new, earlier)
    principal = Principal.of_object(epoch.object, new, epoch.keys)
    return NewVersion(principal, tuple(links))
