"""Journal entries: sealed for this device, bound to their place."""

from __future__ import annotations

import random
from typing import Any

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import ObjectId, RunId
from peergos_collab.crypto import LocalKey, Tag, cseal
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.payload import Kind
from peergos_collab.sync.journal import LocalChange, open_entry_untrusted, seal_entry

RANDOM = random.Random(17).randbytes
OBJECT, RUN, LOCAL = ObjectId(RANDOM(32)), RunId(RANDOM(16)), LocalKey.generate(RANDOM)
CHANGES = [LocalChange(RUN, 4, 100, Kind.CHAT, b"a", 9), LocalChange(RUN, 5, 100, Kind.CHAT, b"b", 9)]
SEALED = seal_entry(OBJECT, 9, CHANGES, LOCAL, RANDOM)


def test_changes_come_back_with_their_numbers() -> None:
    """So that one sealed already is recognised."""
    assert open_entry_untrusted(OBJECT, 9, SEALED, LOCAL) == CHANGES


def test_an_entry_stands_in_one_place() -> None:
    """Not under another number, for another object or device, nor damaged."""
    attempts = [
        (OBJECT, 8, SEALED, LOCAL),
        (ObjectId(RANDOM(32)), 9, SEALED, LOCAL),
        (OBJECT, 9, SEALED, LocalKey.generate(RANDOM)),
        (OBJECT, 9, SEALED[:-1] + bytes([SEALED[-1] ^ 1]), LOCAL),
        (OBJECT, 9, b"", LOCAL),
    ]
    for attempt in attempts:
        with pytest.raises(RemoteProtocolError):
            open_entry_untrusted(*attempt)


@pytest.mark.parametrize(
    "fields",
    [
        [1, RUN, 1, 1, 1, []],
        [2, b"x", 1, 1, 1, []],
        [2, RUN, 0, 1, 1, []],
        [2, RUN, 1, -1, 1, []],
        [2, RUN, 1, 1, 9, []],
        [2, RUN, 1, 1, 1, ["x"]],
        [2],
    ],
)
def test_an_entry_has_one_form(fields: list[Any]) -> None:
    """Version, run, number, time, kind and changes."""
    sealed = cseal(LOCAL, Tag.JOURNAL, encode(fields), OBJECT + (9).to_bytes(8, "big"), RANDOM)
    with pytest.raises(RemoteProtocolError):
        open_entry_untrusted(OBJECT, 9, sealed, LOCAL)
