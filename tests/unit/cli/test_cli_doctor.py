"""``pgc doctor``: each examination sees a fault that is there."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.cli import examinations, network_examinations
from support.fake_workspace import FakeHomes, FakeWorkspace


def test_doctor(pgc: Any, homes: FakeHomes, tmp_path: Path) -> None:
    """On a machine that can run the tests nothing is bad; a line per check, and the same in JSON."""
    homes.exists = False
    ran = pgc("doctor", "--home", str(tmp_path / "none"))
    found = pgc("doctor", "--home", str(tmp_path / "none"), "--json").document

    assert ran.code == 0, ran.out
    assert found["bad"] == 0
    assert {each["name"] for each in found["checks"]} >= {"python", "packages", "home", "webrtc", "udp"}
    assert {each["level"] for each in found["checks"]} <= {"ok", "warn"}
    assert all(each["todo"] for each in found["checks"] if each["level"] != "ok")
    assert not (tmp_path / "none").exists()


def test_something_bad_is_an_exit_code(pgc: Any, homes: FakeHomes, tmp_path: Path) -> None:
    """A home that others can read is bad: exit 1, with the command that mends it."""
    homes.exists = False
    tmp_path.chmod(0o755)
    ran = pgc("doctor", "--home", str(tmp_path))

    assert ran.code == 1
    assert f"chmod 700 '{tmp_path}'" in ran.out.decode()


def test_packages() -> None:
    """One that cannot be imported is named."""
    found = examinations.packages(["json", "no_such_package_here"])

    assert found.level == "bad"
    assert found.message.endswith("no_such_package_here")


def test_home_that_is_private(tmp_path: Path) -> None:
    """0700 and one's own is fine."""
    tmp_path.chmod(0o700)

    assert examinations.home_permissions(tmp_path).level == "ok"


def test_home_that_is_a_file(tmp_path: Path) -> None:
    """A file in its place is bad."""
    (tmp_path / "f").touch()

    assert examinations.home_permissions(tmp_path / "f").level == "bad"


@pytest.mark.parametrize(("free", "level"), [(5 << 20, "bad"), (100 << 20, "warn"), (1 << 30, "ok")])
def test_disk_space(free: int, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room is a warning, none is bad."""
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": free}))

    assert examinations.disk_space(tmp_path / "not" / "yet").level == level


def test_durability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot sync is bad; what was tried leaves nothing behind."""
    assert examinations.durability(tmp_path).level in {"ok", "warn"}

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    assert examinations.durability(tmp_path).level == "bad"
    assert list(tmp_path.iterdir()) == []


def test_clock(tmp_path: Path) -> None:
    """A clock before this program was made is bad; one behind the home's files is suspicious."""
    (tmp_path / "f").touch()
    now = time.time()

    assert examinations.clock(tmp_path, now).level == "ok"
    assert examinations.clock(tmp_path, now - 7200).level == "warn"
    assert examinations.clock(tmp_path, 1_000_000.0).level == "bad"


@pytest.mark.parametrize(
    ("table", "level"),
    [("MemAvailable: 100000 kB\n", "warn"), ("MemAvailable: 9000000 kB\n", "ok"), ("nonsense", "ok")],
)
def test_memory(table: str, level: str, tmp_path: Path) -> None:
    """Too little for a passphrase is a warning."""
    (tmp_path / "meminfo").write_text(table)

    assert examinations.memory(tmp_path / "meminfo").level == level


async def test_nobody_at_an_address(unused_tcp_port: int) -> None:
    """A node that does not answer is a warning: everything goes on without it."""
    pin = "z4zvwRjXUKGfvwnParsHAS3HuSVzV5cA4McphgmoCtajS"
    found = await network_examinations.node(f"pgc://{pin}@127.0.0.1:{unused_tcp_port}")

    assert found.level == "warn"
    assert found.todo


async def test_what_is_no_address() -> None:
    """A malformed one is bad."""
    assert (await network_examinations.node("pgc://nonsense")).level == "bad"


async def test_a_data_channel_opens() -> None:
    """Two ends on this machine connect, and leave no task."""
    found = await network_examinations.data_channel()

    assert found.level == "ok", found
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_nodes_of_a_locked_home(pgc: Any, workspace: FakeWorkspace) -> None:
    """Without the passphrase the nodes are not looked at, which is said, and is not bad."""
    workspace.passphrase = "secret"
    checks = pgc("doctor", "--json").document["checks"]

    [found] = [each for each in checks if each["name"] == "nodes"]
    assert found["level"] == "warn"
    assert "--passphrase-file" in found["todo"]
