"""Random membership runs from the command line, one line for each, and the sum of all at the end.

    cd tests && ../.venv/bin/python -m support.membership_runs --runs 10000 --first-seed 0

A seed says everything: which objects there are, whether admins lie and forge, and what happens. Of ten
seeds in a row each is of another kind; ``--only`` leaves the others out. Ends with 1 where a run has a fault.
``--minutes`` ends it sooner.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from typing import Final

from support.member_shapes import SHAPES
from support.member_verdict import Outcome
from support.member_world import World

PEOPLE: Final = ("honest", "forged")


def world_of(seed: int) -> World:
    """The run of a seed, not yet made."""
    evil = PEOPLE[seed % 2] == "forged"
    return World(seed, hostile=evil, liars=evil, shape=SHAPES[seed // 2 % len(SHAPES)])


def outcome_of(world: World) -> Outcome:
    """A run in which duties have no end has a fault, too, and one that ends by an error of the program."""
    try:
        return world.run()
    except Exception as error:  # noqa: BLE001 - the seed is told, and the next one runs
        world.outcome.stuck.append(f"{type(error).__name__}: {error}")
        return world.outcome


def main() -> int:
    arguments = argparse.ArgumentParser(description="Random membership runs.")
    arguments.add_argument("--runs", type=int, default=100)
    arguments.add_argument("--first-seed", type=int, default=0)
    arguments.add_argument("--only", choices=PEOPLE)
    arguments.add_argument("--minutes", type=float, default=float("inf"))
    given = arguments.parse_args()
    began = time.monotonic()
    total: Counter[str] = Counter()
    faulty: list[int] = []
    try:
        for seed in islice(_seeds(given.first_seed, given.only), given.runs):
            if time.monotonic() - began > given.minutes * 60:
                break
            faulty += _run(seed, total)
    except KeyboardInterrupt:
        pass
    print(f"{time.monotonic() - began:.0f} s, {dict(total)}; faults in seeds {faulty or 'none'}")
    return bool(faulty)


def _seeds(first: int, only: str | None) -> Iterator[int]:
    return (seed for seed in count(first) if only in (None, PEOPLE[seed % 2]))


def _run(seed: int, total: Counter[str]) -> list[int]:
    """Makes one run, tells of it and counts it; returns its seed if it has a fault."""
    began, world = time.monotonic(), world_of(seed)
    found = outcome_of(world)
    counts = {name: getattr(found, name) for name in ("messages", "records", "removals", "forged")}
    told = " ".join(f"{name}={count}" for name, count in counts.items())
    kind = f"{world.shape.name}{' forged' if world.hostile else ''}"
    print(f"{seed} {kind} {time.monotonic() - began:.2f} {told} {found.faults or 'ok'}", flush=True)
    total.update({"runs": 1, kind: 1, **counts})
    return [seed] if found.faults else []


if __name__ == "__main__":
    sys.exit(main())
