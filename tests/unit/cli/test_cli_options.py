"""Global options, the passphrase, and what ``--help`` costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from peergos_collab.cli import main
from support.fake_workspace import FakeHomes, FakeWorkspace


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json", "--home", "H", "doc", "cat", "a"],
        ["doc", "--json", "--home", "H", "cat", "a"],
        ["doc", "cat", "--json", "--home", "H", "a"],
        ["doc", "cat", "a", "--home=H", "--json"],
        ["--home", "X", "doc", "--home", "Y", "cat", "a", "--home", "H", "--json"],
    ],
)
def test_global_options_stand_anywhere(
    arguments: list[str], pgc: Any, homes: FakeHomes, workspace: FakeWorkspace
) -> None:
    """Before or after the command; the last one counts."""
    workspace.texts["a"] = "x"

    assert pgc(*arguments).document["text"] == "x"
    assert homes.opened == [(Path("H"), None)]


def test_home_from_the_environment(pgc: Any, homes: FakeHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGC_HOME counts where --home is not given."""
    monkeypatch.setenv("PGC_HOME", "E")
    pgc("ls")
    pgc("ls", "--home", "H")

    assert [home for home, _ in homes.opened] == [Path("E"), Path("H")]


def test_home_by_default(pgc: Any, homes: FakeHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise it lies in the platform's data directory."""
    monkeypatch.delenv("PGC_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    pgc("ls")

    assert homes.opened[0][0].name == "peergos-collab"


@pytest.mark.parametrize("content", [b"secret", b"secret\n", b"secret\r\n"])
def test_passphrase_file(
    content: bytes, pgc: Any, homes: FakeHomes, workspace: FakeWorkspace, tmp_path: Path
) -> None:
    """One line end after the passphrase is not a part of it; option and variable name the file."""
    workspace.passphrase = "secret"
    file = tmp_path / "passphrase"
    file.write_bytes(content)

    assert pgc("ls", "--passphrase-file", str(file)).code == 0
    assert homes.opened[-1][1] == "secret"


def test_passphrase_file_variable(
    pgc: Any, workspace: FakeWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PGC_PASSPHRASE_FILE names it too."""
    workspace.passphrase = "  spaces stay "
    (tmp_path / "p").write_text("  spaces stay \n")
    monkeypatch.setenv("PGC_PASSPHRASE_FILE", str(tmp_path / "p"))

    assert pgc("ls").code == 0


def test_passphrase_from_stdin(pgc: Any, workspace: FakeWorkspace) -> None:
    """``-`` reads it from stdin."""
    workspace.passphrase = "secret"

    assert pgc("ls", "--passphrase-file", "-", stdin=b"secret\n").code == 0


def test_passphrase_from_a_descriptor(pgc: Any, workspace: FakeWorkspace) -> None:
    """``/dev/fd/N`` works, so that a secret needs no file."""
    if not Path("/dev/fd").exists():
        pytest.skip("no /dev/fd on this system")
    workspace.passphrase = "secret"
    reader, writer = os.pipe()
    os.write(writer, b"secret\n")
    os.close(writer)

    assert pgc("ls", "--passphrase-file", f"/dev/fd/{reader}").code == 0
    os.close(reader)


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 100_000])
def test_what_is_no_passphrase(content: bytes, pgc: Any, homes: FakeHomes, tmp_path: Path) -> None:
    """An empty file or a huge one is a mistake: usage, before anything is opened."""
    (tmp_path / "p").write_bytes(content)

    assert pgc("ls", "--passphrase-file", str(tmp_path / "p")).code == 2
    assert homes.opened == []


def test_a_missing_passphrase_file(pgc: Any) -> None:
    """It is named, and nothing prompts instead."""
    ran = pgc("ls", "--passphrase-file", "/nonexistent/p")

    assert ran.code == 2
    assert "/nonexistent/p" in ran.err


def test_nothing_prompts_without_a_terminal(pgc: Any, workspace: FakeWorkspace) -> None:
    """A locked home without a passphrase file exits 4 and says which option to use."""
    workspace.passphrase = "secret"

    ran = pgc("ls", "--json", stdin=b"secret\nsecret\n")

    assert ran.code == 4
    assert ran.failure["error"] == "passphrase_needed"
    assert "--passphrase-file" in ran.failure["hint"]


def test_wrong_passphrase(pgc: Any, workspace: FakeWorkspace, tmp_path: Path) -> None:
    """A wrong one exits 4, and is not shown."""
    workspace.passphrase = "secret"
    (tmp_path / "p").write_text("hunter2")

    ran = pgc("ls", "--passphrase-file", str(tmp_path / "p"))

    assert ran.code == 4
    assert "hunter2" not in ran.err


def test_asked_on_a_terminal(
    pgc: Any, homes: FakeHomes, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal a locked home asks, once."""
    workspace.passphrase = "secret"
    monkeypatch.setattr("peergos_collab.cli.session.has_terminal", lambda: True)
    monkeypatch.setattr("peergos_collab.cli.session.ask_secret", lambda question: "secret")

    assert pgc("ls").code == 0
    assert [given for _, given in homes.opened] == [None, "secret"]


def test_version(pgc: Any) -> None:
    """In words and in JSON."""
    from peergos_collab import __version__

    assert pgc("--version").out == f"pgc {__version__}\n".encode()
    assert pgc("--version", "--json").document == {"v": 1, "version": __version__}


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        path = (*prefix, name)
        found += commands(command, path) if isinstance(command, click.Group) else [path]
    return found


def test_the_commands_of_this_version() -> None:
    """Exactly what works is listed."""
    assert {" ".join(path) for path in commands(main)} == {
        *("init", "recover", "status", "ls", "mv", "rm", "members", "share", "join"),
        *("unshare", "role", "leave"),
        *(
            "lan",
            "pair",
            "sync",
            "online",
            "watch",
            "demo",
            "check",
            "doctor",
            "key passphrase",
            "key recover",
        ),
        *("node serve", "node add", "node list", "node remove", "node entry"),
        *("device link", "device join", "device list", "device remove"),
        *("doc new", "doc cat", "doc write", "doc edit", "doc export"),
        *("doc history", "doc name", "doc at", "doc diff", "doc blame", "doc restore", "doc compact"),
        "doc forget",
        *("contact card", "contact add", "contact list", "contact verify", "contact rename"),
        *("contact remove", "contact accept", "contact introduce"),
        *("invitation list", "invitation accept", "invitation decline"),
        *("chat new", "chat send", "chat log", "chat search", "chat follow"),
    }


@pytest.mark.parametrize("path", [(), *commands(main)], ids=" ".join)
def test_help_is_whole(path: tuple[str, ...], pgc: Any) -> None:
    """Every command explains itself, to stdout, and no first line is cut off in a list."""
    ran = pgc(*path, "--help")

    assert ran.code == 0
    assert ran.out.startswith(b"Usage: pgc")
    assert "..." not in ran.out.decode().replace("[ARGS]...", "")


def test_help_loads_nothing_heavy() -> None:
    """No CRDT, crypto, loop, interface or network library is imported for it."""
    code = (
        "import sys\n"
        "from peergos_collab.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(eval(done.stderr))

    heavy = {"pycrdt", "nacl", "asyncio", "uvloop", "textual", "aiortc", "websockets", "cryptography", "ssl"}
    assert "click" in loaded
    assert loaded & (heavy | {"sqlite3", "platformdirs", "subprocess", "tempfile"}) == set()
