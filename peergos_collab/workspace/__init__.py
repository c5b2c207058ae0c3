"""A home opened: the embedding API and the engine behind it.

Names load on first use: whoever attaches to a running engine needs none of what makes or opens a home.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .api import Options, Role, Workspace

if TYPE_CHECKING:
    from .home import CreatedHome, home_exists, recover_home


def create_workspace(home: Path, *, name: str, passphrase: str | None, device_name: str = "") -> CreatedHome:
    """Makes a new home with an account, a device and a profile.

    Args:
        device_name: what to call this device among those of the account; by default, as the machine.
        passphrase: None keeps the key that opens the home in a file of mode 0600 beside it.

    Raises:
        Conflict: there is a home already. UsageError: a name that others would not be shown as it is.
    """
    from .home import create_home
    from .machine import host_name

    return create_home(home, name=name, passphrase=passphrase, device_name=device_name or host_name())


async def open_workspace(home: Path, *, passphrase: str | None = None, lasting: bool = False) -> Workspace:
    """Opens a home: as its engine, or attached to the process that is.

    Args:
        lasting: this process stays for long, so it rather waits for a short-lived engine to end.

    Raises:
        NotFound: there is no home. PassphraseNeeded, WrongPassphrase, Damaged.
        Conflict: another process has it open and does not answer.
    """
    from .opening import open_home

    return await open_home(home, passphrase, lasting)


def __getattr__(name: str) -> Any:
    if name not in ("CreatedHome", "home_exists", "recover_home"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import home

    return getattr(home, name)


__all__ = [
    "CreatedHome",
    "Options",
    "Role",
    "Workspace",
    "create_workspace",
    "home_exists",
    "open_workspace",
    "recover_home",
]
