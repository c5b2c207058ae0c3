"""A node that compacts: on whose word, after what time, and what it drops and keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import LogId
from peergos_collab.crypto import SigningKey, Tag
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.node import pruning
from peergos_collab.node.pruning import Pruning
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.archives import Archive, pack_archive
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.op_kinds import Rotate, Target
from peergos_collab.objects.prunes import Prune, Replaced
from peergos_collab.objects.records import Said, next_epoch
from peergos_collab.objects.segments import Segment, SegmentPlace, id_of
from peergos_collab.ports import PutValue
from peergos_collab.sync.archived import ARCHIVES
from peergos_collab.sync.frames import MAX_FRAME, WINDOW, Frame, decode_frame_untrusted, encode_frame
from peergos_collab.sync.session_events import (
    ClosedArchiveCame,
    FalseArchiveCame,
)
from support.pruning_scene import GRACE, RANDOM, Scene, Teller
from support.shelves import Log, NodeAndClients

SIGNER = SigningKey.generate(RANDOM)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_what_an_admin_says_is_done_after_a_time(scene: Scene) -> None:
    """The archives are asked for and kept; the segments go only once nobody objected for so long."""
    scene.keep(scene.ana, *scene.archives)
    prune = scene.prune()
    scene.ana.bring(prune.raw)
    scene.node.settle()

    assert [(told.prune, told.hours) for told in scene.ana.told] == [(prune.id, GRACE)]
    assert (scene.kept, scene.offered) == (1, 2)
    scene.hours(GRACE - 1)
    assert (scene.kept, scene.offered) == (1, 2)
    before = sum(len(op.raw) for ops in scene.node.store._seen.segments.values() for op in ops)
    scene.hours(1)
    after = sum(len(op.raw) for ops in scene.node.store._seen.segments.values() for op in ops)
    assert (scene.kept, scene.offered) == (17, 0)
    assert after * 4 < before


def test_who_is_new_gets_archives_and_has_every_segment(scene: Scene) -> None:
    """The same ids, each one with its signature, as somebody who was there all the time."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE)
    ben = scene.join("Ben")
    (branch,) = ben.book.branches[scene.log.id]

    assert ben.heads == scene.ana.heads
    assert [each.id for each in ben.book.stored(branch, 1)] == [each.id for each in scene.log.segments]
    assert [Segment.parse_untrusted(raw).verify().raw for raw in ben.book.read(branch, 1, 1 << 20)] == [
        each.raw for each in scene.log.segments
    ]


def test_archives_that_nobody_has_cost_a_look_each(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever keeps an object of his own at a node names thousands: it asks for each once, and each answer
    costs the same, however many there are."""
    looks: list[Replaced] = []
    look = pruning._branches
    monkeypatch.setattr(pruning, "_branches", lambda book, named: looks.append(named) or look(book, named))
    person = scene.group["Ana"]
    named = [Replaced(scene.log.id, 1, 8, RANDOM(32)) for _ in range(200)]
    keys, actor = person.membership.keys[scene.epoch], person.maker.actor
    scene.ana.bring(Prune.issue(scene.group.object, scene.epoch, named, keys, actor, RANDOM).raw)
    scene.node.settle()

    asked = scene.node.shelf.pruning._without
    assert max(map(len, asked.values())) == 200
    assert len(looks) <= 6 * 200


def test_a_node_acts_on_so_many_archives_of_an_object(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many an admin names: it says of the others that it does not take them, and looks at none."""
    monkeypatch.setattr(pruning, "MOST_NAMED", 40)
    looks: list[Replaced] = []
    look = pruning._is_behind
    monkeypatch.setattr(pruning, "_is_behind", lambda book, named: looks.append(named) or look(book, named))
    scene.keep(scene.ana, *scene.archives)
    honest = scene.prune()
    scene.ana.bring(honest.raw)
    person = scene.group["Ana"]
    keys, actor = person.membership.keys[scene.epoch], person.maker.actor
    prunes = [
        Prune.issue(
            scene.group.object,
            scene.epoch,
            [Replaced(LogId(RANDOM(32)), 1, 8, RANDOM(32)) for _ in range(10)],
            keys,
            actor,
            RANDOM,
        )
        for _ in range(8)
    ]
    scene.ana.bring(*(prune.raw for prune in prunes))
    scene.node.settle()
    looks.clear()
    scene.join("Ben")

    assert {told.prune for told in scene.ana.told if told.hours is None} == {each.id for each in prunes[3:]}
    assert set(looks) == {each for prune in (honest, *prunes[:3]) for each in prune.replaced}
    scene.hours(GRACE)
    assert scene.kept == 17


@pytest.mark.parametrize("had", [3, 8, 11, 16, 18])
def test_who_was_away_gets_what_he_lacks(scene: Scene, had: int) -> None:
    """Wherever in an archive his head is."""
    ben = Teller(scene.group.object, scene.group["Ben"].membership.keys, RANDOM, scene.group["Ben"].records)
    ben.know(scene.log.certificate(scene.epoch, scene.keys))
    ben.book.store.write(ben.book.take_segments([each.raw for each in scene.log.segments[:had]]).batch)
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE)
    scene.node.connect(ben)
    scene.node.settle()

    assert ben.heads == scene.ana.heads


