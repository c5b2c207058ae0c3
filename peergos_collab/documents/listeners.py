"""Callbacks that are told of what happens to a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Unsubscribe = Callable[[], None]
_T = TypeVar("_T")


def subscribe(callbacks: list[_T], callback: _T) -> Unsubscribe:
    """Adds a callback; the result takes it away again."""
    callbacks.append(callback)

    def unsubscribe() -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    return unsubscribe


def tell_all(callbacks: list[Callable[[_T], None]], value: _T) -> None:
    """Calls all, though one raises: the journal must not miss what another callback choked on."""
    failed: Exception | None = None
    for callback in tuple(callbacks):
        try:
            callback(value)
        except Exception as problem:  # noqa: BLE001 - raised again below
            failed = failed or problem
    if failed is not None:
        raise failed
