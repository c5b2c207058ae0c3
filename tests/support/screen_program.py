"""The TUI on a workspace in memory, as a program for a terminal: ``python screen_program.py [TEXT]``.

Prints the document's text between two marks once the user has left.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
for _folder in (HERE.parent, HERE.parent.parent):
    sys.path.insert(0, str(_folder))


async def program(text: str) -> None:
    from support.screen_workspace import FakeGate, FakeWorkspace
    from tui.app import PgcApp, run

    workspace = FakeWorkspace()
    await workspace.new_document("notes", text)
    await workspace.new_chat("talk")
    await run(PgcApp(FakeGate(workspace)))
    print(f"<<{workspace.documents['notes'].text!a}>>")


if __name__ == "__main__":
    asyncio.run(program(sys.argv[1] if len(sys.argv) > 1 else ""))
