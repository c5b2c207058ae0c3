"""The log this device writes into one object, and the ones it no longer writes to.

A device has one log per object at a time, with a key pair of its own. It opens a new one rather than
risk using a sequence number twice: after an unclean start, and as soon as it meets a segment of its
own that it does not know (it was restored from a backup, or cloned).
"""

from __future__ import annotations

from ..codec import decode_untrusted, encode
from ..codec.ids import LogId, ObjectId
from ..codec.shape import array, blob, many
from ..crypto import LocalKey, SigningKey, SignSeed, Tag, copen, cseal
from ..errors import Damaged, RemoteProtocolError
from ..ports import Batch, PutValue, Random, SegmentStore

SPACE = "logs"
DOUBTED = "doubted"
_MANY = 1 << 26


def doubt_all(store: SegmentStore) -> Batch:
    """After an unclean start others may know more of any log than this disk: none is gone on with, whenever
    its object is opened next."""
    return [PutValue(DOUBTED, object_id, b"\1") for object_id in store.keys(SPACE, b"", b"\xff" * 33, _MANY)]


class OwnLogs:
    """Keys of this device's logs of one object; the last one is written to unless it is retired."""

    def __init__(self, object_id: ObjectId, local: LocalKey, store: SegmentStore, random: Random) -> None:
        self._object = object_id
        self._local = local
        self._random = random
        self._keys: list[SigningKey] = []
        self._retired = False
        try:
            self._load(store.value(SPACE, object_id))
            self._retired |= store.value(DOUBTED, object_id) is not None
        except Damaged:
            self._keys = []  # as below

    def owns(self, log: LogId) -> bool:
        return any(key.public == log for key in self._keys)

    def retire(self) -> PutValue:
        """Never write to the current log again; the result must be stored."""
        self._retired = True
        return self._put()

    @property
    def current(self) -> SigningKey | None:
        return None if self._retired or not self._keys else self._keys[-1]

    def open_new(self) -> tuple[SigningKey, Batch]:
        """A new log, and what must be stored with its first segment."""
        key = SigningKey.generate(self._random)
        self._keys.append(key)
        self._retired = False
        return key, [self._put(), PutValue(DOUBTED, self._object, None)]

    def _put(self) -> PutValue:
        raw = encode([[key.seed.expose() for key in self._keys], self._retired])
        sealed = cseal(self._local, Tag.LOCAL_LOGS, raw, b"logs" + self._object, self._random)
        return PutValue(SPACE, self._object, sealed)

    def _load(self, sealed: bytes | None) -> None:
        if sealed is None:
            return
        try:
            raw = copen(self._local, Tag.LOCAL_LOGS, sealed, b"logs" + self._object)
            seeds, retired = array(decode_untrusted(raw, 1 << 20), 2, "log keys")
            seeds = many(seeds, 1 << 14, "log keys")
            self._keys = [SigningKey.from_seed(SignSeed(blob(seed, 32, "log key"))) for seed in seeds]
            self._retired = bool(retired)
        except RemoteProtocolError:
            # Damaged on disk: what these logs hold stays readable, and a new log is opened.
            self._keys = []
