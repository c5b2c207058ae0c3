"""Real editing sessions, recorded by others, replayed through Document."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.documents import Document, merge

TRACES = Path(__file__).parents[2] / ".." / "shared" / "data" / "traces"


def load(name: str) -> dict[str, Any]:
    path = TRACES / f"{name}.json.gz"
    if not path.exists():
        pytest.skip(f"the trace {name} is not here; see ../shared/data/README.md")
    trace: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return trace


@pytest.mark.parametrize("name", ["automerge-paper", "rustcode", "sveltecomponent"])
def test_one_author(name: str) -> None:
    """A session of one author ends with exactly his text, here, in a colleague's copy and in a fresh one."""
    trace = load(name)
    document = Document(1)
    updates: list[bytes] = []
    document.on_update(updates.append)
    document.edit(0, 0, trace["startContent"])
    for transaction in trace["txns"]:
        for position, deleted, inserted in transaction["patches"]:
            document.edit(position, position + deleted, inserted)

    assert document.text == trace["endContent"]

    colleague = Document(2)
    for at in range(0, len(updates), 1_000):
        colleague.apply_untrusted(merge(updates[at : at + 1_000]), 1)

    assert colleague.text == trace["endContent"]
    assert Document(3, document.state()).text == trace["endContent"]


def test_two_authors_at_once() -> None:
    """Two people write at once: each edit is made on the text its author saw, and all ends as recorded."""
    trace = load("friendsforever")
    documents = [Document(agent + 1) for agent in range(trace["numAgents"])]
    made: list[list[bytes]] = []
    applied: list[set[int]] = [set() for _ in documents]
    transactions = trace["txns"]

    def note(update: bytes) -> None:
        made[-1].append(update)

    for document in documents:
        document.on_update(note)

    def catch_up(agent: int, wanted: list[int]) -> None:
        missing: set[int] = set()
        todo = list(wanted)
        while todo:
            at = todo.pop()
            if at not in applied[agent] and at not in missing:
                missing.add(at)
                todo += transactions[at]["parents"]
        for at in sorted(missing):
            for update in made[at]:
                documents[agent].apply_untrusted(update, transactions[at]["agent"] + 1)
        applied[agent] |= missing

    for at, transaction in enumerate(transactions):
        agent = transaction["agent"]
        catch_up(agent, transaction["parents"])
        made.append([])
        applied[agent].add(at)
        for position, deleted, inserted in transaction["patches"]:
            documents[agent].edit(position, position + deleted, inserted)
    for agent in range(len(documents)):
        catch_up(agent, list(range(len(transactions))))

    assert [document.text for document in documents] == [trace["endContent"]] * len(documents)
