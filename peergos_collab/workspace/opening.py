"""Opening a home: become its engine, or attach to the process that is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from ..errors import Conflict, Offline
from .api import Workspace
from .socket_frames import VERSION, read_frame_untrusted, socket_path

PATIENCE_SECONDS: Final = 10.0
"""How long to wait for another process that is just starting, or just ending."""

BRIEF_SECONDS: Final = 1.0
"""How long a short command waits for another short command's engine to end, before it attaches to it."""

RETRY_SECONDS: Final = 0.03


async def open_home(home: Path, passphrase: str | None, lasting: bool) -> Workspace:
    """See ``open_workspace``."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    while True:
        waited = loop.time() - started
        # Asked first: whoever attaches needs none of the engine's code, and loads none of it.
        attached = await _attach(home, waited < (PATIENCE_SECONDS if lasting else BRIEF_SECONDS))
        if attached is not None:
            return attached
        from .engine_workspace import become_engine

        try:
            return await become_engine(home, passphrase, lasting)
        except Conflict:
            if waited > PATIENCE_SECONDS:
                raise Conflict(
                    f"another process has {home} open and does not answer",
                    hint="Wait until it has ended, or end it.",
                ) from None
            await asyncio.sleep(RETRY_SECONDS)


async def _attach(home: Path, only_lasting: bool) -> Workspace | None:
    """None where nobody answers, or where the engine is about to end and only a lasting one will do."""
    try:
        with socket_path(home) as path:
            reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, _, (version, engine_lasts) = await read_frame_untrusted(reader)
    except (Offline, TimeoutError, ValueError):
        writer.close()
        return None
    if version != VERSION:
        writer.close()
        raise Conflict("another version of this program has this home open", hint="End it first.")
    if only_lasting and not engine_lasts:
        writer.close()
        return None
    from .attached_workspace import AttachedWorkspace
    from .engine_socket import EngineSocket

    return AttachedWorkspace(EngineSocket(reader, writer))
