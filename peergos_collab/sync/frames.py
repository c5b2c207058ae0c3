"""The frames of the sync protocol, the same between peers and with nodes.

Each message of a connection is one frame: a CBOR array whose first item is its type.
"""

from __future__ import annotations

import enum
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import ObjectId
from ..errors import RemoteProtocolError

PROTOCOL_VERSION: Final = 1
MAX_FRAME: Final = 1 << 20
SEGMENTS_PER_FRAME: Final = 48 << 10
"""Bytes of segments in one frame: small enough that live traffic never waits long behind it."""

RECORDS_PER_FRAME: Final = 256 << 10
"""Bytes of membership records in one frame, unless a single one is longer."""

WINDOW: Final = 1 << 20
"""Bytes of segments a sender may have on the way before the receiver has worked some off."""


class Frame(enum.IntEnum):
    HELLO = 0
    """[version, nonce (16), receipt key (32, a node's) or empty, whether a node answers STUN]"""
    OPEN = 1
    """[object, proofs [[epoch, level, signature] …], membership record ids, heads]; a node that got no
    proof of a newest epoch does not tell its heads: null"""
    CLOSE = 2
    """[object]"""
    RECORDS = 3
    """[object, [record …]]"""
    SEGMENTS = 4
    """[object, [segment …]]"""
    EPHEMERAL = 5
    """[object, [[key (16), counter, sealed] …]]"""
    RECEIPT = 6
    """[object, number, heads, epochs, signature]: the node says these are durable, see ``receipts``"""
    REFUSED = 7
    """[object, id of the mail, or empty; code, words]"""
    CAUGHT_UP = 8
    """[object]: everything the OPEN lacked has been sent"""
    PUT_DROP = 9
    """[drop]"""
    GET_DROP = 10
    """[drop key]"""
    DROP = 11
    """[drop key, drop or empty]: the answer to both"""
    PING = 12
    """[number]"""
    PONG = 13
    """[number]"""
    CREDIT = 14
    """[bytes of segments worked off]"""

    GET_SNAPSHOT = 15
    """[object, log, seq]"""
    SNAPSHOT = 16
    """[object, [certificate …], segment or empty]: one segment out of its order"""

    PUT_MAIL = 17
    """[mail]"""
    OPEN_MAIL = 18
    """[address, signature, number]: what came after that number, and from then on what comes"""
    MAIL = 19
    """[address, [[number, mail] …], more]: more: ask again for what follows the last number"""
    DROP_MAIL = 20
    """[address, signature, [number …]]"""
    MAIL_KEPT = 21
    """[id of the mail]: it is durable at the node"""

    PROVE = 22
    """[object, proofs]: of epochs that came, or were needed, after the OPEN"""

    GET_RECEIPT = 23
    """[object]: a node answers with a whole receipt"""
    SHOW_RECEIPTS = 24
    """[object, node's name in it (32), its receipt key, [receipt …]]: to a member, what a node signed"""
    WATCHWORD = 25
    """[object, watchword of the newest epoch]"""
    COLLECTION = 26
    """[name, place of the first of these, [object …]]: the objects of a collection, in their order"""
    COMPARE = 27
    """[name, places left out, questions: see ``packed_places``]"""
    COMPARED = 28
    """[ranges that differ; or null where the collection is not known]"""
    STIRRED = 29
    """[object]: it was the same in the collection compared last, and is so no more"""
    CHANGED = 30
    """[name, name of another collection, places taken out of that, [object …] put in]"""

    GET_ARCHIVE = 31
    """[object, archive id]: one that a prune record names"""
    # 32 and 33 begin a request for a tunnel and its answer.
    ARCHIVE = 34
    """[object, archive id, archive or empty]: the answer; or, unasked, one in place of its segments"""
    PRUNED = 35
    """[object, prune id, hours or null]: a node has all archives a prune record names, and acts on it in so
    many hours; null: the record does not count"""

    HOLD = 36
    """[object]: no segments of it before the next OPEN, for they come another way"""


_LENGTHS: Final = {
    Frame.HELLO: 5,
    Frame.OPEN: 5,
    Frame.CLOSE: 2,
    Frame.RECORDS: 3,
    Frame.SEGMENTS: 3,
    Frame.EPHEMERAL: 3,
    Frame.RECEIPT: 6,
    Frame.REFUSED: 4,
    Frame.CAUGHT_UP: 2,
    Frame.PUT_DROP: 2,
    Frame.GET_DROP: 2,
    Frame.DROP: 3,
    Frame.PING: 2,
    Frame.PONG: 2,
    Frame.CREDIT: 2,
    Frame.GET_SNAPSHOT: 4,
    Frame.SNAPSHOT: 4,
    Frame.PUT_MAIL: 2,
    Frame.OPEN_MAIL: 4,
    Frame.MAIL: 4,
    Frame.DROP_MAIL: 4,
    Frame.MAIL_KEPT: 2,
    Frame.PROVE: 3,
    Frame.GET_RECEIPT: 2,
    Frame.SHOW_RECEIPTS: 5,
    Frame.WATCHWORD: 3,
    Frame.COLLECTION: 4,
    Frame.COMPARE: 4,
    Frame.COMPARED: 2,
    Frame.STIRRED: 2,
    Frame.CHANGED: 5,
    Frame.GET_ARCHIVE: 3,
    Frame.ARCHIVE: 4,
    Frame.PRUNED: 4,
    Frame.HOLD: 2,
}


def encode_frame(kind: Frame, *fields: Any) -> bytes:
    return encode([int(kind), *fields])


class LastSegments:
    """The newest frame of segments of an object: what one session is sent, most likely all are."""

    def __init__(self, object_id: ObjectId) -> None:
        self._object = object_id
        self._raws: list[bytes] = []
        self._frame = b""

    def frame(self, raws: list[bytes]) -> bytes:
        if raws != self._raws:
            self._raws, self._frame = raws, encode_frame(Frame.SEGMENTS, self._object, raws)
        return self._frame


def decode_frame_untrusted(message: bytes) -> tuple[Frame, list[Any]]:
    """The type and the fields after it. Raises RemoteProtocolError."""
    value = decode_untrusted(message, MAX_FRAME, sparse=True)
    if type(value) is not list or not value or type(value[0]) is not int:
        raise RemoteProtocolError("a frame without a type")
    try:
        kind = Frame(value[0])
    except ValueError:
        raise RemoteProtocolError(f"a frame of unknown type {value[0]}") from None
    if len(value) != _LENGTHS[kind]:
        raise RemoteProtocolError(f"a {kind.name} frame of the wrong length")
    return kind, value[1:]
