"""Account logs made op by op, with parents and signers of one's choosing."""

from __future__ import annotations

from collections.abc import Iterable

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.crypto import SigningKey, Tag, UserSeed, hash256
from peergos_collab.identity.account import MAX_LOG, MAX_WHOLE_LOG, Account, in_order, split
from peergos_collab.identity.account_ops import (
    AccountOp,
    Action,
    AddDevice,
    AddNode,
    RemoveDevice,
    RotateRoot,
    RotateUserKey,
)
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.identity.user_keys import new_generation
from peergos_collab.ports import Random


class AccountMaker:
    """Ana's account: her first device, her recovery code, and whatever ops a test adds.

    Devices are called by name; the first one is ``first``.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.code = RecoveryCode.generate(random)
        self.founded = Credentials.found("Ana", self.code, random)
        self.root = SigningKey.from_seed(self.code.next_root())
        self.secrets: dict[str, DeviceSecrets] = {"first": self.founded.device}
        self.inception = decode_untrusted(self.founded.account.raw, MAX_WHOLE_LOG)[0]
        self.founding = self.founded.account.ops()

    @property
    def id(self) -> bytes:
        return self.founded.account_id

    def secret(self, name: str) -> DeviceSecrets:
        if name not in self.secrets:
            self.secrets[name] = DeviceSecrets.generate(self.random)
        return self.secrets[name]

    def op(self, signer: str | SigningKey, action: Action, *after: AccountOp) -> AccountOp:
        """An op that has seen ``after``, or only the beginning."""
        key = signer if isinstance(signer, SigningKey) else self.secret(signer).sign
        parents = tuple(op.id for op in after or self.founding[-1:])
        return AccountOp.sign(self.founded.account_id, parents, action, key)

    def add(self, signer: str | SigningKey, name: str, *after: AccountOp) -> AccountOp:
        return self.op(signer, AddDevice(self.secret(name).public), *after)

    def remove(
        self,
        signer: str | SigningKey,
        name: str,
        *after: AccountOp,
        accepted: Iterable[AccountOp] = (),
    ) -> AccountOp:
        ids = tuple(op.id for op in accepted)
        return self.op(signer, RemoveDevice(self.secret(name).public.id, ids), *after)

    def rotate(self, signer: str | SigningKey, *after: AccountOp, to: Iterable[str] = ()) -> AccountOp:
        devices = [self.secret(name).public for name in to]
        return self.op(signer, self.generation(devices), *after)

    def generation(self, devices: Iterable[object] = ()) -> RotateUserKey:
        seed = UserSeed.generate(self.random)
        return new_generation(seed, devices, None, {}, self.random)  # type: ignore[arg-type]

    def take_over(self, *after: AccountOp, root: SigningKey | None = None, salt: bytes = b"") -> AccountOp:
        """The root in the recovery code takes over and announces a next one that nobody has."""
        next_hash = hash256(Tag.NEXT_ROOT_HASH, salt or bytes(32))
        return self.op(root or self.root, RotateRoot(next_hash), *after)

    def raw(self, *ops: AccountOp) -> bytes:
        """The log of the beginning and ``ops``, put in order."""
        return self.listed(in_order([*self.founding, *ops]))

    def listed(self, ops: Iterable[AccountOp]) -> bytes:
        """The log of exactly these ops, as they come."""
        return encode([self.inception, [op.encoded() for op in ops]])

    def account(self, *ops: AccountOp) -> Account:
        return Account.parse_untrusted(self.raw(*ops))

    def names(self, account: Account) -> set[str]:
        """The devices that stand."""
        return {name for name, secret in self.secrets.items() if secret.public.id in account.devices}

    def frozen(self, account: Account) -> set[str]:
        return {name for name, secret in self.secrets.items() if secret.public.id in account.standing.frozen}


class LogFiller:
    """A thief with a device, who signs op after op until the log is as long as records carry."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.inception, self.ops = split(credentials.account.raw)
        self.head = credentials.account.head
        self.length = len(credentials.account.raw)

    def sign(self, action: Action) -> bool:
        """One more op, if it fits."""
        op = AccountOp.sign(self.credentials.account_id, (self.head,), action, self.credentials.device_sign)
        length = self.length + len(encode(op.encoded()))
        if length + 8 > MAX_LOG:
            return False
        self.ops.append(op.encoded())
        self.head, self.length = op.id, length
        return True

    def fill(self, tag: str, *, room: int = 0) -> None:
        """Up to the limit, or with ``room`` bytes left; two tags give two histories."""
        number = 0
        while self.length + room + 300 < MAX_LOG and self.sign(AddNode(f"pgc://{tag}{number}")):
            number += 1

    @property
    def account(self) -> Account:
        return Account.parse_untrusted(encode([self.inception, self.ops]))
