"""A home: the directory that holds one device's keys and store.

    keys          the key store: everything secret, sealed (see docs/spec/key-store.md)
    master.key    only without a passphrase: what opens the key store, mode 0600
    store.db      segments, journal and local state, sealed
    lock          held by the one process that is the engine
    socket        where the engine answers other processes of this user

The contents of the key store are [version, credentials, profile's object id, epoch id, admin secret, first
epoch record of the profile, addresses of the account's nodes, of its entry node or empty]: enough to get
everything back from a node if the whole store is lost.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Final

from ..codec import decode_untrusted, encode, to_multibase
from ..codec.ids import EpochId, ObjectId, PrincipalId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..codec.shown import check_person
from ..crypto import MasterKey
from ..errors import Conflict, Damaged, LocalProtocolError, NotFound, PassphraseNeeded, RemoteProtocolError
from ..identity.credentials import Credentials
from ..identity.key_store import KeyStore
from ..identity.recovery_code import RecoveryCode
from ..objects.epoch_keys import EpochKeys, Level
from ..objects.key_versions import account_principal
from ..objects.operations import Actor, Create
from ..objects.payload import Kind
from ..objects.records import Epoch, first_epoch
from ..objects.wraps import Recipient
from ..ports import PutValue, Random
from ..storage import HomeLock, SqliteStore, read_file, write_atomic
from ..sync.record_book import epoch_batch
from ..values import dataclass
from .account_parcel import MAX_NODES, AccountParcel
from .recovery_drop import RecoveryDrop

VERSION: Final = 1
KEYS: Final = "keys"
MASTER: Final = "master.key"
STORE: Final = "store.db"
LOCK: Final = "lock"


@dataclass(frozen=True, slots=True)
class CreatedHome:
    """A new home. Show the recovery code once: it is stored nowhere."""

    account: str
    device: str
    recovery_code: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HomeKeys:
    """What the key store holds, opened."""

    store: KeyStore
    credentials: Credentials
    profile: ObjectId
    profile_epoch: EpochId
    profile_keys: EpochKeys
    profile_record: bytes
    nodes: tuple[str, ...]
    entry_node: str

    @property
    def actor(self) -> Actor:
        """This device, acting for its own account."""
        return account_actor(self.credentials)


def parcel_of(keys: HomeKeys) -> AccountParcel:
    """What of this home is the account's."""
    known = keys.credentials
    return AccountParcel(
        known.name,
        known.account,
        known.user_seeds,
        keys.store.recovery_key,
        keys.profile,
        keys.profile_epoch,
        keys.profile_keys,
        keys.profile_record,
        keys.nodes,
        keys.entry_node,
    )


def account_actor(credentials: Credentials) -> Actor:
    principal = PrincipalId(credentials.account_id)
    pairs = tuple(pair.box for pair in credentials.user_pairs.values())
    own = credentials.user.sign
    return Actor(credentials.account, credentials.device_sign, principal, own, credentials.name, pairs=pairs)


def found_object(credentials: Credentials, kind: Kind, random: Random) -> tuple[Epoch, EpochKeys]:
    """A new object of ``kind`` whose only member, an admin, is this account."""
    keys = EpochKeys.generate(random)
    creator = account_principal(credentials.account)
    recipient = Recipient(creator.box, Level.ADMIN)
    epoch = first_epoch(keys, recipient, Create(int(kind), creator), account_actor(credentials), random)
    return epoch, keys


def home_exists(home: Path) -> bool:
    return (home / KEYS).exists()


def has_passphrase(home: Path) -> bool:
    """Whether opening the home takes a passphrase."""
    return not (home / MASTER).exists()


