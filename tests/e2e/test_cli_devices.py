"""``pgc device`` as users and scripts run it: real processes, a real node, answers on stdin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.command_line import PROGRAM, ROOT, Home, serving_node

pytestmark = pytest.mark.xdist_group("cli-devices")


class Talk:
    """A command that prints JSON lines and reads answers."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "--home", str(home), *arguments, "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def hear(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()
        found: dict[str, Any] = json.loads(line)
        assert found["event"] == event
        return found

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def end(self, code: int = 0) -> str:
        """Waits for the end; returns the error it told, if any."""
        out, err = self.process.communicate(timeout=200)
        assert self.process.returncode == code, (out, err)
        return str(json.loads(err.splitlines()[-1])["error"]) if code else ""


@contextmanager
def talk(home: Path, *arguments: str) -> Iterator[Talk]:
    started = Talk(home, *arguments)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.communicate()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node that serves while the tests run."""
    with serving_node(tmp_path_factory.mktemp("node") / "node") as address:
        yield address


@pytest.fixture
def laptop(tmp_path: Path, node: str) -> Home:
    """A home with a document, on a device called laptop."""
    made = Home(tmp_path / "laptop", process=False)
    made.pgc("init", "--name", "Ana", "--no-passphrase", "--device", "laptop")
    made.pgc("node", "add", node)
    made.pgc("doc", "new", "notes")
    made.pgc("doc", "write", "notes", "-", stdin=b"hello")
    return made


def join_arguments(*more: str) -> tuple[str, ...]:
    return ("device", "join", *more, "--no-passphrase", "--name", "phone")


def test_a_device_is_linked_and_has_everything(laptop: Home, tmp_path: Path) -> None:
    """Code, comparison, one 'yes' and one answer that repeats the digits; then both list both devices."""
    phone = Home(tmp_path / "phone", process=False)
    with talk(laptop.path, "device", "link") as first, talk(phone.path, *join_arguments("-")) as new:
        code = first.hear("code")
        assert len(code["words"]) == 8
        new.say(code["code"])
        shown, there = first.hear("compare"), new.hear("compare")
        assert shown["digits"] == there["digits"]
        assert shown["name"] == "phone"
        new.say(shown["digits"])
        first.say("yes")
        assert first.hear("linked")["device"]["name"] == "phone"
        linked = new.hear("linked")
        assert (first.end(), new.end()) == ("", "")

    assert linked["account"] == laptop.json("status")["account"]
    assert linked["entries"] == 1
    assert phone.pgc("doc", "cat", "notes") == b"hello"
    laptop.pgc("sync")
    for home, own in ((laptop, "laptop"), (phone, "phone")):
        devices = home.json("device", "list")["devices"]
        assert (devices[0]["name"], devices[0]["me"]) == (own, True)
        assert {each["name"] for each in devices} == {"laptop", "phone"}
    assert b"this one" in phone.pgc("device", "list")


def test_words_and_a_node_do_the_same(laptop: Home, tmp_path: Path, node: str) -> None:
    """For who can only type."""
    with talk(laptop.path, "device", "link") as first:
        code = first.hear("code")
        assert code["node"] == node
        words = " ".join(code["words"])
        with talk(tmp_path / "phone", *join_arguments(words, "--node", node)) as new:
            first.hear("compare")
            new.say(new.hear("compare")["digits"])
            first.say("y")
            first.hear("linked")
            new.hear("linked")
            assert (first.end(), new.end()) == ("", "")


def test_a_device_is_removed(laptop: Home, tmp_path: Path) -> None:
    """By name; the other one hears of it, keeps what it has, and gets nothing more."""
    phone = Home(tmp_path / "phone", process=False)
    with talk(laptop.path, "device", "link") as first:
        with talk(phone.path, *join_arguments(first.hear("code")["code"])) as new:
            first.hear("compare")
            new.hear("compare")
            new.say("yes")
            first.say("yes")
            assert (first.end(), new.end()) == ("", "")
    laptop.pgc("share", "notes", "--link")

    assert laptop.fails(3, "device", "remove", "tablet") == "not_found"
    assert laptop.fails(2, "device", "remove", "laptop") == "usage"
    assert laptop.json("device", "remove", "phone") == {
        "removed": "phone",
        "waiting": 0,
        "by_link": ["notes"],
        "told": True,
    }
    laptop.pgc("doc", "write", "notes", "-", stdin=b"after")
    laptop.pgc("sync")
    assert phone.fails(4, "sync") == "no_access"
    assert phone.pgc("doc", "cat", "notes") == b"hello"
    assert any("removed" in words for words in phone.json("status")["problems"])
    assert [each["name"] for each in laptop.json("device", "list")["devices"]] == ["laptop"]


@pytest.mark.parametrize("refusing", ["first", "new"])
def test_a_no_on_either_side_links_nothing(laptop: Home, tmp_path: Path, refusing: str) -> None:
    """The other side hears of it, no home is made, and no device is added."""
    with talk(laptop.path, "device", "link") as first:
        with talk(tmp_path / "phone", *join_arguments(first.hear("code")["code"])) as new:
            first.hear("compare")
            new.hear("compare")
            first.say("no" if refusing == "first" else "yes")
            new.say("000000x" if refusing == "new" else "yes")
            assert (first.end(7), new.end(7)) == ("not_linked", "not_linked")

    assert len(laptop.json("device", "list")["devices"]) == 1
    assert not (tmp_path / "phone" / "keys").exists()


def test_false_codes_and_used_homes_are_told(laptop: Home, tmp_path: Path, node: str) -> None:
    """Before anything is contacted; each with what to do."""
    phone = Home(tmp_path / "phone", process=False)
    good = "pgc-device" + node.removeprefix("pgc") + "/#z1111111111"

    assert phone.fails(2, *join_arguments("hello")) == "bad_code"
    assert phone.fails(2, *join_arguments(good)) == "bad_code"
    assert phone.fails(2, *join_arguments(good[:40])) == "bad_code"
    assert phone.fails(2, *join_arguments("abandon " * 7)) == "bad_code"
    assert phone.fails(2, "device", "join", good) == "usage"
    assert laptop.fails(8, *join_arguments(good)) == "conflict"
    assert laptop.fails(8, "join", good) == "conflict"
    secret = tmp_path / "secret"
    secret.write_text("a passphrase")
    with_passphrase = ("join", good, "--passphrase-file", str(secret))
    assert phone.fails(2, *with_passphrase) == "bad_code"
    assert phone.fails(2, *with_passphrase, "--entry", "no address") == "usage"
    assert not phone.path.exists() or not (phone.path / "keys").exists()


def test_linking_needs_a_node(tmp_path: Path) -> None:
    """There has to be a place where both meet."""
    lonely = Home(tmp_path / "lonely", process=False)
    lonely.pgc("init", "--name", "Ana", "--no-passphrase")

    assert lonely.fails(5, "device", "link") == "no_node"