def test_a_record_that_comes_before_the_segments(scene: Scene) -> None:
    """As to a node that was away: it says nothing yet, and asks for the archives once they are of use."""
    scene.keep(scene.ana, *scene.archives)
    prune = scene.prune()
    scene.ana.know(prune.raw)
    scene.node = NodeAndClients(RANDOM)
    scene.node.shelf.pruning._grace = GRACE
    scene.ana.refused.clear()
    scene.ana.book.archived.keys = scene.ana.keys
    scene.node.connect(scene.ana)
    scene.node.settle()

    assert (scene.kept, scene.offered) == (1, 2)
    assert [(told.prune, told.hours) for told in scene.ana.told] == [(prune.id, GRACE)]


def test_an_objection_keeps_the_segments(scene: Scene) -> None:
    """One of anybody who reads is enough, until the last hour; the archives are dropped then."""
    scene.keep(scene.ana, *scene.archives)
    prune = scene.prune()
    scene.ana.bring(prune.raw)
    scene.node.settle()
    scene.hours(GRACE - 1)
    ben = scene.join("Ben")
    ben.bring(scene.object_to(prune, "Ben").raw)
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert (scene.kept, scene.offered) == (1, 0)


def test_another_record_counts_beside_one_that_was_objected_to(scene: Scene) -> None:
    """Else one objection would end compaction for good."""
    scene.keep(scene.ana, *scene.archives)
    prune = scene.prune()
    scene.ana.bring(prune.raw, scene.object_to(prune, "Ana").raw)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE)

    assert scene.kept == 17


def test_a_writer_has_no_say(scene: Scene) -> None:
    """His key signs no prune record: it is refused."""
    ben = scene.join("Ben")
    scene.keep(ben, *scene.archives)
    keys = scene.group["Ben"].membership.keys[scene.epoch]
    prune = scene.prune()
    signature = keys.signing_key(Level.WRITE)
    forged = _signed_by(prune, signature)
    ben.bring()
    ben.session.send_records(scene.group.object, [forged])
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert "false" in ben.refused
    assert (scene.kept, scene.offered) == (1, 0)


def _signed_by(prune: Prune, key: SigningKey) -> bytes:
    fields = decode_untrusted(prune.raw, 1 << 20)
    return encode([*fields[:6], key.sign(Tag.SIGN_PRUNE, prune.id)])


def test_archives_that_do_not_show_what_they_replace_are_not_kept(scene: Scene) -> None:
    """Of another log's segments, or with another signature: the node compares each with what it has."""
    other = Log(scene.group.object, RANDOM)
    other.key, other.segments = scene.log.key, scene.log.segments[:4]
    for number in range(4):
        other.write(scene.epoch, scene.keys, b"something else %d" % number)
    false = pack_archive(other.segments, scene.keys.content)
    _offer(scene, false)

    assert scene.offered == 0
    assert "false" in scene.ana.refused


def test_other_segments_under_the_signatures_that_are_here_are_noticed(scene: Scene) -> None:
    """The ids have to lead to one that is here."""
    prefix, proofs, sealed = decode_untrusted(scene.archives[0].raw, 1 << 20)
    fields = decode_untrusted(prefix, 1 << 10)
    hashes = [bytes(32), *(proofs[at * 96 + 64 : (at + 1) * 96] for at in range(1, 8))]
    previous = b""
    for at, hashed in enumerate(hashes):
        place = SegmentPlace(scene.group.object, scene.log.id, 1 + at, previous, scene.epoch)
        previous = id_of(place, hashed)
    fields[6] = previous
    _offer(
        scene,
        Archive.parse_untrusted(encode([encode(fields), bytes(32).join([proofs[:64], proofs[96:]]), sealed])),
    )

    assert scene.offered == 0
    assert "false" in scene.ana.refused


