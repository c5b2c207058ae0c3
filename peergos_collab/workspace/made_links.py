"""Links this account has made: kept in its profile, so that any of its devices can show one again and end it.

    reference = [1, object, text, seed, level, expires, ended]

A link ends in three steps, each of which may come later than the one before: the profile says so, its
principal leaves the object, and the node forgets what the link opens. Once that is done the entry goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Self

from ..codec import decode_untrusted, encode
from ..codec.address import format_address
from ..codec.ids import ObjectId
from ..codec.shape import array, blob, number, string
from ..crypto import LinkSeed
from ..errors import Offline, PeergosCollabError, Refused, RemoteProtocolError
from ..files.changes import ENTRY_ID_LENGTH, EntryId, put_entry, remove, replace_reference
from ..objects.epoch_keys import Level
from ..objects.links import Link, LinkKeys, make_last_drop
from ..values import dataclass
from .machine import now_ms
from .network import with_node
from .sync_link import SyncLink

if TYPE_CHECKING:
    from .engine import Engine

VERSION: Final = 1
KIND: Final = "link"
MAX_REFERENCE: Final = 2048
MAX_TEXT: Final = 1024


@dataclass(frozen=True, slots=True)
class MadeLink:
    """See the module's text. ``expires`` in ms since 1970, 0 for never; ``ended``: it is being taken back."""

    object: ObjectId
    link: Link
    seed: LinkSeed
    level: Level
    expires: int
    ended: bool = False

    @property
    def keys(self) -> LinkKeys:
        return LinkKeys.from_seed(self.seed)

    @property
    def entry_id(self) -> EntryId:
        return EntryId(self.keys.principal.id[:ENTRY_ID_LENGTH])

    @property
    def node(self) -> str:
        return format_address(self.link.address)

    def encode(self) -> bytes:
        """Secret bytes; they live in the profile, which is sealed."""
        text, seed = self.link.text(), self.seed.expose()
        return encode([VERSION, self.object, text, seed, int(self.level), self.expires, self.ended])

    @classmethod
    def decode_untrusted(cls, raw: bytes) -> Self:
        """Raises RemoteProtocolError, BadLink."""
        fields = array(decode_untrusted(raw, MAX_REFERENCE), 7, "made link")
        number(fields[0], VERSION, VERSION, "made link version")
        if type(fields[6]) is not bool:
            raise RemoteProtocolError("made link: expected whether it has ended")
        return cls(
            ObjectId(blob(fields[1], 32, "object id")),
            Link.parse_untrusted(string(fields[2], MAX_TEXT, "link")),
            LinkSeed(blob(fields[3], 32, "link seed")),
            Level(number(fields[4], 1, 3, "level")),
            number(fields[5], 0, 2**53, "expiry"),
            fields[6],
        )


def all_links(engine: Engine) -> Iterator[MadeLink]:
    """Every link in the profile; what is damaged is left out."""
    for view in engine.profile.view.apart(KIND).values():
        try:
            yield MadeLink.decode_untrusted(view.reference)
        except PeergosCollabError:
            continue


async def remember_link(engine: Engine, path: str, made: MadeLink) -> None:
    """Enters a new link into the profile."""
    change = put_entry(made.entry_id, path, KIND, made.encode(), now=now_ms())
    await engine.change_profile(change)


async def end_link(engine: Engine, made: MadeLink) -> None:
    """Says in the profile that a link ends; ``forget_ended`` does the rest once its node is to be reached."""
    ended = replace(made, ended=True)
    await engine.change_profile(replace_reference(made.entry_id, ended.encode(), now=now_ms()))


async def forget_ended(engine: Engine) -> None:
    """Makes nodes forget the drops of links that have ended. A node that cannot be reached gets it later."""
    for made in [made for made in all_links(engine) if made.ended]:
        try:
            # A session for each: the node need not learn which links were one person's.
            async with await with_node(
                engine.transport, engine.link_events, os.urandom, made.node
            ) as session:
                gone = await _forget(session, made.keys)
        except (Offline, Refused, RemoteProtocolError):
            continue
        if gone:
            await engine.change_profile(remove(made.entry_id))


async def _forget(session: SyncLink, keys: LinkKeys) -> bool:
    """Says whether the node gives nothing out for the link any more."""
    public = keys.drop.public
    try:
        await session.put_drop(public, make_last_drop(keys, os.urandom).raw)
    except Refused:
        pass  # the last one may be there already, put by another device of this account
    return not await session.get_drop(public)
