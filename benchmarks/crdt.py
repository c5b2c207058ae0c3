"""The text workloads of crdt-benchmarks (B1 to B4, N = 6,000) through ``Document``, beside plain pycrdt.

https://github.com/dmonad/crdt-benchmarks. Both do the same edits in one run; the ratio counts. In ours
offsets are checked, the index of lines and each edit's update are kept, and what comes from the other side
passes the firewall as segments bring it: up to 1,000 edits merged. Left out: B1.8 to B1.11 and B3.1 to B3.3
(arrays and maps, which this kind of document does not hold) and B4x100. B3.4 inserts into a text.
"""

from __future__ import annotations

import random
import string
import time
from collections.abc import Callable, Iterable
from typing import Any

from peergos_collab.documents import Document, merge

from . import paper_trace
from .report import Report

N = 6_000
CLIENTS = 20 * int(N**0.5)
SEGMENT = 1_000
Op = tuple[int, int, str]
"""Start, end and replacement."""


class Ours:
    """A ``Document`` and the updates of its edits."""

    def __init__(self, client: int, state: bytes | None = None) -> None:
        self.client = client
        self.document = Document(client, state)
        self.updates: list[bytes] = []
        self.document.on_update(self.updates.append)

    def edit_all(self, ops: Iterable[Op]) -> None:
        edit = self.document.edit
        for op in ops:
            edit(*op)

    def take(self, other: Ours) -> None:
        self.document.prove()
        for at in range(0, len(other.updates), SEGMENT):
            self.document.apply_untrusted(merge(other.updates[at : at + SEGMENT]), other.client)
        other.updates.clear()

    def text(self) -> str:
        return self.document.text

    def state(self) -> bytes:
        return self.document.state()


class Plain:
    """A bare ``pycrdt.Text``, one transaction for each edit, and the updates of these."""

    def __init__(self, client: int, state: bytes | None = None) -> None:
        from pycrdt import Doc, Text

        self.document: Doc[Any] = Doc(client_id=client)
        self.document["text"] = self.body = Text()
        self.updates: list[bytes] = []
        if state is not None:
            self.document.apply_update(state)
        self._kept = self.document.observe(lambda event: self.updates.append(event.update))

    def edit_all(self, ops: Iterable[Op]) -> None:
        document, body = self.document, self.body
        for start, end, text in ops:
            with document.transaction():
                if end > start:
                    del body[start:end]
                if text:
                    body.insert(start, text)

    def take(self, other: Plain) -> None:
        updates, other.updates = other.updates, []
        for update in updates:
            self.document.apply_update(update)
        self.updates.clear()

    def text(self) -> str:
        return str(self.body)

    def state(self) -> bytes:
        return bytes(self.document.get_update())


Side = type[Ours] | type[Plain]


def word(rng: random.Random, least: int, most: int) -> str:
    return "".join(rng.choices(string.ascii_letters, k=rng.randint(least, most)))


def inserts(rng: random.Random, least: int, most: int, text: str = "") -> list[Op]:
    """N words at random positions."""
    size, ops = len(text), []
    for _ in range(N):
        at, new = rng.randint(0, size), word(rng, least, most)
        ops.append((at, at, new))
        size += len(new)
    return ops


def mixed(rng: random.Random, size: int, *, first_insert: bool) -> list[Op]:
    """Inserts and deletions at random positions; with ``first_insert`` each follows an insert there."""
    ops: list[Op] = []
    for _ in range(N):
        at = rng.randint(0, size)
        if first_insert:
            ops.append((at, at, word(rng, 3, 9)))
            size += len(ops[-1][2])
        if at == size or rng.random() < 0.5:
            ops.append((at, at, word(rng, 2, 10)))
            size += len(ops[-1][2])
        else:
            count = rng.randint(1, min(9, size - at))
            ops.append((at, at + count, ""))
            size -= count
    return ops


