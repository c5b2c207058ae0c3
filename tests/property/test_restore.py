"""A home copied at any of its commits, and brought back or run beside its twin, loses and doubles nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from peergos_collab.objects.payload import Kind
from peergos_collab.testing.store import MemoryStore
from support.simulation import Chances, MemberSite, World, copy_store

KINDS = [Kind.DOCUMENT, Kind.CHAT]


class Story:
    """p0 writes alone, then with p1, then alone again; its disk is copied at every commit."""

    def __init__(self, kind: Kind) -> None:
        self.world = World(4, kind=kind, chances=Chances())
        self.copies: list[MemoryStore] = []
        self.ana, self.bob = self.world.members[:2]
        self.world.nodes.clear()
        del self.world.members[2:]
        self.letters = iter(range(0x4E00, 0x9000))
        self._tell()

    def write(self, site: MemberSite) -> None:
        site.edit(chr(next(self.letters)), self.world.rng)
        site.send_out()

    def meet(self) -> None:
        self.world.connect(self.ana, self.bob)

    def part(self) -> None:
        for end in list(self.ana.ends):
            self.world.disconnect(end)

    def run(self, rounds: int = 40) -> None:
        """Frames and commits one by one, so that copies are taken in the middle of things."""
        for _ in range(rounds):
            for site in self.world.sites:
                if site.store.unflushed:
                    site.flush(1)
                    self.world.note_durable(site)
                    if site is self.ana:
                        self.copies.append(copy_store(site.store))
                for end in list(site.ends):
                    if end.inbox:
                        self.world.deliver(end)

    def _tell(self) -> None:
        self.write(self.ana)
        self.write(self.ana)
        self.run()
        self.meet()
        self.run()
        self.write(self.bob)
        self.write(self.ana)
        self.run()
        self.part()
        self.write(self.ana)
        self.run()
        self.write(self.ana)
        self.write(self.bob)
        self.run()
        self.meet()
        self.run(3)

    def bring_back(self, number: int) -> None:
        """The home is what it was at a commit; nothing tells it so."""
        self.part()
        self.ana.store = copy_store(self.copies[number])
        self.world.copied.add(self.ana.device)
        self.ana.boot(new_log=False)
        self.world.forget_lost()

    def end(self) -> World:
        self.world.settle()
        self.world.check()
        return self.world


def test_the_story_has_enough_commits() -> None:
    """The copies are of different moments, of which some are before, and some after segments were sealed."""
    copies = Story(Kind.CHAT).copies

    assert len(copies) > 8
    assert {len(copy._durable.segments) for copy in copies} >= {0, 1, 2}
    assert any(any(copy._durable.journal.values()) for copy in copies)


def online_at_once(story: Story) -> None:
    story.meet()
    story.run()
    story.write(story.ana)


def offline_first(story: Story) -> None:
    story.write(story.ana)
    story.write(story.ana)
    story.run()
    story.meet()


def killed_on_the_way(story: Story) -> None:
    story.write(story.ana)
    story.meet()
    story.run(4)
    story.part()
    story.ana.store = story.ana.store.crash()
    story.ana.boot(new_log=True)
    story.write(story.ana)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("goes_on", [online_at_once, offline_first, killed_on_the_way])
def test_brought_back_from_every_commit(kind: Kind, goes_on: Callable[[Story], None]) -> None:
    """Whatever the home forgot and others have comes back, and what it wrote since is kept."""
    for number in range(len(Story(kind).copies)):
        story = Story(kind)
        story.bring_back(number)
        goes_on(story)

        story.end()


@pytest.mark.parametrize("kind", KINDS)
def test_others_have_not_got_everything_either(kind: Kind) -> None:
    """Both sides are old copies: what neither has is gone, all else is there once."""
    for number in range(len(Story(kind).copies)):
        story = Story(kind)
        early = copy_store(story.bob.store)
        story.write(story.bob)
        story.run()
        story.bring_back(number)
        story.bob.store = early
        story.world.copied.add(story.bob.device)
        story.bob.boot(new_log=False)
        story.world.forget_lost()
        story.write(story.ana)
        story.write(story.bob)

        story.end()


def twin_of(story: Story, number: int) -> MemberSite:
    store = copy_store(story.copies[number])
    twin = MemberSite(story.world, story.ana.member, "twin", store)
    story.world.members.append(twin)
    story.world.copied.add(story.ana.device)
    return twin


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_beside_its_twin(kind: Kind) -> None:
    """Both write, alone and together; a log they both went on with forks, and each opens one of its own."""
    forks = 0
    for number in range(len(Story(kind).copies)):
        story = Story(kind)
        story.run()
        twin = twin_of(story, number)
        for site in (twin, story.ana):
            story.write(site)
        story.world.connect(twin, story.bob)
        story.run()
        story.write(twin)

        world = story.end()
        forks += world.forks
        logs = {twin.replica.own.current.public, story.ana.replica.own.current.public} - {None}  # type: ignore[union-attr]
        for site in (twin, story.ana):
            story.write(site)
        story.end()

        assert len(logs) == 2 or not world.forks


@pytest.mark.parametrize("kind", KINDS)
def test_a_fork_is_found_and_healed(kind: Kind) -> None:
    """Two copies that go on with one log meet: both branches stay, and neither writes there again."""
    story = Story(kind)
    story.run()
    story.part()
    twin = twin_of(story, len(story.copies) - 1)
    carol = MemberSite(story.world, story.world.circle.members[2], "p2", MemoryStore())
    carol.write(carol.replica.take_records(story.world.circle.records).batch, lambda: None)
    story.world.members.append(carol)
    # Carol is as old as the copy: she cannot tell the twin that the log has gone on elsewhere.
    lagging = copy_store(story.bob.store)
    carol.store = lagging
    carol.boot(new_log=False)
    story.write(story.ana)
    story.meet()
    story.run()
    story.part()
    story.write(twin)
    story.world.connect(twin, carol)
    story.run()

    world = story.end()
    story.write(twin)
    story.write(story.ana)
    story.end()

    forked = [log for log, branches in twin.replica.book.branches.items() if len(branches) > 1]
    assert world.forks
    assert len(forked) == 1
    assert all(site.replica.own.current.public not in forked for site in (twin, story.ana))  # type: ignore[union-attr]
    assert story.bob.replica.book.forked() == forked
    assert any("restored or copied" in problem for problem in story.bob.replica.problems)
