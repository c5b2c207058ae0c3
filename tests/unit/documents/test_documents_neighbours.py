"""Neighbours: what names two that never stood side by side is found out, by everybody alike."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from peergos_collab.documents import Document, prove
from peergos_collab.documents.neighbours import Neighbours
from peergos_collab.documents.structure import Id, Struct, structs_of
from peergos_collab.documents.varints import varint
from peergos_collab.errors import Quarantined

ANA, BOB, CAROL = 5, 6, 7


def text_of_ana() -> Document:
    """ "abcde" in pieces; the c is deleted."""
    document = Document(ANA)
    for at, letter in enumerate("abcde"):
        document.edit(at, at, letter)
    document.edit(2, 3, "")
    return document


def written(client: int, clock: int, left: Id | None, right: Id | None, text: str = "x") -> bytes:
    """An update that puts a text between two characters."""
    info = 4 | (0x80 if left else 0) | (0x40 if right else 0)
    ids = b"".join(varint(client) + varint(at) for client, at in filter(None, (left, right)))
    root = b"" if left or right else b"\x01\x04text"
    return (
        b"\x01\x01"
        + varint(client)
        + varint(clock)
        + bytes([info])
        + ids
        + root
        + varint(len(text))
        + text.encode()
        + b"\x00"
    )


def proved(state: bytes) -> Document:
    document = Document(9, state)
    assert document.prove()
    return document


TRUE = {
    "first of all": (None, (ANA, 0)),
    "between two": ((ANA, 0), (ANA, 1)),
    "before one that was deleted": ((ANA, 1), (ANA, 2)),
    "behind one that was deleted": ((ANA, 2), (ANA, 3)),
    "at the end": ((ANA, 4), None),
    "by one who had seen nothing": (None, None),
    "by one who had seen the first only": ((ANA, 0), None),
}
FALSE = {
    "over one": ((ANA, 0), (ANA, 2)),
    "over one that was deleted": ((ANA, 1), (ANA, 3)),
    "backwards": ((ANA, 3), (ANA, 1)),
    "behind and before the same": ((ANA, 1), (ANA, 1)),
    "first of all, before the last": (None, (ANA, 4)),
}


@pytest.mark.parametrize("case", TRUE)
def test_neighbours(case: str) -> None:
    """Between neighbours there may be what its author had not seen, and nothing else."""
    document = proved(text_of_ana().state())
    document.apply_untrusted(written(BOB, 0, *TRUE[case]), BOB)

    assert "x" in document.text
    assert prove(document.state()) is not None


@pytest.mark.parametrize("case", FALSE)
def test_no_neighbours(case: str) -> None:
    """It is refused where everything is looked at at once, and found in a state that holds it already."""
    raw = written(BOB, 0, *FALSE[case])
    document = proved(text_of_ana().state())
    before = document.text
    with pytest.raises(Quarantined, match="side by side"):
        document.apply_untrusted(raw, BOB)

    assert document.text == before
    careless = Document(9, text_of_ana().state())
    careless.apply_untrusted(raw, BOB)
    assert not careless.prove()
    assert careless.in_doubt


def test_own_words_between_are_seen_too() -> None:
    """Nobody writes around what he wrote himself."""
    document = proved(text_of_ana().state())
    document.apply_untrusted(written(BOB, 0, (ANA, 0), (ANA, 1)), BOB)
    with pytest.raises(Quarantined, match="side by side"):
        document.apply_untrusted(written(BOB, 1, (ANA, 0), (ANA, 1)), BOB)


def test_what_a_named_one_had_seen_counts() -> None:
    """Who names what Bob wrote has seen what Bob had."""
    document = proved(text_of_ana().state())
    document.apply_untrusted(written(BOB, 0, (ANA, 4), None), BOB)
    with pytest.raises(Quarantined, match="side by side"):
        document.apply_untrusted(written(CAROL, 0, None, (BOB, 0)), CAROL)


def test_an_update_is_placed_whole_or_not_at_all() -> None:
    """After an update of which the second part is false, the first is as unknown as before."""
    good, bad = written(BOB, 0, (ANA, 0), (ANA, 1)), written(BOB, 1, (ANA, 3), (ANA, 1))
    both = b"\x01\x02" + good[2:-1] + bad[4:]
    document = proved(text_of_ana().state())
    for _ in range(2):
        with pytest.raises(Quarantined, match="side by side"):
            document.apply_untrusted(both, BOB)
    document.apply_untrusted(written(BOB, 0, (ANA, 1), (ANA, 2), "yz"), BOB)
    document.edit(0, 0, "0")
    document.apply_untrusted(written(CAROL, 0, (BOB, 0), (BOB, 1)), CAROL)

    assert document.text == "0abyxzde"


def test_a_thousand_processes_one_after_the_other() -> None:
    """Each writes behind the one before: the last has seen them all, and it takes little to keep."""
    runs = 1_500
    order = Neighbours()
    tracemalloc.start()
    for run in range(runs):
        left = (run, 0) if run else None
        assert order.place([Struct(run + 1, 0, 1, left, None, b"x")])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert kept < 2_000 * runs
    late = runs + 1
    assert not order.place([Struct(late, 0, 1, (1, 0), (runs, 0), b"x")])
    assert order.place([Struct(late, 0, 1, (1, 0), (2, 0), b"x")])
    assert not order.place([Struct(late, 1, 1, (runs // 2, 0), (1, 0), b"x")])


def test_what_was_seen_is_forgotten_with_what_is_refused() -> None:
    """A piece that was refused leaves no trace in what its author had seen."""
    order = Neighbours()
    assert order.place([Struct(ANA, 0, 3, None, None, b"abc"), Struct(BOB, 0, 1, (ANA, 0), (ANA, 1), b"x")])
    assert not order.place([Struct(CAROL, 0, 1, (BOB, 0), (ANA, 2), b"x")])

    assert order.place([Struct(CAROL, 0, 1, (ANA, 0), (ANA, 1), b"x")])


def test_two_that_wait_for_each_other() -> None:
    """A state in which each names the other is false, and is not waited for."""
    one = Struct(ANA, 0, 1, None, (BOB, 0), b"x")
    other = Struct(BOB, 0, 1, (ANA, 0), None, b"y")

    assert not Neighbours().place([one, other])


def test_what_comes_while_a_state_is_looked_at() -> None:
    """It is looked at as well, own edits too, and what is false among it is found."""
    for raw in (written(BOB, 0, *TRUE["between two"]), written(BOB, 0, *FALSE["over one"])):
        document = Document(9, text_of_ana().state())
        document.edit(0, 0, "mine ")
        order = prove(document.begin_proof())
        document.edit(5, 5, "more ")
        document.apply_untrusted(raw, BOB)

        assert document.end_proof(order) is (raw == written(BOB, 0, *TRUE["between two"]))


def test_what_takes_long_is_put_off() -> None:
    """Many pieces at once come in unseen and are found in the next pause; never where all is taken anew."""
    false = written(BOB, 0, *FALSE["over one"])
    many = b"\x01" + varint(601) + false[2:-1] + 600 * (b"\x44" + varint(ANA) + b"\x00\x01y") + b"\x00"
    open_, anew = proved(text_of_ana().state()), Document(9)
    anew.doubt_all()
    anew.apply_own(text_of_ana().state())
    open_.apply_untrusted(many, BOB)

    assert open_.in_doubt
    assert not open_.prove()
    looking = Document(9, text_of_ana().state())
    order = prove(looking.begin_proof())
    looking.apply_untrusted(many, BOB)
    assert looking.end_proof(order)
    assert looking.in_doubt
    with pytest.raises(Quarantined, match="side by side"):
        anew.apply_untrusted(many, BOB)


def test_a_false_piece_made_here_stops_nobody_else() -> None:
    """Should this program itself write what is false, others' updates still come in, and all is in doubt."""
    document = proved(text_of_ana().state())
    document.proof.note(written(CAROL, 0, *FALSE["over one"]))
    document.apply_untrusted(written(BOB, 0, *TRUE["between two"]), BOB)

    assert "x" in document.text
    assert document.in_doubt


