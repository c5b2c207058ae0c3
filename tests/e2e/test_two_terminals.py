"""The whole of it: two terminals, two homes on disk, and a node in a process of its own between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from support.programs import Node, Person, pgc

# All tests share two running programs and a node.
pytestmark = pytest.mark.xdist_group("two_terminals")

FAMILY = "👩\u200d👩\u200d👧"

AWKWARD = f"ends in CRLF\r\nline\u2028separator 漢字 {FAMILY} \x85\x0c\r\nlast"


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
            person.screen.wait_for("write a new document")
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
    ana.wait_for("You can revoke it")
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
    # The dialog scrolls to it, and the notice that it was copied may cover it for a moment.
    ana.wait_until(
        lambda text: link in "".join(line.strip(" │") for line in text.splitlines()), what="the link"
    )
    ana.press("escape")
    ana.wait_gone("You can revoke it")

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
        other.sees(f"{one.name} (unverified) is typing…")
        one.screen.press("enter")
        other.sees(f"from {one.name}")
    two.bob.screen.press("up")
    two.bob.sees("r Answer")
    two.bob.screen.press("up")
    two.bob.screen.send("r")
    two.bob.sees("↳ Ana (unverified): from Ana")
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
