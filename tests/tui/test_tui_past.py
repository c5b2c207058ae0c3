"""The versions of a document on the screen: their names, and what changed between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from textual.pilot import Pilot

from peergos_collab.documents import Document
from peergos_collab.errors import Conflict
from peergos_collab.workspace.api import CompactedAt, Event, Forgetting, Member, Passage, Role, Version
from support.screen_workspace import START, FakeWorkspace
from support.screens import painted, running, settle
from tui.viewmodels.past import Changes, changed, version_lines, version_words

TEXTS = {"z3": "The red bed\nand a tank", "z2": "The bed\nand a tank", "z1": "A bed\n", "z0": "A"}


class Remembering(FakeWorkspace):
    """Has a document of four versions; the third has a name."""

    def __init__(self) -> None:
        super().__init__()
        self.versions = [Version(id_, START, "Ann", "zann", 3, 0) for id_ in TEXTS]
        self._call("z1", "First draft", "Ben", me=False)

    def _call(self, version: str, name: str, by: str, *, me: bool) -> None:
        self.versions = [
            replace(each, name=name, named_by=by, named_by_me=me) if each.id == version else each
            for each in self.versions
        ]

    async def document_versions(self, path: str) -> list[Version]:
        return list(self.versions)

    async def document_at(self, path: str, version: str) -> str:
        return TEXTS[version]

    async def blame(self, path: str, version: str) -> list[Passage]:
        return [Passage(0, len(TEXTS[version]), version, START, "Ann", "zann")]

    async def forget_document(self, path: str, before: str) -> Forgetting:
        self.done.append(("forget_document", path, before))
        nodes = (
            CompactedAt("pgc://pin@one.example:7000", 168),
            CompactedAt("pgc://pin@two.example:7000", None, "is not reached"),
        )
        return Forgetting("Me", START, 40, done=False, counts=True, nodes=nodes, me=True)

    async def name_version(self, path: str, version: str, name: str) -> str:
        if any(each.name == name for each in self.versions if name and each.id != version):
            raise Conflict(f"{name!r} means another version already")
        self._call(version, name, "Me" if name else "", me=True)
        return version


@asynccontextmanager
async def looking_back(role: Role = Role.ADMIN, rows: int = 20) -> AsyncIterator[Pilot[None]]:
    """The screen of a document's versions, at the newest."""
    workspace = Remembering()
    await workspace.new_document("notes", "now")
    workspace.roles["notes"] = role
    async with running(workspace, size=(110, rows)) as pilot:
        await pilot.press("enter")
        await settle(pilot, "now")
        await pilot.press("f7")
        assert "◆ First draft" in await settle(pilot, "red bed")
        yield pilot


async def test_names_are_marked_and_found() -> None:
    """J goes to the next older version with a name, K to the next newer; the name stands above the text."""
    async with looking_back() as pilot:
        await pilot.press("j")
        shown = await settle(pilot, "“First draft”, named by Ben")
        assert "red bed" not in shown
        await pilot.press("j")
        await settle(pilot, "No older version has a name")
        await pilot.press("end", "k")
        assert "A bed" in await settle(pilot, "named by Ben")


def looks_of(pilot: Pilot[None]) -> dict[str, tuple[bool, bool]]:
    """Whether what is shown is underlined, and whether it is struck through."""
    strips = pilot.app.screen._compositor.render_strips()
    segments = (segment for strip in strips for segment in strip)
    return {
        one.text.strip(): (bool(one.style.underline), bool(one.style.strike)) for one in segments if one.style
    }


async def test_a_name_that_somebody_else_gives() -> None:
    """It is in the list at once, and what is chosen stays so."""
    async with looking_back() as pilot:
        workspace = pilot.app.workspace  # type: ignore[attr-defined]
        await pilot.press("down")
        await settle(pilot, "The bed")
        workspace._call("z0", "Empty", "Ben", me=False)
        workspace.announce(Event("name", "other"))
        workspace.announce(Event("name", "notes"))
        await settle(pilot, "◆ Empty")
        await settle(pilot, "The bed")


