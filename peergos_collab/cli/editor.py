"""Text in the user's own editor, by way of a private file that does not outlive the edit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..errors import PeergosCollabError, UsageError

MEMORY_BACKED: Final = ("/dev/shm", "/run/shm")  # noqa: S108  a fresh 0700 directory is made within


def edit_text(name: str, text: bytes, write_back: Callable[[bytes], None]) -> bool:
    """Opens ``text`` in $VISUAL or $EDITOR and hands over what was saved there.

    Args:
        name: of the document; its last part names the file, so that the editor knows the kind.
        text: what to begin with.
        write_back: gets the edited bytes, if they differ.

    Returns:
        whether anything was changed.

    Raises:
        UsageError: there is no editor, or it failed; nothing was changed. Where ``write_back`` raises,
            the file stays, and the error's hint says where.
    """
    command = _editor()
    directory = Path(tempfile.mkdtemp(prefix="pgc-", dir=_private_place()))
    keep = False
    try:
        file = directory / _file_name(name)
        _write_private(file, text)
        _run(command, file)
        edited = file.read_bytes()
        if edited == text:
            return False
        try:
            write_back(edited)
        except BaseException as error:
            keep = True
            if isinstance(error, PeergosCollabError):
                error.hint = f"Your edit is kept in {str(file)!r}. {error.hint}".rstrip()
            raise
        return True
    finally:
        if not keep:
            shutil.rmtree(directory)


def _editor() -> list[str]:
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "")
    if not command:
        raise UsageError(
            "No editor is named; nothing was changed.",
            hint="Set EDITOR, for instance EDITOR=nano, or use 'pgc doc write PATH FILE'.",
        )
    return command


def _private_place() -> str | None:
    """A directory in memory where there is one, so that the text never reaches a disk."""
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), *MEMORY_BACKED]
    return next((place for place in candidates if place and os.access(place, os.W_OK | os.X_OK)), None)


def _file_name(name: str) -> str:
    safe = re.sub(r"[^\w.-]", "_", name.rsplit("/", 1)[-1]).lstrip(".-")[:60] or "document"
    return safe if "." in safe else f"{safe}.txt"


def _write_private(file: Path, text: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(text)


def _run(command: list[str], file: Path) -> None:
    """Waits for the editor. Ctrl+C is the editor's business while it has the terminal."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # The child must not inherit that SIGINT is ignored.
        code = subprocess.run(
            [*command, str(file)],
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ).returncode
    except OSError as error:
        raise UsageError(f"The editor {command[0]!r} does not start: {error.strerror}.") from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code != 0:
        raise UsageError(f"The editor {command[0]!r} ended with code {code}; nothing was changed.")
