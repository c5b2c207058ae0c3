"""What one keystroke costs on disk and on the wire, typed live at 30/s with a node and a data channel.

Stored: how much the database grew, indices included, once its WAL is gone. Sent: bytes of the
messages given to connections; TLS, DTLS, SCTP and IP add theirs. Half a minute of typing, so that
greetings and other traffic of an idle connection are in it as they are in life.
"""

from __future__ import annotations

from .disk import stored_bytes
from .live_typing import Typed, pair_online
from .processes import scratch
from .report import Report

KEYS = 900
RATE = 30.0
HOMES = (("A's home", "a"), ("B's home", "b"), ("the node", "node"))


async def measure(keys: int = KEYS) -> Report:
    report = Report("bytes per keystroke, typed live at 30/s")
    with scratch() as place:
        async with pair_online(place, webrtc=True) as pair:
            # Logs, certificates and introductions come with the first keys, once per log.
            await pair.type(30, RATE)
            before = {name: stored_bytes(place / home) for name, home in HOMES}
            typed = await pair.type(keys, RATE)
            after = {name: stored_bytes(place / home) for name, home in HOMES}
    for name, _ in HOMES:
        report.add(f"stored, {name}", (after[name] - before[name]) / keys, "B", "<= 600")
    _add_sent(report, typed, keys)
    return report


def _add_sent(report: Report, typed: Typed, keys: int) -> None:
    for kind, size in sorted(typed.sent.items()):
        way = "to the node" if kind == "node" else "to B over the data channel"
        report.add(f"sent by A {way}", size / keys, "B", "<= 600")
    report.add("sent by A over all paths", sum(typed.sent.values()) / keys, "B")
