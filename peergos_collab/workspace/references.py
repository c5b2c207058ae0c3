"""What an entry of the profile refers to: an object's capability, and as whom this account uses it.

reference = [1, capability, link seed (empty: as the account itself)]
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.shape import array, number, some_bytes
from ..crypto import LinkSeed
from ..identity.credentials import Credentials
from ..objects.links import MAX_CAPABILITY, Capability, LinkKeys
from ..objects.operations import Actor
from ..values import dataclass
from .home import account_actor

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class ObjectReference:
    capability: Capability
    link: LinkSeed | None = None

    def encode(self) -> bytes:
        """Secret bytes; they live in the profile, which is sealed."""
        seed = self.link.expose() if self.link is not None else b""
        return encode([VERSION, self.capability.encode(), seed])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        version, capability, seed = array(decode_untrusted(raw, 2 * MAX_CAPABILITY), 3, "reference")
        number(version, VERSION, VERSION, "reference version")
        seed = some_bytes(seed, 32, "link seed")
        opened = Capability.decode_untrusted(some_bytes(capability, MAX_CAPABILITY, "capability"))
        return cls(opened, LinkSeed(seed) if seed else None)

    def actor(self, credentials: Credentials) -> Actor:
        """This device, acting for the link or for its account."""
        own = account_actor(credentials)
        if self.link is None:
            return own
        keys = LinkKeys.from_seed(self.link)
        return Actor(own.account, own.device, keys.principal.id, keys.sign, own.name, pairs=(keys.box,))
