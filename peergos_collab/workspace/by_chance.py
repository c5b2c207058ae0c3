"""Moments by chance: when what nobody waits for is done, so that a node cannot tell by time whose it is.

Each moment is drawn for itself, from the same source as keys are. So from the moments of one session, which
a node may know, nothing follows for those of another, however many it has seen.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from ..ports import Random

Span = tuple[float, float]
"""Seconds: the earliest and the latest."""


def draw(span: Span, random: Random) -> float:
    """A moment within ``span``, in seconds; each is as likely as any other."""
    earliest, latest = span
    return earliest + (latest - earliest) * (int.from_bytes(random(7), "big") >> 3) / (1 << 53)


class Turns:
    """Lets things wait for their turn, each by itself.

    Args:
        patient: whether they have to. Whoever changes that calls ``stir``.
    """

    def __init__(self, patient: Callable[[], bool], random: Random) -> None:
        self._patient = patient
        self._random = random
        self._stirred = asyncio.Event()

    @property
    def patient(self) -> bool:
        return self._patient()

    def stir(self) -> None:
        """Somebody may be in a hurry now."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    async def wait(self, span: Span) -> None:
        """Returns by chance within ``span``; at once where, or as soon as, nothing has to be patient."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(draw(span, self._random)):
                while self._patient():
                    await self._stirred.wait()
