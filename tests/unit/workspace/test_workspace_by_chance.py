"""Moments by chance, and waiting for one's turn."""

from __future__ import annotations

import asyncio
import random

from peergos_collab.workspace.by_chance import Turns, draw
from support.jumping_loop import in_no_time, passing


def test_every_moment_is_as_likely_as_any_other() -> None:
    """Ten thousand draws fill ten bins about equally, and none is outside."""
    source = random.Random(1)
    drawn = [draw((60.0, 180.0), source.randbytes) for _ in range(10_000)]
    bins = [sum(60 + 12 * at <= moment < 72 + 12 * at for moment in drawn) for at in range(10)]

    assert sum(bins) == 10_000
    assert all(850 < count < 1150 for count in bins)


def test_the_ends_of_a_span() -> None:
    """The smallest draw is its beginning, the largest its end."""
    assert draw((60.0, 180.0), bytes) == 60.0
    assert 179.999 < draw((60.0, 180.0), lambda count: b"\xff" * count) <= 180.0


def test_who_need_not_be_patient_does_not_wait() -> None:
    """It is his turn now."""

    async def main() -> float:
        await Turns(lambda: False, random.Random(1).randbytes).wait((60.0, 180.0))
        return asyncio.get_running_loop().time()

    assert in_no_time(main()) == 0.0


def test_each_has_a_turn_of_his_own() -> None:
    """A hundred who wait at once are let go at a hundred moments of the span."""

    async def main() -> list[float]:
        turns = Turns(lambda: True, random.Random(1).randbytes)

        async def one() -> float:
            await turns.wait((60.0, 180.0))
            return asyncio.get_running_loop().time()

        return await asyncio.gather(*(one() for _ in range(100)))

    moments = in_no_time(main())

    assert len(set(moments)) == 100
    assert 60 <= min(moments) < 70
    assert 170 < max(moments) <= 181


def test_somebody_in_a_hurry_ends_the_waiting() -> None:
    """Of all who wait; a stir without a hurry changes nothing."""

    async def main() -> tuple[float, float]:
        hurry = False
        turns = Turns(lambda: not hurry, random.Random(1).randbytes)
        loop = asyncio.get_running_loop()
        waiting = asyncio.gather(*(turns.wait((60.0, 180.0)) for _ in range(3)))
        await passing(10)
        turns.stir()
        await passing(10)
        assert not waiting.done()
        stirred, hurry = loop.time(), True
        turns.stir()
        await waiting
        return stirred, loop.time()

    stirred, done = in_no_time(main())

    assert stirred == done == 20.0
