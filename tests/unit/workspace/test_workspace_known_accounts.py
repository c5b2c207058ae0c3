"""Account logs known to a device: united over all objects, and forks told by name."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from peergos_collab.codec import to_multibase
from peergos_collab.identity.account_ops import AddNode
from peergos_collab.workspace.known_accounts import KnownAccounts
from support.accounts import AccountMaker

ANA = AccountMaker(random.Random(13).randbytes)
LAPTOP = ANA.add("first", "laptop")


class FewObjects:
    """As much of an engine as is needed: objects with a seat each, and problems that were told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        seats = [SimpleNamespace(known_accounts={}) for _ in range(2)]
        self.seats = seats
        self.objects = {
            number: SimpleNamespace(live=SimpleNamespace(replica=SimpleNamespace(seat=seat)))
            for number, seat in enumerate(seats)
        }

    def on_problem(self, _: object, words: str) -> None:
        self.told.append(words)


def made() -> tuple[FewObjects, KnownAccounts]:
    engine: Any = FewObjects()
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
