"""An admin, her log at a node, and archives of it in her home."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from peergos_collab.codec.ids import EpochId
from peergos_collab.objects.archives import Archive, pack_archive
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.prunes import Forgets, Prune, Replaced
from peergos_collab.objects.segments import Segment
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.archived import OFFERED
from peergos_collab.sync.archiving import Packed, take_packed
from peergos_collab.sync.session_events import ArchiveCame, PruneTold
from support.members import Group
from support.shelves import Client, Log, NodeAndClients

RANDOM = random.Random(43).randbytes
GRACE: Final = 24


class Teller(Client):
    """A client that notes what the node says of prune records."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.told: list[PruneTold] = []
        self.archives: list[ArchiveCame] = []

    def _handle(self, event: object) -> None:
        if isinstance(event, PruneTold):
            self.told.append(event)
        elif isinstance(event, ArchiveCame):
            self.archives.append(event)
        super()._handle(event)


@dataclass
class Scene:
    """Ana, an admin, with a log of 20 segments at a node, and archives of the first 16 in her home."""

    group: Group = field(default_factory=lambda: Group(["Ana", "Ben", "Eve"], RANDOM))
    node: NodeAndClients = field(default_factory=lambda: NodeAndClients(RANDOM))

    def __post_init__(self) -> None:
        self.group.add("Ana", "Ben", Level.WRITE)
        self.node.shelf.pruning._grace = GRACE
        self.ana = self.join("Ana")
        self.log = Log(self.group.object, RANDOM)
        self.ana.know(self.log.certificate(self.epoch, self.keys))
        for number in range(20):
            self.log.write(self.epoch, self.keys, b"keystroke %d" % number)
        self.ana.put(*self.log.segments)
        self.node.settle()
        self.archives = [pack_archive(self.log.segments[at : at + 8], self.keys.content) for at in (0, 8)]

    @property
    def epoch(self) -> EpochId:
        return self.group.first.id

    @property
    def keys(self) -> EpochKeys:
        return self.group["Ana"].membership.keys[self.epoch]

    def join(self, name: str) -> Teller:
        person = self.group[name]
        client = Teller(self.group.object, person.membership.keys, RANDOM, person.records)
        self.node.connect(client)
        self.node.settle()
        return client

    def keep(self, client: Client, *archives: Archive) -> None:
        """Has archives take the place of segments in a client's home."""
        (branch,) = client.book.branches[self.log.id]
        for archive in archives:
            client.book.store.write(take_packed(client.book, Packed(branch.number, archive)))

    def prune(self, *archives: Archive, by: str = "Ana", epoch: EpochId | None = None) -> Prune:
        person = self.group[by]
        epoch = epoch or self.epoch
        named = [Replaced.by(archive) for archive in archives or self.archives]
        keys = person.membership.keys[epoch]
        return Prune.issue(self.group.object, epoch, named, keys, person.maker.actor, RANDOM)

    def object_to(self, prune: Prune, by: str, epoch: EpochId | None = None) -> Prune:
        person = self.group[by]
        epoch = epoch or self.epoch
        keys = person.membership.keys[epoch]
        return Prune.issue(self.group.object, epoch, prune.id, keys, person.maker.actor, RANDOM)

    def hours(self, count: int) -> None:
        for _ in range(count):
            self.node.write([self.node.shelf.pruning.hour()])
            while commits := self.node.shelf.pruning.act():
                self.node.write(commits)
        self.node.settle()

    @property
    def kept(self) -> int:
        """The first segment that the node has one by one."""
        book = self.node.shelf.find_book(self.group.object)
        assert book is not None
        (branch,) = book.branches[self.log.id]
        return branch.kept

    @property
    def offered(self) -> int:
        return len(list(self.node.store.values(OFFERED)))

    # -- what is to be forgotten ------------------------------------------------------------------

    def forgets(self, count: int = 16, base: int = 17) -> Forgets:
        """All up to a segment of the log, and which one says that it stands for it."""
        return Forgets(place_of(self.log.segments[base - 1]), (place_of(self.log.segments[count - 1]),))

    def forgetting(self, what: Forgets | None = None, by: str = "Ana", epoch: EpochId | None = None) -> Prune:
        person, epoch = self.group[by], epoch or self.epoch
        keys, actor = person.membership.keys[epoch], person.maker.actor
        return Prune.issue(self.group.object, epoch, what or self.forgets(), keys, actor, RANDOM)

    @property
    def forgotten(self) -> int:
        """The last segment of which the node has only a husk."""
        book = self.node.shelf.find_book(self.group.object)
        assert book is not None
        (branch,) = book.branches[self.log.id]
        return book.archived.forgotten.get(branch.number, 0)


def place_of(segment: Segment) -> SnapshotPlace:
    return SnapshotPlace(segment.log, segment.seq, segment.id)