@pytest.mark.parametrize("change", [{"first": 2}, {"last": 7}, {"log": bytes(32)}])
def test_a_record_names_what_it_replaces(scene: Scene, change: dict[str, Any]) -> None:
    """An archive of other segments than it says is not kept."""
    archive = scene.archives[0]
    named = replace(Replaced.by(archive), **change)
    actor = scene.group["Ana"].maker.actor
    scene.ana.book.find_archive = lambda _: archive  # type: ignore[method-assign]
    scene.ana.bring(Prune.issue(scene.group.object, scene.epoch, [named], scene.keys, actor, RANDOM).raw)
    scene.node.settle()

    assert scene.offered == 0


def test_the_newest_segment_of_a_log_stays(scene: Scene) -> None:
    """By it the node knows its log's head."""
    _offer(scene, pack_archive(scene.log.segments, scene.keys.content))
    scene.hours(2 * GRACE)

    assert (scene.kept, scene.offered) == (1, 0)


def test_a_signature_that_is_another_is_noticed(scene: Scene) -> None:
    """Members would be given a segment that they must refuse."""
    prefix, proofs, sealed = decode_untrusted(scene.archives[0].raw, 1 << 20)
    spoiled = proofs[:96] + bytes([proofs[96] ^ 1]) + proofs[97:]
    _offer(scene, Archive.parse_untrusted(encode([prefix, spoiled, sealed])))

    assert scene.offered == 0
    assert "false" in scene.ana.refused


def test_one_larger_than_what_it_replaces_is_not_kept(scene: Scene) -> None:
    """So nobody fills a disk with archives."""
    prefix, proofs, sealed = decode_untrusted(scene.archives[0].raw, 1 << 20)
    _offer(scene, Archive.parse_untrusted(encode([prefix, proofs, sealed + bytes(1 << 14)])))

    assert scene.offered == 0


def _offer(scene: Scene, archive: Archive) -> None:
    """Has Ana give an archive that her record names, whatever is in it."""
    scene.ana.book.find_archive = lambda _: archive  # type: ignore[method-assign]
    scene.ana.bring(scene.prune(archive).raw)
    scene.node.settle()


def test_nothing_is_compacted_over_a_gap(scene: Scene) -> None:
    """A later archive waits for the one before it, however long."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune(scene.archives[1]).raw)
    scene.node.settle()
    scene.hours(2 * GRACE)
    assert (scene.kept, scene.offered) == (1, 1)
    scene.ana.bring(scene.prune(scene.archives[0]).raw)
    scene.node.settle()
    scene.hours(GRACE)

    assert (scene.kept, scene.offered) == (17, 0)


def test_new_keys_by_an_admin_end_what_was_said_before(scene: Scene) -> None:
    """Whoever said it may be no admin any more."""
    scene.keep(scene.ana, *scene.archives)
    scene.group.add("Ana", "Eve", Level.ADMIN)
    scene.ana.bring(*(record.raw for record in scene.group["Ana"].records))
    eve = scene.join("Eve")
    scene.keep(eve, *scene.archives)
    eve.bring(scene.prune(by="Eve").raw)
    scene.node.settle()
    assert scene.offered == 2
    removal = scene.group["Ana"].maker.remove([Target(scene.group["Eve"].id)])
    scene.group.tell(removal, "Ana", "Ben")
    scene.ana.bring(removal.raw)
    scene.node.settle()
    scene.hours(2 * GRACE)

    assert (scene.kept, scene.offered) == (1, 0)


def test_it_goes_on_after_a_start(scene: Scene) -> None:
    """What was served counts, and what was off does not."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE - 1)
    shelf = scene.node.shelf
    shelf.pruning = Pruning(scene.node.store, shelf.find_book, shelf._touch, shelf._readers, GRACE)
    scene.node.time += 10 * 366 * 24 * 3600 * 1000
    assert not shelf.pruning.act()
    assert scene.kept == 1
    scene.hours(1)

    assert scene.kept == 17


# -- on a session ---------------------------------------------------------------------------------


def test_an_archive_that_nobody_asked_for_ends_the_session(scene: Scene) -> None:
    """At a node: nobody fills its disk, or keeps it busy, with those."""
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, scene.archives[0].id, scene.archives[0].raw)
    with pytest.raises(RemoteProtocolError, match="nobody asked"):
        scene.node.shelf.receive_untrusted(scene.node.session_of(scene.ana), frame)


