"""Key to repaint in a 1 MB document, in a real terminal. Prints JSON.

    python benchmarks/tui_typing.py [--keys 200] [--size 1000000] [--rows 40] [--cols 120]

A second process runs the TUI in a pty, on a document in memory or (--real) on disk. Each key types
a letter that is new on the screen; the clock stops when the bytes that paint it have arrived.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in (ROOT, ROOT / "tests"):
    sys.path.insert(0, str(folder))


def document_text(size: int) -> str:
    """Prose-like lines, some of which wrap."""
    words = "the quick brown fox jumps over lazy dogs while grey clouds drift past slow rivers".split()  # noqa: SIM905  a sentence
    lines = []
    length = number = 0
    while length < size:
        line = " ".join(words[(number + step * 7) % len(words)] for step in range(4 + number * 13 % 40))
        lines.append(line)
        length += len(line) + 1
        number += 1
    return "\n".join(lines)[:size]


async def editor(size: int, *, real: bool) -> None:
    """The program measured: the whole TUI, on a document in memory or in a home on disk."""
    if real:
        await real_editor(size)
        return
    from support.screen_workspace import FakeGate, FakeWorkspace
    from tui.app import PgcApp, run

    workspace = FakeWorkspace()
    await workspace.new_document("big", document_text(size))
    await run(PgcApp(FakeGate(workspace)))


async def real_editor(size: int) -> None:
    import tempfile

    from peergos_collab.workspace import create_workspace, open_workspace
    from tui.app import PgcApp, run
    from tui.gate import HomeGate

    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        create_workspace(home, name="Ann", passphrase=None)
        workspace = await open_workspace(home)
        await workspace.new_document("big", document_text(size))
        await workspace.close()
        await run(PgcApp(HomeGate(home, None)))


def measure(size: int, keys: int, rows: int, cols: int, *, real: bool) -> dict[str, float | int | str]:
    from support.terminal import Terminal

    took: list[float] = []
    argv = [sys.executable, __file__, "--editor", "--size", str(size), *(["--real"] if real else [])]
    with Terminal(argv, rows, cols) as terminal:
        terminal.wait_for("big", 30)
        terminal.press("enter")
        terminal.wait_for("the", 30)
        while terminal.read(0.5):
            pass
        for number in range(keys):
            letter = chr(ord("A") + number % 26)
            before = time.perf_counter()
            terminal.send(letter)
            got = b""
            while letter.encode() not in _text_of(got):
                piece = terminal.read(5)
                if not piece:
                    raise TimeoutError(f"key {number} was never painted:\n{terminal.text}")
                got += piece
            took.append((time.perf_counter() - before) * 1000)
            # A person types a few keys a second: let the program come to rest.
            while terminal.read(0.03):
                pass
        terminal.press("ctrl+q")
        terminal.wait_end()
    took.sort()
    return {
        "engine": "real" if real else "memory",
        "bytes": size,
        "keys": keys,
        "rows": rows,
        "cols": cols,
        "p50_ms": round(statistics.median(took), 2),
        "p95_ms": round(took[int(len(took) * 0.95)], 2),
        "max_ms": round(took[-1], 2),
    }


def _text_of(data: bytes) -> bytes:
    """What is printed: without control sequences, whose last letters would be taken for keys."""
    import re

    return re.sub(rb"\x1b\[[0-9;:<=>?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--cols", type=int, default=120)
    parser.add_argument(
        "--real", action="store_true", help="the real engine and disk, not a workspace in memory"
    )
    parser.add_argument("--editor", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.editor:
        import asyncio

        asyncio.run(editor(options.size, real=options.real))
        return
    print(json.dumps(measure(options.size, options.keys, options.rows, options.cols, real=options.real)))


if __name__ == "__main__":
    main()
