"""A node that forgets: on whose word, after what time, and what it keeps of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from peergos_collab.errors import NoAccess
from peergos_collab.node.pruning import Pruning
from peergos_collab.objects.archives import Archive, husk_of
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.op_kinds import Target
from peergos_collab.objects.prunes import Forgets
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.archiving import Packed, take_packed
from peergos_collab.sync.frames import Frame, encode_frame
from peergos_collab.sync.session_events import ClosedArchiveCame
from support.pruning_scene import GRACE, RANDOM, Scene, Teller, place_of
from support.shelves import Log, NodeAndClients


@pytest.fixture
def scene() -> Scene:
    return Scene()


def content(scene: Scene) -> bytes:
    """All that the node has on its disk."""
    seen = scene.node.store._seen
    segments = b"".join(op.raw for ops in seen.segments.values() for op in ops)
    return segments + b"".join(value for space in seen.values.values() for value in space.values())


def husks_of(scene: Scene, *sizes: int) -> list[Archive]:
    at, husks = 0, []
    for size in sizes:
        husks.append(husk_of(scene.log.segments[at : at + size]))
        at += size
    return husks


class Taker(Teller):
    """A client that takes what is forgotten, as the engine does."""

    def _handle(self, event: object) -> None:
        if isinstance(event, ClosedArchiveCame):
            offered = self.book.take_closed(event.archive, self.session.gives(self.object))
            self.book.store.write(offered.batch)
            self.session.note_taken(self.object, offered.arrivals, offered.known)
            self.session.grant_credit(event.size)
        super()._handle(event)


def join(scene: Scene, name: str) -> Taker:
    person = scene.group[name]
    client = Taker(scene.group.object, person.membership.keys, RANDOM, person.records)
    scene.node.connect(client)
    scene.node.settle()
    return client


def test_it_forgets_after_a_time(scene: Scene) -> None:
    """The content is gone; ids, heads and signatures stay, and who has it open is told."""
    bodies = [segment.body for segment in scene.log.segments]
    prune = scene.forgetting()
    scene.ana.bring(prune.raw)
    scene.node.settle()
    assert [(told.prune, told.hours) for told in scene.ana.told] == [(prune.id, GRACE)]
    scene.hours(GRACE - 1)
    assert scene.forgotten == 0
    heads = scene.ana.heads
    scene.hours(1)

    assert scene.forgotten == 16
    assert [body in content(scene) for body in bodies] == [False] * 16 + [True] * 4
    assert (scene.ana.told[-1].prune, scene.ana.told[-1].hours) == (prune.id, 0)
    book = scene.node.shelf.find_book(scene.group.object)
    assert book is not None
    assert {(tip.log, tip.seq) for tip in book.tips()} == heads
    scene.log.write(scene.epoch, scene.keys, b"more")
    scene.ana.put(scene.log.segments[-1])
    scene.node.settle()
    assert book.find(scene.log.id, 21, scene.log.segments[20].id) is not None


def test_archives_become_husks_and_those_that_wait_go(scene: Scene) -> None:
    """Whatever took the place of segments before, or was to."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune(scene.archives[0]).raw)
    scene.node.settle()
    scene.hours(GRACE)
    assert scene.kept == 9
    scene.ana.bring(scene.prune(scene.archives[1]).raw, scene.forgetting().raw)
    scene.node.settle()
    assert scene.offered == 1
    scene.hours(GRACE)

    assert (scene.kept, scene.forgotten, scene.offered) == (17, 16, 0)
    assert not any(archive.sealed in content(scene) for archive in scene.archives)


def test_an_archive_that_goes_beyond_stays_whole(scene: Scene) -> None:
    """A node cannot open it; what comes before it is forgotten."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE)
    prune = scene.forgetting(scene.forgets(12, 17))
    scene.ana.bring(prune.raw)
    scene.node.settle()
    scene.hours(GRACE)

    assert (scene.kept, scene.forgotten) == (17, 8)
    assert scene.archives[1].sealed in content(scene)
    assert scene.ana.told[-1].hours == 0


def test_an_objection_keeps_all(scene: Scene) -> None:
    """Any reader's, in time."""
    ben = scene.join("Ben")
    prune = scene.forgetting()
    scene.ana.bring(prune.raw)
    scene.node.settle()
    ben.bring(scene.object_to(prune, "Ben").raw)
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert scene.forgotten == 0


