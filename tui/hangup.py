"""Whether the terminal is still there.

A terminal that is the program's controlling one ends it with SIGHUP when it goes. One that is not, as
under ``setsid`` or in some containers, only stops: reads return nothing, at once and for ever.
"""

from __future__ import annotations

import asyncio
import select
from typing import Final

LOOK_SECONDS: Final = 1.0


async def hangup(terminal: int) -> None:
    """Returns once nobody is at the other end of a terminal; never, where the system cannot tell.

    Args:
        terminal: its file descriptor.
    """
    if not hasattr(select, "poll"):
        await asyncio.Event().wait()
    gone = select.poll()
    gone.register(terminal, 0)  # asked for nothing: a hang-up is told all the same
    while not gone.poll(0):  # noqa: ASYNC110 no event tells of it: whoever reads the terminal is Textual
        await asyncio.sleep(LOOK_SECONDS)
