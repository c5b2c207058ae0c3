"""Share links: a short text that opens a sealed drop on a node, which holds a capability.

    text       = address of the node ‖ "/#" ‖ multibase(flags (1) ‖ key (16) ‖ checksum (4))
    seed       = BLAKE2b(key ‖ Argon2id(password, salt from the key), or 32 zero bytes)
    drop       = [1, drop public key, counter, expiry, sealed capability, signature]
    capability = [1, object, epoch, level, secret, object kind, title, node addresses, snapshot]

From the seed come the link's principal (it signs and opens as a member of its own), the key that
signs the drop and the key that seals it. The node learns the drop's public key and nothing else; the
part after ``#`` never reaches it.
"""

from __future__ import annotations

from typing import Final, Self

from ..codec import decode_untrusted, encode, from_multibase_untrusted, to_multibase
from ..codec.address import format_address, parse_address
from ..codec.ids import EpochId, ObjectId
from ..codec.shape import array, blob, many, number, some_bytes, string
from ..codec.sizes import BUCKETS, unpad_untrusted
from ..crypto import (
    BoxPair,
    BoxSeed,
    LinkSeed,
    PasswordParameters,
    SigningKey,
    SignSeed,
    Tag,
    VerifyKey,
    WrapKey,
    copen,
    cseal,
    derive,
    hash256,
    stretch,
)
from ..errors import BadLink, PeergosCollabError, RemoteProtocolError
from ..ports import Address, Random
from ..values import dataclass
from .epoch_keys import EpochKeys, Level
from .operations import pad_to_bucket
from .principals import Principal
from .snapshots import SnapshotPlace

VERSION: Final = 1
KEY_LENGTH: Final = 16
MAX_CAPABILITY: Final = 16 << 10
MAX_NODES: Final = 16
MAX_COUNTER: Final = 2**32
_LONG_AGO: Final = 1
"""An expiry in the past by every clock; 0 would mean the node's own limit."""

_FLAG_PASSWORD: Final = 1
_PASSWORD_WORK: Final = PasswordParameters(passes=3, memory=64 << 20)
"""A link must also open on a phone, so its password costs less than a home's passphrase."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link as passed from hand to hand. ``repr`` hides the key."""

    address: Address
    key: bytes
    password: bool

    def __repr__(self) -> str:
        return f"<Link at {format_address(self.address)}>"

    @classmethod
    def generate(cls, address: Address, password: bool, random: Random) -> Self:
        return cls(address, random(KEY_LENGTH), password)

    def text(self) -> str:
        body = bytes([_FLAG_PASSWORD if self.password else 0]) + self.key
        return f"{format_address(self.address)}/#{to_multibase(body + self._checksum(body))}"

    @classmethod
    def parse_untrusted(cls, text: str) -> Self:
        """Raises BadLink, saying what is wrong with it."""
        address, found, secret = text.strip().partition("/#")
        if not address.startswith("pgc://"):
            raise BadLink("this is no share link: those begin with 'pgc://'; nothing was changed")
        if not found:
            raise BadLink("the link ends before its key; nothing was changed")
        try:
            where, raw = parse_address(address), from_multibase_untrusted(secret)
        except PeergosCollabError as error:
            raise BadLink(f"the link is damaged: {error}; nothing was changed") from None
        link = cls(where, raw[1:17], bool(raw[:1] == b"\x01"))
        if len(raw) != 21 or raw[0] > 1 or raw[17:] != link._checksum(raw[:17]):
            raise BadLink("the link is incomplete or mistyped; nothing was changed")
        return link

    def seed(self, password: str) -> LinkSeed:
        """About 0.3 s with a password, else at once."""
        stretched = bytes(32)
        if self.password:
            salt = hash256(Tag.PASSWORD, self.key)[:16]
            stretched = stretch(password, salt, _PASSWORD_WORK).expose()
        return LinkSeed(hash256(Tag.LINK_SEED, self.key + stretched))

    def _checksum(self, body: bytes) -> bytes:
        return hash256(Tag.LINK_CHECK, self.address.pin + body)[:4]


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """Everything that comes from a link's seed."""

    sign: SigningKey
    box: BoxPair
    drop: SigningKey
    seal: WrapKey

    @classmethod
    def from_seed(cls, seed: LinkSeed) -> Self:
        return cls(
            SigningKey.from_seed(derive(seed, Tag.LINK_SIGN, SignSeed)),
            BoxPair.from_seed(derive(seed, Tag.LINK_BOX, BoxSeed)),
            SigningKey.from_seed(derive(seed, Tag.DROP_SIGN, SignSeed)),
            derive(seed, Tag.DROP_SEAL, WrapKey),
        )

    @property
    def principal(self) -> Principal:
        return Principal.of_link(self.sign.verify_key, self.box.public_key)


