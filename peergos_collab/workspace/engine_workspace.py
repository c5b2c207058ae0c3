"""The workspace of the process that is the engine."""

from __future__ import annotations

from pathlib import Path

from .attach_server import AttachServer
from .engine import Engine
from .local_workspace import LocalWorkspace


class EngineWorkspace(LocalWorkspace):
    """The engine's own workspace, which other processes may attach to."""

    def __init__(self, engine: Engine, server: AttachServer | None = None) -> None:
        super().__init__(engine)
        self._server = server

    async def serve(self, *, lasting: bool) -> None:
        self._server = AttachServer(self, lasting=lasting)
        await self._server.start()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()
        await super().close()


async def become_engine(home: Path, passphrase: str | None, lasting: bool) -> EngineWorkspace:
    """Takes the home's lock, opens it and lets others attach. Raises as ``Engine.open``."""
    engine = await Engine.open(home, passphrase)
    workspace = EngineWorkspace(engine)
    try:
        await workspace.serve(lasting=lasting)
    except BaseException:
        await engine.close()
        raise
    return workspace
