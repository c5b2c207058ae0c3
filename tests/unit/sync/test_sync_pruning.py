"""Whose prune records count: today's admins', as far as somebody without keys can tell."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from peergos_collab.codec.ids import EpochId
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate, Target
from peergos_collab.objects.prunes import Forgets, Prune, Replaced
from peergos_collab.objects.records import Epoch, MembershipRecord, Said, next_epoch
from peergos_collab.objects.snapshots import SnapshotPlace
from peergos_collab.sync.epoch_graph import EpochGraph
from peergos_collab.sync.pruning import admin_epoch, forgetting, named_to_forget, objections, standing
from peergos_collab.sync.record_book import RecordBook
from support.members import Group

RANDOM = random.Random(44).randbytes
NAMED = [Replaced(RANDOM(32), 1, 9, RANDOM(32))]  # type: ignore[arg-type]


@dataclass
class Scene:
    """Ana and Eve are admins, Ben is a writer; what a node knows of them."""

    group: Group = field(default_factory=lambda: Group(["Ana", "Ben", "Eve"], RANDOM))

    def __post_init__(self) -> None:
        self.group.add("Ana", "Ben", Level.WRITE, "Eve")
        self.group.add("Ana", "Eve", Level.ADMIN, "Ben")
        self.book = RecordBook(self.group.object)
        self.take(*self.group["Ana"].records)

    def take(self, *records: MembershipRecord | Prune) -> None:
        offered = self.book.take_records([record.raw for record in records])
        assert not offered.refused, offered.refused
        assert not offered.early

    def keys(self, name: str) -> Mapping[EpochId, EpochKeys]:
        return self.group[name].membership.keys

    def make(self, epoch: Epoch, *told: str) -> Epoch:
        self.group.tell(epoch, *told)
        self.take(epoch)
        return epoch

    def forged(self, by: str, *parents: EpochId, keys: EpochKeys | None = None) -> Epoch:
        """An epoch that somebody makes with what he has, whatever the rules say."""
        held = {parent: self.keys(by)[parent] for parent in parents}
        said = Said(Rotate(), self.group[by].maker.actor)
        keys = keys or EpochKeys.generate(RANDOM)
        return next_epoch(self.group.object, keys, held, {}, [], said, RANDOM)

    def prune(self, by: str, epoch: EpochId) -> Prune:
        keys, actor = self.keys(by)[epoch], self.group[by].maker.actor
        return Prune.issue(self.group.object, epoch, NAMED, keys, actor, RANDOM)

    def objection(self, by: str, to: Prune, epoch: EpochId) -> Prune:
        keys, actor = self.keys(by)[epoch], self.group[by].maker.actor
        return Prune.issue(self.group.object, epoch, to.id, keys, actor, RANDOM)

    @property
    def first(self) -> EpochId:
        return self.group.first.id


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_admins(scene: Scene) -> None:
    """Those of the object's first epoch, until there is another."""
    assert admin_epoch(scene.book) == scene.first


def test_an_admins_epoch_takes_the_place_of_the_one_before(scene: Scene) -> None:
    """What was signed in the one before counts no more."""
    prune = scene.prune("Eve", scene.first)
    scene.take(prune)
    assert standing(scene.book) == [prune]
    removal = scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)]), "Ana", "Ben")

    assert admin_epoch(scene.book) == removal.id
    assert standing(scene.book) == []


def test_a_neutral_epoch_changes_no_admins(scene: Scene) -> None:
    """It has no admin key of its own."""
    scene.make(scene.group["Ben"].maker.rotate())

    assert admin_epoch(scene.book) == scene.first


def test_an_admins_epoch_after_a_neutral_one_is_known_as_his(scene: Scene) -> None:
    """He signs it besides with the admin key that the neutral one was made under."""
    neutral = scene.make(scene.group["Ben"].maker.rotate())
    removal = scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)])
    scene.make(removal, "Ana", "Ben")

    assert removal.sealed.outer.signer == neutral.id
    assert removal.admins_of == scene.first
    assert admin_epoch(scene.book) == removal.id
    assert removal.id not in scene.book._made_by_writers