def test_an_archive_is_the_one_it_says(scene: Scene) -> None:
    """Whatever was asked for."""
    scene.ana.bring(scene.prune().raw)
    scene.node.to_node(scene.ana)
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, scene.archives[0].id, scene.archives[1].raw)
    with pytest.raises(RemoteProtocolError, match="another archive"):
        scene.node.shelf.receive_untrusted(scene.node.session_of(scene.ana), frame)


def compacted(scene: Scene) -> Teller:
    """The node has archives; a newcomer that is connected, and has taken nothing yet."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    scene.hours(GRACE)
    person = scene.group["Ben"]
    ben = Teller(scene.group.object, person.membership.keys, RANDOM, person.records)
    ben.start(b"pin", with_node=True)
    ben.open()
    return ben


def test_an_archive_in_place_of_segments_that_does_not_hold_them_is_told(scene: Scene) -> None:
    """It brings nothing, and ends nothing: the next one may be whole."""
    prefix, proofs, sealed = decode_untrusted(scene.archives[0].raw, 1 << 20)
    false = Archive.parse_untrusted(encode([prefix, proofs, sealed[:-1] + bytes([sealed[-1] ^ 1])]))
    ben = compacted(scene)
    ben.session.receive_untrusted(encode_frame(Frame.HELLO, 1, RANDOM(16), SIGNER.public, False))
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, false.id, false.raw)
    (event,) = ben.session.receive_untrusted(frame)

    assert isinstance(event, FalseArchiveCame)
    assert (event.id, event.size) == (false.id, len(frame))


def test_who_lacks_the_key_is_told_that_it_is_closed(scene: Scene) -> None:
    """And gives back the credit as for segments."""
    ben = compacted(scene)
    ben.session.receive_untrusted(encode_frame(Frame.HELLO, 1, RANDOM(16), SIGNER.public, False))
    ben.session.open(scene.group.object, {})
    archive = scene.archives[0]
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, archive.id, archive.raw)
    (event,) = ben.session.receive_untrusted(frame)

    assert event == ClosedArchiveCame(scene.group.object, archive, len(frame))


def test_more_than_there_is_credit_for_ends_the_session(scene: Scene) -> None:
    """Archives are counted as segments are."""
    ben = compacted(scene)
    ben.session.receive_untrusted(encode_frame(Frame.HELLO, 1, RANDOM(16), SIGNER.public, False))
    archive = scene.archives[0]
    frame = encode_frame(Frame.ARCHIVE, scene.group.object, archive.id, archive.raw)
    for _ in range((WINDOW + MAX_FRAME) // len(frame)):
        ben.session.receive_untrusted(frame)
    with pytest.raises(RemoteProtocolError, match="credit"):
        ben.session.receive_untrusted(frame)


def test_an_archive_is_given_to_who_may_have_its_segments(scene: Scene) -> None:
    """Asked for by its id; who proved only keys of before gets nothing."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.settle()
    ben = scene.join("Ben")
    for wanted in (scene.archives[0].id, bytes(32)):
        ben.session.archives.get(scene.group.object, wanted)
    scene.node.settle()
    removal = scene.group["Ana"].maker.remove([Target(scene.group["Ben"].id)])
    scene.group.tell(removal, "Ana")
    scene.ana.bring(removal.raw)
    ben.session.archives.get(scene.group.object, scene.archives[0].id)
    scene.node.settle()

    assert [each.archive for each in ben.archives] == [scene.archives[0], None, None]


def test_what_others_say_of_an_archive_hides_it_from_nobody(scene: Scene) -> None:
    """A record that came first names it for other segments: it is found by the true one all the same."""
    archive = scene.archives[0]
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune(replace(archive, first=9, last=16)).raw)
    scene.ana.bring(scene.prune().raw)

    assert scene.ana.book.find_archive(archive.id) == archive


