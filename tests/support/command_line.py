"""``pgc`` on a home of its own, in a process or in this one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from peergos_collab.cli import main

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "import sys; from peergos_collab.cli import main; main()"]


@dataclass
class Home:
    """A home on this disk and ``pgc`` on it.

    ``process`` runs each command in a process of its own, as users do; otherwise in this one, which
    is twice as fast, with the same engine.
    """

    path: Path
    process: bool = True

    def pgc(self, *arguments: str, stdin: bytes = b"", code: int = 0) -> bytes:
        """Runs to the end; returns stdout."""
        run = _in_a_process if self.process else _in_this_process
        ended, out, self.error = run(["--home", str(self.path), *arguments], stdin)
        assert ended == code, (arguments, out, self.error)
        assert not (code and out)
        return out

    def json(self, *arguments: str, stdin: bytes = b"") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.pgc(*arguments, "--json", stdin=stdin))
        assert found.pop("v") == 1
        return found

    def fails(self, code: int, *arguments: str, stdin: bytes = b"") -> str:
        """Ends with ``code``; returns the ``error`` of the object on stderr."""
        self.pgc(*arguments, "--json", stdin=stdin, code=code)
        found = json.loads(self.error.splitlines()[-1])
        assert set(found) == {"v", "error", "message", "hint"}
        return str(found["error"])

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Starts a command that streams; ends it where the test did not."""
        process = subprocess.Popen(
            [*PROGRAM, "--home", str(self.path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def _in_a_process(arguments: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [*PROGRAM, *arguments], input=stdin, capture_output=True, timeout=200, cwd=ROOT, check=False
    )
    return done.returncode, done.stdout, done.stderr


def _in_this_process(arguments: list[str], stdin: bytes) -> tuple[int, bytes, bytes]:
    done = CliRunner().invoke(main, arguments, input=stdin, prog_name="pgc")
    return done.exit_code, done.stdout_bytes, done.stderr_bytes


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(how)
    process.communicate(timeout=60)
    return process.returncode


@contextmanager
def serving_node(path: Path) -> Iterator[str]:
    """A node in a process of its own while the block runs; its address."""
    with Home(path).start("node", "serve", "--listen", "127.0.0.1:0", "--json") as server:
        assert server.stdout is not None
        line = json.loads(server.stdout.readline())
        assert line["event"] == "listening"
        yield line["address"]
        assert stop(server) == 0