def one_writes(side: Side, ops: list[Op]) -> tuple[float, Any]:
    one, two = side(1), side(2)
    before = time.perf_counter()
    one.edit_all(ops)
    took = time.perf_counter() - before
    two.take(one)  # type: ignore[arg-type]
    if two.text() != one.text():
        raise RuntimeError("two texts differ")
    return took, one


def two_write(side: Side, ops: list[list[Op]], start: str) -> tuple[float, Any]:
    one, two = side(1), side(2)
    one.edit_all([(0, 0, start)])
    two.take(one)  # type: ignore[arg-type]
    before = time.perf_counter()
    one.edit_all(ops[0])
    two.take(one)  # type: ignore[arg-type]
    two.edit_all(ops[1])
    one.take(two)  # type: ignore[arg-type]
    took = time.perf_counter() - before
    if two.text() != one.text():
        raise RuntimeError("two texts differ")
    return took, one


def all_write(side: Side, _: list[Op]) -> tuple[float, Any]:
    everybody = [side(number + 1) for number in range(CLIENTS)]
    for number, each in enumerate(everybody):
        each.edit_all([(0, 0, str(number))])
    one, two = side(CLIENTS + 1), side(CLIENTS + 2)
    updates = [list(each.updates) for each in everybody]
    for each in everybody:
        one.take(each)  # type: ignore[arg-type]
    for each, kept in zip(everybody, updates, strict=True):
        each.updates.extend(kept)
    before = time.perf_counter()
    for each in everybody:
        two.take(each)  # type: ignore[arg-type]
    took = time.perf_counter() - before
    if two.text() != one.text():
        raise RuntimeError("two texts differ")
    return took, one


Workload = Callable[[Side], tuple[float, Any]]


def workloads(rng: random.Random) -> dict[str, Workload]:
    text, start = word(rng, N, N), word(rng, 100, 100)
    alone: dict[str, list[Op]] = {
        "B1.1 append characters": [(at, at, letter) for at, letter in enumerate(text)],
        "B1.2 insert a string": [(0, 0, text)],
        "B1.3 prepend characters": [(0, 0, letter) for letter in text],
        "B1.4 characters at random places": inserts(rng, 1, 1),
        "B1.5 words at random places": inserts(rng, 2, 10),
        "B1.6 insert a string, delete it": [(0, 0, text), (0, N, "")],
        "B1.7 insert and delete at random places": mixed(rng, 0, first_insert=False),
    }
    both: dict[str, Callable[[], list[Op]]] = {
        "B2.1 two insert a string at 0": lambda: [(0, 0, word(rng, N, N))],
        "B2.2 two insert characters at random": lambda: inserts(rng, 1, 1, start),
        "B2.3 two insert words at random": lambda: inserts(rng, 3, 9, start),
        "B2.4 two insert and delete at random": lambda: mixed(rng, len(start), first_insert=True),
    }
    made: dict[str, Workload] = {
        name: lambda side, ops=ops: one_writes(side, ops)  # type: ignore[misc]
        for name, ops in alone.items()
    }
    for name, make in both.items():
        ops = [make(), make()]
        made[name] = lambda side, ops=ops: two_write(side, ops, start)  # type: ignore[misc]
    made[f"B3.4 {CLIENTS:,} insert at 0"] = lambda side: all_write(side, [])
    if paper_trace.PATH.exists():
        edits, _ = paper_trace.load()
        made["B4 the trace automerge-paper"] = lambda side: one_writes(side, edits)
    return made


async def measure() -> Report:
    report = Report(f"crdt-benchmarks, N = {N:,}: time of Document / time of plain pycrdt")
    for name, run in workloads(random.Random(1)).items():
        (ours, document), (plain, _) = run(Ours), run(Plain)
        state = document.state()
        before = time.perf_counter()
        Ours(9, state)
        parsed = time.perf_counter() - before
        note = f"{ours * 1e3:.1f} and {plain * 1e3:.1f} ms; opened in {parsed * 1e3:.1f} ms, {len(state):,} B"
        report.add(name, ours / plain, "x", "", note)
    return report
