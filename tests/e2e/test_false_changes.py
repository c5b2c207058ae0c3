"""A member with a program of his own writes what no honest one does: others keep one text and learn who."""

from __future__ import annotations

import os
from pathlib import Path

from peergos_collab.codec.ids import RunId, SegmentId
from peergos_collab.documents.client_id import client_id
from peergos_collab.documents.varints import varint
from peergos_collab.objects.payload import Cite
from support.circle import Circle, Membership
from support.command_line import Home
from support.forge import Forger
from support.homes import RELAYED, Person, agree, online, until, world

PATH = "notes"


def forger_at(person: Person) -> Forger:
    """Somebody's keys, in hands that write whatever they like into a log of their own."""
    replica = person.opened(PATH).live.replica
    (epoch, keys) = next(iter(replica.keys.items()))
    member = Membership("Ben", person.engine.keys.credentials, replica.actor, keys)
    circle = Circle(replica.view.kind, replica.book.epochs[epoch], (), (member,))
    return Forger(circle, replica.actor, os.urandom)


def write(person: Person, forger: Forger, update: bytes) -> bytes:
    """A segment of a log of its own, which cites all that an honest one would."""
    replica = person.opened(PATH).live.replica
    cites = tuple(Cite(tip.log[:8], tip.seq, SegmentId(tip.id)) for tip in replica.book.tips())
    payload = forger.payload(update, cites=cites, heads=replica.view.heads)
    return forger.write_raw(payload)


def over(person: Person, forger: Forger, first: int, last: int) -> bytes:
    """An update that puts a word between two characters, over all that stands between them."""
    (author,) = person.document(PATH).clocks()
    own = client_id(forger.circle.object, person.engine.keys.credentials.device_id, RunId(forger.run))
    ids = varint(author) + varint(first) + varint(author) + varint(last)
    return b"\x01\x01" + varint(own) + b"\x00\xc4" + ids + b"\x05false\x00"


async def test_what_no_honest_program_writes_is_named(tmp_path: Path) -> None:
    """It is shown for a moment at most, then set aside; ``check`` says who wrote it, and why."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="a text of Ana")
        forger, malformed = forger_at(ben), forger_at(ben)
        first = write(ben, forger, over(ben, forger, 1, 7))
        again = forger.write(over(ben, forger, 1, 7), first=2)
        broken = write(ben, malformed, b"\x01\x01\x05\x00\x07\x01\x04text\x00\x00")
        for person in (ana, ben):
            live = person.opened(PATH).live
            live.take_records([forger.certificate, malformed.certificate])
            live.take_segments([first, broken], "node", None)
            assert "false" in person.text(PATH)
            await until(lambda text=person.text: "false" not in text(PATH), person)  # type: ignore[misc]
            live.take_segments([again], "node", None)
            assert "false" not in person.text(PATH)
        ana.append(PATH, ", kept")
        await online(PATH, RELAYED, ana, ben)

        assert await agree(PATH, ana, ben) == "a text of Ana, kept"

    refused = Home(ana.home).json("check")["refused"]
    assert [flaw["path"] for flaw in refused] == [PATH] * 3
    assert all(flaw["what"].startswith("a change by Ben: ") for flaw in refused)
    assert sorted(flaw["what"].partition("refused: ")[2] for flaw in refused) == [
        "it creates structs under a client id of somebody else.",
        *["it was written between what never stood side by side."] * 2,
    ]
