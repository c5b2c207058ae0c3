"""``pgc share``, ``join``, ``members``, ``sync``, ``online``, ``watch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from peergos_collab.cli.sharing import parse_expiry
from peergos_collab.errors import BadLink, LinkEnded, NoNode, Offline, UsageError, WrongPin
from peergos_collab.workspace.api import Event, Options, Role
from support.fake_workspace import FakeHomes, FakeWorkspace

LINK = "pgc://z6Node@127.0.0.1:8470/#secret"


def test_share(pgc: Any, workspace: FakeWorkspace) -> None:
    """Prints the link, for readers unless said otherwise, and says what ends it and what does not."""
    ran = pgc("share", "notes", "--link")

    assert ran.out == f"{LINK}\n".encode()
    assert "'pgc unshare' ends it, but not what was seen" in ran.err
    assert ("share_link", "notes", Role.READER, None, "") in workspace.calls


def test_share_in_json(pgc: Any, workspace: FakeWorkspace, tmp_path: Path) -> None:
    """{link}; role and password go along."""
    (tmp_path / "p").write_text("word\n")
    ran = pgc(
        "share", "notes", "--link", "--role", "writer", "--link-password-file", str(tmp_path / "p"), "--json"
    )

    assert ran.document["link"] == LINK
    assert ("share_link", "notes", Role.WRITER, None, "word") in workspace.calls


def test_share_without_a_node(pgc: Any, workspace: FakeWorkspace) -> None:
    """Exit 5, with the way to one."""
    workspace.failure = NoNode()
    ran = pgc("share", "notes", "--link", "--json")

    assert ran.code == 5
    assert "pgc node add" in ran.failure["hint"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("45m", 2700), ("12h", 43200), ("7d", 604800), ("2w", 1209600)]
)
def test_expiry_as_a_duration(text: str, seconds: int) -> None:
    """Counted from now."""
    assert parse_expiry(text, 1_000_000) == 1_000_000 + seconds * 1000


def test_expiry_as_a_time() -> None:
    """ISO 8601 with its zone."""
    assert parse_expiry("2030-01-31T12:00:00+01:00", 0) == 1_896_087_600_000


@pytest.mark.parametrize("text", ["", "7", "d", "7y", "-7d", "0d", "tomorrow", "1969-01-01T00:00:00Z"])
def test_expiry_that_is_none(text: str) -> None:
    """Anything else, and what is past, is usage."""
    with pytest.raises(UsageError):
        parse_expiry(text, 1_000)


def test_join(pgc: Any, workspace: FakeWorkspace) -> None:
    """Prints the name it has here; a link among the arguments is warned about."""
    ran = pgc("join", LINK)

    assert ran.out == b"from-link\n"
    assert "pgc join -" in ran.err
    assert "secret" not in ran.err
    assert ("join", LINK, "", "", 30.0) in workspace.calls


def test_join_from_stdin(pgc: Any, workspace: FakeWorkspace) -> None:
    """No warning, and spaces around the link do not matter."""
    ran = pgc("join", "-", "mine", "--timeout", "5", "--json", stdin=f"  {LINK}\r\n".encode())

    assert ran.document == {"v": 1, "path": "mine"}
    assert ran.err == ""
    assert ("join", LINK, "mine", "", 5.0) in workspace.calls


@pytest.mark.parametrize(
    ("error", "code"), [(BadLink(), 2), (LinkEnded(), 4), (Offline(), 5), (WrongPin(), 7)]
)
def test_join_fails(error: Exception, code: int, pgc: Any, workspace: FakeWorkspace) -> None:
    """Malformed 2, ended 4, offline 5, wrong pin 7; the link is not repeated."""
    workspace.failure = error
    ran = pgc("join", "-", stdin=LINK.encode())

    assert ran.code == code
    assert "secret" not in ran.err


def test_join_takes_an_entry_node_for_codes_only(pgc: Any, workspace: FakeWorkspace) -> None:
    """Of a link it says where that is set, and joins nothing."""
    ran = pgc("join", "-", "--entry", "pgc://x@entry:1", stdin=LINK.encode())

    assert ran.code == 2
    assert "pgc node entry" in ran.err
    assert not any(call[0] == "join" for call in workspace.calls)


def test_join_takes_one_thing_from_stdin(pgc: Any, homes: FakeHomes) -> None:
    """Link and passphrase exclude each other there."""
    assert pgc("join", "-", "--passphrase-file", "-", stdin=b"x").code == 2
    assert homes.opened == []


def test_members(pgc: Any) -> None:
    """{members: [{who, role}]}; in words a guest's name is marked, and harmless."""
    found = pgc("members", "notes", "--json").document["members"]
    lines = pgc("members", "notes").out.decode().splitlines()

    assert [(each["who"], each["role"]) for each in found] == [("Ana", "admin"), ("Ben\u202eneB", "writer")]
    assert lines == [
        "admin   Ana             you",
        "writer  Ben<U+202E>neB  came by a link, says so himself, not verified",
    ]