async def test_a_version_is_named() -> None:
    """N asks for a name, once more where it is taken; Delete takes it away."""
    async with looking_back(rows=24) as pilot:
        await pilot.press("n", *"First draft", "enter")
        await settle(pilot, "another version already")
        await pilot.press("end", "2", "enter")
        await settle(pilot, "◆ First draft2")
        await settle(pilot, "named by you")
        await pilot.press("delete")
        await settle(pilot, "No more")
        await pilot.press("tab", "enter")
        await settle(pilot, "◆ First draft2", gone=True)


async def test_what_changed_is_shown() -> None:
    """D shows what came and went since the version before, Space since the one where it is pressed."""
    async with looking_back() as pilot:
        await pilot.press("d", "down")
        shown = await settle(pilot, "AThe bed")
        assert "“First draft”, named by Ben +came -went" in shown.splitlines()[1]
        looks = looks_of(pilot)
        assert (looks["A"], looks["The"], looks["bed"]) == ((False, True), (True, False), (False, False))
        assert "+- AThe bed" in shown
        await pilot.press("end", "space", "home")
        shown = await settle(pilot, "AThe red bed")
        assert "“First draft”" not in shown.splitlines()[1]
        await pilot.press("d")
        await settle(pilot, "text by")
        assert "AThe" not in painted(pilot.app)  # type: ignore[arg-type]


async def test_a_reader_names_nothing() -> None:
    """He is told."""
    async with looking_back(Role.READER) as pilot:
        await pilot.press("n")
        await settle(pilot, "not change it")


async def test_what_came_before_is_forgotten() -> None:
    """F asks first, and says what goes, for whom, and that it is for good; then which node does it when."""
    async with looking_back(rows=24) as pilot:
        workspace = pilot.app.workspace  # type: ignore[attr-defined]
        await pilot.press("j", "f")
        shown = " ".join((await settle(pilot, "Forget what came before")).replace("│", "").split())
        for words in ("“First draft”", "devices of everybody here", "cannot be undone", "The text stays"):
            assert words in shown
        await pilot.press("enter")
        await settle(pilot, "cannot be undone", gone=True)
        assert workspace.done == []
        await pilot.press("f")
        await settle(pilot, "cannot be undone")
        await pilot.press("tab", "enter")
        shown = await settle(pilot, "40 changes are to be forgotten")
        assert "one.example:7000: forgets them in 168 h" in shown
        assert "two.example:7000: is not reached" in shown
        assert workspace.done == [("forget_document", "notes", "z1")]


async def test_only_admins_have_it_forgotten() -> None:
    """Others are told so before they are asked."""
    async with looking_back() as pilot:
        workspace = pilot.app.workspace  # type: ignore[attr-defined]
        workspace.people = [Member("Me", Role.WRITER, "account", "id", me=True)]
        await pilot.press("f")
        shown = await settle(pilot, "Only admins")
        assert "cannot be undone" not in shown


def test_a_text_with_all_that_came_and_went() -> None:
    """Word by word; each mark in a colour, and only those that are there in the legend."""
    text, marks = changed("A bed.\n", "The bed, red.\n")

    assert text == "AThe bed, red.\n"
    assert "".join(" -+"[{None: 0, 2: 1, 1: 2}[mark]] for mark in marks) == "-+++    +++++  "
    document = Document(1)
    document.edit(0, 0, text)
    assert [word for word, _ in Changes(document, marks).legend()] == ["came", "went"]
    assert Changes(document, [None] * len(text)).legend() == []
    colours = [one.colour for one in Changes(document, marks).stretches(0, 5)]
    assert len(set(colours)) == 3


def test_a_hostile_name_is_shown_on_one_line() -> None:
    """In the list as much of it as there is room for, above the text whole; its controls as marks."""
    version = Version(
        "z1", START, "Ann", "zann", 3, 0, name="x\x1b[2J" + "y" * 60, named_by="Ben", named_by_unverified=True
    )
    [line] = version_lines([version])

    assert line.cells[1] == f"◆ x␛[2J{'y' * 16}…"
    assert f"“x␛[2J{'y' * 60}”, named by Ben (unverified)" in version_words(version)
