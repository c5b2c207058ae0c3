"""The passphrase for a new lock, and what it means to have none."""

from __future__ import annotations

from typing import Final

from .settings import Settings, ask_secret, has_terminal, read_secret, refuse

MAKING: Final = ("init", "recover", "device join")
"""Commands that make a home, and so take its passphrase where others take the one that opens it."""

WITHOUT_PASSPHRASE = (
    "No passphrase: the master key lies in a file that only your user may read. "
    "Whoever gets a copy of this home can read everything in it."
)


def new_passphrase(
    settings: Settings, none_wanted: bool, command: str, file: str | None = None
) -> str | None:
    """The passphrase for a new lock: from its file, or asked for twice; None where none is wanted."""
    source = file or (settings.secret_file() if command in MAKING else None)
    if none_wanted and (file or (command in MAKING and settings.passphrase_file)):
        refuse("A passphrase file and --no-passphrase exclude each other; nothing was changed.")
    if none_wanted:
        return None
    if source is not None:
        return read_secret(source, "passphrase")
    if not has_terminal():
        option = "--passphrase-file FILE" if command in MAKING else "--new-passphrase-file FILE"
        refuse(
            f"Without a terminal 'pgc {command}' needs {option} or --no-passphrase; nothing was changed.",
            "--no-passphrase keeps the master key in a file that only your user may read.",
        )
    return ask_secret("New passphrase", confirm=True)
