"""An object with its members, ready to use: an admin, and holders of writer and reader links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from peergos_collab.codec.ids import EpochId, ObjectId, PrincipalId
from peergos_collab.crypto import LinkSeed
from peergos_collab.identity.credentials import Credentials
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.links import LinkKeys
from peergos_collab.objects.operations import Actor, Add, Create
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.principals import Principal, PrincipalKind
from peergos_collab.objects.records import Epoch, Grant, first_epoch, grant
from peergos_collab.objects.wraps import Recipient
from peergos_collab.ports import Random


@dataclass(frozen=True)
class Membership:
    """A person on one device, and what he holds of the object."""

    name: str
    credentials: Credentials
    actor: Actor
    keys: EpochKeys

    @property
    def writes(self) -> bool:
        return self.keys.level >= Level.WRITE


@dataclass(frozen=True)
class Circle:
    """An object with one epoch. ``members[0]`` made it; the others came by a link each."""

    kind: Kind
    epoch: Epoch
    grants: tuple[Grant, ...]
    members: tuple[Membership, ...]

    @property
    def object(self) -> ObjectId:
        return self.epoch.object

    @property
    def epoch_id(self) -> EpochId:
        return self.epoch.id

    @property
    def records(self) -> list[bytes]:
        return [self.epoch.raw, *(one.raw for one in self.grants)]


def account_principal(credentials: Credentials) -> Principal:
    """The principal that an account is."""
    user, account = credentials.user, credentials.account
    return Principal(
        PrincipalKind.ACCOUNT,
        PrincipalId(account.id),
        account.user_key.generation,
        user.sign.verify_key,
        user.box.public_key,
    )


def actor_of(credentials: Credentials) -> Actor:
    """The account acting for itself."""
    return Actor(
        credentials.account,
        credentials.device_sign,
        PrincipalId(credentials.account_id),
        credentials.user.sign,
        credentials.name,
        pairs=(credentials.user.box,),
    )


def found(name: str, random: Random) -> Credentials:
    """A new person."""
    return Credentials.found(name, RecoveryCode.generate(random), random)


def make_circle(kind: Kind, roles: Sequence[Level], random: Random) -> Circle:
    """An object made by ``p0``, and one member more per role, ``p1`` and so on, each by a link of his own."""
    ana = found("p0", random)
    keys = EpochKeys.generate(random)
    principal, actor = account_principal(ana), actor_of(ana)
    recipient = Recipient(principal.box, Level.ADMIN)
    epoch = first_epoch(keys, recipient, Create(int(kind), principal), actor, random)
    members, grants = [Membership("p0", ana, actor, keys)], []
    for number, level in enumerate(roles, 1):
        link = LinkKeys.from_seed(LinkSeed.generate(random))
        to = Recipient(link.box.public_key, level)
        seen = (epoch.id, *(one.id for one in grants))
        grants.append(
            grant(epoch.object, epoch.id, keys, to, Add(link.principal, level), actor, seen, random)
        )
        person = found(f"p{number}", random)
        acts = Actor(person.account, person.device_sign, link.principal.id, link.sign, person.name)
        held = EpochKeys(level, keys.secret(level).expose())
        members.append(Membership(person.name, person, acts, held))
    return Circle(kind, epoch, tuple(grants), tuple(members))
