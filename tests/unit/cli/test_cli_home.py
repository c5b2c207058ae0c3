"""``pgc init``, ``status``, ``ls``, ``mv``, ``rm``, ``key passphrase``, and the nodes of an account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.fake_workspace import NODE, FakeChat, FakeHomes, FakeWorkspace


@pytest.fixture
def no_home(homes: FakeHomes) -> FakeHomes:
    homes.exists = False
    return homes


def test_init(pgc: Any, no_home: FakeHomes) -> None:
    """stdout has the account id alone; the recovery code and plain words go to stderr."""
    ran = pgc("init", "--name", "Ana", "--no-passphrase", "--home", "H")

    assert ran.out == b"z6Account\n"
    assert "abcd-efgh" in ran.err
    assert "Whoever gets a copy of this home can read everything" in ran.err
    assert no_home.created == [(Path("H"), "Ana", None)]


def test_init_in_json(pgc: Any, no_home: FakeHomes) -> None:
    """{account} and more, the recovery code among it; stderr does not hold the code too."""
    ran = pgc("init", "--name", "Ana", "--no-passphrase", "--json")

    assert ran.document["account"] == "z6Account"
    assert ran.document["recovery_code"] == "abcd-efgh"
    assert "abcd-efgh" not in ran.err


def test_the_recovery_code_is_shown_even_when_quiet(pgc: Any, no_home: FakeHomes) -> None:
    """It is shown this once, so -q cannot swallow it."""
    assert "abcd-efgh" in pgc("init", "--name", "Ana", "--no-passphrase", "-q").err


def test_init_with_a_passphrase_file(pgc: Any, no_home: FakeHomes, tmp_path: Path) -> None:
    """The passphrase comes from the file."""
    (tmp_path / "p").write_text("secret\n")
    pgc("init", "--name", "Ana", "--passphrase-file", str(tmp_path / "p"))

    assert no_home.created[0][2] == "secret"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--name", "Ana"],
        ["--no-passphrase"],
        ["--name", "Ana", "--no-passphrase", "--passphrase-file", "p"],
    ],
)
def test_init_without_a_terminal_asks_nothing(arguments: list[str], pgc: Any, no_home: FakeHomes) -> None:
    """What is missing or contradicts itself is usage, and nothing is made."""
    assert pgc("init", *arguments).code == 2
    assert no_home.created == []


def test_init_where_a_home_is(pgc: Any, homes: FakeHomes) -> None:
    """Exit 8, nothing is asked or made."""
    assert pgc("init", "--name", "Ana", "--no-passphrase").code == 8
    assert homes.created == []


def test_init_asks_on_a_terminal(pgc: Any, no_home: FakeHomes, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a passphrase, twice."""
    asked: list[bool] = []

    def ask(question: str, *, confirm: bool = False) -> str:
        asked.append(confirm)
        return "secret"

    monkeypatch.setattr("peergos_collab.cli.passphrases.has_terminal", lambda: True)
    monkeypatch.setattr("peergos_collab.cli.passphrases.ask_secret", ask)
    pgc("init", "--name", "Ana")

    assert asked == [True]
    assert no_home.created[0][2] == "secret"


def test_status(pgc: Any) -> None:
    """{account, device, objects: [{path, kind, saved}], peers}."""
    found = pgc("status", "--json").document

    assert (found["account"], found["device"], found["peers"]) == ("z6Account", "z6Device", 1)
    assert found["objects"] == [
        {
            "path": "notes",
            "kind": "doc",
            "saved": ["here", NODE],
            "pending": 2,
            "connection": "node",
            "peers": 1,
            "problems": ["a fork was found"],
            "removed": "",
        }
    ]
    assert found["nodes"][1] == {
        "address": "pgc://z6Other@h:1",
        "connected": False,
        "problem": "does not answer",
    }


def test_status_in_words(pgc: Any) -> None:
    """Says where what is saved, and every problem."""
    text = pgc("status").out.decode()

    assert f"doc  notes: saved here, {NODE}; 2 changes not on any node yet; node" in text
    assert "! a fork was found" in text
    assert "does not answer" in text


def test_ls(pgc: Any, workspace: FakeWorkspace) -> None:
    """{entries: [{name, kind, size, modified}]}."""
    workspace.texts["nötes"] = "ü"
    workspace.chats["talk"] = FakeChat("talk", [])

    assert pgc("ls", "--json").document["entries"] == [
        {"name": "nötes", "kind": "doc", "size": 2, "modified": 1000, "role": "admin"},
        {"name": "talk", "kind": "chat", "size": 0, "modified": 0, "role": "writer"},
    ]


