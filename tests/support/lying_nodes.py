"""Worlds with a node that hides what some write from one member, and tells all others the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from peergos_collab.codec.ids import LogId
from peergos_collab.crypto import SigningKey
from peergos_collab.objects.segments import Segment, UnverifiedSegment
from peergos_collab.sync.frames import Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.heads import Tip, tips_untrusted, tips_value
from peergos_collab.sync.receipts import Receipt
from support.simulation import Chances, MemberSite, NodeSite, World

Show = Callable[[Tip], Tip | None]
"""The head that is shown instead of a true one: the same, an earlier one, or none."""


def lies(frame: bytes, show: Show, receipt_key: SigningKey) -> list[bytes]:
    """What a node sends instead of a frame to somebody who is not to see some segments."""
    kind, fields = decode_frame_untrusted(frame)
    if kind is Frame.SEGMENTS:
        raws = [raw for raw in fields[1] if _is_shown(Segment.parse_untrusted(raw), show)]
        return [encode_frame(kind, fields[0], raws)] if raws else []
    if kind is Frame.OPEN and fields[3] is not None:
        return [encode_frame(kind, *fields[:3], tips_value(_shown(fields[3], show)))]
    if kind is Frame.RECEIPT:
        object_id, number, heads, epochs, _ = fields
        tips = _shown(heads, show)
        receipt = Receipt.issue(receipt_key, object_id, number, tips, epochs)
        return [encode_frame(kind, *receipt.fields())] if tips or epochs else []
    return [frame]


def _shown(heads: object, show: Show) -> list[Tip]:
    return [shown for tip in tips_untrusted(heads) if (shown := show(tip)) is not None]


def _is_shown(segment: UnverifiedSegment, show: Show) -> bool:
    tip = Tip(segment.log, segment.seq, segment.id)
    return show(tip) == tip


CALM: Chances = Chances(restart=0, crash=0, backup=0, restore=0, clone=0, replay=0)
"""Nobody forgets anything, so whatever can be proved in the end has to be found."""


class HidingNode(NodeSite):
    """Keeps everybody else's logs from the member called ``victim``."""

    victim = "p1"

    def is_hidden(self, log: LogId) -> bool:
        owner = self.world.owners.get(log)
        return owner is not None and owner != self.world.members[1].device

    def show(self, tip: Tip) -> Tip | None:
        return None if self.is_hidden(tip.log) else tip

    def send_out(self) -> None:
        for end in list(self.ends):
            for frame in end.session.take_outgoing():
                lied_to = end.other.site.name == self.victim
                end.other.inbox.extend(lies(frame, self.show, self.receipt_key) if lied_to else [frame])


class LyingWorld(World):
    """Its node ``n0`` hides everybody else's logs from ``p1``; ``n1``, if there is one, is honest."""

    def __init__(self, seed: int, *, chances: Chances = CALM, **how: Any) -> None:
        super().__init__(seed, chances=chances, **how)
        self.nodes = [HidingNode(self, "n0"), *self.nodes[1:2]]
        self.heard: list[tuple[str, Receipt]] = []
        self.found: set[str] = set()

    def hear(self, site: MemberSite, node: str, receipt: Receipt) -> None:
        if node == "n0":
            self.heard.append((site.name, receipt))

    @property
    def provable(self) -> bool:
        """Whether it signed to somebody for what it later signed to the victim not to have."""
        for name, lacks in self.heard:
            if name != HidingNode.victim or not lacks.whole:
                continue
            known = {(tip.log, tip.seq) for tip in lacks.tips}
            for other, had in self.heard:
                if other != name and had.number < lacks.number:
                    hidden = [tip for tip in had.tips if (tip.log, tip.seq) not in known]
                    if any(self.nodes[0].is_hidden(tip.log) for tip in hidden):
                        return True
        return False

    def check_blame(self, site: MemberSite) -> None:
        for node, fault, _ in site.told.faults():
            self.require(node == "n0", f"{site.name} blames {node}, which is honest")
            self.require(fault.proved, f"{site.name} cannot prove what it says")
            self.found.add(site.name)
