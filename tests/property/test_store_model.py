"""The SQLite store and the store in memory agree, whatever is written, read, closed and opened."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import LocalProtocolError
from peergos_collab.ports import (
    AppendSegment,
    Batch,
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

ops = st.one_of(
    st.builds(
        PutRecord,
        objects,
        st.builds(StoredRecord, st.integers(0, 9), st.binary(min_size=1, max_size=2), raws),
    ),
    st.builds(NewBranch, branches, objects, st.just(LOG), st.integers(0, 4), st.integers(1, 3)),
    st.builds(AppendSegment, branches, seqs, ids, raws),
    st.builds(AppendSegment, branches, seqs, ids, raws),
    st.builds(TruncateBranch, branches, seqs),
    st.builds(PutJournal, objects, numbers, raws),
    st.builds(DropJournal, objects, numbers),
    st.builds(PutValue, st.sampled_from(SPACES), st.binary(max_size=2), st.none() | raws),
)


class Stores(RuleBasedStateMachine):
    """Drives both stores alike. The store in memory is the model."""

    @initialize()
    def open(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "store.db"
        self.store = SqliteStore(self.path)
        self.model = MemoryStore(durable_at_once=True)

    @rule(batch=st.lists(ops, max_size=6))
    def write(self, batch: Batch) -> None:
        try:
            self.model.write(batch)
        except LocalProtocolError:
            try:
                self.store.write(batch)
            except LocalProtocolError:
                return
            raise AssertionError(f"accepted {batch}") from None
        self.store.write(batch)

    @rule(branch=branches, count=st.integers(1, 5), raw=raws)
    def append_some(self, branch: int, count: int, raw: bytes) -> None:
        """Appends that fit, which random ones seldom do."""
        tips = {b.number: b.tip for o in OBJECTS for b in self.model.branches(o)}
        if branch in tips:
            first = tips[branch] + 1
            self.write(
                [AppendSegment(branch, first + n, SegmentId(bytes([n]) * 32), raw) for n in range(count)]
            )

    @rule(branch=branches, start=st.integers(0, 10), max_bytes=st.sampled_from([0, 1, 100, 5000, 1 << 20]))
    def read_segments(self, branch: int, start: int, max_bytes: int) -> None:
        expected = self.model.segments(branch, start, max_bytes)

        assert self.store.segments(branch, start, max_bytes) == expected

    @rule(space=st.sampled_from(SPACES), key=st.binary(max_size=2))
    def read_value(self, space: str, key: bytes) -> None:
        assert self.store.value(space, key) == self.model.value(space, key)

    @rule()
    def wait(self) -> None:
        self.store.write([]).result(30)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = SqliteStore(self.path)

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
                for seq in range(1, 10):
                    found = self.store.segment_id(branch.number, seq)
                    assert found == self.model.segment_id(branch.number, seq)
        for space in SPACES:
            assert list(self.store.values(space)) == list(self.model.values(space))

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=25)
