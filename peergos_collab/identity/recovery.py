"""What the recovery code can do: take over as the root, end stolen devices, add one, and read everything.

The root key in the code is used for these ops and then forgotten; a new code holds the one after it. So
a code works once, and what is on paper outranks whatever a thief did with a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..codec.ids import DeviceId
from ..crypto import SigningKey, UserSeed
from ..errors import NoAccess
from ..ports import Random
from .account import MAX_LOG, Account
from .account_ops import (
    MAX_ACCEPTED,
    MAX_PREVIOUS,
    AddDevice,
    CutOff,
    RemoveDevice,
    RotateRoot,
    SetRecovery,
    next_root_hash,
)
from .credentials import CHANGE, ROOM_TO_REMOVE, Credentials, DeviceSecrets
from .recovery_code import RecoveryCode
from .user_keys import RECOVERY, new_generation, open_seeds

_TAKEN: Final = 8 * CHANGE
"""Bytes of what the code does beside ending devices."""

_KEPT: Final = 20 << 10
"""Of a log that is too full, with what it takes to end the devices in this part."""


def holds_next_root(account: Account, code: RecoveryCode) -> bool:
    """Whether the root key that is next in line is in ``code``."""
    root = SigningKey.from_seed(code.next_root())
    return next_root_hash(root.public) == account.standing.next_root


def check_code(account: Account, code: RecoveryCode) -> SigningKey:
    """The root key that is next in line, if ``code`` holds it. Raises NoAccess."""
    root = SigningKey.from_seed(code.next_root())
    if not holds_next_root(account, code):
        raise NoAccess(
            "this recovery code is not the account's, or has been used; nothing was changed",
            hint="Each use of a code replaces it: look for one written down later.",
        )
    return root


def all_devices(account: Account) -> dict[DeviceId, tuple[bytes, ...]]:
    """Every device there ever was, with its last ops: what honest ones did and wrote is to stay."""
    return {id_: account.last_ops(id_)[:MAX_ACCEPTED] for id_ in account.ever}


def part_to_keep(account: Account) -> Account:
    """What of a log there is room for once its devices are ended, and others may come.

    All of it, as long as it has the room that honest devices keep free; of a fuller log, which a thief may
    have filled, the beginning.
    """
    if len(account.raw) + len(account.ever) * CHANGE + _TAKEN <= MAX_LOG - ROOM_TO_REMOVE:
        return account
    return account.beginning(_KEPT, CHANGE)


def recover(
    account: Account,
    name: str,
    code: RecoveryCode,
    new_code: RecoveryCode,
    stolen: Mapping[DeviceId, tuple[bytes, ...]],
    device: DeviceSecrets,
    random: Random,
    device_name: str = "",
    whole: Account | None = None,
) -> Credentials:
    """Takes the account over for ``device``.

    Args:
        account: the newest log that could be found.
        new_code: replaces ``code``, which is used up. Show it once.
        stolen: devices to end, with the last ops of each that still count (see ``Account.last_ops``).
        device: new, or one that stands.
        whole: the log of which ``account`` is the part to keep; the devices and user keys of the rest end.

    Raises:
        NoAccess: the code is not this account's, or was used before.
    """
    root = check_code(account, code)
    next_key = SigningKey.from_seed(new_code.next_root()).verify_key
    box = new_code.seeds_pair().public_key
    grown = account.with_op(RotateRoot(next_root_hash(next_key.public)), root)
    grown = grown.with_op(SetRecovery(box), root)
    for id_, accepted in sorted(stolen.items()):
        if id_ in grown.devices or id_ in grown.standing.gone:  # else only a stolen one had added it
            grown = grown.with_op(RemoveDevice(id_, accepted), root)
    if whole is not None and whole.raw != account.raw:
        grown = grown.with_op(_cut_off(whole, account), root)
    if device.public.id not in grown.devices:
        grown = grown.with_op(AddDevice(device.public), root)
    known = open_seeds(whole or account, RECOVERY, code.seeds_pair())
    known |= open_seeds(account, RECOVERY, code.seeds_pair())
    known |= open_seeds(grown, RECOVERY, code.seeds_pair())
    seed, standing = UserSeed.generate(random), grown.standing
    previous = {name: known[name] for name in standing.newest if name in known}
    if len(previous) < len(standing.newest):
        # A thief kept a user key from the code, so that one does not lead to those before it.
        previous = {name: known[name] for name in list(standing.user_keys)[-MAX_PREVIOUS:] if name in known}
    op = new_generation(seed, standing.devices.values(), box, previous, random)
    grown = grown.with_op(op, root)
    return Credentials(name, grown, {**known, grown.user_key.generation: seed}, device, device_name)


def _cut_off(whole: Account, kept: Account) -> CutOff:
    devices = whole.ever - kept.ever
    generations = _generations(whole) - _generations(kept)
    return CutOff(tuple(sorted(devices)), tuple(sorted(generations)))


def _generations(account: Account) -> set[bytes]:
    standing = account.standing
    return {*standing.user_keys, *standing.false_user_keys, *standing.ended}
