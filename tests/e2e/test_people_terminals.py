"""People, whole: two terminals, two homes on disk and a node in a process of its own between them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.programs import PROGRAM, ROOT, Node, Person, pgc
from support.terminal import Terminal


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Person, Person]]:
    """Ana and Ben, who use one node and do not know each other, each at the list."""
    node = Node(tmp_path / "node")
    with ExitStack() as stack:
        stack.callback(node.kill)
        ana, ben = Person(tmp_path, "Ana"), Person(tmp_path, "Ben")
        for person in (ana, ben):
            pgc(person.home, "node", "add", node.address)
            person.start()
            stack.callback(person.screen.close)
        for person in (ana, ben):
            person.screen.wait_for("write a new document")
        yield ana, ben
        for person in (ana, ben):
            person.screen.press("ctrl+q")
            assert person.screen.wait_end() == 0


def test_sharing_with_somebody_and_removing_him(two: tuple[Person, Person]) -> None:
    """Ana adds Ben's card and shares; it appears on his list; removed, his screen says so plainly."""
    ana, ben = two
    ben.screen.send("p")
    ben.sees("Nobody here yet.")
    ben.screen.send("c")
    ben.sees("Your contact card")
    ben.screen.send("c")
    ben.screen.wait_until(lambda _: ben.copied().startswith("pgc-card:"), what="the card on the clipboard")
    ben.screen.press("escape")

    ana.screen.send("p")
    ana.sees("Nobody here yet.")
    ana.screen.send("a")
    ana.screen.wait_cursor_below("Their contact card")
    ana.screen.paste(ben.copied())
    ana.screen.press("enter")
    ana.sees("○ not verified")

    ben.sees("asks to be a contact")
    ben.screen.press("enter")
    ben.sees("Somebody who says: Ana")
    ben.screen.press("tab", "enter")
    ben.sees("○ not verified")

    for person in (ana, ben):
        person.screen.press("escape")
    ana.screen.wait_for("write a new document")
    ana.screen.send("n")
    ana.screen.wait_cursor_below("Only you can see it")
    ana.screen.send("plan")
    ana.screen.press("enter")
    ana.sees("Back")
    ana.screen.send("first words")
    ana.screen.press("ctrl+l")
    ana.sees("Ben can read it")
    ana.screen.press("tab", "down")
    ana.screen.send(" ")
    ana.sees("Ben can read and change it")
    ana.screen.press("tab", "tab", "enter")
    ana.sees("Ben gets it, as writer")

    ben.sees("Ana shares “plan” with you")
    ben.open("plan")
    ben.sees("first words")
    ben.screen.send("his ")
    ana.sees("his first words")
    ana.screen.press("ctrl+home")
    ana.sees("by Ben")
    ana.screen.press("f4")
    ana.sees("plan  ·  by you ▌Ben", "▌  his first words")
    ben.screen.press("f4")
    ben.sees("plan  ·  by you ▌Ana", "▌  his first words")

    ana.screen.press("ctrl+r")
    ana.sees("Who is in plan", "Ben  writer")
    ana.screen.press("down", "delete")
    ana.sees("Remove Ben from", "already saw")
    ana.screen.press("tab", "enter")
    ana.sees("Ben is out.")
    ana.screen.wait_gone("Ben  writer")
    ana.screen.wait_gone("with Ben")
    ben.screen.wait_gone("with Ana")
    ben.sees("⚠ Ana removed you: what is here stays yours, but nothing new comes")
    ben.screen.send("more ")
    ana.screen.press("escape")
    ana.screen.wait_gone("Who is in plan")
    ana.screen.press("ctrl+end")
    ana.screen.send(" and a secret")
    ana.sees("his first words and a secret", "saved here and on node")
    ana.sees("plan  ·  by you ▌Ben", "▌  his first words")
    pgc(ben.home, "sync")

    assert ben.cat("plan") == "his first words"
    assert ana.cat("plan") == "his first words and a secret"


def test_a_new_device_of_ana(two: tuple[Person, Person], tmp_path: Path) -> None:
    """Her screen shows a code, another home takes it; same digits, same documents; then she removes it."""
    ana, _ = two
    pgc(ana.home, "doc", "new", "plan")
    pgc(ana.home, "doc", "write", "plan", "-", stdin="first words")
    ana.sees("plan")
    ana.screen.send("e")
    ana.sees("this one")
    ana.screen.send("l")
    ana.sees("On the new device choose")
    ana.screen.send("c")
    ana.screen.wait_until(lambda _: ana.copied().startswith("pgc-device:"), what="the code on the clipboard")

    phone = tmp_path / "phone"
    with Terminal([*PROGRAM, "--home", str(phone)], 30, 100, cwd=str(ROOT)) as screen:
        screen.wait_for("any name")
        screen.wait_cursor_below("Your name")
        screen.press("f2")
        screen.wait_cursor_below("The code, or its eight words")
        screen.paste(ana.copied())
        for label in ("The node, if", "An entry node", "A passphrase for", "The passphrase again"):
            screen.press("enter")
            screen.wait_cursor_below(label)
        screen.press("enter")
        digits = re.search(r"\d{3} \d{3}", screen.wait_for("Does your other device show the same digits?"))
        assert digits is not None
        ana.sees(digits[0])
        for terminal in (screen, ana.screen):
            terminal.press("tab", "enter")
        ana.sees("is a device of this account now")
        screen.wait_for("plan")
        screen.press("enter")
        screen.wait_for("first words")
        screen.press("ctrl+q")
        assert screen.wait_end() == 0

    # It is lost, and goes.
    ana.screen.press("down", "delete")
    ana.sees("from your account?", "already has it keeps")
    ana.screen.press("tab", "enter")
    ana.sees("is removed.")
    ana.screen.press("escape")
    ana.screen.wait_gone("Your devices")
