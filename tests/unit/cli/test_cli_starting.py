"""The collector of garbage rests while the program starts, and works from then on."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from peergos_collab.cli import starting
from peergos_collab.workspace import create_workspace

_WATCHED = """if True:
    import atexit, gc, json, sys
    from peergos_collab.cli import main

    during = []
    gc.callbacks.append(lambda phase, _: during.append(phase) if not gc.get_freeze_count() else None)
    told = lambda: json.dumps([len(during), gc.isenabled(), gc.get_freeze_count() > 0])
    atexit.register(lambda: print(told(), file=sys.stderr))
    main()
"""


def test_a_command_starts_without_it_and_goes_on_with_it(tmp_path: Path) -> None:
    """Nothing is looked through while the engine loads and opens, nor is what it loaded later on."""
    create_workspace(tmp_path / "home", name="Ana", passphrase=None)
    ran = subprocess.run(
        [sys.executable, "-c", _WATCHED, "--home", str(tmp_path / "home"), "ls"],
        capture_output=True,
        check=True,
        timeout=200,
    )

    assert json.loads(ran.stderr) == [0, True, True]


def test_a_program_that_calls_a_command_keeps_its_collector(pgc: Any) -> None:
    """Only this process's own start is without one: what others left behind is theirs to collect."""
    before = gc.get_freeze_count()
    pgc("ls")
    starting.over()

    assert gc.isenabled()
    assert gc.get_freeze_count() <= before  # fewer, where some of it has ended since
