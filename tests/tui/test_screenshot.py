"""The pictures in the documents: two people in a document with a chat beside it, and the people one knows.

``PGC_WRITE_IMAGES=1`` writes them; otherwise the pictures kept must say what the program shows now.
"""

from __future__ import annotations

import html
import os
import re
from datetime import datetime
from pathlib import Path

from peergos_collab.workspace.api import Contact, Invitation, Member, NodeState, ObjectState, Presence, Role
from peergos_collab.workspace.api import Path as Way
from support.screen_workspace import FakeGate, FakeWorkspace, said
from support.screens import settle
from tui.app import PgcApp

IMAGES = Path(__file__).parents[2] / "docs" / "images"
WRITE = bool(os.environ.get("PGC_WRITE_IMAGES"))
NOON = int(datetime(2026, 3, 1, 12).astimezone().timestamp() * 1000)
"""Wherever one is, so that the day line is the same."""
CELL = 12.2
"""The width of a cell in the picture."""
NODE = "pgc://abcdef@home.example:7000"

TEXT = """A garden for the street

We have the strip between number 4 and the school, about \
thirty metres, sun from ten to four. The city agreed to two \
years; after that they want to see it.

What we need
  - six raised beds, larch if we can get it
  - a water tank with a tap the children can reach
  - a shed (Ben has one to give away 🌱)

First dates
  Sat 14 March   clearing
  Sat 28 March   building the beds
"""


async def scene() -> str:
    """The SVG of the editor with two other people and a chat."""
    workspace = FakeWorkspace()
    workspace.node_states.append(NodeState(NODE, connected=True))
    await workspace.new_document("garden", TEXT)
    await workspace.new_chat("garden talk")
    for path in ("garden", "garden talk"):
        workspace.states[path] = ObjectState(path, "doc", ("here", NODE), 0, Way.DIRECT, 2)
    workspace.chats["garden talk"].receive(
        said("Is larch still what we want? It got dear.", "Ben", number=1, time=NOON),
        said("For the beds yes, it lasts.", "Me", number=2, mine=True, time=NOON + 60_000),
        said("Good. I wrote the dates down, look left.", "Ann", number=3, time=NOON + 120_000),
    )
    app = PgcApp(FakeGate(workspace))
    async with app.run_test(size=(104, 26)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press("ctrl+t")
        await pilot.pause()
        larch = TEXT.index("larch")
        workspace.open_handles["garden"].show(
            Presence("b", "Ben", larch, larch + len("larch if we can get it"), False, "webrtc"),
            Presence("a", "Ann", None, TEXT.index("building"), True, "webrtc"),
        )
        workspace.chats["garden talk"].show(Presence("b", "Ben", None, None, True, "webrtc"))
        await pilot.press("escape", "down", "down", "end")
        for _ in range(20):
            await pilot.pause()
        picture = app.export_screenshot(title="peergos_collab")
    await app.close_workspace()
    return portable(picture)


async def people_scene() -> str:
    """The SVG of the people screen: one of each, an invitation first."""
    workspace = FakeWorkspace()
    workspace.known = [
        Contact("Ana", "z1", verified=True),
        Contact("Ben", "z2", verified=True),
        Contact("Chloé", "z3", verified=False, via="Ana"),
        Contact("Dora", "z4", verified=True, changed=True),
        Contact("Emil", "z5", verified=False, pending=True),
    ]
    workspace.invited = [Invitation("i", "street party", "doc", Role.WRITER, "Farid", "z6")]
    app = PgcApp(FakeGate(workspace))
    async with app.run_test(size=(84, 18)) as pilot:
        await pilot.pause()
        await pilot.press("p")
        await settle(pilot, "✓ verified")
        await pilot.press("end")
        await settle(pilot, "Dora has other keys")
        picture = app.export_screenshot(title="peergos_collab")
    await app.close_workspace()
    return portable(picture)


async def members_scene() -> str:
    """The SVG of the question before somebody is removed, over the editor."""
    workspace = FakeWorkspace()
    await workspace.new_document("garden", TEXT)
    workspace.states["garden"] = ObjectState("garden", "doc", ("here", NODE), 0, Way.NODE, 0)
    workspace.node_states.append(NodeState(NODE, connected=True))
    workspace.people += [
        Member("Ana", Role.WRITER, "account", "z1"),
        Member("Ben", Role.WRITER, "account", "z2"),
        Member("link (reader)", Role.READER, "link", "zlink4711aa"),
    ]
    app = PgcApp(FakeGate(workspace))
    async with app.run_test(size=(84, 22)) as pilot:
        await settle(pilot, "garden")
        await pilot.press("m")
        await settle(pilot, "whoever has the link")
        await pilot.press("down", "down", "delete")
        await settle(pilot, "Remove Ben from")
        picture = app.export_screenshot(title="peergos_collab")
    await app.close_workspace()
    return portable(picture)


def portable(picture: str) -> str:
    """A picture that every program draws alike."""
    # Whoever looks at the picture should not be sent to a server for its font.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    return re.sub(r'x="([\d.]+)"( y="[\d.]+") textLength="([\d.]+)"([^>]*)>([^<]+)<', without_blanks, picture)


def without_blanks(found: re.Match[str]) -> str:
    """A text element without blanks at its ends: some programs leave them out, and would move the rest."""
    x, y, length, rest, text = found.groups()
    blank = "&#160;"
    bare = text
    left = right = 0
    while bare.startswith(blank):
        bare, left = bare.removeprefix(blank), left + 1
    while bare.endswith(blank):
        bare, right = bare.removesuffix(blank), right + 1
    start, width = float(x) + left * CELL, float(length) - (left + right) * CELL
    return f'x="{start:g}"{y} textLength="{width:g}"{rest}>{bare}<'


def words_of(picture: str) -> set[str]:
    """The words a picture shows. Clock times are left out: they depend on where one is."""
    text = html.unescape(" ".join(re.findall(r"<text[^>]*>([^<]*)</text>", picture)))
    return set(re.findall(r"[a-zA-Z]{3,}", text.replace("\xa0", " ")))


def kept(name: str, picture: str) -> set[str]:
    """The words of the picture in the documents, which is written first where that is wanted."""
    file = IMAGES / name
    if WRITE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(picture, encoding="utf-8")
    return words_of(file.read_text(encoding="utf-8"))


async def test_the_picture_shows_what_the_program_shows() -> None:
    """The README's picture is of this program, with both people, the chat and the true state in it."""
    picture = await scene()

    assert {"garden", "larch", "Ben", "Ann", "direct", "saved", "node", "typing"} <= words_of(picture)
    assert kept("editor.svg", picture) == words_of(picture)


async def test_the_picture_of_people_shows_what_the_program_shows() -> None:
    """Verified, introduced, changed, asking and inviting: all are in it."""
    picture = await people_scene()

    assert {"verified", "via", "changed", "asks", "shares", "Verify", "Introduce"} <= words_of(picture)
    assert kept("people.svg", picture) == words_of(picture)


async def test_the_picture_of_a_removal_shows_what_the_program_shows() -> None:
    """What it can do and what it cannot is in it."""
    picture = await members_scene()

    assert {"Remove", "Ben", "already", "saw", "keys", "link", "revoke"} <= words_of(picture)
    assert kept("removal.svg", picture) == words_of(picture)
