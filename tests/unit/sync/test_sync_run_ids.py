"""Which run has an id, where two have the same one."""

from __future__ import annotations

from peergos_collab.codec.ids import DeviceId, RunId
from peergos_collab.sync.run_ids import DeviceRun, RunIds


def run(number: int) -> DeviceRun:
    return DeviceId(bytes(32)), RunId(bytes([number]) * 16)


def test_the_first_has_it() -> None:
    """Of those that were there before, in their order, and of those that are noted later."""
    ids = RunIds(lambda _, run: run[0] % 10, [run(1), run(11), run(2)])

    assert ids.first(run(21)) == run(1) == ids.note(run(21)) == ids.first(run(11))
    assert ids.first(run(3)) == run(3)
    assert ids.first(run(13)) == run(13)
    assert ids.note(run(13)) == run(13) == ids.first(run(3))
