"""Checks of decoded values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from peergos_collab.codec.shape import array, blob, many, number, some_bytes, string
from peergos_collab.errors import RemoteProtocolError


def test_what_fits_is_returned() -> None:
    """Each check returns the value itself, at its limits too."""
    assert array([1, 2], 2, "x") == [1, 2]
    assert many([], 0, "x") == []
    assert many([1], 1, "x") == [1]
    assert blob(b"ab", 2, "x") == b"ab"
    assert some_bytes(b"", 0, "x") == b""
    assert some_bytes(b"ab", 2, "x") == b"ab"
    assert number(3, 3, 3, "x") == 3
    assert string("äb", 2, "x") == "äb"


@pytest.mark.parametrize(
    "check",
    [
        lambda: array([1], 2, "field"),
        lambda: array((1, 2), 2, "field"),
        lambda: array({0: 1, 1: 2}, 2, "field"),
        lambda: array("ab", 2, "field"),
        lambda: many([1, 2], 1, "field"),
        lambda: many(b"", 1, "field"),
        lambda: blob(b"a", 2, "field"),
        lambda: blob("ab", 2, "field"),
        lambda: blob([0, 0], 2, "field"),
        lambda: some_bytes(b"abc", 2, "field"),
        lambda: some_bytes(None, 2, "field"),
        lambda: number(2, 3, 4, "field"),
        lambda: number(5, 3, 4, "field"),
        lambda: number(True, 0, 4, "field"),
        lambda: number("3", 3, 4, "field"),
        lambda: number(None, 3, 4, "field"),
        lambda: string("abc", 2, "field"),
        lambda: string(b"ab", 2, "field"),
    ],
)
def test_what_does_not_fit_names_the_field(check: Callable[[], Any]) -> None:
    """Another type, length or range raises the documented error, with the field's name."""
    with pytest.raises(RemoteProtocolError, match=r"^field: "):
        check()
