"""Looks for anything readable in what a node stores and what goes over its wires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

RUN: Final = 8
"""Bytes in a row that betray something. By chance eight bytes agree once in 10^19 places."""


class Scanner:
    """Finds any run of eight bytes of what must stay private.

    Args:
        secrets: texts, names, ids; shorter ones than eight bytes are looked for as they are.
        innocent: what was stored before anybody used the node; its runs prove nothing.
    """

    def __init__(self, secrets: Iterable[bytes], innocent: bytes = b"") -> None:
        found = {run for secret in secrets for run in runs(secret)}
        self._known = found - set(runs(innocent))

    def __len__(self) -> int:
        return len(self._known)

    def find(self, data: bytes) -> bytes | None:
        """The first run of a secret in ``data``, or None."""
        known = self._known
        return next((run for run in runs(data) if run in known), None)


def runs(data: bytes) -> Iterator[bytes]:
    """Every eight bytes in a row; nothing for less."""
    return (data[place : place + RUN] for place in range(len(data) - RUN + 1))


def files_below(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file with its content."""
    for path in sorted(directory.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, path.read_bytes()
