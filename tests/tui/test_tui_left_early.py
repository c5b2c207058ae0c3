"""A screen that is left while it waits for an answer: what comes then is nobody's fault."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual.pilot import Pilot

from peergos_collab.workspace.api import Contact, Passage, Version
from support.screen_workspace import START, FakeWorkspace
from support.screens import running, settle

VERSIONS = [Version(f"z{number}", START, "Ann", "zann", 3, 0) for number in (2, 1)]


class Waiting(FakeWorkspace):
    """Answers some calls only once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_for = ""
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.restored = False
        self.named = ""

    async def _wait(self, call: str) -> None:
        if call == self.waits_for:
            self.asked.set()
            await self.let.wait()

    async def contacts(self) -> list[Contact]:
        await self._wait("contacts")
        return await super().contacts()

    async def document_versions(self, path: str) -> list[Version]:
        await self._wait("versions")
        return VERSIONS if self.waits_for != "versions" else []

    async def document_at(self, path: str, version: str) -> str:
        await self._wait("text")
        return "abc"

    async def blame(self, path: str, version: str) -> list[Passage]:
        return [Passage(0, 3, version, START, "Ann", "zann")]

    async def name_version(self, path: str, version: str, name: str) -> str:
        await self._wait("naming")
        self.named = name
        return version

    async def restore_document(self, path: str, version: str) -> None:
        await self._wait("restoring")
        self.restored = True


async def leave(pilot: Pilot[Any], workspace: Waiting, before: str) -> None:
    """Escape while it waits; then the answer comes."""
    await workspace.asked.wait()
    await pilot.press("escape")
    await settle(pilot, before)
    workspace.let.set()
    for _ in range(5):
        await pilot.pause()


async def test_people_are_left_before_they_are_listed() -> None:
    """The list that comes too late is shown nowhere."""
    workspace = Waiting()
    await workspace.new_document("notes", "")
    async with running(workspace) as pilot:
        workspace.waits_for = "contacts"
        await pilot.press("p")
        await leave(pilot, workspace, "Kind")

        assert pilot.app.faults == []


@pytest.mark.parametrize("waits_for", ["versions", "text"])
async def test_the_past_is_left_before_it_is_there(waits_for: str) -> None:
    """Neither the list of versions nor a text is missed."""
    workspace = Waiting()
    workspace.waits_for = waits_for
    await workspace.new_document("notes", "now")
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await settle(pilot, "now")
        await pilot.press("f7")
        await leave(pilot, workspace, "now")

        assert pilot.app.faults == []


async def test_the_past_is_left_while_it_comes_back() -> None:
    """The document goes back all the same."""
    workspace = Waiting()
    workspace.waits_for = "restoring"
    await workspace.new_document("notes", "now")
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await settle(pilot, "now")
        await pilot.press("f7")
        await settle(pilot, "abc")
        await pilot.press("enter")
        await settle(pilot, "stays in the history")
        await pilot.press("tab", "enter")
        await leave(pilot, workspace, "now")

        assert pilot.app.faults == []
        assert workspace.restored


async def test_the_past_is_left_while_a_version_is_named() -> None:
    """It has its name all the same."""
    workspace = Waiting()
    workspace.waits_for = "naming"
    await workspace.new_document("notes", "now")
    async with running(workspace) as pilot:
        await pilot.press("enter")
        await settle(pilot, "now")
        await pilot.press("f7")
        await settle(pilot, "abc")
        await pilot.press("n", *"Draft", "enter")
        await leave(pilot, workspace, "now")

        assert pilot.app.faults == []
        assert workspace.named == "Draft"
