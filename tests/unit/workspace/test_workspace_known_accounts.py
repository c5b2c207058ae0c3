"""Account logs known to a device: united over all objects, and forks told by name."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from peergos_collab.codec import to_multibase
from peergos_collab.crypto import LocalKey
from peergos_collab.identity.account_ops import AddNode
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.known_accounts import KEPT, SHOWN, KnownAccounts
from support.accounts import AccountMaker

ANA = AccountMaker(random.Random(13).randbytes)
LAPTOP = ANA.add("first", "laptop")
LOCAL = LocalKey(bytes(32))


class FewObjects:
    """As much of an engine as is needed: objects with a seat each, and problems that were told."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.told: list[str] = []
        self.store = store or MemoryStore()
        self.keys = SimpleNamespace(credentials=SimpleNamespace(local=LOCAL))
        seats = [SimpleNamespace(known_accounts={}) for _ in range(2)]
        self.seats = seats
        self.objects = {
            number: SimpleNamespace(live=SimpleNamespace(replica=SimpleNamespace(seat=seat)))
            for number, seat in enumerate(seats)
        }

    def on_problem(self, _: object, words: str) -> None:
        self.told.append(words)


def made(store: MemoryStore | None = None) -> tuple[FewObjects, KnownAccounts]:
    engine: Any = FewObjects(store)
    return engine, KnownAccounts(engine)


def test_what_one_object_tells_counts_in_all() -> None:
    """Every seat has the union of what was heard, and an older log changes nothing."""
    engine, known = made()
    newer = ANA.account(LAPTOP)
    known.take([newer])
    before = known.newest
    known.take([ANA.founded.account])

    assert known.newest is before
    assert [seat.known_accounts for seat in engine.seats] == [{newer.id: newer}] * 2
    assert engine.told == []


def test_a_fork_is_told_once_and_names_the_account() -> None:
    """Each half is in order; together they show that a device was copied."""
    engine, known = made()
    halves = [ANA.account(LAPTOP, ANA.op("laptop", AddNode(f"pgc://{n}"), LAPTOP)) for n in range(2)]
    for account in (*halves, *halves):
        known.take([account])

    assert len(engine.told) == 1
    assert to_multibase(ANA.founded.account_id) in engine.told[0]
    assert known.newest[ANA.founded.account_id].standing.nodes == ("pgc://0", "pgc://1")


def test_what_was_known_counts_after_a_restart() -> None:
    """An older log that comes first then is united with what was known, and a fork over both is told."""
    engine, known = made()
    halves = [ANA.account(LAPTOP, ANA.op("laptop", AddNode(f"pgc://{n}"), LAPTOP)) for n in range(2)]
    known.take([halves[0]])
    later, again = made(engine.store)
    again.take([ANA.founded.account])

    assert again.newest[ANA.founded.account_id] == halves[0]
    assert [seat.known_accounts for seat in later.seats] == [again.newest] * 2
    again.take([halves[1]])
    assert len(later.told) == 1
    last, once_more = made(engine.store)
    once_more.take([ANA.founded.account])
    assert last.told == later.told


def test_who_shows_less_after_a_restart_is_told() -> None:
    """He said more at an earlier time. Another source that lags is no alarm, nor a letter that came late."""
    engine, known = made()
    newer = ANA.account(LAPTOP)
    known.take_newest(newer, b"laptop", 5)
    later, again = made(engine.store)
    again.take_newest(ANA.founded.account, b"phone", 6)
    again.take_newest(ANA.founded.account, b"laptop", 4)

    assert later.told == []
    again.take_newest(ANA.founded.account, b"laptop", 6)
    assert len(later.told) == 1
    assert to_multibase(ANA.founded.account_id) in later.told[0]


def test_the_store_does_not_say_whom_one_knows() -> None:
    """Neither names nor contents of what is kept hold an account's id."""
    engine, known = made()
    known.take_newest(ANA.account(LAPTOP), b"laptop", 5)
    stored = [part for space in (KEPT, SHOWN) for pair in engine.store.values(space) for part in pair]

    assert len(stored) == 4
    assert not any(ANA.founded.account_id in part for part in stored)
