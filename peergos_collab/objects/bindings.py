"""Bindings: who is behind a log, for members only.

    binding      = [1, object, epoch, log, account, device, principal, account head]
    introduction = [binding, device signature, principal signature, account log, name]

A certificate says "a writer"; the introduction, inside the first payload of a log in each epoch, says
"this device of this account, acting for this principal". Both the device and the principal sign. In
a sealed ephemeral message the log is 32 zero bytes: there it introduces a reader, who has no log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import DeviceId, EpochId, LogId, ObjectId, PrincipalId
from ..codec.shape import array, blob, number, some_bytes, string
from ..crypto import Tag, VerifyKey
from ..errors import RemoteProtocolError
from ..identity.account import MAX_LOG, Account
from .epoch_keys import Level
from .membership import View
from .operations import MAX_NAME, Actor
from .payload import Author
from .principals import PrincipalKind

VERSION: Final = 1
NO_LOG: Final = LogId(bytes(32))
MAX_BINDING: Final = 512


class NoMember(RemoteProtocolError):
    """Who is introduced is no member with that right, as far as the records here say."""

    code = "no_member"


@dataclass(frozen=True, slots=True)
class Introduced:
    """A verified introduction: the author, and the key his device signs ephemeral messages with."""

    author: Author
    device_key: VerifyKey
    level: Level


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
    value: object, object_id: ObjectId, epoch: EpochId, log: LogId, view: View, least: Level
) -> Introduced:
    """Verifies an introduction for this very log.

    Args:
        least: the role its principal must have in ``view``.

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
    member = view.members.get(principal_id)
    if device is None:
        raise RemoteProtocolError("an introduction by a device that its account does not list")
    if member is None or member.level < least:
        raise NoMember("an introduction by somebody who is no such member")
    device.sign.verify(Tag.SIGN_BINDING_DEV, binding, device_signature)
    own = bytes(principal_id) == bytes(account.id) and member.principal.sign == account.user_key.sign
    if member.principal.kind is PrincipalKind.ACCOUNT and not own:
        raise RemoteProtocolError("an introduction on behalf of another account")
    member.principal.sign.verify(Tag.SIGN_BINDING_PRI, binding, principal_signature)
    author = Author(account.id, device_id, principal_id, string(fields[4], MAX_NAME, "name"))
    return Introduced(author, device.sign, member.level)


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