def test_sync(pgc: Any, workspace: FakeWorkspace) -> None:
    """Waits as long as told."""
    assert pgc("sync", "--timeout", "7", "--json").document == {"v": 1, "synced": True}
    assert ("sync", 7.0) in workspace.calls


def test_sync_says_where_there_is_more_to_say(pgc: Any) -> None:
    """As of an object that no node has yet: it was not brought."""
    assert "There is more to say of notes: 'pgc status' shows it." in pgc("sync").err.splitlines()


def test_sync_without_a_node(pgc: Any, workspace: FakeWorkspace) -> None:
    """Exit 5."""
    workspace.failure = NoNode()

    assert pgc("sync").code == 5


EVENTS = [
    Event("connected", via="webrtc"),
    Event("change", "notes", "Ben", "webrtc", 2.3456),
    Event("problem", "notes", text="A segment of Ben's was set aside."),
    Event("change", "notes", "Eve", "node", unverified=True),
]


def test_online(pgc: Any, workspace: FakeWorkspace) -> None:
    """JSON lines {event, path, author, via, delay_ms} with or without --json; then it ends in time."""
    workspace.happening = EVENTS
    for more in ([], ["--json"]):
        ran = pgc("online", "--for", "0.05", *more)

        assert ran.code == 0
        told = [each for each in ran.lines if each["event"] != "online"]
        assert [each["event"] for each in told] == ["connected", "change", "problem", "change"]
        assert told[1] == {
            "v": 1,
            "event": "change",
            "path": "notes",
            "author": "Ben",
            "via": "webrtc",
            "delay_ms": 2.346,
        }
        assert "delay_ms" not in told[0]
        assert told[2]["text"] == "A segment of Ben's was set aside."
        assert (told[3]["author"], told[3]["unverified"]) == ("Eve", True)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], Options(lan=True)),
        (["--no-lan"], Options()),
        (["--no-webrtc"], Options(webrtc=False, lan=True)),
        (["--relay-only"], Options(relay_only=True, lan=True)),
    ],
)
def test_online_options(arguments: list[str], options: Options, pgc: Any, workspace: FakeWorkspace) -> None:
    """What is asked for reaches the engine."""
    pgc("online", "--for", "0.01", *arguments)

    assert ("go_online", options) in workspace.calls


def test_online_fails(pgc: Any, workspace: FakeWorkspace) -> None:
    """The engine's error ends it."""
    workspace.failure = WrongPin()

    assert pgc("online", "--for", "5").code == 7
    assert workspace.closed == 1


def test_watch(pgc: Any, workspace: FakeWorkspace) -> None:
    """JSON lines of one object; says on stderr if nothing is online."""
    workspace.happening = EVENTS[1:2]
    ran = pgc("watch", "notes")

    assert [each["delay_ms"] for each in ran.lines] == [2.346]
    assert "online" in ran.err
    workspace.attached = True
    assert pgc("watch", "notes").err == ""
