"""The same keys as in ``latency`` while each disk stalls: one flush in twenty takes 60 ms more."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peergos_collab.testing.disk import OK, SqliteDisk

from . import live_typing, people
from .echoes import durable_commit
from .latency import KEYS, RATE, TEXT, type_keys
from .live_typing import pair_online
from .processes import Talk, scratch
from .report import Report, percentile

STALL_SECONDS = 0.060
SHARE = 0.05


@contextmanager
def stalling_disk() -> Iterator[None]:
    """Real flushes, some of them late."""
    chance, never = random.Random(20), threading.Event()

    def before(kind: str, path: str) -> int:
        if kind == "sync" and chance.random() < SHARE:
            never.wait(STALL_SECONDS)
        return OK

    with SqliteDisk(flushing=True) as disk:
        disk.before = before
        yield


async def node(talk: Talk, home: str) -> None:
    with stalling_disk():
        await people.node(talk, home)


async def writer(talk: Talk, home: str, webrtc: bool) -> None:
    with stalling_disk():
        await live_typing.writer(talk, home, webrtc)


async def reader(talk: Talk, home: str, webrtc: bool) -> None:
    with stalling_disk():
        await live_typing.reader(talk, home, webrtc)


async def measure(keys: int = KEYS) -> Report:
    report = Report("stalls: key in A to change event in B, 5 % of all flushes 60 ms late on each disk")
    with scratch() as place:
        with stalling_disk():
            bare = await durable_commit(place, keys, RATE)
        for name, webrtc in (("node, webrtc forbidden", False), ("webrtc and node", True)):
            folder = Path(place, f"{webrtc}")
            async with pair_online(folder, webrtc=webrtc, text=TEXT, module="stalls") as pair:
                typed = await type_keys(pair, keys)
            report.add(f"{name}: p50", percentile(typed.took, 0.5), "ms")
            report.add(
                f"{name}: p99", percentile(typed.took, 0.99), "ms", "<= 20", f"most {max(typed.took):.1f}"
            )
    report.add("bare SQLite commit on such a disk: p99", percentile(bare, 0.99), "ms")
    return report