def test_who_has_keys_beside_todays_gets_no_archive_of_these(scene: Scene) -> None:
    """As with segments: an ex-member's own epoch gives him what was before it, and nothing newer."""
    removal = scene.group["Ana"].maker.remove([Target(scene.group["Ben"].id)])
    scene.group.tell(removal, "Ana")
    keys = scene.group["Ana"].membership.keys[removal.id]
    scene.ana.bring(removal.raw, scene.log.certificate(removal.id, keys))
    scene.ana.put(*(scene.log.write(removal.id, keys, b"later %d" % number) for number in range(9)))
    later = pack_archive(scene.log.segments[20:28], keys.content)
    scene.ana.book.find_archive = lambda _: later  # type: ignore[method-assign]
    scene.ana.bring(scene.prune(later, epoch=removal.id).raw)
    scene.node.settle()
    assert scene.offered == 1
    ben, said = scene.group["Ben"], Said(Rotate(), scene.group["Ben"].maker.actor)
    own, held = EpochKeys.generate_neutral(RANDOM), {scene.epoch: ben.membership.keys[scene.epoch]}
    beside = next_epoch(scene.group.object, own, held, {}, [], said, RANDOM)
    client = Teller(scene.group.object, {**held, beside.id: own}, RANDOM, [*ben.records, beside])
    scene.node.connect(client)
    scene.node.settle()
    client.session.archives.get(scene.group.object, later.id)
    scene.node.settle()

    assert scene.node.session_of(client).channels[scene.group.object].may_read
    assert [each.archive for each in client.archives] == [None]


def test_an_archive_is_asked_for_once(scene: Scene) -> None:
    """An answer that nobody waits for any more would end the session."""
    scene.keep(scene.ana, *scene.archives)
    scene.ana.bring(scene.prune().raw)
    scene.node.to_node(scene.ana)
    scene.ana.open()
    scene.node.settle()

    asked = [frame for frame in scene.ana.came if decode_frame_untrusted(frame)[0] is Frame.GET_ARCHIVE]
    assert len(asked) == 2
    assert scene.offered == 2


def test_what_two_give_at_once_is_false_of_neither(scene: Scene) -> None:
    """The second one is not needed any more, and that is all."""
    ben = scene.join("Ben")
    for client in (scene.ana, ben):
        scene.keep(client, *scene.archives)
    scene.node.shelf.pruning._grace = 0
    prune = scene.prune().raw
    for client in (scene.ana, ben):
        client.bring(prune)
        client.open()
    for client in (scene.ana, ben, scene.ana, ben):
        for frame in scene.node.session_of(client).take_outgoing():
            client.receive(frame)
        scene.node.to_node(client)
        scene.node.write(scene.node.shelf.pruning.act())
    scene.node.settle()
    scene.hours(1)

    assert scene.kept == 17
    assert "false" not in scene.ana.refused + ben.refused


@pytest.mark.parametrize("gone", [True, False])
def test_an_archive_that_a_node_lost_comes_again(scene: Scene, gone: bool) -> None:
    """As single segments, from who has them; and the node compacts them once more."""
    compacted(scene)
    assert scene.kept == 17
    (key, raw), *_ = scene.node.store.values(ARCHIVES)
    scene.node.store.write([PutValue(ARCHIVES, key, None if gone else raw[:-700] + bytes(700))])
    before, after = scene.ana, NodeAndClients(RANDOM)
    after.store = scene.node.store
    after.shelf = Shelf(after.store, SIGNER, lambda: 1_000, RANDOM, grace=GRACE)
    scene.node = after
    before.book.archived.keys = before.keys
    after.connect(before)
    after.settle()
    book = after.shelf.find_book(scene.group.object)
    assert book is not None
    assert {(tip.log, tip.seq) for tip in book.tips()} == before.heads
    before.open()  # as at its next session
    after.settle()
    scene.hours(GRACE)

    assert scene.kept == 17


def test_each_branch_of_a_forked_log_has_archives_of_its_own(scene: Scene) -> None:
    """Though both have segments of these numbers."""
    fork = Log(scene.group.object, RANDOM)
    fork.key, fork.segments = scene.log.key, scene.log.segments[:3]
    scene.ana.put(*(fork.write(scene.epoch, scene.keys, b"elsewhere %d" % number) for number in range(9)))
    first, own = (pack_archive(log.segments[3:11], scene.keys.content) for log in (scene.log, fork))
    begin = pack_archive(scene.log.segments[:3], scene.keys.content)
    archives = {each.id: each for each in (begin, first, own)}
    scene.ana.book.find_archive = archives.get  # type: ignore[method-assign, assignment]
    scene.ana.bring(scene.prune(*archives.values()).raw)
    scene.node.settle()
    scene.hours(GRACE)
    ben = scene.join("Ben")
    book = scene.node.shelf.find_book(scene.group.object)
    assert book is not None

    assert [branch.kept for branch in book.branches[scene.log.id]] == [12, 12]
    assert "false" not in scene.ana.refused
    assert ben.heads == scene.ana.heads
