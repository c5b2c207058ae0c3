"""What each node has signed about one object, as this device keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ..codec.ids import LogId
from ..codec.shape import array, many, string
from ..sync.logbook import LogBook
from ..sync.node_words import Fault, NodeWords
from ..sync.receipts import Receipt
from .machine import now_ms

VERSION: Final = 1
MAX_NODES: Final = 256


class Told:
    """See the module's text. A node is named by its address, and known by the pin in it wherever it moves."""

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._nodes: dict[str, NodeWords] = {}

    def take(self, node: str, receipt: Receipt) -> Fault | None:
        """What a node signed; gives what contradicts something it signed before."""
        name = pin_of(node)
        if name not in self._nodes:
            self._nodes[name] = NodeWords(self._book)
        return self._nodes[name].take(receipt, now_ms())

    def arrived(self, logs: Iterable[LogId]) -> list[tuple[str, Fault]]:
        """Segments of some logs came, of which nodes may have signed something."""
        found = [(node, told.arrived(logs, now_ms())) for node, told in self._nodes.items()]
        return [(node, fault) for node, fault in found if fault is not None]

    def covers_all(self, node: str) -> bool:
        """Whether a node's receipts cover everything that is here."""
        told = self._nodes.get(pin_of(node))
        return told is not None and told.covers_all

    def faults(self) -> list[tuple[str, Fault, bool]]:
        """Nodes with what they were found to contradict, and whether they have by now what they lacked."""
        return [
            (node, fault, all(told.has(run) for run in fault.missing))
            for node, told in self._nodes.items()
            for fault in told.faults
        ]

    def stored(self) -> list[Any]:
        """As a value, for ``restore``."""
        return [VERSION, [[node, told.stored()] for node, told in self._nodes.items()]]

    def restore(self, value: object) -> None:
        """Raises RemoteProtocolError where it is not what ``stored`` gave."""
        version, nodes = array(value, 2, "what nodes signed")
        if version != VERSION:
            return
        for item in many(nodes, MAX_NODES, "nodes"):
            node, told = array(item, 2, "node")
            words = self._nodes[string(node, 400, "node")] = NodeWords(self._book)
            words.restore(told)


def pin_of(address: str) -> str:
    """The part of a node's address that stays the same wherever it moves."""
    return address.partition("@")[0]
