"""A real terminal for tests: a program in a pty, and the screen it paints."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import pyte

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
    "shift+right": "\x1b[1;2C",
    "shift+left": "\x1b[1;2D",
    "ctrl+home": "\x1b[1;5H",
    "ctrl+end": "\x1b[1;5F",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
    "f4": "\x1bOS",
    "f6": "\x1b[17~",
}
"""What a terminal sends for a key; ``ctrl+`` and a letter need no entry."""


def key(name: str) -> str:
    """The bytes of a named key, as text."""
    if name in KEYS:
        return KEYS[name]
    if name.startswith("ctrl+") and len(name) == 6:
        return chr(ord(name[5].lower()) & 0x1F)
    raise KeyError(name)


class Terminal:
    """A program running in a terminal of ``rows`` by ``cols`` cells. Use it as a context manager."""

    def __init__(
        self,
        argv: Sequence[str],
        rows: int = 24,
        cols: int = 80,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> None:
        self.screen = pyte.Screen(cols, rows)
        self.raw = bytearray()
        self._stream = pyte.ByteStream(self.screen)
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **(env or {})}
        for name in ("NO_COLOR", "TEXTUAL", "PYTEST_CURRENT_TEST"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            list(argv),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=cwd,
            start_new_session=True,
            close_fds=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Input

    def send(self, text: str) -> None:
        """Types text, as a person would."""
        data = text.encode()
        while data:
            data = data[os.write(self._master, data) :]

    def press(self, *names: str) -> None:
        """Presses named keys, such as ``enter`` or ``ctrl+t``."""
        for name in names:
            self.send(key(name))

    def paste(self, text: str) -> None:
        """A bracketed paste."""
        self.send(f"\x1b[200~{text}\x1b[201~")

    # Output

    @property
    def text(self) -> str:
        """The screen as it is now, line by line, without blanks at the ends."""
        return "\n".join(self.lines)

    @property
    def lines(self) -> list[str]:
        """As ``text``. The second cell of a wide character holds nothing."""
        buffer, columns = self.screen.buffer, range(self.screen.columns)
        return ["".join(buffer[y][x].data for x in columns).rstrip() for y in range(self.screen.lines)]

    def read(self, timeout: float) -> bytes:
        """What the program wrote within ``timeout`` seconds; empty if nothing came or it ended."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, timeout))
        if not ready:
            return b""
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:
            return b""
        self.raw += data
        self._feed(data)
        return data

    def _feed(self, data: bytes) -> None:
        # pyte takes the '<', '=' and '>' of newer control sequences for text; none of them paints.
        self._stream.feed(_without_private(data))

    def wait_for(self, text: str, timeout: float = 60.0) -> str:
        """Reads until the screen shows ``text``; returns the screen."""
        return self.wait_until(lambda screen: text in screen, timeout, what=repr(text))

    def wait_cursor_below(self, label: str, timeout: float = 60.0) -> None:
        """Reads until the cursor is in the line under the one that shows ``label``: the field it names."""

        def there(_: str) -> bool:
            rows = [row for row, line in enumerate(self.lines) if label in line]
            return bool(rows) and self.screen.cursor.y == rows[0] + 1

        self.wait_until(there, timeout, what=f"the cursor below {label!r}")

    def wait_gone(self, text: str, timeout: float = 60.0) -> str:
        """Reads until the screen no longer shows ``text``."""
        return self.wait_until(lambda screen: text not in screen, timeout, what=f"no {text!r}")

    def wait_until(self, condition: Callable[[str], bool], timeout: float = 60.0, *, what: str = "it") -> str:
        """Reads until a condition on the screen's text holds. Raises TimeoutError with the screen."""
        deadline = time.monotonic() + timeout
        while not condition(self.text):
            left = deadline - time.monotonic()
            if left <= 0:
                at = f"cursor in line {self.screen.cursor.y}"
                raise TimeoutError(f"The screen never showed {what} ({at}):\n{self.text}")
            if not self.read(left) and self.process.poll() is not None and not self.read(0):
                if condition(self.text):
                    break
                code = self.process.returncode
                raise TimeoutError(f"The program ended ({code}) before it showed {what}:\n{self.text}")
        return self.text

    def wait_end(self, timeout: float = 60.0) -> int:
        """Reads until the program has ended; returns its exit code."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"The program did not end:\n{self.text}")
            if not self.read(min(left, 0.2)):
                try:
                    self.process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
        return self.process.returncode

    def go_away(self) -> None:
        """The terminal closes, and tells the program nothing: it is not its controlling one."""
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """Ends the program, at once if need be."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1


def _without_private(data: bytes) -> bytes:
    """Leaves out control sequences with the private markers that pyte does not know."""
    import re

    return re.sub(
        rb"\x1b\[[<=>][0-9;:]*[A-Za-z]|\x1b\[\?[0-9;]*\$p|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP.*?\x1b\\",
        b"",
        data,
    )
