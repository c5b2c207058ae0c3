"""Names of versions among members who are apart, offline, and not all honest."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peergos_collab.codec.ids import RunId, SegmentId
from peergos_collab.documents import Document
from peergos_collab.documents.client_id import client_id
from peergos_collab.documents.version_names import NamedVersion, Naming
from peergos_collab.errors import Conflict, NotFound, UsageError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.ports import Random, SegmentStore
from peergos_collab.sync.logbook import LogBook
from peergos_collab.workspace.api import Version
from peergos_collab.workspace.called import Names
from peergos_collab.workspace.document_past import DocumentPast
from peergos_collab.workspace.recording import RecordingFold, change_id
from support.circle import make_circle
from support.forge import Forger, replica_of, take, take_certificates

RANDOM = random.Random(45).randbytes
TEXT = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.WRITE], RANDOM)


class Member:
    """One who writes; offline what he does stays in his journal."""

    def __init__(self, number: int, random: Random = RANDOM, store: SegmentStore | None = None) -> None:
        self.random = random
        self.replica = replica_of(TEXT, TEXT.members[number], random, store)  # type: ignore[arg-type]
        self.replica.deliver_stored()
        self.replica.restore_journal()
        self.document = self.replica.fold.document  # type: ignore[attr-defined]
        self.document.on_update(self.replica.submit)
        self.replica.released = store is None

    def append(self, text: str) -> None:
        self.document.edit(len(self.document), len(self.document), text)
        self.keep()

    def keep(self) -> None:
        while (collected := self.replica.collect()) is not None:
            self.replica.store.write(collected.batch)

    def meet(self, other: Member) -> None:
        """Both have what both have; what either did offline comes on top."""
        for _ in range(2):
            for one, two in ((self, other), (other, self)):
                take_certificates(two.replica, *(each.raw for each in one.replica.book.certificates.values()))
                take(two.replica, *one.segments())
                two.replica.released = True
                two.keep()

    def segments(self) -> list[bytes]:
        book = self.replica.book
        return [raw for branch in book.numbered.values() for raw in book.read(branch, branch.first, 1 << 30)]

    def past(self) -> DocumentPast:
        book = LogBook.load(TEXT.object, self.replica.store)
        recording = RecordingFold(TEXT.object, self.replica.author.device, RunId(self.random(16)), lambda: 1)
        self.replica.fold_anew(book, recording)
        recording.take_unsealed(self.replica.unsealed, self.replica.author)
        return DocumentPast(recording, Names(b"", {}))

    def name(self, version: str, name: str, meanwhile: str = "") -> str:
        """Names a version, and returns its text as he sees it; it takes a moment, and he may write on."""
        self.replica.unsealed.end_here()
        past = self.past()
        text = past.text(version)
        _, naming = past.naming(version, name, self.replica.author.principal)
        if meanwhile:
            self.append(meanwhile)
        if naming is not None:
            self.replica.submit(naming.encode(), kind=Kind.NAME)
            self.keep()
        return text

    def named(self) -> dict[str, str]:
        """The text of each version that has a name."""
        past = self.past()
        return {each.name: past.text(each.name) for each in past.versions() if each.name}


def both() -> tuple[Member, Member]:
    ana, bob = Member(0), Member(1)
    ana.append("start ")
    ana.meet(bob)
    return ana, bob


def test_what_is_named_stays_what_it_was() -> None:
    """Though what another wrote at the same time comes to stand before it; another version does change."""
    ana, bob = both()
    for _ in range(3):
        ana.append("A")
    plain = ana.past().versions()[0].id
    ana.append("B")
    ana.name("now", "Draft")
    for _ in range(9):
        bob.append("x")
    bob.meet(ana)

    assert ana.named() == bob.named() == {"Draft": "start AAAB"}
    assert "x" in ana.past().text(plain)
    assert ana.past().passages("Draft") == bob.past().passages("Draft")


def test_what_is_named_offline_is_exact() -> None:
    """What he writes on, and what others had written by the time he is back, is not in it."""
    ana, bob = both()
    bob.replica.released = False
    bob.append("one ")
    bob.append("two ")
    bob.name("now", "Train")
    bob.append("three ")
    ana.append("meanwhile ")
    before = bob.named()
    bob.meet(ana)

    assert before == bob.named() == ana.named() == {"Train": "start one two "}


def test_a_name_waits_in_the_journal() -> None:
    """Through a restart, and when all is folded anew, what was named offline keeps its name."""
    ana, bob = both()
    bob.replica.released = False
    bob.append("one ")
    bob.name("now", "Train")
    bob.append("two ")
    again = Member(1, store=bob.replica.store)
    book = LogBook.load(TEXT.object, again.replica.store)
    anew = again.replica.fold_anew(book, replica_of(TEXT, TEXT.members[1], RANDOM).fold)
    again.replica.store.write(again.replica.adopt(anew))

    assert again.named() == {"Train": "start one "}
    again.meet(ana)
    assert (again.document.text, again.replica.problems) == ("start one two ", [])
    assert again.named() == ana.named() == {"Train": "start one "}


def test_what_is_written_while_a_version_is_named_is_not_in_it() -> None:
    """Though he starts again before any of it is in a segment, and whichever version it was."""
    ana, bob = both()
    bob.replica.released = False
    bob.append("one ")
    older = bob.past()._ids[-1]
    bob.append("two ")
    bob.name("now", "Train", meanwhile="three ")
    bob.name(older, "Bus", meanwhile="four ")
    named = {"Train": "start one two ", "Bus": "start one "}
    bob = Member(1, store=bob.replica.store)

    assert bob.named() == named
    bob.meet(ana)
    assert bob.document.text == "start one two three four "
    assert bob.named() == ana.named() == named


def test_an_older_version_is_named() -> None:
    """By its id; the name ends a version there, and who wrote on is another one."""
    ana, bob = both()
    bob.append("Bob ")
    bob.meet(ana)
    first = ana.past().versions()[-1]
    assert bob.name(first.id[:8], "First") == "start "
    bob.meet(ana)

    listed = ana.past().versions()
    assert [(each.name, each.named_by) for each in listed] == [("", ""), ("First", TEXT.members[1].name)]
    assert ana.past().text(listed[1].id) == ana.past().text(first.id) == "start "


def test_who_names_at_the_same_time() -> None:
    """One version that is called in two ways has one name, the same for both; a name of two is refused."""
    ana, bob = both()
    ana.name("now", "Ana's")
    bob.name("now", "Bob's")
    ana.meet(bob)
    assert ana.named() == bob.named()
    assert len(ana.named()) == 1

    ana.append("more ")
    bob.append("other ")
    ana.name("now", "Final")
    bob.name("now", "Final")
    ana.meet(bob)
    ids = [each.id for each in ana.past().versions() if each.name == "Final"]
    assert len(ids) == 2
    for member in (ana, bob):
        with pytest.raises(UsageError, match="several versions") as refused:
            member.past().text("Final")
        assert all(id_ in refused.value.message for id_ in ids)
        assert {member.past().text(id_) for id_ in ids} == {"start more ", "start other "}
    bob.name(ids[0], "Final 2")
    bob.meet(ana)
    assert set(ana.named().values()) >= {"start more ", "start other "}


def test_a_name_means_one_version() -> None:
    """What is taken already, or means another by its id, is refused; so is what is not there."""
    ana, _ = both()
    old = ana.past().versions()[0].id
    ana.name("now", "Draft")
    ana.append("more")
    for name in ("Draft", old[:7], change_id(ana.replica.author.device, ana.replica.run, 99)):
        with pytest.raises(Conflict, match="another version"):
            ana.name("now", name)
    with pytest.raises(NotFound):
        ana.name("nothing", "x")
    ana.name("Draft", "Draft 1")
    ana.name("Draft 1", "")

    assert ana.named() == {}


def test_who_lies_misleads_nobody() -> None:
    """What has no form is set aside with its author; a name of what is not here does nothing."""
    ana, bob = both()
    bob.append("Bob ")
    bob.meet(ana)
    last = ana.past().versions()[0]
    evil = Forger(TEXT, TEXT.members[2].actor, RANDOM)
    evil.write(b"no naming", kind=Kind.NAME)
    false = NamedVersion((SegmentId(bytes(32)), evil.segments[0].id), None, bob.replica.run, 1)
    evil.write(Naming(false, "two").encode(), kind=Kind.NAME, first=2, count=2)
    evil.write(Naming(replace(false, number=9), "nothing").encode(), kind=Kind.NAME, first=4)
    evil.write(Naming(false, "without Ana's").encode(), kind=Kind.NAME, first=5)
    evil.write(Naming(false, "again").encode(), kind=Kind.NAME, first=5)
    for member in (ana, bob):
        take_certificates(member.replica, evil.certificate)
        take(member.replica, *(segment.raw for segment in evil.segments))

    assert [each.name for each in ana.replica.order.set_aside] == [TEXT.members[2].name] * 2
    assert ana.named() == bob.named() == {"without Ana's": "start Bob "}
    evil.write(Naming(replace(false, heads=()), last.id).encode(), kind=Kind.NAME, first=6)
    old = change_id(bob.replica.author.device, bob.replica.run, 99)
    evil.write(
        Naming(replace(false, heads=(), device=TEXT.members[2].credentials.device_id), old).encode(),
        kind=Kind.NAME,
        first=7,
    )
    take(ana.replica, *(segment.raw for segment in evil.segments[-2:]))
    assert ana.past().text(last.id) == "start Bob "
    with pytest.raises(NotFound):
        ana.past().text(old)


def test_who_takes_anothers_run_for_his_own_moves_no_name() -> None:
    """Runs are told, and nobody vouches for them; a name is for a change of who was meant."""
    ana, bob = both()
    ana.append("A")
    ana.name("now", "Draft")
    bob.replica.released = False
    bob.append("B")
    bob.name("now", "Train")
    runs = {each.replica.run: each.past()._told[-1].last for each in (ana, bob)}
    evil = [Forger(TEXT, TEXT.members[2].actor, RANDOM, run=run) for run in runs]
    for forger in evil:
        document = Document(client_id(TEXT.object, TEXT.members[2].credentials.device_id, forger.run))
        document.on_update(lambda update, by=forger: by.write(update, count=runs[by.run]))  # type: ignore[misc]
        document.edit(0, 0, "Eve ")
    for member in (ana, bob, ana):
        member.meet(bob)
        for forger in evil:
            take_certificates(member.replica, forger.certificate)
            take(member.replica, *(segment.raw for segment in forger.segments))

    past = ana.past()
    assert len(set(past._ids)) == len(past._ids)
    assert ana.document.text.count("Eve") == bob.document.text.count("Eve") == 2
    assert ana.named() == bob.named() == {"Draft": "start A", "Train": "start B"}


def plain(versions: list[Version]) -> list[Version]:
    return [replace(each, me=False, named_by_me=False) for each in versions]


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_all_see_what_each_namer_saw(seed: int) -> None:
    """Whoever was apart, offline or started again, and in whatever order things came."""
    rng = random.Random(seed)
    members = [Member(number, rng.randbytes) for number in range(3)]
    members[0].append("start ")
    seen: dict[str, str] = {}
    for number in range(25):
        one, other = rng.sample(members, 2)
        match rng.randrange(7):
            case 0:
                one.meet(other)
            case 1:
                one.replica.released = False
            case 2 if one.document.text:
                version = rng.choice(one.past().versions())
                meanwhile = rng.choice(["", "m"])
                seen[f"v{number}"] = one.name(rng.choice(["now", version.id]), f"v{number}", meanwhile)
            case 3 if len(one.document) > 4:
                at = rng.randrange(len(one.document) - 2)
                one.document.edit(at, at + 2, "")
                one.keep()
            case 4:
                at = members.index(one)
                members[at] = Member(at, rng.randbytes, one.replica.store)
            case _:
                one.append(rng.choice("ab😀"))
    for one in members:
        for other in members:
            if one is not other:
                one.meet(other)

    views = [plain(member.past().versions()) for member in members]
    assert views[0] == views[1] == views[2]
    for member in members:
        assert all(seen[name] == text for name, text in member.named().items())