def test_ls_in_words(pgc: Any, workspace: FakeWorkspace) -> None:
    """A hostile name stays on its line; wide characters keep the columns."""
    workspace.texts["a\nb\x1b[2J"] = "x"

    lines = pgc("ls").out.decode().splitlines()

    assert len(lines) == 1
    assert lines[0].endswith("a<U+000A>b<U+001B>[2J")


def test_ls_of_nothing_and_of_one(pgc: Any, workspace: FakeWorkspace) -> None:
    """An empty home prints nothing; a name that is not there is 3; one that is, is shown alone."""
    assert pgc("ls").out == b""
    assert pgc("ls", "nothing").code == 3

    workspace.texts.update(a="", b="")
    assert [each["name"] for each in pgc("ls", "b", "--json").document["entries"]] == ["b"]


def test_mv_and_rm(pgc: Any, workspace: FakeWorkspace) -> None:
    """Names change and go; a taken one is 8, a missing one 3."""
    workspace.texts.update(a="x", b="y")

    assert pgc("mv", "a", "b").code == 8
    assert pgc("mv", "nothing", "c").code == 3
    assert pgc("mv", "a", "c").code == 0
    assert pgc("rm", "b").code == 0
    assert pgc("rm", "b").code == 3
    assert workspace.texts == {"c": "x"}


def test_change_of_passphrase(pgc: Any, workspace: FakeWorkspace, tmp_path: Path) -> None:
    """From one file to the other."""
    workspace.passphrase = "old"
    (tmp_path / "old").write_text("old\n")
    (tmp_path / "new").write_text("new\n")
    ran = pgc(
        *("key", "passphrase", "--passphrase-file", str(tmp_path / "old")),
        *("--new-passphrase-file", str(tmp_path / "new"), "--json"),
    )

    assert ran.document == {"v": 1, "passphrase": True}
    assert ("change_passphrase", "old", "new") in workspace.calls


def test_taking_the_passphrase_away(pgc: Any, workspace: FakeWorkspace) -> None:
    """Said in plain words."""
    ran = pgc("key", "passphrase", "--no-passphrase")

    assert ("change_passphrase", None, None) in workspace.calls
    assert "Whoever gets a copy of this home can read everything" in ran.err


def test_change_of_passphrase_without_a_terminal(pgc: Any, workspace: FakeWorkspace) -> None:
    """Needs to be told where the new one is."""
    assert pgc("key", "passphrase").code == 2
    assert workspace.calls == []


def test_nodes(pgc: Any, workspace: FakeWorkspace) -> None:
    """add, list, remove."""
    assert pgc("node", "add", NODE, "--json").document == {"v": 1, "address": NODE}
    assert pgc("node", "list", "--json").document["nodes"] == [
        {"address": NODE, "connected": False, "problem": ""}
    ]
    assert pgc("node", "list").out.decode() == f"{NODE}  not connected\n"
    assert pgc("node", "remove", NODE).code == 0
    assert workspace.addresses == []


def test_the_entry_node(pgc: Any, workspace: FakeWorkspace) -> None:
    """Set, shown among the nodes and in the status, and taken away."""
    assert pgc("node", "entry", "--json").document == {"v": 1, "entry_node": ""}
    assert "directly" in pgc("node", "entry").err
    assert pgc("node", "entry", NODE).out.decode() == f"{NODE}\n"
    assert pgc("node", "list", "--json").document == {"v": 1, "nodes": [], "entry_node": NODE}
    assert "entry node" in pgc("node", "list").out.decode()
    assert f"entry node  {NODE}" in pgc("status").out.decode()
    assert pgc("node", "entry", NODE, "--none").code == 2
    assert workspace.entry_node == NODE
    assert pgc("node", "entry", "--none", "--json").document == {"v": 1, "entry_node": ""}


def test_the_local_network(pgc: Any, workspace: FakeWorkspace) -> None:
    """Shown and switched, and in the status while there is something to say."""
    assert pgc("lan", "--json").document == {"v": 1, "lan": "quiet"}
    assert "lan      nothing is announced now" in pgc("status").out.decode()
    assert pgc("lan", "off", "--json").document == {"v": 1, "lan": "off"}
    assert "lan      off; 'pgc lan on' ends that" in pgc("status").out.decode()
    assert pgc("lan", "on").out.decode() == "contacts and fellow members find this device\n"
    assert pgc("lan", "maybe").code == 2
    assert [call for call in workspace.calls if call[0] == "set_lan"] == [
        ("set_lan", False),
        ("set_lan", True),
    ]


def test_relaying_to_private_addresses_needs_relaying(pgc: Any) -> None:
    """The one option alone would do nothing, which is said before anything starts."""
    ran = pgc("node", "serve", "--relay-private", "--json")

    assert ran.code == 2
    assert "--relay" in ran.failure["message"]
