"""Random editing rounds from the command line, a line for each thousand, and the sum of all at the end.

    cd tests && ../.venv/bin/python -m support.editing_runs --runs 100000 --first-seed 0

A round is one short document that three people write at once, offline in between, with crashes, undo and all
kinds of characters: see ``editing_world``. Its seed says everything. Ends with 1 where a round ends in a
difference. ``--minutes`` ends it sooner.
"""

from __future__ import annotations

import argparse
import sys
import time

from support.editing_world import Counts, EditingWorld, three_writers

TOLD = 1_000


def difference_of(seed: int, counts: Counts | None = None) -> str:
    """What is wrong at the end of a round; nothing if all is well."""
    try:
        EditingWorld(seed, _CIRCLE, counts or Counts()).run()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001  the engine's panics are no Exception
        return f"{type(error).__name__}: {error}"
    return ""


_CIRCLE = three_writers()


def main() -> int:
    arguments = argparse.ArgumentParser(description="Random editing rounds.")
    arguments.add_argument("--runs", type=int, default=1_000)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--minutes", type=float, default=float("inf"))
    given = arguments.parse_args()
    began, counts, done = time.monotonic(), Counts(), 0
    faulty: list[int] = []
    for done in range(1, given.runs + 1):
        seed = given.first_seed + done - 1
        if difference := difference_of(seed, counts):
            print(f"{seed} {difference}", flush=True)
            faulty.append(seed)
        seconds = time.monotonic() - began
        if done % TOLD == 0:
            print(f"{done} rounds, {done / seconds:.0f}/s, differences: {len(faulty)}", flush=True)
        if seconds > given.minutes * 60:
            break
    print(f"{done} rounds in {seconds:.0f} s; {counts}; differences in seeds {faulty or 'none'}")
    return bool(faulty)


if __name__ == "__main__":
    sys.exit(main())
