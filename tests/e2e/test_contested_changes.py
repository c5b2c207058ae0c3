"""A writer who gives one change two contents: everybody ends up with the same, and open editors follow."""

from __future__ import annotations

import os
from pathlib import Path

from peergos_collab.codec.ids import RunId, SegmentId
from peergos_collab.documents import Change, Document
from peergos_collab.documents.client_id import client_id
from peergos_collab.objects.payload import Cite
from peergos_collab.objects.segments import Segment
from peergos_collab.workspace import open_workspace
from peergos_collab.workspace.api import DocumentHandle
from support.circle import Circle, Membership
from support.forge import Forger
from support.homes import RELAYED, Person, agree, online, until, world

PATH = "notes"


def liar(person: Person) -> Forger:
    """Somebody's keys, in hands that write whatever they like into a log of their own."""
    replica = person.opened(PATH).live.replica
    (epoch, keys) = next(iter(replica.keys.items()))
    member = Membership("Ben", person.engine.keys.credentials, replica.actor, keys)
    circle = Circle(replica.view.kind, replica.book.epochs[epoch], (), (member,))
    return Forger(circle, replica.actor, os.urandom)


def contents(person: Person, forger: Forger, state: bytes, *words: str) -> list[bytes]:
    """An update per word, all in the place of the run's first change."""
    device = person.engine.keys.credentials.device_id
    made: list[bytes] = []
    for word in words:
        document = Document(client_id(forger.circle.object, device, RunId(forger.run)), state)
        document.on_update(made.append)
        document.edit(0, 0, word)
    return made


def first_payload(person: Person, forger: Forger, update: bytes) -> bytes:
    """A log's first payload, which names all that somebody's honest program would name."""
    replica = person.opened(PATH).live.replica
    cites = tuple(Cite(tip.log[:8], tip.seq, SegmentId(tip.id)) for tip in replica.book.tips())
    introduction, heads = forger.introduction(), replica.view.heads
    return forger.payload(update, introduction=introduction, cites=cites, heads=heads)


def two_contents(person: Person, state: bytes) -> tuple[Forger, list[bytes]]:
    """Segments that carry one change with two contents; the one that counts, the lower, comes second."""
    forger = liar(person)
    for update in contents(person, forger, state, "this ", "that "):
        forger.write_raw(first_payload(person, forger, update), after=0)
    later, counts = sorted(forger.segments, key=lambda segment: segment.id, reverse=True)
    return forger, [later.raw, counts.raw]


def take(person: Person, *raws: bytes) -> None:
    person.opened(PATH).live.take_segments(raws, "node", None)


def word_of(forger: Forger, raw: bytes) -> str:
    """Which content a segment carries."""
    number = [segment.id for segment in forger.segments].index(Segment.parse_untrusted(raw).id)
    return ("this ", "that ")[number]


class Mirror:
    """A text that only follows the changes a document tells of, as an editor's widget does."""

    def __init__(self, document: Document) -> None:
        self.text = document.text
        self.changes: list[Change] = []
        document.on_change(self.follow)

    def follow(self, change: Change) -> None:
        self.changes.append(change)
        for start, end, words in change.edits:
            self.text = self.text[:start] + words + self.text[end:]


async def test_open_editors_follow(tmp_path: Path) -> None:
    """The text changes to what counts, under the cursor of one who types, and in an attached process."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="base")
        forger, (later, counts) = two_contents(ben, ana.document(PATH).state())
        attached = await open_workspace(ana.home)
        handle: DocumentHandle = await attached.open_document(PATH)
        here, there = Mirror(ana.document(PATH)), Mirror(handle.document)
        ana.document(PATH).track_undo()
        renewal = ana.engine.renewals[ana.opened(PATH).live.id]
        ana.opened(PATH).live.take_records([forger.certificate])

        take(ana, later)
        assert ana.text(PATH) == word_of(forger, later) + "base"
        ana.append(PATH, " and mine")
        cursor = ana.document(PATH).anchor(len(ana.text(PATH)) - 4)
        take(ana, counts)
        await until(lambda: renewal.times > 0, ana, what="folded anew")
        expected = word_of(forger, counts) + "base and mine"

        assert ana.text(PATH) == here.text == expected
        assert ana.document(PATH).lines.text() == expected
        assert [change.local for change in here.changes] == [False, True, False]
        assert ana.document(PATH).offset_untrusted(cursor) == len(expected) - 4
        handle.document.edit(0, 0, "attached ")
        await handle.saved()
        assert handle.document.text == there.text == ana.text(PATH) == "attached " + expected
        ana.append(PATH, "!")
        assert ana.document(PATH).undo()
        assert ana.text(PATH) == "attached " + expected
        await attached.close()

        await online(PATH, RELAYED, ana, ben)
        await until(lambda: ben.text(PATH) == "attached " + expected, ben)
        ana = await made.reopen(ana)
        assert ana.text(PATH) == "attached " + expected
        assert not ana.opened(PATH).live.replica.unsettled
        assert ana.engine.renewals[ana.opened(PATH).live.id].times == 0


async def test_closed_before_it_was_folded_anew(tmp_path: Path) -> None:
    """What was in doubt when a home was closed is folded anew after it was opened again."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="base")
        forger, raws = two_contents(ben, ana.document(PATH).state())
        ana.opened(PATH).live.take_records([forger.certificate])
        take(ana, *raws)
        assert ana.text(PATH) == word_of(forger, raws[0]) + "base"

        ana = await made.reopen(ana)
        renewal = ana.engine.renewals[ana.opened(PATH).live.id]
        await until(lambda: renewal.times > 0, ana, what="folded anew")

        assert ana.text(PATH) == word_of(forger, raws[1]) + "base"


async def test_a_copied_home_keeps_undo(tmp_path: Path) -> None:
    """A change that was sealed twice with one content is no other state: nobody's editor notices."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="base")
        forger = liar(ben)
        (update,) = contents(ben, forger, ana.document(PATH).state(), "twice ")
        for _ in range(2):
            forger.write_raw(first_payload(ben, forger, update), after=0)
        document = ana.document(PATH)
        document.track_undo()
        document.edit(0, 0, "mine ")
        renewal = ana.engine.renewals[ana.opened(PATH).live.id]
        ana.opened(PATH).live.take_records([forger.certificate])
        take(ana, *(segment.raw for segment in forger.segments))
        mirror = Mirror(document)
        await until(lambda: renewal.times > 0, ana, what="folded anew")

        assert mirror.changes == []
        assert document.undo()
        assert document.text == "twice base"
        await online(PATH, RELAYED, ana, ben)
        assert await agree(PATH, ana, ben) == "twice base"
