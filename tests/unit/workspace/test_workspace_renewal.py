"""Renewal: folding anew is planned once for many reasons, and rests in proportion to what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from peergos_collab.errors import Damaged
from peergos_collab.workspace.renewal import QUIET_SECONDS, REST, Renewal


class Loop:
    """The running loop with a clock of its own: timers run when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> Any:
        self.timers.append((delay, call))
        return asyncio.get_running_loop().call_soon(lambda: None)

    def create_task(self, work: Any) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work)


class Case:
    """A renewal of an object that is in doubt; the engine, the object and its replica at once."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.unsettled, self.unverified, self.failed = True, False, False
        self.in_doubt = self.lacking = False
        self.batch = self.id = None
        self.live = self.replica = self.fold = self.order = self
        self.unkept = self.folded = 0
        self.costs = 0.0
        self.damage: Damaged | None = None
        self.told: list[Damaged] = []
        self.renewal = Renewal(cast(Any, self), cast(Any, self), _loop=cast(Any, self.loop))

    def fold_anew(self, opened: object) -> object:
        self.folded += 1
        self.loop.now += self.costs
        if self.damage is not None:
            raise self.damage
        return self

    def adopt(self, anew: object) -> Case:
        return self

    def on_renewed(self, opened: object) -> None:
        pass

    def start_over(self, object_id: object, damage: Damaged) -> None:
        self.told.append(damage)

    async def run_timer(self) -> float:
        """Runs the one timer there is, and what it begins, to the end; its delay."""
        ((delay, call),) = self.loop.timers
        self.loop.timers.clear()
        call()
        task = self.renewal._task
        assert task is not None
        await task
        return delay


async def test_once_for_all_that_came() -> None:
    """A flood of segments that each put the state in doubt costs one folding anew."""
    case = Case()
    for _ in range(1_000):
        case.renewal.plan()

    assert await case.run_timer() == QUIET_SECONDS
    assert case.folded == case.renewal.times == 1


async def test_rest_after_work() -> None:
    """While a hostile writer goes on, folding anew takes at most a small share of the time."""
    case = Case()
    case.costs = 3.0
    case.renewal.plan()
    await case.run_timer()
    case.renewal.plan()

    assert await case.run_timer() == 3.0 * REST
    assert case.folded == 2


async def test_only_where_it_is_needed() -> None:
    """Not where all is settled, not verified yet or not all here, or where this disk failed."""
    values = {"unsettled": False, "unverified": True, "lacking": True, "failed": True}
    for field, value in values.items():
        case = Case()
        setattr(case, field, value)
        case.renewal.plan()

        assert case.loop.timers == []


async def test_stopped_while_under_way() -> None:
    """What was begun for an object that is closed meanwhile is not taken over."""
    case = Case()
    case.renewal.plan()
    ((_, call),) = case.loop.timers
    call()
    await case.renewal.close()
    case.renewal.plan()

    assert case.renewal.times == 0
    assert len(case.loop.timers) == 1


async def test_damage_is_told() -> None:
    """A damaged segment that turns up is told to the engine, which opens the object anew."""
    case = Case()
    case.damage = Damaged("segment 3 of a log is damaged on this disk")
    case.renewal.plan()
    await case.run_timer()

    assert case.told == [case.damage]
    assert case.renewal.times == 0