@pytest.mark.parametrize("after_neutral", [False, True])
def test_admin_keys_that_a_writer_makes_up_are_none(scene: Scene, after_neutral: bool) -> None:
    """Whatever is signed with them."""
    parent = scene.make(scene.group["Ben"].maker.rotate()).id if after_neutral else scene.first
    keys = EpochKeys.generate(RANDOM)
    false = scene.forged("Ben", parent, keys=keys)
    scene.take(false)
    prune = Prune.issue(scene.group.object, false.id, NAMED, keys, scene.group["Ben"].maker.actor, RANDOM)
    scene.take(prune)

    assert admin_epoch(scene.book) == scene.first
    assert standing(scene.book) == []


def test_a_writer_hands_nothing_on(scene: Scene) -> None:
    """With keys that are not those of the admins he names, or of nobody, it is refused."""
    neutral = scene.make(scene.group["Ben"].maker.rotate())
    held = {neutral.id: scene.keys("Ben")[neutral.id]}
    said, keys = Said(Rotate(), scene.group["Ben"].maker.actor), EpochKeys.generate(RANDOM)
    for named in (scene.first, EpochId(bytes(32)), neutral.id):
        handed = named, EpochKeys.generate(RANDOM)
        false = next_epoch(scene.group.object, keys, held, {}, [], said, RANDOM, handed_on_by=handed)
        with pytest.raises(RemoteProtocolError):
            Epoch.parse_untrusted(false.raw).verify(scene.book.epochs)
    true = scene.first, scene.keys("Ana")[scene.first]
    real = next_epoch(scene.group.object, keys, held, {}, [], said, RANDOM, handed_on_by=true)
    assert Epoch.parse_untrusted(real.raw).verify(scene.book.epochs).admins_of == scene.first


def test_a_neutral_epoch_hands_nothing_on(scene: Scene) -> None:
    """It has no admin keys, so nobody says anything of them."""
    held = {scene.first: scene.keys("Ben")[scene.first]}
    said, handed = (
        Said(Rotate(), scene.group["Ben"].maker.actor),
        (scene.first, scene.keys("Ana")[scene.first]),
    )
    keys = EpochKeys.generate_neutral(RANDOM)
    false = next_epoch(scene.group.object, keys, held, {}, [], said, RANDOM, handed_on_by=handed)
    with pytest.raises(RemoteProtocolError, match="hand"):
        Epoch.parse_untrusted(false.raw).verify(scene.book.epochs)


def test_beside_todays_epoch_an_ex_admin_makes_nobody_an_admin(scene: Scene) -> None:
    """Nobody can tell from outside which of two is today's: neither is believed, and nothing is dropped."""
    removal = scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)]), "Ana", "Ben")
    keys = EpochKeys.generate(RANDOM)
    false = scene.forged("Eve", scene.first, keys=keys)
    scene.take(false)
    actor = scene.group["Eve"].maker.actor
    scene.take(Prune.issue(scene.group.object, false.id, NAMED, keys, actor, RANDOM))
    scene.take(scene.prune("Ana", removal.id))

    assert admin_epoch(scene.book) is None
    assert standing(scene.book) == []


def test_beside_todays_epoch_an_ex_writer_changes_nothing(scene: Scene) -> None:
    """What he makes from old keys has no admins but those of before, who are followed by today's."""
    removal = scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Ben"].id)]), "Ana", "Eve")
    scene.take(scene.forged("Ben", scene.first), scene.forged("Ben", scene.first))
    scene.take(prune := scene.prune("Ana", removal.id))

    assert admin_epoch(scene.book) == removal.id
    assert standing(scene.book) == [prune]


def test_two_admins_apart_are_none_until_one_joins_them(scene: Scene) -> None:
    """Then his is today's."""
    for by in ("Ana", "Eve"):
        scene.make(scene.group[by].maker.rotate(), by)
    assert admin_epoch(scene.book) is None
    scene.group.meet()
    joined = scene.make(scene.group["Ana"].maker.rotate())

    assert admin_epoch(scene.book) == joined.id


