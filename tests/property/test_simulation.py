"""Members and nodes over a bad network end up equal, with nothing lost and nothing doubled.

``PGC_SIMULATION_SEEDS=N`` runs N seeds instead of a few; a failure names its seed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.documents import Document
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.segments import Segment
from peergos_collab.sync import archiving
from peergos_collab.sync.archived import Archived
from peergos_collab.sync.arrivals import BranchState, Offered
from peergos_collab.sync.causal_order import CausalOrder
from peergos_collab.sync.journal import LocalChange
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.sync.sealing import Collected
from peergos_collab.sync.unsealed import Unsealed
from peergos_collab.workspace.folds import DocumentFold
from support.simulation import Chances, SimulationFailed, World, check_seed

SEEDS = int(os.environ.get("PGC_SIMULATION_SEEDS", "200"))
BLOCKS = 10

NO_COPIES = Chances(restore=0, clone=0)

CRASHES = Chances(restore=0, clone=0, crash=3, deliver=30, flush=4)

COPIES = Chances(
    edit=8, deliver=40, flush=16, connect=6, disconnect=1.5, replay=0.5, crash=0.3, backup=2, restore=1,
    clone=0.4, partition=1, fold_anew=2,
)  # fmt: skip
"""Many restored and copied homes; in one of ten long worlds a log forks."""


ARCHIVES = Chances(
    edit=14, deliver=40, flush=14, connect=6, disconnect=0.5, crash=0.2, restore=0.2, archive=8, fold_anew=1
)


COMPACTING = Chances(
    edit=14, deliver=60, flush=20, connect=8, disconnect=0.5, crash=0.2, restore=0.2, restart=0.3, archive=2,
    compact=8, fold_anew=1,
)  # fmt: skip


SNAPSHOTS = Chances(
    edit=4, deliver=40, flush=24, connect=6, disconnect=0.5, crash=0.2, backup=1, restore=0.5, clone=0.2,
    fold_anew=2, archive=2, snapshot=12, compare=8, preview=4,
)  # fmt: skip


@pytest.mark.parametrize("block", range(BLOCKS))
def test_all_end_up_equal(block: int) -> None:
    """Whatever the network and the disks do, all members and nodes end up with the same."""
    for seed in range(block, SEEDS, BLOCKS):
        check_seed(seed, chances=NO_COPIES)


@pytest.mark.parametrize("kind", [Kind.DOCUMENT, Kind.ENTRIES, Kind.CHAT])
def test_copied_homes_end_up_equal(kind: Kind) -> None:
    """Homes that are restored from backups, or copied and run beside their twin, end up equal, too."""
    for seed in range(SEEDS // 20):
        check_seed(seed, kind=kind, chances=COPIES, steps=300)


@pytest.fixture
def small_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of two segments, and only the newest of a log stays as it is."""
    _small(monkeypatch)


@pytest.mark.usefixtures("small_archives")
@pytest.mark.parametrize("kind", [Kind.DOCUMENT, Kind.CHAT])
def test_nodes_that_compact_change_nothing_for_anybody(kind: Kind) -> None:
    """An admin has them drop what lies in archives; all have every change, and end up equal."""
    seeds = range(6, 6 + SEEDS // 40)  # in these some archives take the place of segments
    worlds = [check_seed(seed, kind=kind, chances=COMPACTING, steps=300) for seed in seeds]

    assert sum(world.compacted for world in worlds) > 1


@pytest.mark.usefixtures("small_archives")
@pytest.mark.parametrize("kind", [Kind.DOCUMENT, Kind.CHAT])
def test_archives_change_nothing_for_anybody(kind: Kind) -> None:
    """Members put older segments into archives at any moment, die, and are restored, and all end up equal."""
    worlds = [check_seed(seed, kind=kind, chances=ARCHIVES, steps=200) for seed in range(SEEDS // 20)]

    assert sum(world.archives for world in worlds) > len(worlds)


def test_snapshots_tell_the_truth() -> None:
    """Members make snapshots at any moment, compare those of others, and newcomers are shown them first."""
    worlds = [
        check_seed(seed, kind=Kind.DOCUMENT, chances=SNAPSHOTS, steps=200) for seed in range(SEEDS // 10)
    ]

    assert sum(world.compared for world in worlds) > len(worlds)
    assert sum(world.previews for world in worlds) > len(worlds) // 4


def test_a_seed_reproduces_exactly() -> None:
    """One seed gives the same bytes on every wire, in another process with other hash values, too."""
    script = "from support.simulation import check_seed; print(check_seed(12).trace.hexdigest())"
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(Path(__file__).parents[1])}

    there = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == check_seed(12).trace.hexdigest()


# -- planted faults: a simulation that finds none of them would prove nothing


def _no_deduplication(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LogBook, "_note_known", lambda self, segment, offered: False)


def _changes_taken_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CausalOrder, "_skip", lambda self, introduced, payload: 0)
    patch.setattr(Replica, "_drop_sealed", lambda self: None)


def _no_causal_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CausalOrder, "_is_applied", lambda self, cite: True)


def _seals_early(patch: pytest.MonkeyPatch) -> None:
    def collect(self: Replica) -> Collected | None:
        self._sealer.settle()
        return self._seal_next() if self._is_known_writer() else self.journal_pending()

    patch.setattr(Replica, "collect", collect)


def _forgets_the_journal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replica, "restore_journal", lambda self: None)


