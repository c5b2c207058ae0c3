"""Moments at which the power goes, and what is on the disk then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

from peergos_collab.testing.disk import DiskEvent, Flush, Said, SqliteDisk
from peergos_collab.testing.power_cut import Drive


def _is_reachable() -> bool:
    try:
        SqliteDisk()
    except LookupError:
        return False
    return True


below_sqlite = pytest.mark.skipif(not _is_reachable(), reason="this Python hides its SQLite")


def cuts(
    events: Iterable[DiskEvent], chance: Random, before: Mapping[str, bytes] = MappingProxyType({})
) -> Iterator[tuple[dict[str, bytes], list[Any]]]:
    """The files just before and just after each flush, and all that was said by then.

    Args:
        events: of one directory.
        before: what was in it.
    """
    drive, said = Drive(before), list[Any]()
    for event in events:
        if isinstance(event, Said):
            said.append(event.what)
        if isinstance(event, Flush):
            yield drive.after_a_cut(chance), said[:]
        drive.take(event)
        if isinstance(event, Flush):
            yield drive.after_a_cut(chance), said[:]


def lay_out(files: Mapping[str, bytes], folder: Path) -> None:
    """Puts files into another directory than theirs."""
    folder.mkdir(exist_ok=True)
    for path, content in files.items():
        (folder / Path(path).name).write_bytes(content)
