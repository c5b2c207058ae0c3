"""Where a writer contradicts himself, or builds on what he does not cite, all members still end up equal.

Members get one set of segments in any order, and fold anew at any moments in between. What is left to tell
them apart would be the order of arrival.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.chat import Edit, Message, Reaction, Reply, encode_events
from peergos_collab.chat.events import Reference
from peergos_collab.codec.ids import DeviceId, RunId
from peergos_collab.documents import Document, merge
from peergos_collab.documents import client_id as client_ids
from peergos_collab.documents.client_id import client_id
from peergos_collab.documents.varints import varint
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.segments import Segment
from peergos_collab.sync.replica import Replica
from support.circle import Circle, make_circle
from support.forge import Forger, cite, replica_of, settle, take_certificates

RANDOM = random.Random(23).randbytes
CHAT = make_circle(Kind.CHAT, [Level.WRITE, Level.WRITE], RANDOM)
TEXT = make_circle(Kind.DOCUMENT, [Level.WRITE, Level.WRITE], RANDOM)

History = tuple[Circle, list[Forger], list[bytes]]


def forgers_of(circle: Circle) -> list[Forger]:
    return [Forger(circle, member.actor, RANDOM) for member in circle.members]


# -- chats


def say(lamport: int, *events: Any) -> bytes:
    return encode_events(lamport, list(events) or [Message(f"at {lamport}")])


def message_in(segment: Segment, lamport: int, index: int = 0) -> Reference:
    return Reference(lamport, segment.id, index)


def a_copied_home() -> History:
    """Two copies of Ana's home seal the same two messages, apart; others write about both copies."""
    ana, bob, carol = forgers_of(CHAT)
    copy = Forger(CHAT, CHAT.members[0].actor, RANDOM, run=ana.run)
    twice = [Message("one"), Message("two")]
    ana.write(say(1, *twice), count=2)
    copy.write(say(1, *twice, Message("three")), count=3)
    here, there = ana.segments[0], copy.segments[0]
    bob.write(say(2, Reaction(message_in(here, 1), "+")), cites=(cite(here),))
    carol.write(say(2, Reaction(message_in(there, 1), "-")), cites=(cite(there),))
    bob.write(say(3, Reply(message_in(here, 1, 1), "to two")), first=2)
    carol.write(say(3, Reply(message_in(there, 1, 2), "to three")), first=2)
    copy.write(say(2, Edit(message_in(there, 1, 1), "two, edited")), first=4)
    carol.write(say(4, Message("after all")), first=3, cites=(cite(bob.segments[1]), cite(copy.segments[1])))
    return gathered(CHAT, ana, bob, carol, copy)


def a_liar_in_a_chat() -> History:
    """Ana gives her second change three contents, on two branches and in two logs."""
    ana, bob, carol = forgers_of(CHAT)
    other = Forger(CHAT, CHAT.members[0].actor, RANDOM, run=ana.run)
    ana.write(say(1))
    ana.write(say(2, Message("this")), first=2)
    ana.write_raw(ana.payload(say(2, Message("that")), first=2), after=1)
    other.write(say(2, Message("both"), Message("more")), first=2, count=2, cites=(cite(ana.segments[0]),))
    this, that = ana.segments[1:]
    bob.write(say(3, Reply(message_in(this, 2), "yes")), cites=(cite(this),))
    carol.write(say(3, Reply(message_in(that, 2), "no")), cites=(cite(that),))
    return gathered(CHAT, ana, bob, carol, other)


# -- documents


class Author:
    """A forger with a document that takes what the author has seen."""

    def __init__(self, forger: Forger) -> None:
        self.forger = forger
        self.client = client_id(TEXT.object, forger.actor.device.public, forger.run)  # type: ignore[arg-type]
        self.document = Document(self.client)

    def saw(self, *updates: bytes) -> Author:
        for update in updates:
            self.document.apply_own(update)
        return self

    def edit(self, start: int, end: int, text: str) -> bytes:
        """The update of an edit."""
        updates: list[bytes] = []
        stop = self.document.on_update(updates.append)
        self.document.edit(start, end, text)
        stop()
        return updates[0]


def a_liar_in_a_text(*, emoji: bool = False) -> History:
    """Ana's second change has two contents of two lengths; Bob and Carol each build on one of them."""
    ana, bob, carol = forgers_of(TEXT)
    first = Author(ana).edit(0, 0, "base ")
    this = Author(ana).saw(first).edit(5, 5, "short")
    that = Author(ana).saw(first).edit(0, 0, "much😀 longer" if emoji else "much longer")
    ana.write(first)
    ana.write(this, first=2)
    ana.write_raw(ana.payload(that, first=2), after=1)
    bob.write(Author(bob).saw(first, this).edit(7, 7, "BOB"), cites=(cite(ana.segments[1]),))
    carol.write(Author(carol).saw(first, that).edit(7, 8, "CAROL"), cites=(cite(ana.segments[2]),))
    return gathered(TEXT, ana, bob, carol)


