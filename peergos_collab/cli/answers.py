"""Answers a person or a script gives while a command runs: lines of stdin, read without holding it up."""

from __future__ import annotations

import io
import os
import sys
from typing import Final

MAX_LINE: Final = 1 << 14
"""Bytes; a code has a hundred, an answer a few."""


class Answers:
    """Lines of stdin. A command that is ended while it waits for one ends at once."""

    def __init__(self) -> None:
        self._buffer = b""

    async def line(self) -> str:
        """The next line without its end; empty where there is none."""
        try:
            source = sys.stdin.fileno()
        except (AttributeError, io.UnsupportedOperation):
            return sys.stdin.readline().strip() if sys.stdin is not None else ""
        while b"\n" not in self._buffer and len(self._buffer) < MAX_LINE:
            more = await _some(source)
            if not more:
                break
            self._buffer += more
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").strip()

    async def says_same(self, digits: str) -> bool:
        """Whether the next line agrees: ``yes``, or the digits themselves as read from the other screen."""
        answer = (await self.line()).lower().replace(" ", "")
        return answer in ("y", "yes", digits)


async def _some(source: int) -> bytes:
    import asyncio

    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(source, ready.set)
    except (OSError, ValueError, NotImplementedError):
        return os.read(source, MAX_LINE)  # a regular file: it is always ready
    try:
        await ready.wait()
    finally:
        loop.remove_reader(source)
    return os.read(source, MAX_LINE)
