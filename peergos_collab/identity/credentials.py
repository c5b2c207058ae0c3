"""The secret halves a device holds: its own keys, and the account's user keys.

No device holds a root key. The first one is forgotten as soon as it has signed the account's beginning;
the next one is in the recovery code. So whoever takes a device cannot act as the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..crypto import BoxPair, BoxSeed, LocalKey, SigningKey, SignSeed, UserSeed
from ..errors import Conflict, NoAccess, NotFound, RemoteProtocolError
from ..ports import Random
from ..values import dataclass
from .account import MAX_LOG, MAX_OPS, MAX_WHOLE_LOG, Account, DevicePublic, found_account
from .account_ops import AddDevice, RemoveDevice
from .recovery_code import RecoveryCode
from .user_keys import UserPair, check_seed, new_generation, open_seeds, user_pair

__all__ = ["Credentials", "DeviceSecrets", "UserPair", "user_pair"]

VERSION: Final = 1
MAX_DEVICE_NAME: Final = 64
"""Code points."""

ROOM_TO_REMOVE: Final = 8 << 10
"""Bytes of what records carry of a log that no new device may use up: removals have to go on."""

CHANGE: Final = 300
"""More than a device's addition or removal takes, and than a removal by the recovery code."""

_BOX: Final = 90
"""What a user key takes for each device that gets it."""

MAX_CREDENTIALS: Final = 2 * MAX_WHOLE_LOG


