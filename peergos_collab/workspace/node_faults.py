"""What nodes were found to contradict, in words: no more than is known, and what it means for one's data."""

from __future__ import annotations

from typing import Final

from ..sync.faults import Against, Fault
from .api import NodeFault
from .called import Names
from .open_object import OpenObject
from .told import pin_of

MAX_NAMES: Final = 3

_WHAT: Final = {
    Against.HERE: "signed that it keeps {what}, and later{proof} that it does not: it lost that, was set "
    "back to an older copy, or holds it back",
    Against.HIDDEN: "signed to another member that it keeps {what}, and later{proof} to this device that it "
    "does not: it held that back from you, or lost it in between",
    Against.ELSEWHERE: "signed to you that it keeps {what}, and later{proof} to another member that it does "
    "not: it held that back from that member, or lost it in between",
}


def node_faults(opened: OpenObject, names: Names) -> list[NodeFault]:
    """All that is known of one object."""
    return [
        NodeFault(
            opened.path,
            _address(opened, node),
            fault_words(opened, names, node, fault, has_again=has_again),
            fault.proved,
            fault.time,
            sum(last - first + 1 for _, first, last in fault.missing),
            tuple(receipt.evidence.hex() for receipt in (*fault.had, fault.lacks)),
        )
        for node, fault, has_again in opened.live.receipts.told.faults()
    ]


def fault_words(opened: OpenObject, names: Names, node: str, fault: Fault, *, has_again: bool = False) -> str:
    """What a node contradicted, who wrote what is missing there, and what became of it."""
    said = _WHAT[fault.against].format(
        what=_what(opened, names, fault), proof="" if fault.proved else ", as far as this device can tell,"
    )
    now = "the node has it again by now" if has_again else "it is sent there again from here"
    return f"the node {_address(opened, node)} {said}. All of it is here; {now}"


def _address(opened: OpenObject, node: str) -> str:
    """Where a node is reached now, as far as that is known."""
    return next((each for each in opened.live.nodes if pin_of(each) == pin_of(node)), node)


def _what(opened: OpenObject, names: Names, fault: Fault) -> str:
    keys = "the record of newer keys" if fault.epochs else ""
    return " and ".join(filter(None, [keys, _pieces(opened, names, fault)]))


def _pieces(opened: OpenObject, names: Names, fault: Fault) -> str:
    count = sum(last - first + 1 for _, first, last in fault.missing)
    writers = []
    for log in dict.fromkeys(log for log, _, _ in fault.missing):
        who = opened.live.replica.order.introductions.writer_of(log)
        if who is not None:
            called = names.of(who.author.account, who.author.name)
            writers.append("you" if called.me else called.words)
    writers = list(dict.fromkeys(writers))
    by = f" by {', '.join(writers[:MAX_NAMES])}" if writers else ""
    more = " and others" if len(writers) > MAX_NAMES else ""
    if count < 2:
        return f"a saved piece{by}" if count else ""
    return f"{count} saved pieces{by}{more}"