def test_one_writer_is_not_in_doubt() -> None:
    """What only one run ever wrote has one order, so nothing is looked at."""
    document = text_of_ana()

    assert not document.in_doubt
    document.apply_untrusted(written(BOB, 0, (ANA, 4), None), BOB)
    assert document.in_doubt


def a_world(seed: int) -> tuple[bytes, dict[int, list[bytes]]]:
    """A text; what Bob wrote, anywhere; what two others wrote at the same time."""
    rng = random.Random(seed)
    bob, one, two = rng.sample(range(10, 60), 3)
    base = Document(ANA)
    for _ in range(6):
        at = rng.randrange(len(base) + 1)
        base.edit(at, at, rng.choice("abc"))
    at = rng.randrange(len(base))
    base.edit(at, at + 1, "")
    state, size = base.state(), base.clocks()[ANA]
    said: dict[int, list[bytes]] = {bob: []}
    for clock in range(2):
        ids = [None, *((ANA, at) for at in range(size)), *((bob, at) for at in range(clock))]
        said[bob].append(written(bob, clock, rng.choice(ids), rng.choice(ids)))
    for client in (one, two):
        document = Document(client, state)
        said[client] = []
        document.on_update(said[client].append)
        for _ in range(3):
            at = rng.randrange(len(document) + 1)
            document.edit(at, at, rng.choice("xyz"))
    return state, said