@dataclass(frozen=True, slots=True)
class DeviceSecrets:
    """What one device has to itself.

    Args:
        local: seals what never leaves this device.
    """

    sign: SigningKey
    box_seed: BoxSeed
    local: LocalKey

    @classmethod
    def generate(cls, random: Random) -> DeviceSecrets:
        return cls(SigningKey.generate(random), BoxSeed.generate(random), LocalKey.generate(random))

    @property
    def box(self) -> BoxPair:
        return BoxPair.from_seed(self.box_seed)

    @property
    def public(self) -> DevicePublic:
        return DevicePublic(DeviceId(self.sign.public), self.sign.verify_key, self.box.public_key)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything secret that makes this installation a device of its account.

    Args:
        name: what this person calls himself to others.
        user_seeds: all generations of the user key that this device knows, by name.
        device_name: what this device is called among those of the account.
    """

    name: str
    account: Account
    user_seeds: Mapping[bytes, UserSeed] = field(repr=False)
    device: DeviceSecrets = field(repr=False)
    device_name: str = ""
    _pairs: dict[bytes, UserPair] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def account_id(self) -> AccountId:
        return self.account.id

    @property
    def device_id(self) -> DeviceId:
        return DeviceId(self.device.sign.public)

    @property
    def device_sign(self) -> SigningKey:
        return self.device.sign

    @property
    def device_box(self) -> BoxPair:
        return self.device.box

    @property
    def local(self) -> LocalKey:
        return self.device.local

    @property
    def user_seed(self) -> UserSeed:
        """Of the newest generation."""
        return self.user_seeds[self.account.user_key.generation]

    @property
    def user(self) -> UserPair:
        """The newest generation."""
        return self.user_pairs[self.account.user_key.generation]

    @property
    def user_pairs(self) -> Mapping[bytes, UserPair]:
        """Of all generations, by name. Whoever opens an object needs them, so they are derived once."""
        if not self._pairs:
            self._pairs.update((name, user_pair(seed)) for name, seed in self.user_seeds.items())
        return self._pairs

    @property
    def stands(self) -> bool:
        """Whether this device is one of its account's; once removed it never is again."""
        return self.device_id in self.account.devices

    @classmethod
    def found(cls, name: str, recovery: RecoveryCode, random: Random, device_name: str = "") -> Credentials:
        """A new account on its first device. ``recovery`` holds its next root key."""
        device, seed = DeviceSecrets.generate(random), UserSeed.generate(random)
        box = recovery.seeds_pair().public_key
        account = found_account(
            SigningKey.generate(random),
            SigningKey.from_seed(recovery.next_root()).verify_key,
            device.public,
            box,
            new_generation(seed, [device.public], box, {}, random),
        )
        return cls(name, account, {account.user_key.generation: seed}, device, device_name)

    def with_log(self, account: Account) -> Credentials:
        """These, with what another log of this account adds.

        Raises:
            LocalProtocolError: of another account.
            NoAccess: the account's newest user key is not for this device; it was removed, or somebody
                who may make user keys has left it out.
        """
        merged = self.account.merge(account)
        if merged is self.account:
            return self
        seeds = {**self.user_seeds, **open_seeds(merged, self.device_id, self.device_box)}
        if merged.user_key.generation not in seeds:
            raise NoAccess("the account's newest key is not for this device; it may have been removed")
        return replace(self, account=merged, user_seeds=seeds)

    def add_device(self, device: DevicePublic) -> Credentials:
        """Makes ``device`` one of the account's.

        Raises:
            LocalProtocolError: this one was removed.
            Conflict: the log has too little room left, see ``nearly_full``.
        """
        self._check_room(ROOM_TO_REMOVE + self._removal(), "no device can be added any more")
        return replace(self, account=self.account.with_op(AddDevice(device), self.device_sign))

    def remove_device(self, device: DeviceId, random: Random) -> Credentials:
        """Ends a device, and makes a user key that it does not get.

        Raises:
            NotFound: the account has no such device.
            LocalProtocolError: this device was removed itself.
            Conflict: the log has no room left but for the recovery code.
        """
        self._check_room(self._removal(), "no device can remove another one any more")
        if device not in self.account.devices:
            raise NotFound("the account has no such device; nothing was changed")
        account = self.account.with_op(RemoveDevice(device), self.device_sign)
        return replace(self, account=account).rotate_user_key(random)

    @property
    def nearly_full(self) -> bool:
        """Whether half of what the records of objects carry of a log is used: a person should know."""
        return self._used() > MAX_LOG // 2

    def _used(self) -> int:
        """Bytes of the log, with those it takes to end every device by the recovery code."""
        return len(self.account.raw) + (len(self.account.ever) + 8) * CHANGE

    def _removal(self) -> int:
        """Bytes of a removal and the user key after it."""
        return 2 * CHANGE + _BOX * len(self.account.devices)

    def _check_room(self, room: int, words: str) -> None:
        if self._used() + room > MAX_LOG:
            raise Conflict(
                f"this account has had so many changes of devices that {words}; nothing was changed",
                hint="What it has goes on. For more devices make another account, and share with it.",
            )

    def rotate_user_key(self, random: Random) -> Credentials:
        """Makes a new generation of the user key, for all devices that stand and the recovery code."""
        seed, standing = UserSeed.generate(random), self.account.standing
        previous = {name: self.user_seeds[name] for name in standing.newest if name in self.user_seeds}
        op = new_generation(seed, standing.devices.values(), standing.recovery, previous, random)
        account = self.account.with_op(op, self.device_sign)
        return replace(
            self, account=account, user_seeds={**self.user_seeds, account.user_key.generation: seed}
        )

    def encode(self) -> bytes:
        """Secret bytes, for the key store only."""
        device = [self.device.sign.seed.expose(), self.device.box_seed.expose(), self.local.expose()]
        return encode(
            [VERSION, self.name, self.account.raw, write_seeds(self.user_seeds), device, self.device_name]
        )

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Credentials:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, MAX_CREDENTIALS), 6, "credentials")
        number(fields[0], VERSION, VERSION, "credentials version")
        name = string(fields[1], 256, "name")
        account = Account.parse_untrusted(some_bytes(fields[2], MAX_WHOLE_LOG, "account log"))
        seeds = read_seeds_untrusted(fields[3], account)
        sign, box, local = (blob(field, 32, "secret") for field in array(fields[4], 3, "device"))
        device = DeviceSecrets(SigningKey.from_seed(SignSeed(sign)), BoxSeed(box), LocalKey(local))
        if device.public.id not in (account.devices.keys() | account.standing.gone):
            raise RemoteProtocolError("the device is not one of its account's devices")
        return cls(name, account, seeds, device, string(fields[5], MAX_DEVICE_NAME, "device name"))


def read_seeds_untrusted(value: object, account: Account) -> dict[bytes, UserSeed]:
    """User seeds by generation, each checked; the newest is among them. Raises RemoteProtocolError."""
    seeds: dict[bytes, UserSeed] = {}
    for item in many(value, MAX_OPS, "user seeds"):
        generation, seed = (blob(part, 32, "user seed") for part in array(item, 2, "user seed"))
        key = account.standing.user_keys.get(generation)
        seeds[generation] = UserSeed(seed)
        if key is not None:
            check_seed(seeds[generation], key)
    if account.user_key.generation not in seeds:
        raise RemoteProtocolError("the newest user key is missing")
    return seeds


def write_seeds(seeds: Mapping[bytes, UserSeed]) -> list[list[bytes]]:
    """Secret bytes, as ``read_seeds_untrusted`` reads them."""
    return [[generation, seed.expose()] for generation, seed in sorted(seeds.items())]
