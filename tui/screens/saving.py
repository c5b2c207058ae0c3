"""Writing something into a file of this computer: where, whether to replace, and how it went."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from errno import ENOENT
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..viewmodels.cells import shown
from .dialog import AskName, Confirm

if TYPE_CHECKING:
    from textual.screen import Screen

Content = Callable[[Path], Awaitable[bytes]]
"""What is to be in a file of that name."""


async def save_as(
    screen: Screen[Any],
    title: str,
    note: str,
    suggestion: str,
    content: Content,
    *,
    safe: str,
    suffix: str = "",
) -> None:
    """Asks for a name and writes the file, which only this user may read.

    Args:
        note: what one should know before.
        safe: said where it cannot be written: what of the user's is as it was.
        suffix: added where the name that was chosen has none.
    """
    asked = AskName(title, note, "Write the file", suggestion, placeholder="a name")
    chosen = await screen.app.push_screen_wait(asked)
    if not chosen:
        return
    try:
        target, is_there = _local_file(chosen, suffix)
        if is_there and not await screen.app.push_screen_wait(
            Confirm(title, f"{shown(str(target), 200)} is there already. Replace it?", "Replace")
        ):
            return
        _write(target, await content(target))
    except OSError as problem:
        words = f"{chosen} could not be written: {problem.strerror}. {safe}"
        screen.notify(shown(words, 400), severity="error", markup=False)
    else:
        screen.notify(shown(f"Written to {target}.", 400), markup=False)


def _local_file(chosen: str, suffix: str) -> tuple[Path, bool]:
    """The file of a name that a person gave, and whether it is there. Raises OSError."""
    try:
        target = Path(chosen).expanduser().absolute()
    except RuntimeError as problem:
        raise OSError(ENOENT, "there is no such user") from problem
    if suffix and target.name and not target.suffix:
        target = target.with_name(target.name + suffix)
    return target, target.exists()


def _write(target: Path, content: bytes) -> None:
    # Not readable by others even for a moment; one that is replaced keeps its rights.
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
