"""``pgc`` as users and scripts run it: real processes, real homes, a real node."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.storage import ask_for_salvage
from support.command_line import PROGRAM, ROOT, Home, serving_node, stop

AWKWARD = "# Notes\r\n\u2028 ü 七 👩‍👩‍👧 \x85\x0c no end"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home of Ana's, without a passphrase; commands run in this process."""
    made = Home(tmp_path / "ana", process=False)
    made.pgc("init", "--name", "Ana", "--no-passphrase")
    return made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node that serves while the tests run."""
    with serving_node(tmp_path_factory.mktemp("node") / "node") as address:
        yield address


def test_a_salvage_is_told_by_the_command_that_made_it(home: Home) -> None:
    """Any command says once what happened and where the damaged file is; its output stays as it was."""
    ask_for_salvage(home.path / "store.db")

    assert home.pgc("ls", "--json")
    assert b"the store on this disk was damaged" in home.error
    assert b"store.db.damaged" in home.error
    home.pgc("ls")
    assert home.error == b""


def test_a_first_day(tmp_path: Path) -> None:
    """From ``init`` to the last ``rm``, every step in a process of its own."""
    home = Home(tmp_path / "ana")
    home.pgc("init", "--name", "Ana", "--no-passphrase")
    home.pgc("doc", "new", "notes")
    assert home.pgc("doc", "cat", "notes") == b""
    home.pgc("doc", "write", "notes", "-", stdin=AWKWARD.encode())
    assert home.pgc("doc", "cat", "notes") == AWKWARD.encode()

    [entry] = home.json("ls")["entries"]
    assert (entry["name"], entry["kind"], entry["size"]) == ("notes", "doc", len(AWKWARD.encode()))
    assert set(entry) >= {"name", "kind", "size", "modified"}

    home.pgc("mv", "notes", "diary")
    assert home.pgc("doc", "cat", "diary") == AWKWARD.encode()
    assert home.fails(3, "doc", "cat", "notes") == "not_found"

    status = home.json("status")
    [state] = status["objects"]
    assert (state["path"], state["kind"], state["saved"]) == ("diary", "doc", ["here"])
    assert set(status) >= {"account", "device", "objects", "peers"}
    [me] = home.json("members", "diary")["members"]
    assert me["role"] == "admin"

    home.pgc("rm", "diary")
    assert home.json("ls")["entries"] == []


def test_write_with_a_base(home: Home, tmp_path: Path) -> None:
    """Two writers from one version: the second keeps what the first wrote."""
    (tmp_path / "f").write_text("one\ntwo\nthree\n")
    home.pgc("doc", "new", "notes", "--from", str(tmp_path / "f"))
    base = home.json("doc", "cat", "notes")["version"]

    home.pgc("doc", "write", "notes", "-", "--base", base, stdin=b"zero\none\ntwo\nthree\n")
    found = home.json("doc", "write", "notes", "-", "--base", base, stdin=b"one\ntwo\nthree\nfour\n")

    assert home.pgc("doc", "cat", "notes") == b"zero\none\ntwo\nthree\nfour\n"
    assert home.json("doc", "cat", "notes")["version"] == found["version"]


def test_edit_in_an_editor(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an editor saves is merged with what was written meanwhile."""
    home.pgc("doc", "new", "notes", "--from", "-", stdin=b"middle\n")
    script = tmp_path / "editor"
    command = " ".join(f"'{part}'" for part in [*PROGRAM, "--home", str(home.path)])
    script.write_text(
        "#!/bin/sh\nset -e\n"
        f"printf 'top\\nmiddle\\n' | {command} doc write notes -\n"
        "printf 'end\\n' >> \"$1\"\n"
    )
    script.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.chdir(ROOT)
    home.pgc("doc", "edit", "notes")

    assert home.pgc("doc", "cat", "notes") == b"top\nmiddle\nend\n"


def test_export(home: Home) -> None:
    """Text as it is, and an update whose bytes no terminal or locale touches."""
    home.pgc("doc", "new", "notes", "--from", "-", stdin=AWKWARD.encode())

    assert home.pgc("doc", "export", "notes") == AWKWARD.encode()
    update = home.pgc("doc", "export", "notes", "--format", "yjs")
    assert AWKWARD.encode() in update


