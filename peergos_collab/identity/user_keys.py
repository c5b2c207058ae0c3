"""Generations of a user key: pairs from a seed, and how the seed reaches whoever may have it.

A seed is boxed to each device and to the recovery code with one ephemeral key; the seeds of the
generations before are sealed under it, so who has the newest has them all. Whoever opens one derives the
public keys of its generation from it: a box that holds something else is found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..codec.ids import DeviceId
from ..crypto import (
    BoxPair,
    BoxPublic,
    BoxSeed,
    SealBroken,
    SigningKey,
    SignSeed,
    Tag,
    UserSeed,
    WrapKey,
    derive,
    open_once,
    seal_once,
)
from ..errors import RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .account import Account, DevicePublic
from .account_ops import BoxedSeeds, BoxFirstUserKey, RotateUserKey
from .account_verdict import UserKey

RECOVERY: bytes = b""
"""The name of the box for the recovery code."""


@dataclass(frozen=True, slots=True)
class UserPair:
    """The account's user key of one generation: signs as the account, opens what is wrapped to it."""

    sign: SigningKey
    box: BoxPair


def user_pair(seed: UserSeed) -> UserPair:
    """Both pairs of a generation, from its seed."""
    sign = SigningKey.from_seed(derive(seed, Tag.USER_SIGN, SignSeed))
    return UserPair(sign, BoxPair.from_seed(derive(seed, Tag.USER_BOX, BoxSeed)))


def new_generation(
    seed: UserSeed,
    devices: Iterable[DevicePublic],
    recovery: BoxPublic | None,
    previous: Mapping[bytes, UserSeed],
    random: Random,
) -> RotateUserKey:
    """The op that makes ``seed`` the user key.

    Args:
        previous: seeds of the newest generations before, by name.
    """
    sender = BoxPair.generate(random)
    boxes: dict[bytes, BoxPublic] = {device.id: device.box for device in devices}
    if recovery is not None:
        boxes[RECOVERY] = recovery
    pair = user_pair(seed)
    sealed = {name: seal_once(_box_key(sender, box), seed.expose(), b"") for name, box in boxes.items()}
    before = {name: seal_once(_back_key(seed, name), old.expose(), b"") for name, old in previous.items()}
    boxed = BoxedSeeds(sender.public_key, sealed, before)
    return RotateUserKey(pair.sign.verify_key, pair.box.public_key, boxed)


def open_seeds(account: Account, name: DeviceId | bytes, pair: BoxPair) -> dict[bytes, UserSeed]:
    """All seeds that ``pair`` opens, directly or through later ones, by generation.

    Args:
        name: the device whose pair it is, or ``RECOVERY``.
    """
    boxed = list(_boxed(account))
    found: dict[bytes, UserSeed] = {}
    for generation, seeds in boxed:
        seed = _open_box(account.standing.user_keys[generation], seeds, name, pair)
        if seed is not None:
            found[generation] = seed
    by_generation, waiting = dict(boxed), list(found)
    while waiting:
        generation = waiting.pop()
        if generation not in by_generation:
            continue
        for before, seed in _open_previous(account, by_generation[generation], found[generation]):
            if before not in found:
                found[before] = seed
                waiting.append(before)
    return found


def _boxed(account: Account) -> Iterator[tuple[bytes, BoxedSeeds]]:
    """The boxes of each generation that counts."""
    user_keys = account.standing.user_keys
    for op in account.ops():
        if isinstance(op.action, BoxFirstUserKey) and op.id not in account.standing.void:
            yield next(iter(user_keys)), op.action.seeds
        elif isinstance(op.action, RotateUserKey) and op.id in user_keys:
            yield op.id, op.action.seeds


def check_seed(seed: UserSeed, key: UserKey) -> None:
    """Raises RemoteProtocolError unless ``seed`` is the one behind ``key``."""
    pair = user_pair(seed)
    if pair.sign.verify_key != key.sign or pair.box.public_key != key.box:
        raise RemoteProtocolError("the seed given for a user key is not its seed")


def _open_box(key: UserKey, seeds: BoxedSeeds, name: bytes, pair: BoxPair) -> UserSeed | None:
    sealed = seeds.boxes.get(name)
    if sealed is None:
        return None
    try:
        shared = pair.agree(seeds.sender, Tag.USER_SEED_BOX, seeds.sender, pair.public_key)
        seed = UserSeed(open_once(shared, sealed, b""))
        check_seed(seed, key)
    except (SealBroken, RemoteProtocolError):
        return None
    return seed


def _open_previous(account: Account, seeds: BoxedSeeds, seed: UserSeed) -> list[tuple[bytes, UserSeed]]:
    opened = []
    for generation, sealed in seeds.previous.items():
        key = account.standing.user_keys.get(generation)
        if key is None:
            continue
        try:
            before = UserSeed(open_once(_back_key(seed, generation), sealed, b""))
            check_seed(before, key)
        except (SealBroken, RemoteProtocolError):
            continue
        opened.append((generation, before))
    return opened


def _box_key(sender: BoxPair, to: BoxPublic) -> WrapKey:
    return sender.agree(to, Tag.USER_SEED_BOX, sender.public_key, to)


def _back_key(seed: UserSeed, generation: bytes) -> WrapKey:
    return derive(seed, Tag.USER_SEED_BACK, WrapKey, generation)
