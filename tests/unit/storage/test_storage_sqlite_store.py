"""The SQLite store keeps the contract, and what SQLite adds to it."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.errors import Conflict, Damaged, LocalProtocolError, NewerFormat
from peergos_collab.ports import (
    AppendSegment,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    StoredRecord,
    TruncateBranch,
)
from peergos_collab.storage import SqliteStore
from peergos_collab.testing.check_store import check_store

OBJECT = ObjectId(b"o" * 32)
LOG = LogId(b"l" * 32)


def append(branch: int, seq: int, raw: bytes = b"raw" * 130) -> AppendSegment:
    return AppendSegment(branch, seq, SegmentId(seq.to_bytes(32, "big")), raw)


def test_keeps_the_contract(tmp_path: Path) -> None:
    """The store passes the acceptance test for any store."""
    check_store(lambda: SqliteStore(tmp_path / "home" / "store.db"))
