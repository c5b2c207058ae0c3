"""Numbers of what a node signs: they only rise, whatever becomes of its clock, its disk or its process."""

from __future__ import annotations

from peergos_collab.node.numbering import AHEAD, Numbering
from peergos_collab.testing.store import MemoryStore

NOW = 1_700_000_000_000


def numbering(store: MemoryStore, now: int) -> Numbering:
    return Numbering(store, lambda: now)


def used(numbers: Numbering, store: MemoryStore, count: int) -> list[int]:
    """Numbers that left the node, each once what it needs was durable."""
    given = []
    for _ in range(count):
        given.append(numbers.next())
        store.write(numbers.batch())
        store.flush()
    return given


def test_numbers_follow_the_clock() -> None:
    """So that a node with an older copy of its store signs above what it had signed since."""
    numbers = numbering(MemoryStore(), NOW)

    assert used(numbers, MemoryStore(), 3) == [NOW, NOW + 1, NOW + 2]
    assert numbering(MemoryStore(), NOW + 500).next() == NOW + 500


def test_a_clock_that_was_set_back_counts_on() -> None:
    """Across a restart, and a crash, too."""
    store = MemoryStore()
    before = used(numbering(store, NOW), store, 3)
    after = used(numbering(store, 5), store, 3)
    crashed = store.crash()
    again = used(numbering(crashed, 5), crashed, 3)

    assert before == sorted(before)
    assert before[-1] < after[0] < after[-1] < again[0]


def test_few_numbers_cost_a_write() -> None:
    """One write sets many numbers aside."""
    store = MemoryStore()
    numbers = numbering(store, NOW)
    batches = []
    for _ in range(AHEAD):
        numbers.next()
        batches.append(numbers.batch())
    late = numbering(store, NOW)
    late._last = NOW + AHEAD

    assert [len(batch) for batch in batches[:3]] == [1, 0, 0]
    assert sum(map(len, batches)) == 1
    assert late.batch() != []
