"""The secret halves a device holds: its own keys, and the account's user key."""

from __future__ import annotations

from dataclasses import dataclass

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId, DeviceId
from ..codec.shape import array, blob, number, some_bytes, string
from ..crypto import (
    BoxPair,
    BoxSeed,
    LocalKey,
    SigningKey,
    SignSeed,
    Tag,
    UserSeed,
    derive,
)
from ..errors import RemoteProtocolError
from ..ports import Random
from .account import MAX_LOG, Account, DevicePublic, found_account


@dataclass(frozen=True, slots=True)
class UserPair:
    """The account's user key of one generation: signs as the account, opens what is wrapped to it."""

    sign: SigningKey
    box: BoxPair


def user_pair(seed: UserSeed) -> UserPair:
    """Both pairs of a generation, from its seed."""
    sign = SigningKey.from_seed(derive(seed, Tag.USER_SIGN, SignSeed))
    return UserPair(sign, BoxPair.from_seed(derive(seed, Tag.USER_BOX, BoxSeed)))


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything secret that makes this installation a device of its account.

    Args:
        name: what this person calls himself to others.
        root_seed: the current root key; the *next* one is only in the recovery code.
        local: seals what never leaves this device.
    """

    name: str
    account: Account
    root_seed: SignSeed
    user_seed: UserSeed
    device_sign: SigningKey
    device_box: BoxPair
    device_box_seed: BoxSeed
    local: LocalKey

    @property
    def account_id(self) -> AccountId:
        return self.account.id

    @property
    def device_id(self) -> DeviceId:
        return DeviceId(self.device_sign.public)

    @property
    def user(self) -> UserPair:
        return user_pair(self.user_seed)

    @classmethod
    def found(cls, name: str, next_root: SignSeed, random: Random) -> Credentials:
        """A new account on its first device."""
        root_seed, user_seed = SignSeed.generate(random), UserSeed.generate(random)
        sign, box_seed = SigningKey.generate(random), BoxSeed.generate(random)
        box = BoxPair.from_seed(box_seed)
        device = DevicePublic(DeviceId(sign.public), sign.verify_key, box.public_key)
        next_key = SigningKey.from_seed(next_root).verify_key
        user = user_pair(user_seed)
        account = found_account(
            SigningKey.from_seed(root_seed),
            next_key,
            device,
            user.sign.verify_key,
            user.box.public_key,
            random,
        )
        return cls(name, account, root_seed, user_seed, sign, box, box_seed, LocalKey.generate(random))

    def encode(self) -> bytes:
        """Secret bytes, for the key store only."""
        return encode(
            [
                1,
                self.name,
                self.account.raw,
                self.root_seed.expose(),
                self.user_seed.expose(),
                self.device_sign.seed.expose(),
                self.device_box_seed.expose(),
                self.local.expose(),
            ]
        )

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Credentials:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, 2 * MAX_LOG), 8, "credentials")
        number(fields[0], 1, 1, "credentials version")
        name = string(fields[1], 256, "name")
        account = Account.parse_untrusted(some_bytes(fields[2], MAX_LOG, "account log"))
        root, user, device, box, local = (blob(field, 32, "secret") for field in fields[3:])
        sign = SigningKey.from_seed(SignSeed(device))
        if DeviceId(sign.public) not in account.devices:
            raise RemoteProtocolError("the device is not one of its account's devices")
        box_seed = BoxSeed(box)
        return cls(
            name,
            account,
            SignSeed(root),
            UserSeed(user),
            sign,
            BoxPair.from_seed(box_seed),
            box_seed,
            LocalKey(local),
        )