def create_home(
    home: Path,
    *,
    name: str,
    passphrase: str | None,
    device_name: str = "",
    random: Random = os.urandom,
) -> CreatedHome:
    """Makes account, device, profile and store.

    Args:
        device_name: what this device is called among those of the account.
        passphrase: None keeps the master key in a file of mode 0600 instead.

    Raises:
        Conflict: there is a home already. UsageError: a name that others would not be shown as it is.
    """
    check_person(name, *([device_name] if device_name else []))
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = HomeLock(home / LOCK)
    try:
        if home_exists(home):
            raise Conflict(f"{home} holds an account already; nothing was changed")
        code = RecoveryCode.generate(random)
        credentials = Credentials.found(name, code, random, device_name)
        epoch, keys = found_object(credentials, Kind.ENTRIES, random)
        drop = RecoveryDrop.make(code, epoch.object, epoch.id, keys, name, random)
        _store_first(home / STORE, epoch, [drop.kept(credentials.local, random)])
        contents = _encode(credentials, epoch.object, epoch.id, keys, epoch.raw, (), "")
        _write_keys(home, passphrase, *KeyStore.create(contents, passphrase, code, random))
    finally:
        lock.release()
    account, device = to_multibase(credentials.account_id), to_multibase(credentials.device_id)
    return CreatedHome(account, device, code.show())


