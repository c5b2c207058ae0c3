"""What a process loads that asks a running engine: ``pgc doc write`` beside the terminal interface, say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from peergos_collab.workspace import create_workspace, open_workspace

_BESIDE_IT = """if True:
    import asyncio, json, sys
    from pathlib import Path
    from peergos_collab.workspace import Role, open_workspace

    async def main():
        workspace = await open_workspace(Path(sys.argv[1]))
        await workspace.status()
        paths = [entry.name for entry in await workspace.list_entries()]
        text, base = await workspace.read_document("notes")
        await workspace.write_document("notes", text + " two", base=base)
        await workspace.send_message("talk", "hello")
        messages = [message.text for message in await workspace.read_messages("talk", 5)]
        members = len(await workspace.members("notes"))
        await workspace.close()
        return workspace.attached, paths, messages, members

    done = asyncio.run(main())
    print(json.dumps([done, list(sys.modules)]))
"""

_ENGINE = ("nacl", "cryptography", "sqlite3", "pycrdt", "pycrdt._pycrdt", "anyio")
_PARTS = ("chat", "crypto", "documents", "files", "identity", "objects", "storage", "sync")


async def test_whoever_attaches_loads_nothing_of_the_engine(tmp_path: Path) -> None:
    """No keys, no store, no CRDT: all that is the running engine's work."""
    home = tmp_path / "home"
    create_workspace(home, name="Ana", passphrase=None)
    workspace = await open_workspace(home, lasting=True)
    await workspace.new_document("notes", "one")
    await workspace.new_chat("talk")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BESIDE_IT, str(home), stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    done, loaded = json.loads(out)
    text, _ = await workspace.read_document("notes")
    await workspace.close()

    assert done == [True, ["notes", "talk"], ["hello"], 1]
    assert text == "one two"
    heavy = {*_ENGINE, *(f"peergos_collab.{part}" for part in _PARTS), "peergos_collab.workspace.engine"}
    assert heavy & set(loaded) == set()
