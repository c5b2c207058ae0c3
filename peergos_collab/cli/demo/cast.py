"""The processes of the tour, as the tour sees them: commands out, answers in, none left behind."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ...errors import PeergosCollabError

PATIENCE: Final = 60.0
"""Seconds for any one command."""
FAREWELL: Final = 10.0


class TourFailed(PeergosCollabError):
    """The tour did not come to its end; nothing of yours was touched."""


class Actor:
    """A child process that plays a part. Ends when this does."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def tell(self, do: str, **more: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer.

        Raises:
            TourFailed: the actor could not do it.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
            await self._process.stdin.drain()
        except ConnectionError:
            pass  # it ended; ``hear`` says so
        return await self.hear()

    async def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise TourFailed(f"{self._name} did not answer within {PATIENCE:g} s.") from None
        if not line:
            raise TourFailed(f"{self._name}'s process ended early.", hint=self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise TourFailed(f"{self._name}: {answer['error']}")
        return answer

    def _last_words(self) -> str:
        """The end of its log. It is about the tour's own people only."""
        return " / ".join(self._log.read_text("utf-8", "replace").splitlines()[-3:])

    async def leave(self) -> None:
        """Lets it end by itself, or else ends it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(FAREWELL):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Cast:
    """All actors; as a context manager it ends every one, whatever happens."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.actors: list[Actor] = []

    async def enter(self, name: str, *arguments: str | Path) -> Actor:
        """Starts a process. What it has to say on stderr goes to a log in the directory."""
        path = self._directory / f"{name}.log"
        with path.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "peergos_collab.cli.demo.actor"),
                *map(str, arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                limit=1 << 24,
                env=_environment(),
                start_new_session=True,  # Ctrl+C reaches the tour, which ends them in order
            )
        actor = Actor(process, name, path)
        self.actors.append(actor)
        return actor

    async def leave(self, actors: Sequence[Actor] | None = None) -> None:
        await asyncio.gather(*(actor.leave() for actor in (self.actors if actors is None else actors)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self.leave())


def _environment() -> dict[str, str]:
    """Nothing of the user's own home reaches an actor."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PGC_")}
