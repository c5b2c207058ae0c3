"""``pgc demo`` as a whole, without a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENT = """
from peergos_collab.cli import main
from peergos_collab.cli.demo import tour

tour.FIND_PATH = 120.0
main()
"""
"""Else a slow machine would go by way of the node alone."""


def test_the_tour(tmp_path: Path) -> None:
    """It ends with 0, both ends equal, nothing readable found, no file left, and nothing hangs."""
    done = subprocess.run(
        [sys.executable, "-c", PATIENT, "demo", "--json"],
        capture_output=True,
        timeout=200,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert found["equal"] is True
    assert found["found"] == 0
    assert found["messages"] == 3
    assert found["edits"] > 500
    assert found["latency_ms"]["count"] > 50
    assert found["frames"]["TLS"] > 100
    assert found["frames"]["DTLS"] > 0
    assert found["store_bytes"] > 10_000
    assert list(tmp_path.iterdir()) == []