def test_a_chat(home: Home) -> None:
    """Sent messages are in the log, in order, and are found; offline they have no id yet."""
    home.pgc("chat", "new", "talk")
    for text in ("héllo", "a second", "a third"):
        assert home.json("chat", "send", "talk", text)["id"] == ""

    messages = home.json("chat", "log", "talk")["messages"]
    assert [each["text"] for each in messages] == ["héllo", "a second", "a third"]
    assert set(messages[0]) >= {"id", "author", "time", "text"}
    [last] = home.json("chat", "log", "talk", "--last", "1")["messages"]
    [found] = home.json("chat", "search", "talk", "second")["messages"]
    assert (last["text"], found["text"]) == ("a third", "a second")


def test_exit_codes(home: Home, tmp_path: Path) -> None:
    """The contract, each code from the real engine."""
    home.pgc("doc", "new", "notes")

    assert Home(tmp_path / "none", process=False).fails(3, "ls") == "not_found"
    assert home.fails(8, "init", "--name", "Ana", "--no-passphrase") == "conflict"
    assert home.fails(8, "doc", "new", "notes") == "conflict"
    assert home.fails(8, "chat", "new", "notes") == "conflict"
    assert home.fails(3, "doc", "cat", "nothing") == "not_found"
    assert home.fails(2, "doc", "new", "bytes", "--from", "-", stdin=b"\xff\xfe") == "usage"
    assert home.fails(2, "doc", "new", "..") == "usage"
    assert home.fails(2, "node", "add", "https://example.org") == "usage"
    assert home.fails(2, "join", "-", stdin=b"pgc://no-link") == "bad_link"
    assert home.fails(5, "sync") == "no_node"
    assert home.fails(5, "share", "notes", "--link") == "no_node"
    assert [each["name"] for each in home.json("ls")["entries"]] == ["notes"]


@pytest.mark.usefixtures("quick_passphrases")
def test_a_passphrase(tmp_path: Path) -> None:
    """Needed, wrong, right, changed, and never asked for without a terminal."""
    home = Home(tmp_path / "home", process=False)
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("correct horse\n")
    new.write_text("battery staple\n")
    account = home.pgc("init", "--name", "Ana", "--passphrase-file", str(old)).decode().strip()

    assert home.fails(4, "ls") == "passphrase_needed"
    changed = home.json(
        *("key", "passphrase", "--passphrase-file", str(old), "--new-passphrase-file", str(new))
    )
    assert changed == {"passphrase": True}
    assert home.fails(4, "ls", "--passphrase-file", str(old)) == "wrong_passphrase"
    assert home.json("status", "--passphrase-file", "-", stdin=b"battery staple")["account"] == account


def test_nodes_and_a_link(home: Home, node: str, tmp_path: Path) -> None:
    """A node is added, everything saved there, and who has the link gets it; the secret stays out of argv."""
    home.pgc("doc", "new", "notes", "--from", "-", stdin=AWKWARD.encode())
    home.pgc("node", "add", node)
    assert [each["address"] for each in home.json("node", "list")["nodes"]] == [node]
    assert home.fails(7, "node", "add", _other_pin(node)) == "wrong_pin"
    assert home.json("sync") == {"synced": True}
    assert home.json("status")["objects"][0]["saved"] == ["here", node]
    link = home.json("share", "notes", "--link", "--role", "writer")["link"]

    ben = Home(tmp_path / "ben", process=False)
    ben.pgc("init", "--name", "Ben", "--no-passphrase")
    assert ben.json("join", "-", "from-ana", stdin=link.encode()) == {"path": "from-ana"}
    assert ben.pgc("doc", "cat", "from-ana") == AWKWARD.encode()
    assert ben.fails(8, "join", "-", "from-ana", stdin=link.encode()) == "conflict"
    assert ben.fails(2, "join", "-", "more", stdin=link[:-4].encode()) == "bad_link"

    ben.pgc("doc", "write", "from-ana", "-", stdin=AWKWARD.encode() + b" more")
    ben.pgc("sync")
    home.pgc("sync")
    assert home.pgc("doc", "cat", "notes") == AWKWARD.encode() + b" more"

    home.pgc("node", "remove", node)
    assert home.json("node", "list")["nodes"] == []
    assert home.fails(3, "node", "remove", node) == "not_found"
    assert b"pgc node list" in home.error


