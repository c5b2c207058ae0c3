"""Child processes that run one coroutine each and talk to the benchmark in JSON lines.

A child is ``async def role(talk, **arguments)`` of any module here. Its loop is uvloop's where that
is installed, as in the program itself.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 300.0


class Child:
    """The benchmark's end of a child."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self, seconds: float = ANSWER_SECONDS) -> Any:
        """The child's next line. Raises RuntimeError where it has ended instead."""
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("a child process ended early; its error stands above")
        return json.loads(line)

    def tell(self, value: Any = None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(value).encode() + b"\n")

    async def ask(self, value: Any = None) -> Any:
        self.tell(value)
        return await self.hear()

    async def kill(self) -> None:
        """Ends it with SIGKILL, as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def end(self) -> None:
        """Closes its standard input, which every child takes as the end, and waits."""
        if self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@asynccontextmanager
async def child(module: str, role: str, **arguments: Any) -> AsyncIterator[Child]:
    """A process that runs ``benchmarks.<module>.<role>``; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.processes", module, role, json.dumps(arguments),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, limit=64 << 20,
    )  # fmt: skip
    handle = Child(process)
    try:
        yield handle
    finally:
        await handle.end()


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for homes, on the disk of the working copy's machine; removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix="pgc-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class Talk:
    """The child's end."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    @staticmethod
    def say(value: Any = None) -> None:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()

    async def listen(self) -> Any:
        """The next line from the benchmark; EOFError once it wants the child to end."""
        line = await self._reader.readline()
        if not line:
            raise EOFError
        return json.loads(line)


async def _run(module: str, role: str, arguments: dict[str, Any]) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        await getattr(importlib.import_module(f"benchmarks.{module}"), role)(Talk(reader), **arguments)
    except EOFError:
        return


def run_with_uvloop(main: Any) -> Any:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


if __name__ == "__main__":
    run_with_uvloop(_run(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