def test_two_that_are_objected_to_cost_nothing(scene: Scene) -> None:
    """However many there are."""
    ben = scene.join("Ben")
    for base in (17, 18):
        prune = scene.forgetting(scene.forgets(16, base))
        scene.ana.bring(prune.raw)
        scene.node.settle()
        ben.bring(scene.object_to(prune, "Ben").raw)
        scene.node.settle()
    scene.hours(2 * GRACE)

    assert scene.forgotten == 0


def test_a_writer_and_an_ex_admin_have_no_say(scene: Scene) -> None:
    """The one has no key for it, the other's is none of today."""
    scene.group.add("Ana", "Eve", Level.ADMIN, "Ben")
    scene.ana.bring(*(record.raw for record in scene.group["Ana"].records))
    with pytest.raises(NoAccess):
        scene.forgetting(by="Ben")
    prune = scene.forgetting(by="Eve")
    removal = scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)])
    scene.group.tell(removal, "Ana", "Ben")
    scene.ana.bring(removal.raw)
    scene.node.settle()
    scene.ana.bring(prune.raw)
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert scene.forgotten == 0
    assert scene.ana.told[-1].hours is None


@pytest.mark.parametrize("lacking", ["base", "head"])
def test_nothing_is_forgotten_over_a_gap(scene: Scene, lacking: str) -> None:
    """Not before what stands for it is here, and all that it stands for."""
    other = Log(scene.group.object, RANDOM)
    segment = other.write(scene.epoch, scene.keys)
    what = scene.forgets()
    if lacking == "base":
        what = replace(what, base=place_of(segment))
    else:
        what = replace(what, heads=tuple(sorted([*what.heads, place_of(segment)])))
    scene.ana.bring(scene.forgetting(what).raw)
    scene.node.settle()
    scene.hours(2 * GRACE)
    assert scene.forgotten == 0
    scene.ana.know(other.certificate(scene.epoch, scene.keys))
    scene.ana.put(segment)
    scene.node.settle()
    scene.ana.open()
    scene.node.settle()
    scene.hours(GRACE)

    assert scene.forgotten == 16


@pytest.mark.parametrize("base", [16, 3])
def test_what_stands_for_it_is_not_forgotten_itself(scene: Scene, base: int) -> None:
    """Or nobody would have anything of it."""
    scene.ana.bring(scene.forgetting(scene.forgets(16, base)).raw)
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert scene.forgotten == 0


def test_what_is_forgotten_stands_for_nothing(scene: Scene) -> None:
    """Nothing is forgotten for it."""
    other = Log(scene.group.object, RANDOM)
    segments = [other.write(scene.epoch, scene.keys) for _ in range(3)]
    scene.ana.know(other.certificate(scene.epoch, scene.keys))
    scene.ana.put(*segments)
    scene.node.settle()
    first = Forgets(place_of(segments[2]), (place_of(segments[1]),))
    scene.ana.bring(scene.forgetting(first).raw)
    scene.node.settle()
    scene.hours(GRACE)
    scene.ana.bring(scene.forgetting(replace(scene.forgets(), base=place_of(segments[0]))).raw)
    scene.node.settle()
    scene.hours(2 * GRACE)
    assert scene.forgotten == 0
    scene.ana.bring(scene.forgetting(replace(scene.forgets(), base=place_of(segments[2]))).raw)
    scene.node.settle()
    scene.hours(GRACE)

    assert scene.forgotten == 16


def test_it_goes_on_after_a_start(scene: Scene) -> None:
    """What was to be forgotten is, at the same hour of service."""
    scene.ana.bring(scene.forgetting().raw)
    scene.node.settle()
    scene.hours(GRACE - 1)
    shelf = scene.node.shelf
    shelf._books.clear()
    shelf.pruning = Pruning(scene.node.store, shelf.find_book, shelf._touch, shelf._readers, GRACE)
    assert scene.forgotten == 0
    scene.hours(1)

    assert scene.forgotten == 16


@pytest.mark.parametrize("had", [0, 16])
def test_who_was_away_gets_husks(scene: Scene, had: int) -> None:
    """Of what he lacks; what he has he keeps."""
    ben = away(scene)
    ben.book.store.write(ben.book.take_segments([segment.raw for segment in scene.log.segments[:had]]).batch)
    scene.ana.bring(scene.forgetting().raw)
    scene.node.settle()
    scene.hours(GRACE)
    scene.node.connect(ben)
    scene.node.settle()
    (branch,) = ben.book.branches[scene.log.id]

    assert ben.heads == scene.ana.heads
    assert ben.book.archived.forgotten.get(branch.number, 0) == (0 if had else 16)


