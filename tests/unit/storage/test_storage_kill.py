"""What was acknowledged is there after SIGKILL."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from peergos_collab.codec.ids import ObjectId
from peergos_collab.storage import SqliteStore

OBJECT = ObjectId(b"o" * 32)

PROGRAM = """
import sys, threading
from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.ports import AppendSegment, NewBranch, PutValue
from peergos_collab.storage import SqliteStore

OBJECT = ObjectId(b"o" * 32)
store = SqliteStore(sys.argv[1])
said = threading.Lock()

def say(line):
    with said:
        print(line, flush=True)

branch = store.next_branch()
store.write([NewBranch(branch, OBJECT, LogId(b"l" * 32), 0, 1)])
for seq in range(1, 1_000_000):
    raw = b"%d/%d" % (branch, seq) * 50
    segment = AppendSegment(branch, seq, SegmentId(seq.to_bytes(32, "big")), raw)
    future = store.write([segment, PutValue("last", branch.to_bytes(4, "big"), raw)])
    line = f"{branch} {seq}"
    future.add_done_callback(lambda _, line=line: say(line))
    if seq % 7 == 0:
        future.result()
"""


def test_acknowledged_is_there_after_sigkill(tmp_path: Path) -> None:
    """A process killed at a random moment, six times: every acknowledged segment is in the store."""
    path = tmp_path / "store.db"
    chance = random.Random(7)
    for _ in range(6):
        acknowledged = _run_and_kill(path, lines=chance.randrange(1, 400))
        store = SqliteStore(path)
        tips = {branch.number: branch.tip for branch in store.branches(OBJECT)}
        for branch, seq in acknowledged.items():
            assert tips[branch] >= seq
            segments = store.segments(branch, 1, 1 << 30)
            assert segments == [b"%d/%d" % (branch, n) * 50 for n in range(1, tips[branch] + 1)]
            assert store.value("last", branch.to_bytes(4, "big")) == segments[-1]
        store.close()

    assert len(tips) == 6


def _run_and_kill(path: Path, lines: int) -> dict[int, int]:
    """Kills the program after it acknowledged so many segments. Returns all that it acknowledged."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    read = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    read += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    acknowledged: dict[int, int] = {}
    for line in read:
        if line.endswith(b"\n"):
            branch, seq = map(int, line.split())
            acknowledged[branch] = max(seq, acknowledged.get(branch, 0))
    return acknowledged
