"""The key store: one file that holds a device's secrets, opened by any of its slots. Bytes in, bytes out.

    file  = [version, [slot…], body, check of body]
    slot  = [kind, parameters, sealed master key, check]

A random master key seals the body; each slot seals the master key for one way to open it. The
passphrase slot stretches; the recovery slot is sealed to a public key made from the recovery code.
That public key lies inside the body, so a passphrase change can seal the *new* master key for the
code without knowing it, nobody can put his own key in its place, and whoever has the old master
key gains nothing for later ones.

The checks are plain CRC-32: they tell a damaged file from a wrong passphrase. What protects against
changes on purpose is the sealing.
"""

from __future__ import annotations

import enum
from dataclasses import field
from typing import Any, Final
from zlib import crc32

from ..codec import decode_untrusted, encode
from ..codec.shape import array, many, number, some_bytes
from ..crypto import (
    DEFAULT_PARAMETERS,
    FLOOR,
    BoxPair,
    BoxPublic,
    LocalKey,
    MasterKey,
    PasswordParameters,
    SealBroken,
    Tag,
    WrapKey,
    copen,
    cseal,
    derive,
    stretch,
)
from ..errors import (
    Damaged,
    LocalProtocolError,
    NewerFormat,
    PassphraseNeeded,
    RemoteProtocolError,
    WrongPassphrase,
)
from ..ports import Random
from ..values import dataclass
from .recovery_code import RecoveryCode

VERSION: Final = 1
MAX_FILE: Final = 1 << 20
_MAX_SLOTS: Final = 16
_MAX_SLOT_BYTES: Final = 4096
_SALT: Final = 16
_CEILING: Final = PasswordParameters(passes=64, memory=4 << 30)
"""A damaged or planted file must not make opening take for ever."""

_HINT: Final = "Put back a copy of this file from a backup of the home, then open it again."


class SlotKind(enum.IntEnum):
    PASSPHRASE = 1
    RECOVERY = 2


@dataclass(frozen=True, slots=True)
class _Slot:
    """A slot as in the file. A damaged one is carried along as it is."""

    kind: int
    parameters: list[Any]
    sealed: bytes
    check: int

    @property
    def whole(self) -> bool:
        return self.check == _check(self.kind, self.parameters, self.sealed)

    def encoded(self) -> list[Any]:
        return [self.kind, self.parameters, self.sealed, self.check]