def away(scene: Scene) -> Taker:
    ben = scene.group["Ben"]
    client = Taker(scene.group.object, ben.membership.keys, RANDOM, ben.records)
    client.know(scene.log.certificate(scene.epoch, scene.keys))
    return client


def test_a_new_node_gets_husks(scene: Scene) -> None:
    """Of what is forgotten everywhere; else it could keep nothing that comes after."""
    prune = scene.forgetting()
    scene.ana.bring(prune.raw)
    scene.node.settle()
    scene.hours(GRACE)
    ben = join(scene, "Ben")
    other = NodeAndClients(RANDOM)
    other.connect(ben)
    other.settle()
    book = other.shelf.find_book(scene.group.object)

    assert book is not None
    assert {(tip.log, tip.seq) for tip in book.tips()} == scene.ana.heads
    assert list(book.archived.forgotten.values()) == [16]


@pytest.mark.parametrize("compacted", [False, True])
def test_a_node_that_was_away_goes_on(scene: Scene, compacted: bool) -> None:
    """After a time to object of its own: what it had goes with what it never got, and nobody has any more."""
    other = NodeAndClients(RANDOM)
    other.shelf.pruning._grace = GRACE
    early = away(scene)
    early.book.store.write(
        early.book.take_segments([segment.raw for segment in scene.log.segments[:12]]).batch
    )
    other.connect(early)
    other.settle()
    book = other.shelf.find_book(scene.group.object)
    assert book is not None
    (branch,) = book.branches[scene.log.id]
    if compacted:
        other.store.write(take_packed(book, Packed(branch.number, scene.archives[0])))
    scene.ana.bring(scene.forgetting().raw)
    scene.node.settle()
    scene.hours(GRACE)
    ben = join(scene, "Ben")
    other.connect(ben)
    other.settle()
    assert branch.tip == 12
    for _ in range(GRACE):
        other.write([other.shelf.pruning.hour()])
        other.write(other.shelf.pruning.act())
    ben.refused.clear()
    ben.open()
    other.settle()
    while commits := other.shelf.pruning.act():
        other.write(commits)

    assert {(tip.log, tip.seq) for tip in book.tips()} == scene.ana.heads
    assert list(book.archived.forgotten.values()) == [16]
    assert book.archived.span_at(branch.number, 1) is not None
    assert book.archived.is_forgotten(branch.number, 1)


@pytest.mark.parametrize(
    "named",
    [None, 8, "fork"],
    ids=["nothing was said", "less was said", "of another branch"],
)
def test_husks_of_what_nobody_wants_forgotten_are_not_taken(scene: Scene, named: int | str | None) -> None:
    """A hostile writer or node would have somebody lack what all others have."""
    heads = {
        8: place_of(scene.log.segments[7]),
        "fork": SnapshotPlace(scene.log.id, 16, scene.log.segments[3].id),
    }
    ben = away(scene)
    if named is not None:
        ben.know(scene.forgetting(Forgets(place_of(scene.log.segments[19]), (heads[named],))).raw)
    (husk,) = husks_of(scene, 16)
    offered = ben.book.take_closed(husk)

    assert offered.refused
    assert not ben.heads
    ben.know(scene.forgetting(scene.forgets()).raw)
    assert not ben.book.take_closed(husk).refused


def test_a_husk_with_a_false_signature_is_not_taken(scene: Scene) -> None:
    """Each segment has its log's, as ever."""
    (husk,) = husks_of(scene, 16)
    proofs = bytearray(husk.proofs)
    proofs[3] ^= 1
    false = Archive.parse_untrusted(husk.raw.replace(husk.proofs, bytes(proofs)))
    ben = away(scene)
    ben.know(scene.forgetting().raw)

    assert ben.book.take_closed(false).refused
    assert not ben.book.take_closed(husk).refused


def test_a_reader_gives_a_node_no_husks(scene: Scene) -> None:
    """Nor segments."""
    scene.group.add("Ana", "Eve", Level.READ, "Ben")
    scene.ana.bring(*(record.raw for record in scene.group["Ana"].records))
    scene.node.settle()
    eve = scene.join("Eve")
    (husk,) = husks_of(scene, 16)
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, husk.id, husk.raw)
    scene.node.write(scene.node.shelf.receive_untrusted(scene.node.session_of(eve), frame))
    scene.node.settle()

    assert "read_only" in eve.refused
