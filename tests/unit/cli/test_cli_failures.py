"""Exit codes and the words of failures."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from peergos_collab import errors
from support.fake_workspace import FakeHomes, FakeWorkspace

TREE = sorted(
    (each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)),
    key=lambda each: each.__name__,
)

EXIT_CODES = {
    "usage": 2,
    "bad_link": 2,
    "bad_card": 2,
    "bad_code": 2,
    "bad_pair_text": 2,
    "not_found": 3,
    "no_access": 4,
    "wrong_passphrase": 4,
    "passphrase_needed": 4,
    "link_ended": 4,
    "offline": 5,
    "no_node": 5,
    "history_incomplete": 5,
    "timed_out": 5,
    "damaged": 6,
    "disk_full": 6,
    "newer_format": 1,
    "refused": 7,
    "wrong_pin": 7,
    "remote_protocol": 7,
    "quarantined": 7,
    "conflict": 8,
    "local_protocol": 1,
    "unexpected": 1,
}
"""The contract of the command line."""


@pytest.mark.parametrize("error", TREE)
def test_every_error_has_its_exit_code(error: Any, pgc: Any, workspace: FakeWorkspace) -> None:
    """Each class of the tree ends with the code of the contract, in words and in JSON."""
    workspace.failure = error("What happened.", hint="What to do.")

    plain, spoken = pgc("status"), pgc("status", "--json")

    assert plain.code == spoken.code == EXIT_CODES[error.code]
    assert plain.err == "pgc: What happened.\n     What to do.\n"
    assert spoken.failure == {
        "v": 1,
        "error": error.code,
        "message": "What happened.",
        "hint": "What to do.",
    }
    assert plain.out == spoken.out == b""
    assert workspace.closed == 2


def test_the_contract_lists_every_code() -> None:
    """A new error cannot appear without an exit code in the table above."""
    assert {error.code for error in TREE} <= set(EXIT_CODES)


def test_an_unexpected_error_is_one_line_that_quotes_nothing(pgc: Any, workspace: FakeWorkspace) -> None:
    """A foreign error may carry a text or a key, so its message is never shown."""
    workspace.failure = ValueError("the passphrase is hunter2")

    ran = pgc("status")

    assert ran.code == 1
    assert ran.err.startswith("pgc: Something unexpected happened (ValueError at fake_workspace.py:")
    assert "hunter2" not in ran.err
    assert "Traceback" not in ran.err


def test_verbose_shows_where_but_quotes_nothing(pgc: Any, workspace: FakeWorkspace) -> None:
    """-v adds the places in the source, and still no message."""
    workspace.failure = ValueError("the passphrase is hunter2")

    ran = pgc("status", "-v")

    assert ran.code == 1
    assert "in _called" in ran.err
    assert "hunter2" not in ran.err


def test_an_unexpected_error_in_json(pgc: Any, workspace: FakeWorkspace) -> None:
    """The code is ``unexpected``."""
    workspace.failure = RuntimeError("x")

    assert pgc("--json", "status").failure["error"] == "unexpected"


def test_of_several_errors_ours_is_told(pgc: Any, workspace: FakeWorkspace) -> None:
    """A group of errors from a task group ends with the code of the one that has a meaning."""
    workspace.failure = ExceptionGroup("x", [ValueError("y"), ExceptionGroup("z", [errors.NoNode()])])

    assert pgc("status").code == 5


def test_interrupted(pgc: Any, workspace: FakeWorkspace) -> None:
    """Ctrl+C ends with 130, and the workspace was closed."""
    workspace.failure = KeyboardInterrupt()

    assert pgc("status").code == 130


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["doc", "nonsense"],
        ["doc", "cat"],
        ["doc", "cat", "a", "b"],
        ["doc", "export", "a", "--format", "pdf"],
        ["chat", "log", "a", "--last", "0"],
        ["chat", "log", "a", "--last", "x"],
        ["share", "a"],
        ["share", "a", "--link", "--role", "owner"],
        ["share", "a", "--link", "--expires", "soon"],
        ["share", "a", "--link", "--expires", "2001-01-01"],
        ["share", "a", "--with", "Ben", "--link"],
        ["node", "serve", "--listen", "nowhere"],
        ["node", "serve", "--listen", "::1:80"],
        ["node", "serve", "--listen", "h:99999"],
        ["sync", "--timeout", "-1"],
        ["tree"],
        ["mkdir", "a"],
        ["put", "a", "b"],
        ["call", "a"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], pgc: Any, homes: FakeHomes) -> None:
    """What is not understood, or not there yet, is usage: nothing is opened or changed."""
    ran = pgc(*arguments)
    spoken = pgc(*arguments, "--json")

    assert ran.code == spoken.code == 2
    assert ran.err.startswith("pgc: ")
    assert spoken.failure["error"] == "usage"
    assert homes.opened == []


@pytest.mark.parametrize("group", ["doc", "chat", "node", "key"])
def test_a_group_alone_shows_its_commands(group: str, pgc: Any) -> None:
    """Without a command a group prints its help to stderr and exits 2."""
    ran = pgc(group)

    assert ran.code == 2
    assert "Commands:" in ran.err
    assert ran.out == b""


def test_no_home(pgc: Any, homes: FakeHomes) -> None:
    """A home that is not there is 3, with the hint to make one."""
    homes.exists = False

    ran = pgc("ls", "--json")

    assert ran.code == 3
    assert "pgc init" in ran.failure["hint"]


def test_the_tui_needs_a_terminal(pgc: Any) -> None:
    """``pgc`` alone, without a terminal, exits 2 with a hint."""
    ran = pgc("--json")

    assert ran.code == 2
    assert "pgc --help" in ran.failure["hint"]


def test_hostile_words_in_an_error_cannot_move_the_cursor(pgc: Any, workspace: FakeWorkspace) -> None:
    """A message that quotes a stranger is escaped."""
    workspace.failure = errors.Refused("\x1b[2Jnothing\u202e here")

    assert pgc("status").err == "pgc: <U+001B>[2Jnothing<U+202E> here\n"


def test_whoever_stops_reading_ends_it_quietly() -> None:
    """With stdout closed a command exits without a word on stderr."""
    code = (
        "import sys, json\n"
        "from peergos_collab.cli import main\n"
        "from peergos_collab.cli.output import print_line\n"
        "import click\n"
        "@main.command('flood')\n"
        "def flood():\n"
        "    while True:\n"
        "        print_line('x' * 1000)\n"
        "main(['flood'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(30) == 0
    assert said == b""


def test_error_objects_are_one_line(pgc: Any, workspace: FakeWorkspace) -> None:
    """Line ends and other separators in a message stay inside of the JSON."""
    workspace.failure = errors.Refused("one\ntwo\u2028three")

    ran = pgc("status", "--json")

    assert len(ran.err.splitlines()) == 1
    assert json.loads(ran.err)["message"] == "one\ntwo\u2028three"