@dataclass(frozen=True, slots=True)
class KeyStore:
    """An opened key store.

    Args:
        contents: the secrets, opaque to the key store.
        damaged: which ways to open it are damaged in the file (``passphrase``, ``recovery code``). Tell
            the user; a passphrase change makes all of them anew.
    """

    contents: bytes = field(repr=False)
    master: MasterKey
    damaged: tuple[str, ...]
    _recovery: BoxPublic
    _slots: tuple[_Slot, ...] = field(repr=False)

    @classmethod
    def create(
        cls,
        contents: bytes,
        passphrase: str | None,
        recovery: RecoveryCode,
        random: Random,
        parameters: PasswordParameters = DEFAULT_PARAMETERS,
    ) -> tuple[KeyStore, bytes]:
        """A new key store and its file.

        Args:
            contents: the secrets to keep, at most 900 KiB.
            passphrase: None makes no passphrase slot: the caller keeps ``store.master`` somewhere else.
        """
        recovery_key = recovery.slot_pair().public_key
        return cls._build(contents, passphrase, recovery_key, random, parameters)

    @classmethod
    def create_for(
        cls,
        contents: bytes,
        passphrase: str | None,
        recovery_key: BoxPublic,
        random: Random,
        parameters: PasswordParameters = DEFAULT_PARAMETERS,
    ) -> tuple[KeyStore, bytes]:
        """As ``create``, for a code that is not at hand: ``recovery_key`` is that of a store it opens."""
        return cls._build(contents, passphrase, recovery_key, random, parameters)

    @property
    def recovery_key(self) -> BoxPublic:
        """What makes a recovery slot for the same recovery code."""
        return self._recovery

    @classmethod
    def open_untrusted(
        cls,
        raw: bytes,
        *,
        passphrase: str | None = None,
        recovery: RecoveryCode | None = None,
        master: MasterKey | None = None,
        floor: PasswordParameters = FLOOR,
    ) -> KeyStore:
        """Opens the bytes of a file in one of the three ways; the first one given is used.

        Args:
            floor: passphrase slots that cost less to guess are not used.

        Raises:
            PassphraseNeeded: no way to open it was given.
            WrongPassphrase: the passphrase, recovery code or master key is not this store's.
            Damaged: the file is damaged where it is needed.
            NewerFormat: a later version of this program wrote it.
        """
        slots, body, body_whole = _read_file(raw)
        if master is None:
            if passphrase is not None:
                master = _open_passphrase(slots, passphrase, floor)
            elif recovery is not None:
                master = _open_recovery(slots, recovery)
            else:
                raise PassphraseNeeded
        if not body_whole:
            raise Damaged("The secrets in the key store are damaged.", hint=_HINT)
        recovery_key, contents = _open_body(master, body)
        damaged = tuple(_name(slot.kind) for slot in slots if not slot.whole)
        return cls(contents, master, damaged, recovery_key, tuple(slots))

    def with_contents(self, contents: bytes, random: Random) -> tuple[KeyStore, bytes]:
        """The same store with other contents; every way to open it stays as it is."""
        store = KeyStore(contents, self.master, self.damaged, self._recovery, self._slots)
        return store, store._file(random)

    def change_passphrase(
        self,
        passphrase: str | None,
        random: Random,
        parameters: PasswordParameters = DEFAULT_PARAMETERS,
    ) -> tuple[KeyStore, bytes]:
        """The same contents under a *new* master key and passphrase; the recovery code stays valid.

        Who kept an old file and knows the old passphrase can open that file, and no later one.
        """
        return self._build(self.contents, passphrase, self._recovery, random, parameters)

    @classmethod
    def _build(
        cls,
        contents: bytes,
        passphrase: str | None,
        recovery: BoxPublic,
        random: Random,
        parameters: PasswordParameters,
    ) -> tuple[KeyStore, bytes]:
        master = MasterKey.generate(random)
        slots = [_recovery_slot(master, recovery, random)]
        if passphrase is not None:
            slots.insert(0, _passphrase_slot(master, passphrase, parameters, random))
        store = cls(contents, master, (), recovery, tuple(slots))
        return store, store._file(random)

    def _file(self, random: Random) -> bytes:
        plaintext = encode([self._recovery.public, self.contents])
        body = cseal(_body_key(self.master), Tag.SEAL, plaintext, encode([VERSION]), random)
        raw = encode([VERSION, [slot.encoded() for slot in self._slots], body, _check(body)])
        if len(raw) > MAX_FILE:
            raise LocalProtocolError(f"A key store has at most {MAX_FILE} bytes, this would have {len(raw)}.")
        return raw


# Slots


def _passphrase_slot(
    master: MasterKey, passphrase: str, parameters: PasswordParameters, random: Random
) -> _Slot:
    salt = random(_SALT)
    fields = [salt, parameters.passes, parameters.memory]
    key = _passphrase_key(passphrase, salt, parameters)
    return _slot(SlotKind.PASSPHRASE, fields, key, master, random)


def _recovery_slot(master: MasterKey, recovery: BoxPublic, random: Random) -> _Slot:
    ephemeral = BoxPair.generate(random)
    key = ephemeral.agree(recovery, Tag.RECOVERY_WRAP, ephemeral.public_key, recovery)
    fields = [ephemeral.public_key.public]
    return _slot(SlotKind.RECOVERY, fields, key, master, random)


def _open_passphrase(slots: list[_Slot], passphrase: str, floor: PasswordParameters) -> MasterKey:
    slot = _find(slots, SlotKind.PASSPHRASE, "This home has no passphrase.")
    try:
        salt = some_bytes(array(slot.parameters, 3, "slot")[0], _SALT, "salt")
        passes = number(slot.parameters[1], 1, _CEILING.passes, "passes")
        memory = number(slot.parameters[2], 1 << 13, _CEILING.memory, "memory")
    except RemoteProtocolError as error:
        raise Damaged(f"The passphrase slot of the key store is malformed: {error}.", hint=_HINT) from error
    parameters = PasswordParameters(passes, memory)
    if len(salt) != _SALT or not parameters.at_least(floor):
        raise Damaged(
            "The passphrase slot of the key store is weaker than allowed, so it is not ours.", hint=_HINT
        )
    return _open_master(_passphrase_key(passphrase, salt, parameters), slot, "The passphrase")


