"""The installed program for tests: nodes and terminal interfaces as processes, commands beside them."""

from __future__ import annotations

import base64
import re
import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from peergos_collab.cli import main
from support.terminal import Terminal

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from peergos_collab.cli import main; main()"]
LIST = "Nodes"
"""A word that only the list shows."""


def pgc(home: Path, *arguments: str, stdin: str = "") -> bytes:
    """Runs ``pgc`` in this process, attached to the terminal program where that is the engine."""
    done = CliRunner().invoke(main, ["--home", str(home), *arguments], input=stdin.encode())
    assert done.exit_code == 0, (arguments, done.stderr)
    return done.stdout_bytes


class Node:
    """A node that can be killed and started again where it was."""

    def __init__(self, home: Path, *options: str) -> None:
        self._home = home
        self._options = options
        self._listen = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        serve = [
            *PROGRAM,
            "node",
            "serve",
            "--home",
            str(self._home),
            "--listen",
            self._listen,
            *self._options,
        ]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().decode().strip()
        self._listen = self.address.rpartition("@")[2]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Person:
    """A home and the terminal program on it."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.home = root / name
        pgc(self.home, "init", "--name", name, "--no-passphrase")

    def start(self) -> None:
        self.screen = Terminal([*PROGRAM, "--home", str(self.home)], 30, 100, cwd=str(ROOT))

    def cat(self, path: str) -> str:
        """The durable text, from the engine inside the terminal program."""
        return pgc(self.home, "doc", "cat", path).decode()

    def open(self, path: str) -> None:
        """Opens an entry of the list."""
        self.screen.wait_until(lambda _: path in self._names(), what=f"{path} on the list")
        self.screen.press("home", *["down"] * self._names().index(path), "enter")
        self.screen.wait_for("Back")

    def _names(self) -> list[str]:
        return [line.split()[0] for line in self.screen.lines[2:] if line.strip()]

    def to_list(self) -> None:
        """Leaves whatever is open."""
        for _ in range(4):
            if LIST not in self.screen.text:
                self.screen.press("escape")
                self.screen.wait_until(lambda shown: LIST in shown or "Back" in shown)
        self.screen.wait_for(LIST)

    def sees(self, *texts: str) -> None:
        for text in texts:
            self.screen.wait_for(text)

    def copied(self) -> str:
        """What the program last put on the terminal's clipboard."""
        found = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", self.screen.raw)
        return base64.b64decode(found[-1]).decode() if found else ""
