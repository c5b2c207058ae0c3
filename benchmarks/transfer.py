"""Keys while the same device fetches a large object: over the same node, and over the same data channel.

A types at 30 keys/s into a document that it shares with B. B joins a chat of 200 MB that A and the node
have, and takes it in meanwhile. What is typed goes the same ways.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
from pathlib import Path

from peergos_collab.workspace import Role, open_workspace

from .disk import stored_bytes
from .latency import RATE, TEXT, type_keys
from .live_typing import pair_online
from .people import go_online, two_homes
from .processes import Talk, child, scratch
from .report import Report, percentile

MEGABYTES = int(os.environ.get("PGC_BENCH_MEGABYTES", "200"))
MESSAGE = 16_000
AT_ONCE = 40
FILL_SECONDS = 3600.0
KEYS = 300
CHAT = "archive"


async def filler(talk: Talk, home: str, megabytes: int) -> None:
    """A child: makes the chat in a home, sends it to the node, and says a link to it."""
    workspace = await open_workspace(Path(home))
    try:
        await workspace.new_chat(CHAT)
        await go_online(workspace, webrtc=False)
        await workspace.sync()
        for _ in range(megabytes * 1_000_000 // MESSAGE // AT_ONCE):
            texts = [base64.b64encode(os.urandom(MESSAGE * 3 // 4)).decode() for _ in range(AT_ONCE)]
            await asyncio.gather(*(workspace.send_message(CHAT, text) for text in texts))
        await workspace.sync()
        talk.say(await workspace.share_link(CHAT, Role.WRITER))
        await talk.listen()
    finally:
        await workspace.close()


async def filled(place: Path, megabytes: int) -> str:
    """Homes of both and of the node in a directory, with the chat; gives the link to it."""
    async with child("people", "node", home=str(place / "node")) as node:
        await two_homes(place, await node.hear(), TEXT)
        async with child("transfer", "filler", home=str(place / "a"), megabytes=megabytes) as filling:
            return str(await filling.hear(FILL_SECONDS))


async def measure(megabytes: int = MEGABYTES) -> Report:
    report = Report(f"transfer: keys while the receiver fetches {megabytes} MB over the same ways")
    with scratch() as place:
        link = await filled(place / "filled", megabytes)
        for name, webrtc in (("node, webrtc forbidden", False), ("webrtc and node", True)):
            here = place / "here"
            shutil.copytree(place / "filled", here, ignore=shutil.ignore_patterns("socket"))
            async with pair_online(here, webrtc=webrtc) as pair:
                quiet = await type_keys(pair, KEYS)
                before = stored_bytes(here / "b")
                pair.b.tell(link)
                busy = await pair.type(KEYS, RATE)
                fetched = stored_bytes(here / "b") - before
            shutil.rmtree(here)
            worst = percentile(busy.took, 0.99) - percentile(quiet.took, 0.99)
            report.add(f"{name}: p50, alone", percentile(quiet.took, 0.5), "ms")
            report.add(f"{name}: p99, alone", percentile(quiet.took, 0.99), "ms")
            report.add(f"{name}: p50, fetching", percentile(busy.took, 0.5), "ms")
            note = (
                f"most {max(busy.took):.1f}, {fetched / 1e6:.0f} MB fetched in {len(busy.took) / RATE:.0f} s"
            )
            report.add(f"{name}: p99, fetching", percentile(busy.took, 0.99), "ms", "", note)
            report.add(f"{name}: p99 later by", worst, "ms", "<= 20")
    return report