def _open_recovery(slots: list[_Slot], recovery: RecoveryCode) -> MasterKey:
    slot = _find(slots, SlotKind.RECOVERY, "This home has no recovery slot.")
    pair = recovery.slot_pair()
    try:
        ephemeral = BoxPublic(some_bytes(array(slot.parameters, 1, "slot")[0], 32, "key"))
        key = pair.agree(ephemeral, Tag.RECOVERY_WRAP, ephemeral, pair.public_key)
    except RemoteProtocolError as error:
        raise Damaged(f"The recovery slot of the key store is malformed: {error}.", hint=_HINT) from error
    return _open_master(key, slot, "The recovery code")


def _find(slots: list[_Slot], kind: SlotKind, missing: str) -> _Slot:
    for slot in slots:
        if slot.kind == kind and slot.whole:
            return slot
    if any(not slot.whole for slot in slots):
        raise Damaged(f"The slot of the key store that the {_name(kind)} opens is damaged.", hint=_HINT)
    raise WrongPassphrase(missing)


def _passphrase_key(passphrase: str, salt: bytes, parameters: PasswordParameters) -> WrapKey:
    return derive(stretch(passphrase, salt, parameters), Tag.KEY_STORE_SLOT, WrapKey)


def _slot(kind: SlotKind, fields: list[Any], key: WrapKey, master: MasterKey, random: Random) -> _Slot:
    sealed = cseal(key, Tag.SEAL, master.expose(), encode([VERSION, kind, fields]), random)
    return _Slot(kind, fields, sealed, _check(kind, fields, sealed))


def _open_master(key: WrapKey, slot: _Slot, what: str) -> MasterKey:
    try:
        return MasterKey(copen(key, Tag.SEAL, slot.sealed, encode([VERSION, slot.kind, slot.parameters])))
    except SealBroken:
        raise WrongPassphrase(f"{what} does not open this home; nothing was changed.") from None
    except LocalProtocolError as error:
        raise Damaged("A slot of the key store holds no master key.", hint=_HINT) from error


def _name(kind: int) -> str:
    return "recovery code" if kind == SlotKind.RECOVERY else "passphrase"


# Body and file


def _body_key(master: MasterKey) -> LocalKey:
    return derive(master, Tag.KEY_STORE_BODY, LocalKey)


def _open_body(master: MasterKey, body: bytes) -> tuple[BoxPublic, bytes]:
    try:
        plaintext = copen(_body_key(master), Tag.SEAL, body, encode([VERSION]))
    except SealBroken:
        raise WrongPassphrase("This master key does not open this home; nothing was changed.") from None
    try:
        recovery, contents = array(decode_untrusted(plaintext, MAX_FILE), 2, "body")
        return BoxPublic(some_bytes(recovery, 32, "key")), some_bytes(contents, MAX_FILE, "contents")
    except RemoteProtocolError as error:
        raise Damaged(f"The secrets in the key store are malformed: {error}.", hint=_HINT) from error


def _read_file(raw: bytes) -> tuple[list[_Slot], bytes, bool]:
    """Slots, sealed body, and whether the body's check holds."""
    try:
        fields = decode_untrusted(raw, MAX_FILE)
        if type(fields) is list and fields and fields[0] != VERSION:
            raise _other_version(fields)
        _, slots, body, check = array(fields, 4, "key store")
        body = some_bytes(body, MAX_FILE, "body")
        return [_read_slot(slot) for slot in many(slots, _MAX_SLOTS, "slots")], body, check == _check(body)
    except RemoteProtocolError as error:
        raise Damaged(f"The key store cannot be read: {error}.", hint=_HINT) from error


def _other_version(fields: list[Any]) -> Damaged | NewerFormat:
    """The checks cover the version: where one holds for ours, it is the version that is damaged."""
    ours = len(fields) == 4 and type(fields[2]) is bytes and fields[3] == _check(fields[2])
    if ours or type(fields[0]) is not int or fields[0] < VERSION:
        return Damaged("The head of the key store is damaged.", hint=_HINT)
    return NewerFormat(f"The key store has format {fields[0]}; this program knows formats up to {VERSION}.")


def _read_slot(value: Any) -> _Slot:
    kind, parameters, sealed, check = array(value, 4, "slot")
    return _Slot(
        number(kind, 0, 255, "slot kind"),
        many(parameters, 8, "slot parameters"),
        some_bytes(sealed, _MAX_SLOT_BYTES, "slot"),
        number(check, 0, 0xFFFFFFFF, "slot check"),
    )


def _check(*fields: Any) -> int:
    return crc32(encode([VERSION, *fields]))
