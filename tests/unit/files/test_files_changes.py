"""Changes of entries: byte form and limits."""

from __future__ import annotations

import pytest

from peergos_collab.codec import encode
from peergos_collab.errors import LocalProtocolError, RemoteProtocolError, UsageError
from peergos_collab.files import (
    EntryChange,
    EntryId,
    add_node,
    decode_changes_untrusted,
    encode_changes,
    put_entry,
    remove,
    remove_node,
    rename,
    replace_reference,
    set_entry_node,
    set_name,
)
from peergos_collab.files.changes import MAX_CHANGES, MAX_REFERENCE

ONE = EntryId(b"1" * 16)

CHANGES: tuple[EntryChange, ...] = (
    put_entry(ONE, "notes", "doc", b"capability", now=5),
    rename(ONE, "Notes", now=6),
    replace_reference(ONE, b"", now=7),
    remove(ONE),
    add_node("pgc://zPin@127.0.0.1:4000"),
    remove_node("pgc://zPin@127.0.0.1:4000"),
    set_name("Ana"),
    set_entry_node("pgc://zPin@127.0.0.1:4001"),
    set_entry_node(""),
)


def test_changes_survive_encoding() -> None:
    """Every kind of change comes back as it was, with the Lamport time."""
    assert decode_changes_untrusted(encode_changes(3, CHANGES)) == (3, CHANGES)


def test_the_format_is_fixed() -> None:
    """The bytes of a removal are those of docs/spec/entries.md."""
    assert encode_changes(1, [remove(ONE)]).hex() == "830101818203" + "50" + "31" * 16


def test_times_of_an_entry() -> None:
    """A new entry was created now; one that moves in keeps its time."""
    assert put_entry(ONE, "a", "doc", b"", now=5).created == 5
    assert put_entry(ONE, "a", "doc", b"", now=5, created=2).created == 2


def test_bad_names_are_refused_before_anything_is_written() -> None:
    """For new entries, renames and the own name."""
    with pytest.raises(UsageError):
        put_entry(ONE, "a/b", "doc", b"", now=1)
    with pytest.raises(UsageError):
        rename(ONE, "", now=1)
    with pytest.raises(UsageError):
        set_name("x" * 257)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [remove(ONE)] * (MAX_CHANGES + 1),
        [remove(EntryId(b"short"))],
        [replace_reference(ONE, bytes(MAX_REFERENCE + 1), now=1)],
        [replace_reference(ONE, bytes(MAX_REFERENCE), now=1)] * 13,
        [add_node("x" * 513)],
        [set_entry_node("x" * 513)],
    ],
)
def test_what_nobody_would_accept_is_not_written(changes: list[EntryChange]) -> None:
    """The limits are those of the decoder."""
    with pytest.raises(LocalProtocolError):
        encode_changes(1, changes)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [2, 1, [[3, ONE]]],
        [1, -1, [[3, ONE]]],
        [1, 1, []],
        [1, 1, [[]]],
        [1, 1, [[7, ""]]],
        [1, 1, [[6, 1]]],
        [1, 1, [[3, ONE, 1]]],
        [1, 1, [[1, ONE, "x" * 256, 1]]],
        [1, 1, [[1, ONE, "x", -1]]],
        [1, 1, [[1, ONE, b"x", 1]]],
        [1, 1, [[0, ONE, "x", "k" * 33, b"", 1, 1]]],
        [1, 1, [[4, "x", 1]]],
    ],
)
def test_content_out_of_form_is_refused(value: object) -> None:
    """Each rule of the format is checked."""
    with pytest.raises(RemoteProtocolError):
        decode_changes_untrusted(encode(value))
