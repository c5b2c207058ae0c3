"""The disk below SQLite in this process: records what is written, refuses, and is slow, as it is told.

A VFS in front of SQLite's own, put into the very library that the ``sqlite3`` module is linked to, so
what is tested is what the program does: its statements, its pragmas, its SQLite. Where that library is
built into Python and shows no names, or the system does not name open files, there is ``LookupError``.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import errno
import os
from collections.abc import Callable
from ctypes import POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ..values import dataclass

OK: Final = 0
FULL: Final = 13
READ_ERROR: Final = 10 | 1 << 8
WRITE_ERROR: Final = 10 | 3 << 8
SYNC_ERROR: Final = 10 | 4 << 8

_OF_LOGS: Final = 0x00000800 | 0x00004000 | 0x00080000
"""Flags of opening a journal or WAL: with its first flush SQLite flushes the directory that it lies in."""

_OPEN: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_MOVE: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_int)


class _Vfs(Structure):
    """``sqlite3_vfs``."""

    _fields_ = [
        ("version", c_int), ("file_size", c_int), ("longest", c_int), ("next", c_void_p), ("name", c_char_p),
        ("data", c_void_p), ("open", _OPEN), ("delete", _DELETE), ("others", c_void_p * 14),
    ]  # fmt: skip


class _Methods(Structure):
    """``sqlite3_io_methods``."""

    _fields_ = [
        ("version", c_int), ("close", c_void_p), ("read", _MOVE), ("write", _MOVE), ("truncate", _TRUNCATE),
        ("sync", _SYNC), ("others", c_void_p * 13),
    ]  # fmt: skip


class _File(Structure):
    """``sqlite3_file``."""

    _fields_ = [("methods", POINTER(_Methods))]


@dataclass(frozen=True, slots=True)
class Write:
    path: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Flush:
    """All that was written to a file before is durable now; with ``names``, its directory too."""

    path: str
    names: bool


@dataclass(frozen=True, slots=True)
class Remove:
    """``durable``: the directory was flushed too."""

    path: str
    durable: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What a test noted between two writes, as that something was acknowledged."""

    what: Any


DiskEvent = Write | Truncate | Flush | Remove | Said


class SqliteDisk:
    """A context manager: databases that are opened within it lie on this disk.

    Args:
        flushing: pass flushes on to the real disk, which takes its time; without, they only count as done.

    ``events`` is what happened, in order. ``before`` is called ahead of each read, write and flush with
    its kind and path, in whichever thread does it; what it returns, unless ``OK``, is what SQLite gets
    instead of the disk's answer.
    """

    def __init__(self, *, flushing: bool = False) -> None:
        self._flushing = flushing
        self.events: list[DiskEvent] = []
        self.before: Callable[[str, str], int] = lambda kind, path: OK
        self._paths: dict[int, str] = {}
        self._unnamed: set[int] = set()
        self._patched: dict[int, _Methods] = {}
        self._library = _library()
        address = self._library.sqlite3_vfs_find(None)
        self._real = _Vfs.from_address(address)
        self._real_address = address
        self._ours = _Vfs.from_buffer_copy(self._real)
        self._ours.name = b"peergos_collab.testing.disk"
        self._ours.open, self._ours.delete = _OPEN(self._open), _DELETE(self._delete)

    def __enter__(self) -> Self:
        self._fdatasync = os.fdatasync
        os.fdatasync = self._flush  # type: ignore[assignment]
        self._library.sqlite3_vfs_register(ctypes.byref(self._ours), 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Every database on it must be closed by now."""
        os.fdatasync = self._fdatasync
        self._library.sqlite3_vfs_unregister(ctypes.byref(self._ours))
        self._library.sqlite3_vfs_register(c_void_p(self._real_address), 1)

    def say(self, what: Any) -> None:
        self.events.append(Said(what))

    def _open(self, _: int, name: int | None, file: int, flags: int, out: Any) -> int:
        code = self._real.open(self._real_address, name, file, flags, out)
        opened = _File.from_address(file)
        if code == OK and name and opened.methods:
            self._paths[file] = ctypes.string_at(name).decode()
            if flags & _OF_LOGS:
                self._unnamed.add(file)
            opened.methods = ctypes.pointer(self._methods(opened.methods.contents))
        return int(code)

    def _flush(self, file: int) -> None:
        """What the program flushes by itself, without SQLite."""
        path = str(Path(f"/proc/self/fd/{file}").readlink())
        if self.before("sync", path) != OK:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self._flushing:
            self._fdatasync(file)
        self.events.append(Flush(path, False))

    def _delete(self, _: int, name: int, durably: int) -> int:
        path = ctypes.string_at(name).decode()
        code = self._real.delete(self._real_address, name, durably)
        if code == OK:
            self.events.append(Remove(path, bool(durably)))
        return int(code)

    def _methods(self, real: _Methods) -> _Methods:
        """The real methods, those replaced that move bytes to and from the disk."""
        key = ctypes.addressof(real)
        if key not in self._patched:
            ours = _Methods.from_buffer_copy(real)
            self._patched[key] = ours
            self._replace(ours, _Methods.from_buffer_copy(real))
        return self._patched[key]

    def _replace(self, ours: _Methods, real: _Methods) -> None:
        def read(file: int, to: int, amount: int, offset: int) -> int:
            return self.before("read", self._paths[file]) or int(real.read(file, to, amount, offset))

        def write(file: int, data: int, amount: int, offset: int) -> int:
            path = self._paths[file]
            code = self.before("write", path) or int(real.write(file, data, amount, offset))
            if code == OK:
                self.events.append(Write(path, offset, ctypes.string_at(data, amount)))
            return code

        def truncate(file: int, size: int) -> int:
            code = int(real.truncate(file, size))
            if code == OK:
                self.events.append(Truncate(self._paths[file], size))
            return code

        def sync(file: int, how: int) -> int:
            path = self._paths[file]
            code = self.before("sync", path) or (int(real.sync(file, how)) if self._flushing else OK)
            if code == OK:
                self.events.append(Flush(path, file in self._unnamed))
                self._unnamed.discard(file)
            return code

        ours.read, ours.write = _MOVE(read), _MOVE(write)
        ours.truncate, ours.sync = _TRUNCATE(truncate), _SYNC(sync)


def _library() -> ctypes.CDLL:
    """The SQLite of the ``sqlite3`` module, which has the names it was linked to."""
    if not Path("/proc/self/fd").exists():
        raise LookupError("this system does not say which files are open")
    try:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = c_void_p
    except (AttributeError, OSError) as error:
        raise LookupError("this Python's SQLite cannot be reached from outside") from error
    return library
