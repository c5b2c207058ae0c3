"""The whole of it: two terminals, two homes on disk, and a node in a process of its own between them."""

from __future__ import annotations

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from peergos_collab.cli import main
from support.terminal import Terminal

# All tests share two running programs and a node.
pytestmark = pytest.mark.xdist_group("two_terminals")

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from peergos_collab.cli import main; main()"]
FAMILY = "👩\u200d👩\u200d👧"
LIST = "Nodes"
"""A word that only the list shows."""

AWKWARD = f"ends in CRLF\r\nline\u2028separator 漢字 {FAMILY} \x85\x0c\r\nlast"


def pgc(home: Path, *arguments: str, stdin: str = "") -> bytes:
    """Runs ``pgc`` in this process, attached to the terminal program where that is the engine."""
    done = CliRunner().invoke(main, ["--home", str(home), *arguments], input=stdin.encode())
    assert done.exit_code == 0, (arguments, done.stderr)
    return done.stdout_bytes


class Node:
    """A node that can be killed and started again where it was."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._listen = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        serve = [*PROGRAM, "node", "serve", "--home", str(self._home), "--listen", self._listen]
        self.process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().decode().strip()
        self._listen = self.address.rpartition("@")[2]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


class Person:
    """A home and the terminal program on it."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.home = root / name
        pgc(self.home, "init", "--name", name, "--no-passphrase")

    def start(self) -> None:
        self.screen = Terminal([*PROGRAM, "--home", str(self.home)], 30, 100, cwd=str(ROOT))

    def cat(self, path: str) -> str:
        """The durable text, from the engine inside the terminal program."""
        return pgc(self.home, "doc", "cat", path).decode()

    def open(self, path: str) -> None:
        """Opens an entry of the list."""
        self.screen.wait_for(path)
        names = [line.split()[0] for line in self.screen.lines[2:] if line.strip()]
        self.screen.press("home", *["down"] * names.index(path), "enter")
        self.screen.wait_for("Back")

    def to_list(self) -> None:
        """Leaves whatever is open."""
        for _ in range(4):
            if LIST not in self.screen.text:
                self.screen.press("escape")
                self.screen.wait_until(lambda shown: LIST in shown or "Back" in shown)
        self.screen.wait_for(LIST)

    def sees(self, *texts: str) -> None:
        for text in texts:
            self.screen.wait_for(text)

    def copied(self) -> str:
        """What the program last put on the terminal's clipboard."""
        found = re.findall(rb"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", self.screen.raw)
        return base64.b64decode(found[-1]).decode() if found else ""


@dataclass
class Two:
    """Ana has the node and Bob does not: he learns of it from her links."""

    ana: Person
    bob: Person
    node: Node

    def share(self, path: str) -> None:
        """What the commands do beside the running programs."""
        link = pgc(self.ana.home, "share", path, "--link", "--role", "writer")
        pgc(self.bob.home, "join", "-", stdin=link.decode())


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    root = tmp_path_factory.mktemp("two")
    two = Two(Person(root, "Ana"), Person(root, "Bob"), Node(root / "node"))
    pgc(two.ana.home, "node", "add", two.node.address)
    with ExitStack() as stack:
        stack.callback(two.node.kill)
        for person in (two.ana, two.bob):
            person.start()
            stack.callback(lambda person=person: person.screen.close())
        for person in (two.ana, two.bob):
            person.screen.wait_for("write a new document", 30)
        yield two
        for person in (two.ana, two.bob):
            person.screen.press("ctrl+q")
            assert person.screen.wait_end() == 0


@pytest.fixture
def two(started: Two) -> Iterator[Two]:
    """Both at their list."""
    yield started
    started.ana.to_list()
    started.bob.to_list()


