"""One engine per home: the lock is exclusive between processes and ends with its process."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from peergos_collab.errors import Conflict
from peergos_collab.storage import HomeLock

HOLD = """
import sys
from peergos_collab.storage import HomeLock
lock = HomeLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_holder_is_refused_until_release(tmp_path: Path) -> None:
    """While one holds the lock another gets Conflict; after release it gets the lock."""
    path = tmp_path / "home" / "lock"
    lock = HomeLock(path)
    with pytest.raises(Conflict):
        HomeLock(path)
    lock.release()
    lock.release()
    with HomeLock(path):
        pass

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """Another process's lock is respected, and gone once that process is killed."""
    path = tmp_path / "lock"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(Conflict):
        HomeLock(path)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()

    HomeLock(path).release()
