"""The trace ``friendsforever``: two people write one text at once, each in a document of his own.

Each makes his edits on the text he saw, as recorded: 26,078 transactions with their causal parents. What one
takes in from the other passes the firewall as segments bring it: all that was written since the last. The
clock is the processor's, from the first edit until both have the exact text; logs and seals are not in it.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peergos_collab.documents import Document, merge

from .report import Report

PATH = Path(__file__).resolve().parents[2] / "shared" / "data" / "traces" / "friendsforever.json.gz"
TIMES = 3


class Writer:
    """One of the two: what he wrote, and how much of it the other was given."""

    def __init__(self, client: int) -> None:
        self.client = client
        self.document = Document(client)
        self.given: deque[tuple[int, bytes]] = deque()
        """Each with how many of his transactions are in it and in those before."""
        self.done = self.seen = 0
        self._updates: list[bytes] = []
        self.document.on_update(self._updates.append)

    def give(self) -> None:
        if self._updates:
            self.given.append((self.done, merge(self._updates)))
            self._updates.clear()

    def take(self, other: Writer, until: int) -> None:
        while self.seen < until:
            self.seen, update = other.given.popleft()
            self.document.apply_untrusted(update, other.client)


@dataclass
class Plan:
    """The trace, and when each is to take and to give."""

    transactions: list[Any]
    text: str
    wants: list[int] = field(default_factory=list)
    """Of each transaction, how many of the other's its author had seen."""
    gives: list[set[int]] = field(default_factory=lambda: [set(), set()])


def plan_of(trace: Any) -> Plan:
    plan = Plan(trace["txns"], trace["endContent"])
    had: list[tuple[int, int]] = []
    for transaction in plan.transactions:
        agent, parents = transaction["agent"], [had[parent] for parent in transaction["parents"]]
        seen = [max((each[who] for each in parents), default=0) for who in (0, 1)]
        other = 1 - agent
        plan.wants.append(seen[other])
        plan.gives[other].add(seen[other])
        seen[agent] += 1
        had.append((seen[0], seen[1]))
    return plan


def replay(plan: Plan) -> float:
    """Seconds until both have the text."""
    writers = [Writer(1), Writer(2)]
    before = time.process_time()
    for transaction, wanted in zip(plan.transactions, plan.wants, strict=True):
        writer, other = writers[transaction["agent"]], writers[1 - transaction["agent"]]
        writer.take(other, wanted)
        for position, deleted, inserted in transaction["patches"]:
            writer.document.edit(position, position + deleted, inserted)
        writer.done += 1
        if writer.done in plan.gives[transaction["agent"]]:
            writer.give()
    for writer in writers:
        writer.give()
    for writer, other in (writers, reversed(writers)):
        writer.take(other, other.done)
    took = time.process_time() - before
    if any(writer.document.text != plan.text for writer in writers):
        raise RuntimeError("the text is not the trace's")
    return took


async def measure() -> Report:
    report = Report("friendsforever: two write at once, each in a document of his own; exact text")
    if not PATH.exists():
        report.skipped = "the trace friendsforever is not at ../shared/data/traces"
        return report
    plan = plan_of(json.loads(gzip.decompress(PATH.read_bytes())))
    took = min(replay(plan) for _ in range(TIMES))
    report.add("both have the text", took, "s", "<= 1", f"processor time, the least of {TIMES}")
    return report
