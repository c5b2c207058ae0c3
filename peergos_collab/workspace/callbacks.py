"""Lists of callbacks that are told of each change."""

from __future__ import annotations

from collections.abc import Callable

from .api import Unsubscribe


def subscribe(callbacks: list[Callable[[], None]], callback: Callable[[], None]) -> Unsubscribe:
    """Adds ``callback``; the result takes it away again."""
    callbacks.append(callback)

    def unsubscribe() -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    return unsubscribe
