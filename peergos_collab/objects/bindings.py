"""Bindings: who is behind a log, for members only.

    binding      = [1, object, epoch, log, account, device, principal, account head]
    introduction = [binding, device signature, principal signature, account log, name]

A certificate says "a writer"; the introduction, inside the first payload of a log in each epoch, says
"this device of this account, acting for this principal". Both the device and the principal sign. In
a sealed ephemeral message the log is 32 zero bytes: there it introduces a reader, who has no log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, EpochId, LogId, ObjectId, PrincipalId
from ..codec.shape import array, blob, number, some_bytes, string
from ..crypto import Tag, VerifyKey
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG, Account
from ..values import dataclass
from .epoch_keys import Level
from .key_versions import knows_version
from .membership import View
from .operations import MAX_NAME, Actor
from .payload import Author
from .principals import Principal, PrincipalKind

VERSION: Final = 1
NO_LOG: Final = LogId(bytes(32))
MAX_BINDING: Final = 512


class NoMember(RemoteProtocolError):
    """Who is introduced is no member with that right, as far as the records here say."""

    code = "no_member"


@dataclass(frozen=True, slots=True)
class Introduced:
    """A verified introduction: the author, and the key his device signs ephemeral messages with.

    Args:
        adders: the devices that added his, by the account log that came with it.
    """

    author: Author
    device_key: VerifyKey
    level: Level
    adders: frozenset[DeviceId] = frozenset()


def introduce(object_id: ObjectId, epoch: EpochId, log: LogId, actor: Actor) -> list[Any]:
    """The introduction of ``actor``'s log, as a value to put into a payload."""
    account = actor.account
    fields = [object_id, epoch, log, account.id, actor.device.public, actor.principal, account.head]
    binding = encode([VERSION, *fields])
    return [
        binding,
        actor.device.sign(Tag.SIGN_BINDING_DEV, binding),
        actor.principal_key.sign(Tag.SIGN_BINDING_PRI, binding),
        account.raw,
        actor.name,
    ]


def check_introduction_untrusted(
    value: object,
    object_id: ObjectId,
    epoch: EpochId,
    log: LogId,
    view: View,
    least: Level,
    heads: Sequence[bytes] | None = None,
) -> Introduced:
    """Verifies an introduction for this very log.

    Args:
        least: the role its principal must have.
        heads: the membership records its author had seen: he is judged by them and by what was seen when
            ``epoch`` was made. None judges him by who is a member now.

    Raises:
        NoMember: the records known here make its principal no such member; later ones may.
        RemoteProtocolError: malformed, falsely signed, or for another log.
    """
    fields = array(value, 5, "introduction")
    binding = some_bytes(fields[0], MAX_BINDING, "binding")
    device_signature, principal_signature = (blob(f, 64, "signature") for f in fields[1:3])
    account = Account.parse_untrusted(some_bytes(fields[3], MAX_LOG, "account log"))
    device_id, principal_id = _read_binding(binding, object_id, epoch, log, account)
    device = account.devices.get(device_id)
    if device is None:
        raise RemoteProtocolError("an introduction by a device that its account does not list")
    level, listed = _listed(view, principal_id, None if heads is None else [epoch, *heads])
    if level is None or level < least:
        raise NoMember("an introduction by somebody who is no such member")
    device.sign.verify(Tag.SIGN_BINDING_DEV, binding, device_signature)
    _check_principal(account, listed, binding, principal_signature)
    author = Author(account.id, device_id, principal_id, string(fields[4], MAX_NAME, "name"))
    return Introduced(author, device.sign, level, account.adders(device_id))


def _listed(
    view: View, principal: PrincipalId, at: Sequence[bytes] | None
) -> tuple[Level | None, Sequence[Principal]]:
    """The role of a member, and the key versions it is listed with."""
    if at is None:
        member = view.members.get(principal)
        return (member.level, member.versions) if member is not None else (None, ())
    seat = view.seats_at(at).get(principal)
    return (seat.level, [pin.principal for pin in seat.pins]) if seat is not None else (None, ())


def _check_principal(account: Account, listed: Sequence[Principal], binding: bytes, signature: bytes) -> None:
    """Raises RemoteProtocolError unless the principal, at a version it is listed with, signed a binding."""
    first = listed[0]
    if first.kind is PrincipalKind.ACCOUNT:
        # A device that was removed since could only show a log that does not know the newer version.
        if not any(knows_version(account, version) for version in listed):
            raise RemoteProtocolError("an introduction on behalf of another account")
        account.user_key.sign.verify(Tag.SIGN_BINDING_PRI, binding, signature)
        return
    problem: RemoteProtocolError | None = None
    for key in (key for version in listed for key in _signers(version)):
        try:
            key.verify(Tag.SIGN_BINDING_PRI, binding, signature)
        except RemoteProtocolError as error:
            problem = error
        else:
            return
    raise problem or RemoteProtocolError("an introduction on behalf of nobody")


def _signers(principal: Principal) -> Iterable[VerifyKey]:
    return [principal.sign] if principal.levels is None else principal.levels.sign.values()


def _read_binding(
    binding: bytes, object_id: ObjectId, epoch: EpochId, log: LogId, account: Account
) -> tuple[DeviceId, PrincipalId]:
    fields = array(decode_untrusted(binding, MAX_BINDING), 8, "binding")
    number(fields[0], VERSION, VERSION, "binding version")
    if fields[1:5] != [object_id, epoch, log, account.id]:
        raise RemoteProtocolError("a binding for another log or account")
    if fields[7] != account.head:
        raise RemoteProtocolError("a binding for another state of its account")
    return DeviceId(blob(fields[5], 32, "device id")), PrincipalId(blob(fields[6], 32, "principal id"))