def test_contacts(home: Home, node: str, tmp_path: Path) -> None:
    """Cards go both ways, what is shared comes by itself while the other was away, and edits come back."""
    ben = Home(tmp_path / "ben", process=False)
    ben.pgc("init", "--name", "Ben", "--no-passphrase")
    for each in (home, ben):
        each.pgc("node", "add", node)
    card = ben.json("contact", "card")["card"]
    assert home.json("contact", "add", "-", stdin=card.encode())["name"] == "Ben"
    assert home.fails(2, "contact", "add", card[:-2]) == "bad_card"
    ben.pgc("contact", "add", home.json("contact", "card")["card"])
    account = ben.json("status")["account"]
    listed = home.json("contact", "list")["contacts"]
    assert [(each["name"], each["verified"], each["account"]) for each in listed] == [("Ben", False, account)]
    words = home.json("contact", "verify", "Ben")["words"]
    assert words == ben.json("contact", "verify", "Ana")["words"]
    assert home.fails(8, "contact", "verify", "Ben", "--equal", " ".join(reversed(words))) == "conflict"
    assert home.json("contact", "verify", "Ben", "--equal", " ".join(words))["verified"] is True

    home.pgc("doc", "new", "notes", "--from", "-", stdin=AWKWARD.encode())
    assert home.fails(3, "share", "notes", "--with", "Zoe") == "not_found"
    assert home.json("share", "notes", "--with", "Ben", "--role", "writer")["delivered_to"] == "Ben"
    assert ben.json("ls")["entries"] == []
    ben.pgc("sync")
    assert ben.pgc("doc", "cat", "notes") == AWKWARD.encode()
    ben.pgc("doc", "write", "notes", "-", stdin=AWKWARD.encode() + b" more")
    ben.pgc("sync")
    home.pgc("sync")
    assert home.pgc("doc", "cat", "notes") == AWKWARD.encode() + b" more"
    listed = ben.json("members", "notes")["members"]
    assert {(each["who"], each["role"]) for each in listed} == {("Ana", "admin"), ("Ben", "writer")}


def _other_pin(address: str) -> str:
    """The same place under another key."""
    pin, at, place = address.removeprefix("pgc://").partition("@")
    swapped = pin[:-1] + ("2" if pin[-1] != "2" else "3")
    return f"pgc://{swapped}{at}{place}"


def test_beside_a_program_that_is_online(home: Home, node: str, tmp_path: Path) -> None:
    """While ``pgc online`` holds the home, other commands work; ``watch`` and ``follow`` stream from it."""
    home.pgc("node", "add", node)
    for kind, path in (("doc", "notes"), ("chat", "talk")):
        home.pgc(kind, "new", path)
    link = home.pgc("share", "notes", "--link", "--role", "writer", "-q")
    ben = Home(tmp_path / "ben", process=False)
    ben.pgc("init", "--name", "Ben", "--no-passphrase")
    ben.pgc("join", "-", "notes", stdin=link)

    home.process = True
    with (
        home.start("online") as online,
        home.start("watch", "notes") as watch,
        home.start("chat", "follow", "talk", "--last", "1") as follow,
    ):
        assert next_line(online)["event"] == "online"
        home.pgc("chat", "send", "talk", "hello")
        assert next_line(follow)["text"] == "hello"

        ben.pgc("doc", "write", "notes", "-", stdin=b"from Ben")
        ben.pgc("sync")
        line = next_line(watch)
        while line["event"] != "change":
            line = next_line(watch)
        assert (line["path"], line["author"], line["via"]) == ("notes", "Ben", "node")
        assert home.pgc("doc", "cat", "notes") == b"from Ben"

        assert stop(watch) == 0
        assert stop(follow, signal.SIGINT) == 130
        assert stop(online) == 0
    assert home.pgc("doc", "cat", "notes") == b"from Ben"


