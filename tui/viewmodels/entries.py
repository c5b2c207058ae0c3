"""The list of documents and chats, as lines of text."""

from __future__ import annotations

from peergos_collab.workspace.api import Entry, Role, Status

from .cells import shown
from .contacts import waiting_words
from .lines import Line
from .status import connection_words, problem_words, saved_words

_KINDS = {"doc": "document", "chat": "chat"}


def lines_of(entries: list[Entry], status: Status | None) -> list[Line]:
    """Sorted by name, upper and lower case alike."""
    lines = []
    states = {state.path: state for state in status.objects} if status is not None else {}
    for entry in sorted(entries, key=lambda entry: (entry.name.casefold(), entry.name)):
        state = states.get(entry.name)
        kind = _KINDS.get(entry.kind, shown(entry.kind, 12))
        if entry.role in {Role.READER, None}:
            kind += ", read only"
        saved = saved_words(state)
        if problem := problem_words(state):
            saved = "⚠ " + shown(problem, 120)
        lines.append(Line(entry.name, (shown(entry.name, 40), kind, connection_words(state), saved)))
    return lines


def title_words(status: Status | None, waiting: int = 0) -> str:
    """The first line of the screen; ``waiting`` people wait for an answer."""
    if status is None:
        return "peergos_collab"
    connected = sum(node.connected for node in status.nodes)
    nodes = "no node yet" if not status.nodes else f"{connected} of {len(status.nodes)} nodes connected"
    peers = "" if not status.peers else f"  ·  {status.peers} direct"
    people = f"{waiting_words(waiting)}  ·  " if waiting else ""
    return f"peergos_collab  ·  {shown(status.name, 30)}  ·  {people}{nodes}{peers}"


def alarm_words(status: Status | None) -> str:
    """What is wrong with no object in particular: a device, a contact's or one's own account, this disk."""
    if status is None:
        return ""
    return "\n".join(f"⚠ {shown(problem, 300)}" for problem in status.problems[:3])


def empty_words() -> str:
    return (
        "Nothing here yet.\n\n"
        "  n   write a new document\n"
        "  c   start a chat\n"
        "  j   join with a link somebody gave you\n"
        "  p   people: add contacts to share with\n"
        "  o   add a node, so that others can reach you while you are away\n"
        "  ?   all keys\n\n"
        "What you write is saved on this device as you type, encrypted."
    )
