"""A new device in the first minute of the terminal interface: by recovery code, by a code, over two hops."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.programs import PROGRAM, ROOT, Node, Person, pgc
from support.screens import flat
from support.terminal import Terminal

PASSPHRASES = ("A passphrase for this device", "The passphrase again")
ENTRY = "An entry node on the way there"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A node, and an entry node of somebody else."""
    with ExitStack() as stack:
        made = Node(tmp_path / "node"), Node(tmp_path / "entry", "--relay", "--relay-private")
        for node in made:
            stack.callback(node.kill)
        yield made


def fill_in(screen: Terminal, *fields: tuple[str, str]) -> None:
    """Types into each field once it has the cursor, and Enter behind it."""
    for label, value in fields:
        screen.wait_cursor_below(label)
        screen.paste(value)
        screen.press("enter")


def test_an_account_without_devices_is_back(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    """With the code on paper: a new code, the old device is out, the document here, the code used up."""
    node, entry = nodes
    laptop, phone = tmp_path / "laptop", tmp_path / "phone"
    made = pgc(laptop, "init", "--name", "Ana", "--no-passphrase", "--device", "laptop", "--json")
    code = json.loads(made)["recovery_code"]
    pgc(laptop, "node", "add", node.address)
    pgc(laptop, "doc", "new", "plan")
    pgc(laptop, "doc", "write", "plan", "-", stdin="first words")
    pgc(laptop, "sync")
    shutil.rmtree(laptop)

    with Terminal([*PROGRAM, "--home", str(phone)], 30, 100, cwd=str(ROOT)) as screen:
        screen.wait_for("any name")
        screen.wait_cursor_below("Your name")
        screen.press("f3")
        fill_in(screen, ("Your recovery code", code.lower().replace("-", " ")))
        fill_in(screen, ("A node that your account uses", node.address), (ENTRY, entry.address))
        fill_in(screen, *((label, "secret") for label in PASSPHRASES))
        new = re.search(r"(?:[0-9A-Z]{5}-){7}[0-9A-Z]{5}", screen.wait_for("Stop, change nothing"))
        assert new is not None
        assert new[0] != code
        assert not phone.exists()
        screen.press("tab", "enter")
        said = "of yours any more: nothing that is written from now on opens there."
        screen.wait_until(lambda shown: said in flat(shown), what=said)
        screen.press("enter")
        screen.wait_for("plan")
        screen.press("enter")
        screen.wait_for("first words")
        screen.press("ctrl+q")
        assert screen.wait_end() == 0

    (tmp_path / "pass").write_text("secret")
    secret = ("--passphrase-file", str(tmp_path / "pass"), "--json")
    assert len(json.loads(pgc(phone, "device", "list", *secret))["devices"]) == 1
    assert json.loads(pgc(phone, "node", "entry", *secret))["entry_node"] == entry.address
    with Terminal([*PROGRAM, "--home", str(tmp_path / "late")], 30, 100, cwd=str(ROOT)) as screen:
        screen.wait_for("any name")
        screen.wait_cursor_below("Your name")
        screen.press("f3")
        fill_in(screen, ("Your recovery code", code), ("A node that your account uses", node.address))
        fill_in(screen, (ENTRY, ""), *((label, "") for label in PASSPHRASES))
        screen.wait_for("nothing was changed")
        screen.press("escape")
        screen.wait_for("any name")
    assert not (tmp_path / "late").exists()


def test_a_device_joins_over_two_hops(nodes: tuple[Node, Node], tmp_path: Path) -> None:
    """The node hears of it from the entry node only: killed, that is what says it cannot be reached."""
    node, entry = nodes
    ana = Person(tmp_path, "Ana")
    pgc(ana.home, "node", "add", node.address)
    pgc(ana.home, "doc", "new", "plan")
    ana.start()
    with ana.screen, Terminal([*PROGRAM, "--home", str(tmp_path / "new")], 30, 100, cwd=str(ROOT)) as screen:
        ana.sees("plan")
        ana.screen.send("e")
        ana.sees("this one")
        ana.screen.send("l")
        ana.sees("On the new device choose")
        ana.screen.send("c")
        ana.screen.wait_until(lambda _: ana.copied().startswith("pgc-device:"), what="the code")
        screen.wait_for("any name")
        screen.wait_cursor_below("Your name")
        screen.press("f2")
        fill_in(screen, ("The code, or its eight words", ana.copied()), ("The node, if you type words", ""))
        entry.kill()
        fill_in(screen, (ENTRY, entry.address), *((label, "") for label in PASSPHRASES))
        screen.wait_for("could not be reached")
        entry.start()
        screen.press("enter")
        screen.wait_for("Does your other device show the same digits?")
        ana.sees("Does the new device")
        for one in (screen, ana.screen):
            one.press("tab", "enter")
        screen.wait_for("plan")
        screen.press("ctrl+q")
        assert screen.wait_end() == 0
        ana.screen.press("ctrl+q")
        assert ana.screen.wait_end() == 0