def text_after(seed: int, order: int, *, looks: bool) -> str:
    """What somebody shows who got all of it in some order; of Bob's nothing after what he refuses."""
    state, said = a_world(seed)
    rng = random.Random(order)
    document = Document(9, state)
    if looks:
        assert document.prove()
    queues = {client: list(updates) for client, updates in said.items()}
    while queues:
        client = rng.choice(list(queues))
        try:
            document.apply_untrusted(queues[client].pop(0), client)
        except Quarantined:
            assert client == next(iter(said))
            queues[client] = []
        if not queues[client]:
            del queues[client]
    return document.text


def test_whatever_came_first_the_text_is_the_same() -> None:
    """Without a look the same worlds leave some replicas apart; and nobody's honest words are refused."""
    apart = [
        sum(len({text_after(seed, order, looks=looks) for order in range(4)}) > 1 for seed in range(60, 180))
        for looks in (True, False)
    ]

    assert apart[0] == 0
    assert apart[1] > 0


def test_honest_words_are_placed_as_the_engine_does() -> None:
    """The order of the pieces that are there gives the engine's text."""
    state, said = a_world(3)
    document = Document(9, state)
    for client in list(said)[1:]:
        for update in said[client]:
            document.apply_untrusted(update, client)
    structs = {
        (struct.client, struct.clock + at): chr(struct.text[at]) if struct.text else ""
        for struct in structs_of(document.state())
        for at in range(struct.length)
    }
    order = prove(document.state())
    assert order is not None
    piece, shown = order._first.next, ""
    while piece is not None:
        shown += "".join(structs[piece.client, clock] for clock in range(piece.clock, piece.end))
        piece = piece.next

    assert shown == document.text


def test_one_that_grows_after_something_named_its_end() -> None:
    """Who wrote behind a word that its author went on with stays where the engine has him."""
    found, start, end = Neighbours(), (1, 3), None
    for client, clock, left, text in (
        (1, 0, None, b"<a1>"),
        (2, 0, start, b"<d2>"),
        (9, 0, (2, 3), b"<b11>"),
        (2, 4, (2, 3), b"<d3>"),
        (5, 0, start, b"<a5>"),
        (7, 0, start, b"<c6>"),
    ):
        assert found.place([Struct(client, clock, len(text), left, end, text)])
    behind_all_that_he_saw = Struct(9, 5, 5, (7, 3), end, b"<b19>")

    assert found.place([behind_all_that_he_saw])
