"""The command line over a workspace in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

import peergos_collab.workspace
from peergos_collab.cli import main
from support.fake_workspace import FakeHomes, FakeWorkspace


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """stdout as the one JSON document it must be."""
        found: dict[str, Any] = json.loads(self.out)
        assert found["v"] == 1
        assert self.out.endswith(b"\n")
        assert self.out.count(b"\n") == 1
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.out.splitlines()]
        assert all(each["v"] == 1 for each in found)
        return found

    @property
    def failure(self) -> dict[str, Any]:
        """stderr's last line as the error object of --json."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        assert set(found) == {"v", "error", "message", "hint"}
        assert found["v"] == 1
        return found


Pgc = Callable[..., Ran]


@pytest.fixture
def homes(monkeypatch: pytest.MonkeyPatch) -> FakeHomes:
    found = FakeHomes()
    for name in ("open_workspace", "create_workspace", "home_exists"):
        monkeypatch.setattr(peergos_collab.workspace, name, getattr(found, name), raising=False)
    return found


@pytest.fixture
def workspace(homes: FakeHomes) -> FakeWorkspace:
    return homes.workspace


@pytest.fixture
def pgc(homes: FakeHomes) -> Pgc:
    """Runs ``pgc`` without a terminal."""

    def run(*arguments: str, stdin: bytes = b"") -> Ran:
        result = CliRunner().invoke(main, list(arguments), input=stdin, prog_name="pgc")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout_bytes, result.stderr)

    return run