def one_who_cites_nothing(*, hidden_comes: bool) -> History:
    """Carol builds on Ana's and Bob's text, and on what Bob wrote elsewhere, and cites nothing of it."""
    ana, bob, carol = forgers_of(TEXT)
    elsewhere = Forger(TEXT, TEXT.members[1].actor, RANDOM)
    hidden = Author(elsewhere).edit(0, 0, "hidden")
    first = Author(ana).edit(0, 0, "from Ana")
    second = Author(bob).saw(first).edit(8, 8, " and Bob")
    writer = Author(carol).saw(first, second)
    ana.write(first)
    bob.write(second, cites=(cite(ana.segments[0]),))
    carol.write(writer.edit(4, 10, "!"))
    at = writer.saw(hidden).document.text.index("hidden") + 3
    carol.write(writer.edit(at, at, "?"), first=2)
    carol.write(writer.edit(0, 0, "again "), first=3)
    if hidden_comes:
        elsewhere.write(hidden)
    return gathered(TEXT, ana, bob, carol, elsewhere)


def one_who_names_no_neighbours() -> History:
    """Bob writes between what never stood side by side, in ever new logs, while Carol goes on.

    The engine would put what Bob wrote where it happens to find what Carol wrote at the same time.
    """
    ana, bob, carol = forgers_of(TEXT)
    rng = random.Random(5)
    text, writer = Author(ana), Author(carol)
    base = [text.edit(at, at, "abcdefghij"[at]) for at in range(10)]
    base += [text.edit(at, at + 1, "") for at in (7, 4, 2)]
    start = merge(base)
    ana.write(start)
    writer.saw(start)
    bobs = [bob, *(Forger(TEXT, bob.actor, RANDOM) for _ in range(11))]
    for each in bobs:
        left, right = sorted(rng.sample(range(10), 2))
        update = between(Author(each).client, (text.client, left), (text.client, max(right, left + 2)))
        each.write(update, cites=(cite(ana.segments[0]),))
    for number in range(6):
        at = rng.randrange(len(writer.document) + 1)
        seen = (cite(ana.segments[0]),) if not number else ()
        carol.write(writer.edit(at, at, "xyz"[number % 3]), first=number + 1, cites=seen)
    return gathered(TEXT, ana, carol, *bobs)


def between(client: int, left: tuple[int, int], right: tuple[int, int]) -> bytes:
    """The update that puts one letter between two characters, whatever stands between them."""
    ids = b"".join(map(varint, (*left, *right)))
    return b"\x01\x01" + varint(client) + b"\x00\xc4" + ids + b"\x01B\x00"


