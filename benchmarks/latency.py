"""From a key in A's ``Document`` to the change event in B, each in its own process, at 30 keys/s.

Both processes read one clock (CLOCK_MONOTONIC). Three ways: over the data channel with the node
killed, through the node with data channels forbidden, and as people have it, with both.
"""

from __future__ import annotations

from .echoes import data_channel_echo, durable_commit, websocket_echo
from .live_typing import Pair, Typed, pair_online
from .processes import scratch
from .report import Report, percentile

KEYS = 300
WARM_UP = 30
RATE = 30.0
TEXT = "All happy families are alike; each unhappy family is unhappy in its own way.\n" * 250


async def measure(keys: int = KEYS) -> Report:
    report = Report("latency: key in A to change event in B, 30 keys/s")
    with scratch() as place:
        channel = await data_channel_echo(keys, RATE)
        socket = await websocket_echo(keys, RATE)
        commit = await durable_commit(place, keys, RATE)
        async with pair_online(place / "relay", webrtc=False, text=TEXT) as pair:
            relay = await type_keys(pair, keys)
        async with pair_online(place / "direct", webrtc=True, text=TEXT) as pair:
            both = await type_keys(pair, keys)
            await pair.node.kill()
            direct = await type_keys(pair, keys)
    _add(report, "webrtc, node killed", direct, "<= 5", "<= 15")
    _add(report, "node, webrtc forbidden", relay, "<= 6", "<= 18")
    _add(report, "webrtc and node", both, "", "")
    _add_echo(report, "bare aiortc echo, one way (RTT/2)", [value / 2 for value in channel])
    _add_echo(report, "bare websockets echo over TLS, RTT", socket)
    _add_echo(report, "bare SQLite commit, synchronous=FULL", commit)
    floor = percentile(channel, 0.5) / 2 + percentile(commit, 0.5)
    report.add("webrtc p50 / (aiortc one way + commit)", percentile(direct.took, 0.5) / floor, "x")
    floor = percentile(socket, 0.5) + percentile(commit, 0.5)
    report.add("node p50 / (websockets RTT + commit)", percentile(relay.took, 0.5) / floor, "x")
    return report


async def type_keys(pair: Pair, keys: int) -> Typed:
    await pair.type(WARM_UP, RATE)
    return await pair.type(keys, RATE)


def _add(report: Report, name: str, typed: Typed, p50: str, p99: str) -> None:
    ways = ", ".join(f"{count} segments first by {way}" for way, count in sorted(typed.ways.items()))
    report.add(f"{name}: p50", percentile(typed.took, 0.5), "ms", p50, ways)
    report.add(f"{name}: p99", percentile(typed.took, 0.99), "ms", p99, f"most {max(typed.took):.1f}")


def _add_echo(report: Report, name: str, took: list[float]) -> None:
    note = f"p99 {percentile(took, 0.99):.2f}"
    report.add(f"{name}: p50", percentile(took, 0.5), "ms", "", note)
