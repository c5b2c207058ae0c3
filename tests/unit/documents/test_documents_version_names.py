"""Names of versions: their form, what may be one, and which are in effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import AccountId, DeviceId, PrincipalId, RunId, SegmentId
from peergos_collab.documents.version_names import (
    MAX_NAME,
    MOST_NAMES,
    NamedVersion,
    Naming,
    VersionNames,
    check_version_name,
)
from peergos_collab.errors import RemoteProtocolError, UsageError
from peergos_collab.objects.payload import Author

RUN, HEAD = RunId(bytes(range(16))), SegmentId(bytes(range(32)))
VERSION = NamedVersion((HEAD,), None, RUN, 7)
DRAFT = Naming(VERSION, "Draft")


def author(number: int) -> Author:
    raw = bytes([number]) * 32
    return Author(AccountId(raw), DeviceId(raw), PrincipalId(raw), f"person {number}")


def given(names: VersionNames) -> list[tuple[int, str, str]]:
    return [(each.version.number, each.name, each.author.name) for each in names]


def test_the_example_in_the_specification() -> None:
    """Byte for byte."""
    assert DRAFT.encode().hex() == (
        "8601815820000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "f650000102030405060708090a0b0c0d0e0f07654472616674"
    )  # fmt: skip
    assert Naming.decode_untrusted(DRAFT.encode()) == DRAFT


@pytest.mark.parametrize(
    "fields",
    [
        [2, [], None, RUN, 7, "x"],
        [1, [], None, RUN[:15], 7, "x"],
        [1, [], None, RUN, 0, "x"],
        [1, [HEAD[:31]], None, RUN, 7, "x"],
        [1, [number.to_bytes(32, "big") for number in range(1025)], None, RUN, 7, "x"],
        [1, [HEAD, HEAD], None, RUN, 7, "x"],
        [1, [HEAD, bytes(32)], None, RUN, 7, "x"],
        [1, [], HEAD[:31], RUN, 7, "x"],
        [1, [], None, RUN, 7, b"x"],
        [1, [], None, RUN, 7, "x" * (MAX_NAME + 1)],
        [1, [], None, RUN, 7, "x", 0],
    ],
)
def test_a_naming_has_one_form(fields: list[Any]) -> None:
    """And bounds."""
    with pytest.raises(RemoteProtocolError):
        Naming.decode_untrusted(encode(fields))


@pytest.mark.parametrize("name", ["", "now", " x", "x\n", "a\u202eb", "\ud800", "x" * (MAX_NAME + 1)])
def test_what_is_no_name(name: str) -> None:
    """What cannot be seen, turns text around, or means something already."""
    with pytest.raises(UsageError):
        check_version_name(name)


def test_a_name_is_in_one_form_and_shown_safely() -> None:
    """NFC for whoever gives one; what nobody honest gives is escaped, and found by what is shown."""
    assert check_version_name("e\u0301t\u00e9 2026/1") == "\u00e9t\u00e9 2026/1"
    names = VersionNames()
    names.take(Naming(VERSION, "a\u202eb"), author(1), 5)
    [hostile] = names

    assert hostile.shown == "a<U+202E>b"
    assert hostile.is_called("a<U+202E>b")
    assert not hostile.is_called("ab")


def test_the_last_who_names_a_version_counts() -> None:
    """He is told with it, and the names are in the order in which they were given; empty takes one away."""
    names = VersionNames()
    names.take(DRAFT, author(1), 5)
    names.take(Naming(replace(VERSION, number=8), "Other"), author(1), 6)
    names.take(Naming(VERSION, "Final"), author(2), 7)

    assert given(names) == [(8, "Other", "person 1"), (7, "Final", "person 2")]
    assert [names.count(author(number).principal) for number in (1, 2)] == [1, 1]
    names.take(Naming(VERSION, ""), author(1), 8)
    assert given(names) == [(8, "Other", "person 1")]
    assert names.count(author(2).principal) == 0


def test_what_was_not_sealed_is_named_by_its_author() -> None:
    """Nobody else could see it alone; once it has a name, all may call it otherwise."""
    names, his = VersionNames(), replace(VERSION, device=author(1).device)
    names.take(Naming(his, "Forged"), author(2), 5)
    assert given(names) == []

    names.take(Naming(his, "Draft"), author(1), 5)
    names.take(Naming(his, "Final"), author(2), 6)
    assert given(names) == [(7, "Final", "person 2")]


def test_who_floods_names_loses_his_own() -> None:
    """The oldest goes; a name that he took over counts as his, and no longer as another's."""
    names = VersionNames()
    names.take(DRAFT, author(1), 1)
    for number in range(MOST_NAMES):
        names.take(Naming(replace(VERSION, number=100 + number), "flood"), author(2), 2)
    names.take(Naming(replace(VERSION, number=9), "last"), author(2), 3)

    assert given(names)[0] == (7, "Draft", "person 1")
    assert given(names)[1][0] == 101
    assert (names.count(author(1).principal), names.count(author(2).principal)) == (1, MOST_NAMES)
    names.take(Naming(VERSION, "mine"), author(2), 4)
    assert given(names)[0][0] == 102
    assert (names.count(author(1).principal), names.count(author(2).principal)) == (0, MOST_NAMES)