def test_two_people_share_write_and_undo(two: Two) -> None:
    """A link from Ana's screen lets Bob in; both write at once; undo takes back one's own words only."""
    ana, bob = two.ana.screen, two.bob.screen
    ana.send("n")
    ana.wait_cursor_below("Only you can see it")
    ana.send("plan")
    ana.press("enter")
    ana.wait_for("Back")
    ana.send("first words")
    ana.press("ctrl+l")
    ana.wait_for("cannot be revoked yet")
    ana.press("down")
    ana.send(" ")
    ana.wait_for("can read and change it.")
    ana.press("tab")
    ana.wait_cursor_below("A password for the link")
    ana.press("enter")
    ana.wait_for("pgc://")
    ana.press("enter")
    two.ana.screen.wait_until(lambda _: bool(two.ana.copied()), what="the link on the clipboard")
    link = two.ana.copied()
    assert link in "".join(line.strip(" │") for line in ana.text.splitlines())
    ana.press("escape")
    ana.wait_gone("cannot be revoked yet")

    bob.send("j")
    bob.wait_cursor_below("The link somebody gave you")
    bob.paste(link)
    bob.wait_for("pgc://")
    bob.press("enter")
    bob.wait_for("first words")
    bob.wait_for("with Ana")
    ana.wait_for("with Bob")

    # Both at once: he at the end, she at the start.
    bob.press("ctrl+end")
    bob.send(" and his")
    ana.press("ctrl+home")
    ana.paste("Hers, then ")  # one step of undo
    whole = "Hers, then first words and his"
    bob.wait_for(whole)
    ana.wait_for(f"{whole}   Bob")
    bob.wait_until(lambda shown: "Ana" in shown.split(whole)[1].splitlines()[0])

    ana.press("ctrl+z")
    ana.wait_for("first words and his")
    ana.wait_gone("Hers")
    bob.wait_gone("Hers")
    bob.wait_for("first words and his")

    ana.press("ctrl+r")
    two.ana.sees("says: Bob", "whoever has the link")
    ana.press("escape")
    ana.wait_gone("says: Bob")
    assert two.ana.cat("plan") == two.bob.cat("plan") == "first words and his"


def test_what_is_typed_around_strange_characters_leaves_them_alone(two: Two) -> None:
    """CRLF, U+2028, wide characters and an emoji of five code points are the same bytes at both ends."""
    pgc(two.ana.home, "doc", "new", "strange")
    pgc(two.ana.home, "doc", "write", "strange", "-", stdin=AWKWARD)
    two.share("strange")
    for person in (two.ana, two.bob):
        person.open("strange")
        person.sees("separator", "with")
    ana, bob = two.ana.screen, two.bob.screen
    ana.press("down", "end", "backspace", "backspace")
    ana.paste(f"{FAMILY}字\n")
    bob.press("ctrl+end", "enter")
    bob.send("Bob 漢")
    ana.wait_for("Bob")
    bob.wait_until(lambda shown: "字" in shown.split("separator")[1].split("last")[0])

    wanted = AWKWARD.replace(" \x85\x0c", f" {FAMILY}字\r\n") + "\r\nBob 漢"
    two.ana.screen.wait_until(lambda _: two.ana.cat("strange") == two.bob.cat("strange") == wanted)


def test_a_chat_goes_both_ways(two: Two) -> None:
    """Messages, answers, and that somebody is typing, arrive at both ends."""
    pgc(two.ana.home, "chat", "new", "talk")
    two.share("talk")
    for person in (two.ana, two.bob):
        person.open("talk")
        person.sees("with")
    for one, other in ((two.ana, two.bob), (two.bob, two.ana)):
        one.screen.send(f"from {one.name} {FAMILY} ")
        other.sees(f"{one.name} is typing…")
        one.screen.press("enter")
        other.sees(f"from {one.name}")
    two.bob.screen.press("up")
    two.bob.sees("r Answer")
    two.bob.screen.press("up")
    two.bob.screen.send("r")
    two.bob.sees("↳ Ana: from Ana")
    two.bob.screen.send("yes")
    two.bob.screen.press("enter")
    two.ana.sees("↳ You: from Ana", "yes")
    log = pgc(two.bob.home, "chat", "log", "talk", "--json").decode()

    said = [message["text"] for message in json.loads(log)["messages"]]
    assert [text.strip() for text in said] == [f"from Ana {FAMILY}", f"from Bob {FAMILY}", "yes"]


def test_the_connection_shown_is_the_connection_there_is(two: Two) -> None:
    """Direct with and without a node, what is saved where, offline when the other leaves, and back again."""
    pgc(two.ana.home, "doc", "new", "paths")
    two.share("paths")
    for person in (two.ana, two.bob):
        person.open("paths")
    for person in (two.ana, two.bob):
        person.sees("● direct", "saved here and on node")

    two.node.kill()
    two.bob.screen.send("without a node")
    two.ana.sees("without a node")
    for person in (two.ana, two.bob):
        person.sees("● direct")
        person.screen.wait_gone("and on node")
    two.bob.screen.press("ctrl+q")
    assert two.bob.screen.wait_end() == 0
    two.ana.sees("○ offline")
    two.ana.screen.wait_gone("with Bob")

    two.node.start()
    two.ana.sees("● via node", "saved here and on node")
    two.bob.screen.close()
    two.bob.start()
    two.bob.open("paths")
    two.bob.sees("without a node", "● direct")
