"""``pgc unshare``, ``role``, ``leave``."""

from __future__ import annotations

from typing import Any

import pytest

from peergos_collab.errors import Conflict, NoAccess, NoNode, NotFound, PeergosCollabError
from peergos_collab.workspace.api import Role
from support.fake_workspace import FakeWorkspace


def test_unshare(pgc: Any, workspace: FakeWorkspace) -> None:
    """Ends it, tells the nodes at once, and says what that does not undo."""
    ran = pgc("unshare", "notes", "--with", "Ben", "--json")

    assert ran.document == {"v": 1, "removed": "Ben", "told": True}
    assert [call[0] for call in workspace.calls if call[0] in ("unshare", "sync")] == ["unshare", "sync"]
    assert ("unshare", "notes", "Ben") in workspace.calls
    assert "cannot be unseen" in ran.err


def test_unshare_without_a_node(pgc: Any, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is done here; that nobody has heard of it yet is said, and what to do."""

    async def offline(timeout: float = 30.0) -> None:
        raise NoNode

    monkeypatch.setattr(workspace, "sync", offline)
    ran = pgc("unshare", "notes", "--with", "Ben")

    assert ran.code == 0
    assert ran.out == b"Ben is out of notes\n"
    assert "'pgc sync' tells them" in ran.err


@pytest.mark.parametrize(("error", "code"), [(NotFound("x"), 3), (NoAccess("x"), 4)])
def test_unshare_refused(pgc: Any, workspace: FakeWorkspace, error: PeergosCollabError, code: int) -> None:
    """Nobody of that name, or somebody one may not remove."""
    workspace.failure = error

    assert pgc("unshare", "notes", "--with", "Ben").code == code


def test_unshare_says_whom_safely(pgc: Any) -> None:
    """A name is somebody else's text."""
    assert b"\xe2\x80\xae" not in pgc("unshare", "notes", "--with", "Ben\u202eneB").out


def test_role(pgc: Any, workspace: FakeWorkspace) -> None:
    """Changes it, and tells the nodes."""
    ran = pgc("role", "notes", "--with", "Ben", "--role", "reader", "--json")

    assert ran.document == {"v": 1, "who": "Ben", "role": "reader", "told": True}
    assert ("change_role", "notes", "Ben", Role.READER) in workspace.calls


def test_role_without_a_role(pgc: Any) -> None:
    """Is not understood: exit 2."""
    assert pgc("role", "notes", "--with", "Ben").code == 2


def test_leave(pgc: Any, workspace: FakeWorkspace) -> None:
    """Goes."""
    ran = pgc("leave", "notes", "--json")

    assert ran.document == {"v": 1, "left": "notes"}
    assert ("leave", "notes") in workspace.calls


def test_leave_as_the_last_who_can_write(pgc: Any, workspace: FakeWorkspace) -> None:
    """Is refused with the way out, and done where that is asked for."""
    workspace.failure = Conflict("nobody could write", hint="--force")
    refused = pgc("leave", "notes", "--json")
    workspace.failure = None
    ran = pgc("leave", "notes", "--force")

    assert (refused.code, refused.failure["hint"]) == (8, "--force")
    assert ran.code == 0
    assert workspace.calls[-1] == ("leave", "notes", "force")
