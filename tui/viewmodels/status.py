"""Connection and storage in words. Nothing is called saved that the status does not prove."""

from __future__ import annotations

from peergos_collab.values import dataclass
from peergos_collab.workspace.api import Lan, ObjectState, Path, Status

from .cells import shown

_HERE = "here"

CONNECTION = {Path.DIRECT: "● direct", Path.NODE: "● via node", Path.OFFLINE: "○ offline"}
UNKNOWN = "…"


def node_name(address: str) -> str:
    """Host and port of a node's address; its pin is for machines."""
    return shown(address.rpartition("@")[2].removeprefix("pgc://"), 40)


def entry_words(entry: str) -> str:
    """A line of the list of nodes."""
    return f"{node_name(entry)}  entry: all others are reached through it, and see no address of yours"


LAN = {
    Lan.ANNOUNCED: "Local network: contacts and fellow members find this device. 'pgc lan off' ends that.",
    Lan.QUIET: "Local network: nothing is announced now.",
    Lan.OFF: "Local network: off. 'pgc lan on' ends that.",
}
"""A line below the list of nodes."""


def directly_words(entry: str) -> str:
    """Asked before nodes are reached without an entry node again."""
    return (
        f"Reach your nodes without {node_name(entry)}? From then on they see your network address beside "
        "what you read and write there."
    )


def state_of(status: Status | None, path: str) -> ObjectState | None:
    if status is None:
        return None
    return next((found for found in status.objects if found.path == path), None)


def connection_words(state: ObjectState | None) -> str:
    """How an object reaches others now."""
    return CONNECTION[state.connection] if state is not None else UNKNOWN


def saved_words(state: ObjectState | None, *, stale: bool = False) -> str:
    """Where everything local is durable. ``stale`` says that edits came after the state was asked for."""
    if state is None or stale or _HERE not in state.saved:
        return "saving…"
    nodes = [node_name(place) for place in state.saved if place != _HERE]
    if not nodes:
        return "saved here"
    if len(nodes) == 1:
        return f"saved here and on node {nodes[0]}"
    return f"saved here and on {len(nodes)} nodes"


def pending_words(state: ObjectState | None, status: Status | None) -> str:
    """How much only this device has."""
    if state is None or status is None:
        return ""
    if not status.nodes and state.connection is Path.OFFLINE and state.saved in ((), (_HERE,)):
        # An object that came by a link can have a node although the account has none.
        return "no node yet"
    if not state.pending:
        return ""
    return (
        "1 change not on a node yet" if state.pending == 1 else f"{state.pending} changes not on a node yet"
    )


@dataclass(frozen=True, slots=True)
class Bar:
    """The parts of a status bar, from left to right; empty ones are left out."""

    connection: str
    saved: str
    pending: str
    people: str
    problem: str
    read_only: bool
    writer: str = ""

    def words(self) -> str:
        read_only = "read only" if self.read_only else ""
        # What matters less is cut off first, where the line is short.
        parts = (self.connection, self.saved, self.pending, read_only, self.people, self.writer)
        return "  ·  ".join(part for part in parts if part)


def people_words(names: list[str]) -> str:
    """Who else is here."""
    if not names:
        return ""
    if len(names) <= 3:
        return "with " + ", ".join(names)
    return f"with {', '.join(names[:2])} and {len(names) - 2} more"


def problem_words(state: ObjectState | None) -> str:
    """What matters more than how an object is saved; empty when all is well."""
    if state is None:
        return ""
    found = (state.removed, *state.problems)
    return shown(next((words for words in found if words), ""), 300)


def bar(
    status: Status | None, path: str, names: list[str], *, stale: bool, can_write: bool, writer: str = ""
) -> Bar:
    """``writer`` says who wrote what is under the cursor."""
    state = state_of(status, path)
    return Bar(
        connection=connection_words(state),
        saved=saved_words(state, stale=stale),
        pending="" if stale else pending_words(state, status),
        people=people_words(names),
        problem=problem_words(state),
        read_only=not can_write,
        writer=writer,
    )
