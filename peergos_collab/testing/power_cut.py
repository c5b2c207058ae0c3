"""What is on a disk after a power cut: what was flushed, and any part of the rest.

A disk writes what was not flushed in any order, so of each sector it may hold the old or the new
content, or, hit in the middle of writing, neither. Bytes beside those written stay as they were,
which SQLite assumes too ("powersafe overwrite"). A name that was made or removed without a flush
may be as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from .disk import DiskEvent, Flush, Remove, Said, Truncate, Write

SECTOR: Final = 512


class _Content:
    """One file: what is durable, and what is on its way."""

    def __init__(self, durable: bytes = b"") -> None:
        self.durable = bytearray(durable)
        self.waiting: list[Write | Truncate] = []

    def flush(self) -> None:
        for change in self.waiting:
            _apply(self.durable, change)
        self.waiting.clear()

    def after_a_cut(self, chance: Random) -> bytes:
        content = bytearray(self.durable)
        for change in self.waiting:
            if isinstance(change, Write):
                for part in _sectors(change, chance):
                    _apply(content, part)
            elif chance.random() < 0.5:
                _apply(content, change)
        return bytes(content)


class Drive:
    """Takes what happened in a directory, one after the other, and says what a power cut would leave.

    Args:
        files: what is durable there to begin with, by path.
    """

    def __init__(self, files: Mapping[str, bytes] = MappingProxyType({})) -> None:
        self._names: dict[str, list[_Content | None]] = {path: [_Content(raw)] for path, raw in files.items()}
        """By path: what the name stood for at the last flush of the directory, and all it stood for since."""

    def take(self, event: DiskEvent) -> None:
        match event:
            case Said():
                pass
            case Remove(path, durable=True):
                self._names[path] = [None]
            case Remove(path):
                self._names.setdefault(path, [None]).append(None)
            case Flush(path, names):
                self._content(path).flush()
                if names:
                    self._names = {each: stood_for[-1:] for each, stood_for in self._names.items()}
            case Write(path) | Truncate(path):
                self._content(path).waiting.append(event)

    def _content(self, path: str) -> _Content:
        stood_for = self._names.setdefault(path, [None])
        content = stood_for[-1]
        if content is None:
            content = _Content()
            stood_for.append(content)
        return content

    def after_a_cut(self, chance: Random) -> dict[str, bytes]:
        """By path: the content of each file that is there."""
        chosen = {path: chance.choice(stood_for) for path, stood_for in self._names.items()}
        return {path: found.after_a_cut(chance) for path, found in chosen.items() if found is not None}

    def flushed(self) -> dict[str, bytes]:
        """The same where nothing that was on its way arrived."""
        found = {path: stood_for[0] for path, stood_for in self._names.items()}
        return {path: bytes(content.durable) for path, content in found.items() if content is not None}


def _sectors(write: Write, chance: Random) -> Iterable[Write]:
    """The parts of a write that reached the disk before the power went, or were hit by its going."""
    begin, end = write.offset, write.offset + len(write.data)
    fate = chance.random()
    while begin < end:
        stop = min(end, (begin // SECTOR + 1) * SECTOR)
        data = write.data[begin - write.offset : stop - write.offset]
        if chance.random() < fate:
            yield Write(write.path, begin, chance.randbytes(len(data)) if chance.random() < 0.05 else data)
        begin = stop


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
    else:
        content.extend(bytes(max(0, change.offset - len(content))))
        content[change.offset : change.offset + len(change.data)] = change.data
