"""What shows that keys are a principal's own, to somebody who knows nothing but its id.

- A link's id is the hash of its keys, so there is nothing to show (``principals``).
- An account's id is that of its first user key. A later one is in its log, which proves itself.
- An object's id is that of its first epoch. The public parts of its epochs (``EpochLink``) lead from there
  to a later one, each vouched for by one before it.

Without this an admin could list somebody with keys of his own, and read and be sealed to in his name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..codec.ids import AccountId, EpochId, PrincipalId
from ..errors import NoAccess, RemoteProtocolError
from ..identity.account import Account, UserKey, founded_with
from .epoch_keys import EpochPublic
from .op_kinds import Proof
from .principals import Principal, PrincipalKind
from .records import Epoch, EpochLink


def check_own_keys(principal: Principal, proof: Proof) -> Account | None:
    """Checks that a principal's keys are its own. Costs a hash, or what it takes to verify the proof.

    Returns:
        The account log that shows it, where one does.

    Raises:
        RemoteProtocolError: the proof does not show it, or there is one where none is needed.
    """
    if principal.kind is PrincipalKind.OBJECT:
        if isinstance(proof, bytes):
            raise RemoteProtocolError("an object with keys that nothing shows to be its own")
        follow(principal, proof, {})
        return None
    if proof == b"":
        first = UserKey(principal.version, principal.sign, principal.box)
        if principal.kind is PrincipalKind.ACCOUNT and founded_with(first) != AccountId(principal.id):
            raise RemoteProtocolError("an account with keys that nothing shows to be its own")
        return None
    if principal.kind is not PrincipalKind.ACCOUNT or not isinstance(proof, bytes):
        raise RemoteProtocolError("a proof of another kind than its principal")
    account = Account.parse_untrusted(proof)
    user = account.user_key
    shown = (PrincipalId(account.id), user.generation, user.sign, user.box)
    if (principal.id, principal.version, principal.sign, principal.box) != shown:
        raise RemoteProtocolError("an account with keys that its log does not give as the newest")
    return account


def account_proof(account: Account) -> bytes:
    """What shows an account's newest user key to be its own: nothing while it is the first, else its log."""
    user = account.user_key
    return b"" if founded_with(user) == account.id else account.raw


def own_keys_proof(principal: Principal, logs: Iterable[Account], epochs: Mapping[EpochId, Epoch]) -> Proof:
    """What ``check_own_keys`` wants to see.

    Args:
        logs: known logs of the account.
        epochs: known epochs of the object.

    Raises:
        NoAccess: nothing known shows it.
    """
    if principal.kind is PrincipalKind.OBJECT:
        return tuple(signed_way(epochs, EpochId(principal.version), frozenset()))
    proofs = [b"", *(log.raw for log in logs)]
    for proof in proofs:
        try:
            check_own_keys(principal, proof)
        except RemoteProtocolError:
            continue
        return proof
    raise NoAccess("what shows that these keys are the member's own is not known here; nothing was changed")


def follow(
    new: Principal, proof: Sequence[bytes], known: Mapping[EpochId, EpochPublic]
) -> dict[bytes, set[bytes]]:
    """Follows epoch links from what is known to be an object's to its key version ``new``.

    Args:
        known: public keys of some of its epochs; its first one proves itself, by the object's id.

    Returns:
        By epoch on the way, the epochs that vouched for it.

    Raises:
        RemoteProtocolError: they do not lead there.
    """
    found, vouched = dict(known), dict[bytes, set[bytes]]()
    for raw in proof:
        link = EpochLink.parse_untrusted(raw, found)
        if bytes(link.object) != bytes(new.id):
            raise RemoteProtocolError("a proof about another object")
        found[link.id] = link.keys
        vouched.setdefault(link.id, set()).update({link.signer} - {EpochId(b"")})
    if new.version not in vouched or found[EpochId(new.version)] != new.levels:
        raise RemoteProtocolError("a key version that its proof does not lead to")
    return vouched


def signed_way(
    epochs: Mapping[EpochId, Epoch], new: EpochId, known: frozenset[EpochId] | set[EpochId]
) -> list[bytes]:
    """The links that lead to an epoch from one of ``known``; from the object's first where none is named.

    Raises:
        NoAccess: an epoch on the way is not here, or none of ``known`` is on it.
    """
    links: list[bytes] = []
    at = new
    while at not in known:
        epoch = epochs.get(at)
        if epoch is None or (epoch.first and known):
            raise NoAccess("what proves the newer keys of an object that is a member here is not known")
        links.append(epoch.public_link)
        if epoch.first:
            break
        at = epoch.sealed.outer.signer
    return links[::-1]