def create_linked_home(
    home: Path,
    credentials: Credentials,
    parcel: AccountParcel,
    passphrase: str | None,
    random: Random = os.urandom,
    stored: Sequence[PutValue] = (),
) -> None:
    """Makes the home of one more device of an account. What is in the account comes from its nodes.

    Args:
        stored: what its store holds from the beginning.

    Raises:
        Conflict: there is a home already.
        RemoteProtocolError: the profile's record is false.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with HomeLock(home / LOCK):
        if home_exists(home):
            raise Conflict(f"{home} holds an account already; nothing was changed")
        epoch = Epoch.parse_untrusted(parcel.profile_record).verify({})
        if epoch.object != parcel.profile:
            raise RemoteProtocolError("the record of another profile")
        _store_first(home / STORE, epoch, stored)
        contents = _encode(
            credentials,
            parcel.profile,
            parcel.profile_epoch,
            parcel.profile_keys,
            parcel.profile_record,
            parcel.nodes,
            parcel.entry_node,
        )
        made = KeyStore.create_for(contents, passphrase, parcel.recovery_key, random)
        _write_keys(home, passphrase, *made)


def _write_keys(home: Path, passphrase: str | None, key_store: KeyStore, raw: bytes) -> None:
    if passphrase is None:
        write_atomic(home / MASTER, key_store.master.expose())
    write_atomic(home / KEYS, raw)


def open_keys(home: Path, passphrase: str | None) -> HomeKeys:
    """Opens the key store of a home.

    Raises:
        NotFound: there is no home. PassphraseNeeded, WrongPassphrase, Damaged.
    """
    if not home_exists(home):
        raise NotFound(f"there is no home at {home}", hint="Make one with 'pgc init --name NAME'.")
    raw = read_file(home / KEYS)
    if passphrase is not None:
        return _decode(KeyStore.open_untrusted(raw, passphrase=passphrase))
    return _decode(KeyStore.open_untrusted(raw, master=_master(home)))


def recover_home(home: Path, code: str, passphrase: str | None, random: Random = os.urandom) -> None:
    """Opens a home with its recovery code and gives it a new passphrase; the code stays valid.

    Raises:
        UsageError: the code is mistyped. WrongPassphrase: it is another home's.
        NotFound: there is no home. Conflict: a process has it open. Damaged.
    """
    recovery = RecoveryCode.parse(code)
    if not home_exists(home):
        raise NotFound(f"there is no home at {home}", hint="Make one with 'pgc init --name NAME'.")
    with HomeLock(home / LOCK):
        keys = _decode(KeyStore.open_untrusted(read_file(home / KEYS), recovery=recovery))
        change_passphrase(home, keys, passphrase, random)


def remember_nodes(
    home: Path, keys: HomeKeys, nodes: tuple[str, ...], entry_node: str, random: Random = os.urandom
) -> HomeKeys:
    """Notes where to fetch the profile again if the store is lost, and through whom, beside the keys."""
    return _keep(home, replace(keys, nodes=nodes, entry_node=entry_node), random)


def keep_credentials(
    home: Path, keys: HomeKeys, credentials: Credentials, random: Random = os.urandom
) -> HomeKeys:
    """Keeps what this device knows of its account now: it is durable when this returns."""
    return _keep(home, replace(keys, credentials=credentials), random)


def _keep(home: Path, keys: HomeKeys, random: Random) -> HomeKeys:
    contents = _encode(
        keys.credentials,
        keys.profile,
        keys.profile_epoch,
        keys.profile_keys,
        keys.profile_record,
        keys.nodes,
        keys.entry_node,
    )
    key_store, raw = keys.store.with_contents(contents, random)
    write_atomic(home / KEYS, raw)
    return _decode(key_store)


def change_passphrase(home: Path, keys: HomeKeys, new: str | None, random: Random = os.urandom) -> HomeKeys:
    """Seals the same secrets under a new master key; the file changes at once or not at all."""
    store, _ = keys.store.change_passphrase(new, random)
    return use_key_store(home, keys, store, locked=new is not None, random=random)


def use_key_store(
    home: Path, keys: HomeKeys, store: KeyStore, *, locked: bool, random: Random = os.urandom
) -> HomeKeys:
    """Keeps what a home holds by now in a key store with a new master key.

    Args:
        store: made of what the home held a while ago; only its keys are used.
        locked: it has a passphrase.
    """
    key_store, raw = store.with_contents(keys.store.contents, random)
    if not locked:
        # Before the key store: if we stop in between, the old file still opens with the old passphrase.
        write_atomic(home / MASTER, key_store.master.expose())
    write_atomic(home / KEYS, raw)
    if locked:
        (home / MASTER).unlink(missing_ok=True)
    return _decode(key_store)


def _master(home: Path) -> MasterKey:
    try:
        raw = read_file(home / MASTER, 64)
    except NotFound:
        raise PassphraseNeeded from None
    try:
        return MasterKey(raw)
    except LocalProtocolError:
        raise Damaged(
            f"{home / MASTER} is damaged, so it does not open this home; what is in the home is untouched",
            hint="Put the file back from a backup, or use the recovery code: 'pgc key recover'.",
        ) from None


def _store_first(path: Path, epoch: Epoch, more: Sequence[PutValue]) -> None:
    store = SqliteStore(path)
    try:
        store.write([*epoch_batch(epoch), *more]).result()
    finally:
        store.close()


def _encode(
    credentials: Credentials,
    profile: ObjectId,
    epoch: EpochId,
    keys: EpochKeys,
    record: bytes,
    nodes: tuple[str, ...],
    entry_node: str,
) -> bytes:
    secret = keys.secret(Level.ADMIN).expose()
    where = [list(nodes[:MAX_NODES]), entry_node]
    return encode([VERSION, credentials.encode(), profile, epoch, secret, record, *where])


def _decode(store: KeyStore) -> HomeKeys:
    try:
        fields = array(decode_untrusted(store.contents, 1 << 20), 8, "home")
        number(fields[0], VERSION, VERSION, "home version")
        credentials = Credentials.decode_untrusted(some_bytes(fields[1], 1 << 20, "credentials"))
        profile, epoch, secret = (blob(field, 32, "home") for field in fields[2:5])
        record = some_bytes(fields[5], 1 << 16, "profile record")
        nodes = tuple(string(node, 512, "node") for node in many(fields[6], MAX_NODES, "nodes"))
        entry_node = string(fields[7], 512, "entry node")
    except RemoteProtocolError as error:
        raise Damaged(f"the key store opens, but what is in it is damaged: {error}") from None
    keys = EpochKeys(Level.ADMIN, secret)
    return HomeKeys(store, credentials, ObjectId(profile), EpochId(epoch), keys, record, nodes, entry_node)