def _drops_a_branch(patch: pytest.MonkeyPatch) -> None:
    place = LogBook._place

    def only_one(self: LogBook, segment: Segment, offered: Offered) -> BranchState | None:
        branches = self.branches.get(segment.log, [])
        continues = any(b.tip == segment.seq - 1 and b.tip_id == segment.previous for b in branches)
        return place(self, segment, offered) if continues or not branches else None

    patch.setattr(LogBook, "_place", only_one)


def _journal_goes_before_it_is_sealed(patch: pytest.MonkeyPatch) -> None:
    def all_of_it(self: Unsealed, last: LocalChange) -> int:
        return self.journaled[-1].entry if self.journaled else last.entry

    patch.setattr(Unsealed, "_finished_entry", all_of_it)


def _never_folds_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CausalOrder, "unsettled", property(lambda self: False))


@dataclass(frozen=True)
class Planted:
    """A fault, the world in which it shows soon, what it looks like, and a seed that shows it.

    Seeds mean something else after each change of the code: where this one shows nothing any more, others
    are looked for, which takes longer. Name another one then.
    """

    symptom: str
    plant: Callable[[pytest.MonkeyPatch], None] | None = None
    how: dict[str, Any] = field(default_factory=dict)
    seed: int = 0


def _small(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(archiving, "KEEP", 1)
    patch.setattr(archiving, "MAX_SEGMENTS", 2)


def _archives_lose_the_last(patch: pytest.MonkeyPatch) -> None:
    _small(patch)
    read = Archived.read
    patch.setattr(Archived, "read", lambda self, branch, start: read(self, branch, start)[:-1])


def _ids_of_archives_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    _small(patch)
    patch.setattr(Archived, "id_at", lambda self, branch, seq: None)


def _heads_of_a_snapshot_lack_a_log(patch: pytest.MonkeyPatch) -> None:
    heads = CausalOrder.heads
    patch.setattr(CausalOrder, "heads", lambda self: heads(self)[1:])


def _a_snapshot_is_of_before(patch: pytest.MonkeyPatch) -> None:
    before: dict[int, bytes] = {}

    def state(self: DocumentFold) -> bytes:
        now = self.document.state()
        return before.setdefault(id(self), now)

    patch.setattr(DocumentFold, "snapshot_state", state)


def _a_snapshot_is_believed_though_false(patch: pytest.MonkeyPatch) -> None:
    lie = Document(1)
    lie.edit(0, 0, "what nobody wrote")
    patch.setattr(DocumentFold, "snapshot_state", lambda self: lie.state())
    patch.setattr("support.simulation.is_true_snapshot", lambda *_: True)


LONG = {"chances": COPIES, "steps": 300}
ARCHIVING = {"chances": ARCHIVES, "steps": 200}
SNAPPING: dict[str, Any] = {"chances": SNAPSHOTS, "steps": 200, "kind": Kind.DOCUMENT}
PLANTED = {
    "heads_of_a_snapshot_lack_a_log": Planted("honest", _heads_of_a_snapshot_lack_a_log, SNAPPING),
    "a_snapshot_is_of_before": Planted("honest", _a_snapshot_is_of_before, SNAPPING),
    "a_snapshot_is_believed_though_false": Planted("differs", _a_snapshot_is_believed_though_false, SNAPPING),
    "archives_lose_the_last": Planted("lost|missing", _archives_lose_the_last, ARCHIVING, seed=28),
    "ids_of_archives_are_forgotten": Planted(
        "still waits|heads", _ids_of_archives_are_forgotten, ARCHIVING, seed=22
    ),
    "no_deduplication": Planted("heads|twice|fork", _no_deduplication, seed=51),
    "changes_taken_twice": Planted(
        "twice|set aside", _changes_taken_twice, {**LONG, "kind": Kind.CHAT}, seed=3
    ),
    "never_folds_anew": Planted("set aside|differs", _never_folds_anew, {**LONG, "kind": Kind.CHAT}, seed=46),
    "no_causal_order": Planted(
        "set aside|before one it cites|differs", _no_causal_order, {"chances": NO_COPIES}, seed=31
    ),
    "seals_early": Planted("sealed before heads", _seals_early, {"chances": COPIES}),
    "reuses_a_number": Planted(
        "forked", None, {"push_early": True, "reuse": True, "chances": CRASHES, "steps": 200}, seed=16
    ),
    "pushes_before_durable": Planted("not durable", None, {"push_early": True, "chances": NO_COPIES}),
    "forgets_the_journal": Planted("lost", _forgets_the_journal),
    "drops_a_branch": Planted("heads|lost|rest", _drops_a_branch, {**LONG, "kind": Kind.DOCUMENT}, seed=46),
    "journal_goes_early": Planted(
        "lost|are missing",
        _journal_goes_before_it_is_sealed,
        {"kind": Kind.DOCUMENT, "chances": CRASHES, "steps": 200},
        seed=31,
    ),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this fault built in, one of a few seeds fails, and for the right reason."""
    planted = PLANTED[fault]
    if planted.plant is not None:
        planted.plant(monkeypatch)

    assert any(_failure(seed, planted) for seed in (planted.seed, *range(120)))


def _failure(seed: int, planted: Planted) -> str:
    """Why a seed fails, if it does and looks like the fault."""
    try:
        World(seed, **planted.how).run()
    except SimulationFailed as failure:
        return str(failure) if re.search(planted.symptom, str(failure)) else ""
    return ""