def next_line(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The next JSON line of a command that streams."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    assert found.pop("v") == 1
    return found


def test_online_ends_in_time(home: Home) -> None:
    """--for S ends with 0, as JSON lines only."""
    lines = home.pgc("online", "--for", "0.2").splitlines()

    assert [json.loads(line)["v"] for line in lines] == [1] * len(lines)


def test_node_serve_prints_its_address(tmp_path: Path) -> None:
    """The first line is the bare address; the same key and port come back; Ctrl+C is 130."""
    server = Home(tmp_path / "node")
    addresses = []
    for _ in range(2):
        with server.start("node", "serve", "--listen", "127.0.0.1:0") as process:
            assert process.stdout is not None
            addresses.append(process.stdout.readline())
            assert stop(process, signal.SIGINT) == 130

    assert addresses[0].startswith(b"pgc://z")
    assert addresses[0] == addresses[1]


def test_a_node_that_answers_no_stun(tmp_path: Path) -> None:
    """If that is what its operator wants; it says so."""
    options = ("--listen", "127.0.0.1:0", "--no-stun", "--json")
    with Home(tmp_path / "node").start("node", "serve", *options) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["stun"] is False


def test_prompts_on_a_terminal(tmp_path: Path) -> None:
    """With a terminal ``init`` asks for a passphrase twice, shows nothing of it, and it opens the home."""
    arguments = ["--home", str(tmp_path / "home"), "init", "--name", "Ana"]
    child, master = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(PROGRAM[0], [*PROGRAM, *arguments])
    seen = b""
    answered = 0
    while True:
        try:
            chunk = os.read(master, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not chunk:
            break
        seen += chunk
        if answered < 2 and seen.count(b": ") > answered and seen.endswith(b": "):
            os.write(master, b"correct horse\n")
            answered += 1
    _, status = os.waitpid(child, 0)
    os.close(master)

    assert os.waitstatus_to_exitcode(status) == 0, seen
    assert answered == 2
    assert b"correct horse" not in seen
    assert b"Recovery code" in seen
    (tmp_path / "p").write_text("correct horse")
    opened = Home(tmp_path / "home", process=False)
    assert opened.json("ls", "--passphrase-file", str(tmp_path / "p"))["entries"] == []


def test_an_entry_node(home: Home, node: str, tmp_path: Path) -> None:
    """Set, shown, in use, never bypassed, and taken away again; a node relays only if it was told to."""
    home.pgc("doc", "new", "notes", "--from", "-", stdin=AWKWARD.encode())
    home.pgc("node", "add", node)
    plain = Home(tmp_path / "plain").start("node", "serve", "--listen", "127.0.0.1:0", "--relay")
    with plain as process:
        assert process.stdout is not None
        entry = process.stdout.readline().decode().strip()
        assert home.fails(7, "node", "entry", entry) == "refused"  # the node is on loopback
        assert stop(process) == 0
    options = ("node", "serve", "--listen", "127.0.0.1:0", "--relay", "--relay-private")
    with Home(tmp_path / "entry").start(*options) as process:
        assert process.stdout is not None
        entry = process.stdout.readline().decode().strip()
        assert home.fails(7, "node", "entry", _other_pin(entry)) == "wrong_pin"
        assert home.json("node", "entry") == {"entry_node": ""}
        assert home.json("node", "entry", entry) == {"entry_node": entry}
        assert home.json("node", "list")["entry_node"] == home.json("status")["entry_node"] == entry
        assert home.json("sync") == {"synced": True}
        assert home.json("status")["objects"][0]["saved"] == ["here", node]
        assert stop(process) == 0
    home.pgc("doc", "write", "notes", "-", stdin=b"more")
    assert home.fails(5, "sync", "--timeout", "1") == "offline"
    assert b"nothing is sent directly" in home.error
    home.pgc("node", "entry", "--none")
    assert home.json("sync") == {"synced": True}


def test_no_secret_in_any_output(home: Home, node: str) -> None:
    """With -v, errors around a link and a password hold neither."""
    home.pgc("doc", "new", "notes")
    home.pgc("node", "add", node)
    link = home.pgc("share", "notes", "--link", "-q").decode().strip()
    secret = link.partition("#")[2] or link[-20:]
    home.pgc("join", "-", "notes", "-v", stdin=link.encode(), code=8)
    assert secret.encode() not in home.error
    home.pgc("join", "-", "x", "-v", stdin=(link + "x").encode(), code=2)
    assert secret.encode() not in home.error
