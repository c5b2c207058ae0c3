"""The SQLite store and the store in memory agree, whatever is written, read, closed and opened."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import LocalProtocolError
from peergos_collab.ports import (
    AppendSegment,
    Batch,
    BeginBranch,
    Branch,
    DropJournal,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
    TruncateBranch,
)
from peergos_collab.storage import SqliteStore
from peergos_collab.testing.store import MemoryStore

OBJECTS = [ObjectId(bytes([n]) * 32) for n in range(3)]
LOG = LogId(b"l" * 32)
SPACES = ["", "a", "ab"]

objects = st.sampled_from(OBJECTS)
raws = st.binary(max_size=30) | st.integers(1000, 9000).map(lambda size: b"x" * size)
branches = st.integers(1, 4)
numbers = st.integers(1, 12)
seqs = st.integers(1, 8)
ids = st.binary(min_size=32, max_size=32).map(SegmentId)

always_fit = st.one_of(
    st.builds(
        PutRecord,
        objects,
        st.builds(StoredRecord, st.integers(0, 9), st.binary(min_size=1, max_size=2), raws),
    ),
    st.builds(PutJournal, objects, numbers, raws),
    st.builds(DropJournal, objects, numbers),
    st.builds(PutValue, st.sampled_from(SPACES), st.binary(max_size=2), st.none() | raws),
)
seldom_fit = st.one_of(
    st.builds(NewBranch, branches, objects, st.just(LOG), st.integers(0, 4), st.integers(1, 3)),
    st.builds(AppendSegment, branches, seqs, ids, raws),
    st.builds(TruncateBranch, branches, seqs),
    st.builds(BeginBranch, branches, seqs),
)


class Stores(RuleBasedStateMachine):
    """Drives both stores alike. The store in memory is the model."""

    @initialize()
    def start(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "store.db"
        self.model = MemoryStore(durable_at_once=True)
        self.gate, self.at_gate = threading.Event(), threading.Event()
        self.open()

    def open(self) -> None:
        """Opens the store with a gate before every commit, so that changes stay pending while it is shut."""
        self.gate.set()
        self.store = SqliteStore(self.path)
        commit = self.store._writer._commit

        def gated(connection: sqlite3.Connection, batches: list[Batch]) -> dict[int, Exception]:
            self.at_gate.set()
            self.gate.wait(30)
            self.at_gate.clear()
            return commit(connection, batches)

        self.store._writer._commit = gated

    @rule()
    def hold_commits(self) -> None:
        self.gate.clear()

    @rule(batch=st.lists(always_fit, max_size=6))
    def write(self, batch: Batch) -> None:
        self.model.write(batch)
        self.store.write(batch)
        if not self.gate.is_set():
            # What was written first is being committed, and what follows waits: two layers of changes.
            self.at_gate.wait(30)

    @rule(batch=st.lists(always_fit | seldom_fit, max_size=4))
    def write_what_may_not_fit(self, batch: Batch) -> None:
        try:
            self.model.write(batch)
        except LocalProtocolError:
            try:
                self.store.write(batch)
            except LocalProtocolError:
                return
            raise AssertionError(f"accepted {batch}") from None
        self.store.write(batch)

    @rule(object_id=objects, first=st.integers(1, 3))
    def add_branch(self, object_id: ObjectId, first: int) -> None:
        free = [number for number in range(1, 5) if number not in self.tips()]
        if free:
            self.write([NewBranch(free[0], object_id, LOG, 0, first)])

    @rule(data=st.data(), held=st.booleans(), together=st.booleans(), raw=raws)
    def change_branch(self, data: st.DataObject, held: bool, together: bool, raw: bytes) -> None:
        """Appends to a branch and truncates it a few times, in one batch or several."""
        tips = self.tips()
        if not tips:
            return
        if held:
            self.gate.clear()
        branch = data.draw(st.sampled_from(sorted(tips)))
        first, tip = tips[branch].first, tips[branch].tip
        batch: Batch = []
        for _ in range(data.draw(st.integers(1, 4))):
            if data.draw(st.booleans()):
                tip = data.draw(st.integers(first, tip + 1)) - 1
                batch.append(TruncateBranch(branch, tip + 1))
            for _ in range(data.draw(st.integers(0, 3))):
                tip += 1
                batch.append(AppendSegment(branch, tip, SegmentId(bytes([tip % 256]) * 32), raw))
            if tip >= first and data.draw(st.booleans()):
                first = data.draw(st.integers(first, tip))
                batch.append(BeginBranch(branch, first))
            if not together:
                self.write(batch)
                batch = []
        self.write(batch)

    def tips(self) -> dict[int, Branch]:
        return {branch.number: branch for o in OBJECTS for branch in self.model.branches(o)}

    @rule(branch=branches, start=st.integers(0, 10), max_bytes=st.sampled_from([0, 1, 100, 5000, 1 << 20]))
    def read_segments(self, branch: int, start: int, max_bytes: int) -> None:
        expected = self.model.segments(branch, start, max_bytes)

        assert self.store.segments(branch, start, max_bytes) == expected

    @rule(space=st.sampled_from(SPACES), key=st.binary(max_size=2))
    def read_value(self, space: str, key: bytes) -> None:
        assert self.store.value(space, key) == self.model.value(space, key)

    @rule()
    def commit(self) -> None:
        self.gate.set()
        self.store.write([]).result(30)

    @rule()
    def reopen(self) -> None:
        self.gate.set()
        self.store.close()
        self.open()

    @precondition(lambda self: hasattr(self, "store"))
    @invariant()
    def everything_agrees(self) -> None:
        assert set(self.store.objects()) == set(self.model.objects())
        for object_id in OBJECTS:
            assert self.store.records(object_id) == self.model.records(object_id)
            assert self.store.journal(object_id) == self.model.journal(object_id)
            expected = sorted(self.model.branches(object_id), key=lambda branch: branch.number)
            assert sorted(self.store.branches(object_id), key=lambda branch: branch.number) == expected
            for branch in expected:
                whole = self.model.segments(branch.number, 1, 1 << 20)
                assert self.store.segments(branch.number, 1, 1 << 20) == whole
                for seq in range(1, 10):
                    found = self.store.segment_id(branch.number, seq)
                    assert found == self.model.segment_id(branch.number, seq)
        for space in SPACES:
            assert list(self.store.values(space)) == list(self.model.values(space))
            for most in (1, 2, 100):
                found_keys = self.store.keys(space, b"", b"\xff" * 64, most)
                assert found_keys == self.model.keys(space, b"", b"\xff" * 64, most)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.gate.set()
            self.store.close()
            self.directory.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=60, stateful_step_count=25)