@pytest.fixture
def short_ids(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of client ids with 16 bits two that are equal are found at once; with 53 it takes some minutes."""
    monkeypatch.setattr(client_ids, "_BITS", 16)
    client_id.cache_clear()
    yield
    client_id.cache_clear()


def runs_of_one_id(device: DeviceId) -> tuple[RunId, RunId]:
    found: dict[int, RunId] = {}
    while True:
        run = RunId(RANDOM(16))
        other = found.setdefault(client_id(TEXT.object, device, run), run)
        if other != run:
            return run, other


def one_with_two_runs_of_one_id(first_kind: Kind, *, hidden: bool) -> History:
    """Bob gives one client id two contents, each in a run of its own; Ana and Carol each build on one.

    Args:
        first_kind: of what one of the runs begins with.
        hidden: the other one begins with what builds on a text that never comes.
    """
    ana, other, carol = forgers_of(TEXT)
    bob = other.actor
    runs = runs_of_one_id(DeviceId(bob.device.public))
    here, there = (Forger(TEXT, bob, RANDOM, run=run) for run in runs)
    first = Author(ana).edit(0, 0, "base ")
    lost = Author(Forger(TEXT, bob, RANDOM)).edit(0, 0, "lost ")
    this = Author(here).saw(lost if hidden else first).edit(0, 1, "")
    more = [Author(here).saw(first).edit(5, 5, "this")]
    that = [Author(there).saw(first).edit(0, 0, "that and more")]
    more.append(Author(here).saw(first, *more).edit(0, 0, "and "))
    that.append(Author(there).saw(first, *that).edit(0, 0, "or "))
    ana.write(first)
    seen = (cite(ana.segments[0]),)
    for number, update in enumerate((this, *more)):
        here.write(update, first=number + 1, cites=seen)
    there.write(b"", kind=first_kind, count=0, cites=seen)
    for number, update in enumerate(that):
        there.write(update, first=number + 1)
    ana.write(Author(ana).saw(first, more[0]).edit(7, 7, "ANA"), first=2, cites=(cite(here.segments[1]),))
    carol.write(Author(carol).saw(first, that[0]).edit(2, 3, "CAROL"), cites=(cite(there.segments[1]),))
    return gathered(TEXT, ana, here, there, carol)


def gathered(circle: Circle, *forgers: Forger) -> History:
    return circle, list(forgers), [segment.raw for forger in forgers for segment in forger.segments]


# -- what all must agree about


def verdict(replica: Replica) -> object:
    fold: Any = replica.fold
    shown = fold.document.text if fold.kind is Kind.DOCUMENT else fold.timeline.messages(0, 99)
    return (
        shown,
        sorted(replica.book.tips()),
        sorted((aside.log, aside.seq, aside.name, aside.reason) for aside in replica.order.set_aside),
        sorted(replica.book.numbered[number].log for number in replica.order.waiting),
    )


def member_who_got(
    history: History, order: Callable[[list[bytes]], None], *, fold_anew_at: set[int]
) -> Replica:
    """A member to whom segments come in some order, each again and again until it was taken."""
    circle, forgers, raws = history
    replica = replica_of(circle, circle.members[1], RANDOM)
    take_certificates(replica, *(forger.certificate for forger in forgers))
    missing = list(raws)
    order(missing)
    at = 0
    while missing:
        waiting, missing = missing, []
        for raw in waiting:
            taken = replica.take_segments([raw], "memory").offered
            replica.store.write(taken.batch)
            missing += [] if taken.arrivals else [raw]
            if (at := at + 1) in fold_anew_at:
                settle(replica, circle, circle.members[1], RANDOM)
    settle(replica, circle, circle.members[1], RANDOM)
    return replica


HISTORIES = {
    "a copied home": a_copied_home(),
    "a liar in a chat": a_liar_in_a_chat(),
    "a liar in a text": a_liar_in_a_text(),
    "a liar with emoji": a_liar_in_a_text(emoji=True),
    "one who cites nothing": one_who_cites_nothing(hidden_comes=True),
    "one who names no neighbours": one_who_names_no_neighbours(),
    "one who builds on what never comes": one_who_cites_nothing(hidden_comes=False),
}
EXPECTED = {
    name: verdict(member_who_got(history, lambda raws: None, fold_anew_at=set()))
    for name, history in HISTORIES.items()
}


@pytest.mark.parametrize("name", HISTORIES)
@given(rng=st.randoms(use_true_random=False))
def test_any_order_gives_one_verdict(name: str, rng: random.Random) -> None:
    """Whatever came first, and whenever a member folded anew, the state and all verdicts are the same."""
    history = HISTORIES[name]
    moments = {at for at in range(len(history[2])) if rng.random() < 0.2}

    assert verdict(member_who_got(history, rng.shuffle, fold_anew_at=moments)) == EXPECTED[name]


@pytest.mark.usefixtures("short_ids")
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("first_kind", [Kind.HELLO, Kind.SNAPSHOT])
def test_two_runs_of_one_id(first_kind: Kind, hidden: bool) -> None:
    """What counts is the same for everybody, whatever came first, and what does not is known to be Bob's."""
    rng = random.Random(3)
    for _ in range(4):
        history = one_with_two_runs_of_one_id(first_kind, hidden=hidden)
        moments = [{at for at in range(16) if rng.random() < 0.4} for _ in range(6)]
        members = [member_who_got(history, rng.shuffle, fold_anew_at=each) for each in moments]
        refused = [each for each in members[0].order.set_aside if "the id of another" in each.reason]

        assert all(verdict(member) == verdict(members[0]) for member in members)
        assert hidden or [each.seq for each in refused] == [1, 2, 3]
        assert {each.name for each in refused} <= {TEXT.members[1].name}


def test_what_names_no_neighbours_is_set_aside_with_its_author() -> None:
    """All that Bob wrote so is set aside under his name, and the rest is kept."""
    history = HISTORIES["one who names no neighbours"]
    replica = member_who_got(history, lambda raws: None, fold_anew_at=set())
    aside = replica.order.set_aside

    assert len(aside) == 12
    assert {each.name for each in aside} == {TEXT.members[1].name}
    assert all("side by side" in each.reason for each in aside)
    assert "B" not in replica.fold.document.text  # type: ignore[attr-defined]
