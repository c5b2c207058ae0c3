"""``pgc recover`` as users and scripts run it: real processes, a real node, the code on stdin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Home, serving_node

pytestmark = pytest.mark.xdist_group("cli-recover")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node that serves while the tests run."""
    with serving_node(tmp_path_factory.mktemp("node") / "node") as address:
        yield address


@pytest.fixture
def code(tmp_path: Path, node: str) -> str:
    """The recovery code of an account with a document on the node; its only device is gone."""
    laptop = Home(tmp_path / "laptop", process=False)
    made = laptop.json("init", "--name", "Ana", "--no-passphrase", "--device", "laptop")
    laptop.pgc("node", "add", node)
    laptop.pgc("doc", "new", "notes")
    laptop.pgc("doc", "write", "notes", "-", stdin=b"hello")
    laptop.pgc("sync")
    shutil.rmtree(laptop.path)
    return str(made["recovery_code"])


def told(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_an_account_without_devices_comes_back(code: str, node: str, tmp_path: Path) -> None:
    """Everything is there, the new code comes first, and the home opens with its own passphrase only."""
    (tmp_path / "pass").write_text("correct horse")
    home, secret = Home(tmp_path / "new"), ("--passphrase-file", str(tmp_path / "pass"))
    arguments = ("recover", "--node", node, "--recovery-code-file", "-", "--name", "desk", *secret)
    shown, back = told(home.pgc(*arguments, "--json", stdin=code.lower().encode() + b"\n"))

    assert (shown["event"], back["event"]) == ("code", "recovered")
    assert shown["recovery_code"] != code
    assert back.items() >= {"name": "Ana", "told": True, "whole": True, "waiting": 0, "entries": 1}.items()
    assert home.pgc("doc", "cat", "notes", *secret) == b"hello"
    home.process = False
    assert [each["name"] for each in home.json("device", "list", *secret)["devices"]] == ["desk"]
    assert home.fails(4, "ls") == "passphrase_needed"
    (tmp_path / "code").write_text(shown["recovery_code"])
    home.pgc("key", "recover", "--recovery-code-file", str(tmp_path / "code"), "--no-passphrase")
    assert home.pgc("doc", "cat", "notes") == b"hello"


def test_what_goes_wrong_is_told_and_changes_nothing(code: str, node: str, tmp_path: Path) -> None:
    """A mistyped code, one that leads nowhere, no node, a home that is there, two secrets on one stdin."""
    home = Home(tmp_path / "new", process=False)
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other" / "home", process=False)
    strange = other.json("init", "--name", "Eve", "--no-passphrase")["recovery_code"]

    def recover(at: Home, text: str, status: int, *, where: str = node, more: str = "--no-passphrase") -> str:
        words = ("recover", "--node", where, "--recovery-code-file", "-", more)
        return at.fails(status, *words, stdin=text.encode())

    wrong = "A" if code[0] != "A" else "B"
    nowhere = node.rsplit(":", 1)[0] + ":1"

    assert recover(home, wrong + code[1:], 2) == "usage"
    assert recover(home, code[:-6], 2) == "usage"
    assert recover(home, strange, 3) == "not_found"
    assert recover(home, code, 5, where=nowhere) == "offline"
    assert recover(home, code, 2, where="node.example") == "usage"
    assert recover(other, code, 8) == "conflict"
    assert recover(home, code, 2, more="--passphrase-file=-") == "usage"
    assert home.fails(2, "recover", "--node", node, "--no-passphrase") == "usage"
    assert not home.path.exists()