@dataclass(frozen=True, slots=True)
class Capability:
    """What gives access to an object: an epoch's secret, and where to find the rest.

    ``snapshot`` is where a snapshot stands that its maker vouches for.
    """

    object: ObjectId
    epoch: EpochId
    keys: EpochKeys
    kind: int
    title: str
    nodes: tuple[str, ...]
    snapshot: SnapshotPlace | None = None

    def encode(self) -> bytes:
        """Secret bytes; seal them."""
        secret = self.keys.secret(self.keys.level).expose()
        level = int(self.keys.level)
        nodes = list(self.nodes)
        place = self.snapshot.fields() if self.snapshot is not None else []
        return encode([VERSION, self.object, self.epoch, level, secret, self.kind, self.title, nodes, place])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError."""
        fields = array(decode_untrusted(raw, MAX_CAPABILITY), 9, "capability")
        number(fields[0], VERSION, VERSION, "capability version")
        level = Level(number(fields[3], 1, 3, "level"))
        return cls(
            ObjectId(blob(fields[1], 32, "object id")),
            EpochId(blob(fields[2], 32, "epoch id")),
            EpochKeys(level, blob(fields[4], 32, "secret")),
            number(fields[5], 0, 255, "object kind"),
            string(fields[6], 255, "title"),
            tuple(string(node, 512, "node address") for node in many(fields[7], MAX_NODES, "nodes")),
            SnapshotPlace.parse_untrusted(fields[8]) if fields[8] != [] else None,
        )


@dataclass(frozen=True, slots=True)
class Drop:
    """A sealed capability on a node.

    Args:
        counter: of two, the node keeps the one with the higher.
        expires: ms since 1970, or 0 for the node's own limit.
    """

    public: VerifyKey
    counter: int
    expires: int
    sealed: bytes
    raw: bytes

    @classmethod
    def parse_untrusted(cls, raw: bytes) -> Self:
        """Verifies the drop's own signature. Raises RemoteProtocolError."""
        if len(raw) not in BUCKETS:
            raise RemoteProtocolError("a drop of a size that is not allowed")
        body, signature = array(decode_untrusted(raw, BUCKETS[2], sparse=True), 2, "drop")
        fields = array(decode_untrusted(some_bytes(body, BUCKETS[2], "drop"), BUCKETS[2]), 5, "drop")
        number(fields[0], VERSION, VERSION, "drop version")
        public = VerifyKey(blob(fields[1], 32, "drop key"))
        public.verify(Tag.SIGN_DROP, body, blob(signature, 64, "signature"))
        counter = number(fields[2], 0, MAX_COUNTER, "drop counter")
        expires = number(fields[3], 0, 2**53, "drop expiry")
        return cls(public, counter, expires, some_bytes(fields[4], BUCKETS[2], "drop"), raw)

    def open(self, keys: LinkKeys) -> Capability:
        """Raises SealBroken for a wrong password, RemoteProtocolError for false contents."""
        padded = copen(keys.seal, Tag.SEAL, self.sealed, self.public.public)
        return Capability.decode_untrusted(unpad_untrusted(padded))


def make_drop(capability: Capability, keys: LinkKeys, expires: int, counter: int, random: Random) -> Drop:
    """Seals a capability for whoever has the link."""
    return _seal_drop(capability.encode(), keys, expires, counter, random)


def make_last_drop(keys: LinkKeys, random: Random) -> Drop:
    """Takes the place of a link's drop for good: it is empty, has expired, and nothing is newer."""
    return _seal_drop(b"", keys, _LONG_AGO, MAX_COUNTER, random)


def _seal_drop(plaintext: bytes, keys: LinkKeys, expires: int, counter: int, random: Random) -> Drop:
    public = keys.drop.public

    def build(padded: bytes) -> bytes:
        sealed = cseal(keys.seal, Tag.SEAL, padded, public, random)
        body = encode([VERSION, public, counter, expires, sealed])
        return encode([body, keys.drop.sign(Tag.SIGN_DROP, body)])

    return Drop.parse_untrusted(pad_to_bucket(plaintext, build))
