"""What ``pgc doctor`` looks at without a network. Each examination gives one finding and changes nothing."""

from __future__ import annotations

import importlib
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from ..values import dataclass

Level = Literal["ok", "warn", "bad"]

OLDEST_PYTHON: Final = (3, 11)
MODULES: Final = (
    *("click", "cbor2", "nacl", "cryptography", "pycrdt", "platformdirs"),
    *("websockets", "aiortc", "textual", "segno", "sqlite3"),
)
LOW_SPACE: Final = 200 << 20
NO_SPACE: Final = 10 << 20
SLOW_SYNC: Final = 0.1
"""Seconds for one small durable write; beyond, saving is felt while typing."""
EARLIEST: Final = 1_735_689_600
"""2025-01-01: no clock that is right shows less."""
PASSPHRASE_MEMORY: Final = 300 << 20
"""Opening a home with a passphrase takes 256 MiB for a second."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor. ``todo`` says what to do, and is empty where nothing has to be done."""

    name: str
    level: Level
    message: str
    todo: str = ""


def python() -> Finding:
    """Whether this Python is new enough."""
    shown = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", "bad", f"version {shown}", "Install Python 3.11 or newer.")
    return Finding("python", "ok", f"version {shown}")


def packages(modules: Iterable[str] = MODULES) -> Finding:
    """Whether everything that is imported can be."""
    missing = [name for name in modules if not _imports(name)]
    if missing:
        todo = "Install it again: pip install --force-reinstall peergos-collab"
        return Finding("packages", "bad", f"cannot be imported: {', '.join(missing)}", todo)
    return Finding("packages", "ok", "all are there")


def _imports(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001  a broken package raises whatever it likes
        return False
    return True


def home_permissions(home: Path) -> Finding:
    """Whether nobody else can read the home."""
    name = "home"
    try:
        status = home.stat()
    except FileNotFoundError:
        return Finding(name, "ok", f"none yet at {str(home)!r}", "'pgc init' makes one.")
    except OSError as error:
        return Finding(name, "bad", f"{str(home)!r}: {error.strerror}", "Check who owns it.")
    if not stat.S_ISDIR(status.st_mode):
        return Finding(name, "bad", f"{str(home)!r} is no directory", "Give another place with --home.")
    if status.st_uid != os.getuid():
        return Finding(name, "bad", f"{str(home)!r} belongs to another user", "Use a home of your own.")
    if status.st_mode & 0o077:
        return Finding(name, "bad", f"other users can look into {str(home)!r}", f"chmod 700 '{home}'")
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return Finding(name, "bad", f"{str(home)!r} cannot be written", f"chmod 700 '{home}'")
    return Finding(name, "ok", f"{str(home)!r} is yours alone")


def _standing(home: Path) -> Path:
    """The home, or the directory that exists nearest above it."""
    return next(place for place in (home.absolute(), *home.absolute().parents) if place.is_dir())


def disk_space(home: Path) -> Finding:
    """Whether there is room to write."""
    free = shutil.disk_usage(_standing(home)).free
    message = f"{free >> 20} MiB free"
    if free < NO_SPACE:
        return Finding("disk space", "bad", message, "Make room: nothing can be saved without.")
    if free < LOW_SPACE:
        return Finding("disk space", "warn", message, "Make room soon.")
    return Finding("disk space", "ok", message)


def durability(home: Path) -> Finding:
    """Whether a file and its directory can be made durable, and how long that takes."""
    name, place = "durable writes", _standing(home)
    try:
        with tempfile.TemporaryDirectory(prefix=".pgc-doctor-", dir=place) as made:
            begun = time.perf_counter()
            _write_durably(Path(made))
            took = time.perf_counter() - begun
    except OSError as error:
        return Finding(name, "bad", f"{str(place)!r}: {error.strerror}", "Move the home to another disk.")
    message = f"{took * 1000:.1f} ms each"
    if took > SLOW_SYNC:
        return Finding(
            name, "warn", message, "Saving is slow here: a network or worn disk, or a busy machine."
        )
    return Finding(name, "ok", message)


def _write_durably(directory: Path) -> None:
    with (directory / "probe").open("wb") as file:
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clock(home: Path, now: float | None = None) -> Finding:
    """Whether the clock can be right: times of messages and of links that expire depend on it."""
    now = time.time() if now is None else now
    todo = "Set the clock, for instance with 'timedatectl set-ntp true'."
    if now < EARLIEST:
        return Finding("clock", "bad", "it shows a time before this program was made", todo)
    newest = max((_changed(file) for file in _files(home)), default=0.0)
    if newest > now + 60:
        ahead = (newest - now) / 3600
        return Finding("clock", "warn", f"files in the home are {ahead:.1f} hours ahead of it", todo)
    return Finding("clock", "ok", "plausible")


def _files(home: Path) -> list[Path]:
    try:
        return list(home.iterdir())
    except OSError:
        return []


def _changed(file: Path) -> float:
    try:
        return file.lstat().st_mtime
    except OSError:
        return 0.0


def memory(table: Path = Path("/proc/meminfo")) -> Finding:
    """Whether a passphrase can be stretched."""
    try:
        lines = table.read_text("ascii").splitlines()
        available = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError, IndexError):
        return Finding("memory", "ok", "not known on this system")
    message = f"{available >> 20} MiB available"
    if available < PASSPHRASE_MEMORY:
        return Finding(
            "memory", "warn", message, "Opening a home with a passphrase needs 256 MiB for a second."
        )
    return Finding("memory", "ok", message)


def terminal() -> Finding:
    """What the terminal can show; without one, only commands work."""
    name = "terminal"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Finding(name, "ok", "none here; commands work, the text interface needs one")
    kind = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    message = f"{kind or 'of unknown kind'}, {size.columns}×{size.lines}"
    if kind in {"", "dumb"}:
        return Finding(name, "warn", message, "Use a terminal that can move the cursor, or set TERM.")
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        return Finding(name, "warn", f"{message}, not UTF-8", "Set a UTF-8 locale, such as LANG=C.UTF-8.")
    if size.columns < 80 or size.lines < 24:
        return Finding(name, "warn", message, "Make the window at least 80×24.")
    if os.environ.get("COLORTERM") not in {"truecolor", "24bit"}:
        return Finding(name, "ok", f"{message}, 256 colours or fewer")
    return Finding(name, "ok", f"{message}, full colour")
