"""Taking an account back with its recovery code, on a new device: all others end, whoever has them.

    find     the account's log and profile at a node                     (nothing is changed)
    take     the root key in the code ends all devices, adds this one and makes a user key
    show     the next code, before anything of this is known elsewhere
    tell     nodes, objects, contacts; the used code's drop ends

What was taken is in the new home before a node hears of it, so it goes on after a crash.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from ..codec import to_multibase
from ..codec.address import format_address, parse_address
from ..codec.shown import check_person, show_person
from ..errors import Conflict, Offline
from ..files.changes import set_entry_node
from ..identity.credentials import Credentials, DeviceSecrets
from ..identity.recovery import all_devices, part_to_keep, recover
from ..identity.recovery_code import RecoveryCode
from ..ports import PutValue
from ..ports.installed import installed_relay, installed_transport
from ..values import dataclass
from .account_parcel import AccountParcel
from .account_search import FoundAccount, find_account
from .engine import Engine
from .home import create_linked_home, home_exists
from .local_workspace import LocalWorkspace
from .recovery_drop import RecoveryDrop
from .recovery_keeper import META, RECOVERED, UNTOLD, end_drop

SYNC_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class RecoveredAccount:
    """What came of it.

    Args:
        name: the person's.
        removed: devices that are none any more, by name where the profile had one.
        whole: whether the profile could be read beforehand; else what devices did alone may be lacking.
        told: every node has heard of it, and the used code leads nowhere.
        waiting: objects that have yet to get keys that the removed devices do not have.
        by_link: objects that a link opens which those devices know.
    """

    account: str
    device: str
    name: str
    removed: tuple[str, ...]
    whole: bool
    told: bool
    waiting: int
    by_link: tuple[str, ...]
    entries: int


async def recover_account(
    home: Path,
    code: str,
    show: Callable[[str], Awaitable[None]],
    *,
    node: str,
    device_name: str,
    passphrase: str | None,
    entry: str = "",
    end_links: bool = False,
) -> RecoveredAccount:
    """Makes ``home`` the only device of the account that ``code`` belongs to.

    Args:
        show: is given the next recovery code, before anything is changed; what it raises ends it there.
        node: the address of a node of the account; ``entry``: through which other node it is reached, then
            and from now on.
        passphrase: None keeps the master key in a file of mode 0600 instead.
        end_links: also ends the links that the account has made, which its devices knew.

    Raises:
        Conflict: there is a home already. UsageError: the code is mistyped, or no address or name.
        NotFound: nothing is there for this code. NoAccess: it was used. Refused, Offline, WrongPin, TimedOut.
    """
    used, address = RecoveryCode.parse(code), format_address(parse_address(node))
    if home_exists(home):
        raise Conflict(
            f"{home} holds an account already; nothing was changed",
            hint="Name an empty directory with --home DIR. If its passphrase is lost: 'pgc key recover'.",
        )
    check_person(*([device_name] if device_name else []))
    entry = format_address(parse_address(entry)) if entry else ""
    transport = installed_relay(parse_address(entry)) if entry else installed_transport()
    found = await find_account(used, address, transport)
    new = RecoveryCode.generate(os.urandom)
    credentials = take_back(found, used, new, device_name)
    await show(new.show())
    _make_home(home, found, credentials, new, passphrase, entry)
    return await _tell(home, passphrase, found, used, "" if found.entry_node else entry, end_links=end_links)


def take_back(found: FoundAccount, used: RecoveryCode, new: RecoveryCode, device_name: str) -> Credentials:
    """A device of the account, which has no other any more. Raises NoAccess: the code was used."""
    device = DeviceSecrets.generate(os.urandom)
    kept = part_to_keep(found.account)
    stolen = all_devices(kept)
    return recover(kept, found.name, used, new, stolen, device, os.urandom, device_name, whole=found.account)


def _make_home(
    home: Path,
    found: FoundAccount,
    credentials: Credentials,
    new: RecoveryCode,
    passphrase: str | None,
    entry: str,
) -> None:
    profile = found.profile
    parcel = AccountParcel(
        credentials.name,
        credentials.account,
        credentials.user_seeds,
        new.slot_pair().public_key,
        profile.object,
        profile.epoch,
        profile.keys,
        found.record,
        found.nodes,
        found.entry_node or entry,
    )
    drop = RecoveryDrop.make(new, profile.object, profile.epoch, profile.keys, credentials.name, os.urandom)
    stored = [drop.kept(credentials.local, os.urandom), PutValue(META, RECOVERED, UNTOLD)]
    create_linked_home(home, credentials, parcel, passphrase, stored=stored)


async def _tell(
    home: Path,
    passphrase: str | None,
    found: FoundAccount,
    used: RecoveryCode,
    entry: str,
    *,
    end_links: bool,
) -> RecoveredAccount:
    """``entry``: an entry node for an account that had none."""
    engine = await Engine.open(home, passphrase)
    workspace = LocalWorkspace(engine)
    try:
        engine.entry_wish = entry
        told = await _sync(workspace)
        if entry and engine.profile.view.nodes():
            await engine.change_profile(set_entry_node(entry))
        if end_links:
            await engine.devices.end_links()
        told = told and await _sync(workspace)
        for node in engine.profile.view.nodes():
            told = await end_drop(engine.transport, engine.link_events, node, used) and told
        return _outcome(engine, found, told=told)
    finally:
        await workspace.close()


async def _sync(workspace: LocalWorkspace) -> bool:
    """Twice in all: what is told of the recovery follows from what the first time brings."""
    try:
        await workspace.sync(SYNC_SECONDS)
    except Offline:
        return False
    return True


def _outcome(engine: Engine, found: FoundAccount, *, told: bool) -> RecoveredAccount:
    credentials = engine.keys.credentials
    ended = sorted(found.account.devices.keys() | found.account.standing.frozen)
    return RecoveredAccount(
        to_multibase(credentials.account_id),
        to_multibase(credentials.device_id),
        show_person(credentials.name),
        tuple(found.devices.get(device) or to_multibase(device) for device in ended),
        found.whole,
        told,
        engine.devices.outdated(),
        tuple(sorted(engine.devices.open_by_link())),
        len(engine.profile.view),
    )