def test_an_admin_of_before_does_not_follow_todays(scene: Scene) -> None:
    """Not even with a reader's help, by which he names today's as a parent: his key is none of the last."""
    removal = scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)]), "Ana", "Ben")
    held = {scene.first: scene.keys("Eve")[scene.first], removal.id: scene.keys("Ben")[removal.id]}
    keys, said = EpochKeys.generate(RANDOM), Said(Rotate(), scene.group["Eve"].maker.actor)
    scene.take(false := next_epoch(scene.group.object, keys, held, {}, [], said, RANDOM))

    assert false.admins_of == scene.first
    assert admin_epoch(scene.book) == removal.id


def test_who_may_object(scene: Scene) -> None:
    """Whoever reads the epoch of a record or one after it; not with keys of before."""
    removal = scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)]), "Ana", "Ben")
    prune = scene.prune("Ana", removal.id)
    scene.take(prune, scene.objection("Eve", prune, scene.first))
    assert standing(scene.book) == [prune]
    later = scene.make(scene.group["Ben"].maker.rotate(), "Ana", "Ben")
    scene.take(one := scene.objection("Ben", prune, later.id))

    assert objections(scene.book, removal.id) == [one]
    assert standing(scene.book) == []


def test_an_objection_may_come_first(scene: Scene) -> None:
    """Verdicts follow from the set of records."""
    prune = scene.prune("Ana", scene.first)
    scene.take(scene.objection("Ben", prune, scene.first), prune)

    assert standing(scene.book) == []


def test_many_epochs_and_objections_cost_one_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a node keep an object of his own fills it with both, and opens it again and again."""
    scene = Scene()
    prunes = [scene.prune("Ana", scene.first) for _ in range(20)]
    scene.take(*prunes, *(scene.objection("Ben", prune, scene.first) for prune in prunes))
    scene.take(*(scene.forged("Eve", scene.first) for _ in range(40)))
    looked: list[int] = []
    look, past = EpochGraph.covers, EpochGraph.past

    def counted(graph: EpochGraph, epochs: Iterable[EpochId]) -> int:
        epochs = list(epochs)
        looked.append(len(epochs))
        return past(graph, epochs)

    monkeypatch.setattr(EpochGraph, "past", counted)
    monkeypatch.setattr(EpochGraph, "covers", lambda *asked: looked.append(1) or look(*asked))
    assert admin_epoch(scene.book) is None
    scene.book.admins = {id_: frozenset([scene.first]) for id_ in scene.book.epochs}
    assert standing(scene.book) == []
    assert sum(looked) <= 2 * (len(scene.book.epochs) + len(scene.book.prunes))


FORGETS = Forgets(SnapshotPlace(RANDOM(32), 9, RANDOM(32)), (SnapshotPlace(RANDOM(32), 8, RANDOM(32)),))  # type: ignore[arg-type]


def test_what_is_forgotten_stays_so_under_newer_keys(scene: Scene) -> None:
    """It has to be said again before more is forgotten; but what stands for it is known."""
    actor = scene.group["Eve"].maker.actor
    prune = Prune.issue(
        scene.group.object, scene.first, FORGETS, scene.keys("Eve")[scene.first], actor, RANDOM
    )
    scene.take(prune)
    assert forgetting(scene.book) == [prune]
    assert standing(scene.book) == []
    scene.make(scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)]), "Ana", "Ben")

    assert forgetting(scene.book) == []
    assert named_to_forget(scene.book) == [(FORGETS, False)]


def test_an_objection_is_known_as_well(scene: Scene) -> None:
    """Whenever it came."""
    actor = scene.group["Eve"].maker.actor
    prune = Prune.issue(
        scene.group.object, scene.first, FORGETS, scene.keys("Eve")[scene.first], actor, RANDOM
    )
    scene.take(prune, scene.objection("Ben", prune, scene.first))

    assert forgetting(scene.book) == []
    assert named_to_forget(scene.book) == [(FORGETS, True)]


def test_who_made_up_admin_keys_names_nothing_to_forget(scene: Scene) -> None:
    """Not even for who lacks what it is about."""
    keys = EpochKeys.generate(RANDOM)
    false = scene.forged("Ben", scene.first, keys=keys)
    scene.take(false)
    actor = scene.group["Ben"].maker.actor
    scene.take(Prune.issue(scene.group.object, false.id, FORGETS, keys, actor, RANDOM))

    assert forgetting(scene.book) == []
    assert named_to_forget(scene.book) == []
