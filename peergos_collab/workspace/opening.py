"""Opening a home: become its engine."""

from __future__ import annotations

from pathlib import Path

from .api import Options, Workspace
from .engine import Engine
from .local_workspace import LocalWorkspace


async def open_home(home: Path, passphrase: str | None, options: Options, lasting: bool) -> Workspace:
    engine = await Engine.open(home, passphrase)
    engine.options = options
    return LocalWorkspace(engine)
