"""A device's own logs: one at a time, never again after it was retired."""

from __future__ import annotations

import random

from peergos_collab.codec.ids import LogId, ObjectId
from peergos_collab.crypto import LocalKey
from peergos_collab.ports import PutValue
from peergos_collab.sync.own_log import SPACE, OwnLogs, doubt_all
from peergos_collab.testing.store import MemoryStore

RANDOM = random.Random(18).randbytes
OBJECT, LOCAL = ObjectId(RANDOM(32)), LocalKey.generate(RANDOM)


def test_a_log_is_found_again() -> None:
    """After a restart the same log goes on; its key is sealed on disk."""
    store = MemoryStore()
    logs = OwnLogs(OBJECT, LOCAL, store, RANDOM)
    before = logs.current
    key, put = logs.open_new()
    store.write(put)

    again = OwnLogs(OBJECT, LOCAL, store, RANDOM)

    assert before is None
    assert again.current == key
    assert again.owns(LogId(key.public))
    assert not again.owns(LogId(RANDOM(32)))
    assert key.seed.expose() not in (store.value(SPACE, OBJECT) or b"")


def test_a_retired_log_stays_retired() -> None:
    """Also over a restart; it is still known as one's own, and a new one takes its place."""
    store = MemoryStore()
    logs = OwnLogs(OBJECT, LOCAL, store, RANDOM)
    old, put = logs.open_new()
    store.write([*put, logs.retire()])
    again = OwnLogs(OBJECT, LOCAL, store, RANDOM)
    retired = again.current
    new, put = again.open_new()
    store.write(put)

    last = OwnLogs(OBJECT, LOCAL, store, RANDOM)

    assert retired is None
    assert last.current == new != old
    assert last.owns(LogId(old.public))


def test_a_log_in_doubt_is_not_gone_on_with() -> None:
    """However often its object is opened meanwhile; the log that takes its place is in no doubt."""
    store = MemoryStore()
    old, put = OwnLogs(OBJECT, LOCAL, store, RANDOM).open_new()
    store.write(put)
    store.write(doubt_all(store))
    again = [OwnLogs(OBJECT, LOCAL, store, RANDOM) for _ in range(2)]
    doubted = [logs.current for logs in again]
    new, put = again[1].open_new()
    store.write(put)

    assert doubted == [None, None]
    assert all(logs.owns(LogId(old.public)) for logs in again)
    assert OwnLogs(OBJECT, LOCAL, store, RANDOM).current == new != old


def test_damaged_keys_mean_a_new_log() -> None:
    """A flipped bit, another device's value and another object's: what was written stays readable."""
    for spoil in (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), lambda raw: b"", lambda raw: raw[:10]):
        store = MemoryStore()
        logs = OwnLogs(OBJECT, LOCAL, store, RANDOM)
        _, put = logs.open_new()
        store.write(put)
        store.write([PutValue(SPACE, OBJECT, spoil(store.value(SPACE, OBJECT)))])

        again = OwnLogs(OBJECT, LOCAL, store, RANDOM)

        assert again.current is None
