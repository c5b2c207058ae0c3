"""What each node has signed about one object, as this device keeps it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import LogId, ObjectId
from ..codec.shape import array, blob, many, string
from ..crypto import Tag, VerifyKey, hash256
from ..objects.ephemeral import MAX_EPHEMERAL
from ..sync.faults import Fault
from ..sync.logbook import LogBook
from ..sync.node_words import NodeWords
from ..sync.receipts import Receipt, shown_untrusted
from ..sync.session_events import ReceiptsShown
from ..values import dataclass
from .machine import now_ms

VERSION: Final = 1
MAX_NODES: Final = 256


@dataclass(frozen=True, slots=True)
class Shown:
    """What became of receipts that a member showed.

    Args:
        node: whose they are, by its pin.
        doubts: the node said more than it said here: it should be asked what it has now.
        other_key: they are signed with another key than what it signs here, and were not taken.
    """

    node: str
    fault: Fault | None
    doubts: bool
    other_key: bool = False


class Told:
    """See the module's text. A node is named by its address, and known by the pin in it wherever it moves."""

    def __init__(self, book: LogBook) -> None:
        self._book = book
        self._nodes: dict[str, NodeWords] = {}

    def mark(self, node: str) -> int:
        """For ``take``, when a session with a node begins."""
        words = self._nodes.get(pin_of(node))
        return words.mark if words is not None else 0

    def take(self, node: str, receipt: Receipt, since: int) -> Fault | None:
        """What a node signed; gives what contradicts something it signed before."""
        name = pin_of(node)
        if name not in self._nodes:
            self._nodes[name] = NodeWords(self._book)
        return self._nodes[name].take(receipt, now_ms(), since)

    def take_shown(self, nodes: Iterable[str], shown: ReceiptsShown) -> Shown | None:
        """What a member shows that a node signed to him.

        Args:
            nodes: addresses of those that are known here. Of others nothing is taken.

        Returns:
            None where it is of no such node.

        Raises:
            RemoteProtocolError: it is not signed so.
        """
        names = dict.fromkeys([*self._nodes, *map(pin_of, nodes)])
        node = next((each for each in names if name_of(each, self._book.object) == shown.node), None)
        if node is None:
            return None
        words = self._nodes.setdefault(node, NodeWords(self._book))
        if words.key not in (b"", shown.key):
            return Shown(node, None, words.doubts, other_key=True)
        key = VerifyKey(shown.key)
        numbered = {each.number: each for each in shown.receipts}
        fresh = [it.verify(key) for number, it in numbered.items() if not words.knows(shown.key, number)]
        return Shown(node, words.take_shown(fresh, now_ms()), words.doubts)

    def doubts(self, node: str) -> bool:
        """Whether a node, by its pin, said more to others than it said here, and should be asked."""
        words = self._nodes.get(node)
        return words is not None and words.doubts

    def to_show(self) -> list[tuple[bytes, list[Receipt]]]:
        """For another member: by each node's name in this object, what it signed with its newest key."""
        shown = [
            (name_of(node, self._book.object), [each for each in words.to_show() if each.key == words.key])
            for node, words in self._nodes.items()
        ]
        return [(name, receipts) for name, receipts in shown if receipts]

    def arrived(self, logs: Collection[LogId]) -> list[tuple[str, Fault]]:
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
            (node, fault, told.has_again(fault))
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


def name_of(node: str, object_id: ObjectId) -> bytes:
    """What members call a node to each other: it says nothing to who does not know the node."""
    return hash256(Tag.NODE_NAME, object_id + pin_of(node).encode())


def write_shown(name: bytes, receipts: list[Receipt]) -> bytes:
    """For ``read_shown_untrusted``. At least one receipt, all with one key."""
    return encode([name, receipts[0].key, [receipt.fields() for receipt in receipts]])


def read_shown_untrusted(content: bytes, object_id: ObjectId) -> ReceiptsShown:
    """What somebody shows by way of a relay. Raises RemoteProtocolError."""
    name, key, receipts = array(decode_untrusted(content, MAX_EPHEMERAL), 3, "receipts")
    shown = shown_untrusted(receipts, object_id)
    return ReceiptsShown(object_id, blob(name, 32, "node"), blob(key, 32, "receipt key"), shown)


def pin_of(address: str) -> str:
    """The part of a node's address that stays the same wherever it moves."""
    return address.partition("@")[0]
