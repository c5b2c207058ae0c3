"""The update firewall: every rule has an update that breaks it."""

from __future__ import annotations

import tracemalloc

import pytest

from peergos_collab.documents import Document, UpdateLimits, check_untrusted, merge, received_text
from peergos_collab.documents.firewall import UpdateSummary
from peergos_collab.documents.halves import Halves
from peergos_collab.documents.varints import varint
from peergos_collab.errors import NotYet, Quarantined

ME, OTHER = 6, 5
KNOWN = {OTHER: 4}
"""The document that updates are for: "a😀b" of OTHER, so clock 2 is the second half of a character."""
TEXT = b"\x01\x04text"


def update(*structs: bytes, client: int = ME, clock: int = 0, deletes: bytes = b"\x00") -> bytes:
    return b"\x01" + varint(len(structs)) + varint(client) + varint(clock) + b"".join(structs) + deletes


def behind(clock: int, text: bytes = b"x", client: int = OTHER) -> bytes:
    """A string with a left origin."""
    return b"\x84" + varint(client) + varint(clock) + varint(len(text)) + text


FIRST = b"\x04" + TEXT + b"\x01x"
"""A string at the start of an empty text."""

HOSTILE = {
    "ends too early": [b"", b"\x01", b"\x00", update(FIRST)[:-1], b"\x01\x01\x06\x00\x04" + TEXT + b"\x09x"],
    "follow its end": [update(FIRST) + b"\x00", b"\x00\x00\x00"],
    "client id of somebody else": [update(FIRST, client=OTHER, clock=4), update(FIRST, client=7)],
    "missing": [update(FIRST, clock=1)],
    "GC": [update(b"\x00" + varint(5)), update(b"\x00" + varint((1 << 32) - 1))],
    "Skip": [update(b"\x0a\x05")],
    "nested shared type": [update(b"\x07" + TEXT + b"\x00"), update(b"\x87\x05\x00\x02")],
    "nested values": [update(b"\x08" + TEXT + b"\x01" + b"\x75\x01" * 100_000 + b"\x7e")],
    "binary": [update(b"\x03" + TEXT + b"\x01x")],
    "embed": [update(b"\x05" + TEXT + b"\x02{}")],
    "formatting": [update(b"\x06" + TEXT + b"\x04bold\x04true")],
    "subdocument": [update(b"\x09" + TEXT + b"\x01x")],
    "JSON": [update(b"\x02" + TEXT + b"\x01\x01x")],
    "key of a map": [update(b"\x24" + TEXT + b"\x01k\x01x")],
    "unknown content": [update(b"\x1f" + TEXT)],
    "elsewhere": [update(b"\x04\x01\x05other\x01x"), update(b"\x04\x00\x05\x00\x01x")],
    "not known": [
        update(behind(4)),
        update(behind(0, client=ME)),
        update(behind(0, client=9)),
        update(FIRST, behind(1, client=ME)),
        b"\x00\x01\x05\x01\x00\x05",
        b"\x00\x01\x09\x01\x00\x01",
    ],
    "no length": [update(behind(0, b"")), update(b"\x81\x05\x00\x00")],
    "not UTF-8": [update(behind(0, b"\xff")), update(behind(0, b"\xed\xa0\xbd"))],
    "too large": [update(b"\x81\x05\x00" + varint(1 << 31)), b"\x00\x01" + varint(1 << 53) + b"\x01\x00\x01"],
    "too long": [b"\x00" + b"\xff" * 12 + b"\x01"],
    "longer than needed": [b"\x80\x00\x00", b"\x01\x81\x00\x06\x00" + FIRST + b"\x00"],
    "has none": [b"\x01\x00\x06\x00\x00", b"\x01\x00\x05\x06\x02z\x01\x02\x05\x01\x00\x01\x84\x01\x00\x03"],
    "lists one client twice": [
        b"\x02\x01\x06\x00" + FIRST + b"\x01\x06\x00" + FIRST + b"\x00",
        b"\x00\x02\x05\x01\x00\x01\x05\x01\x03\x01",
    ],
    "empty or overlap": [b"\x00\x01\x05\x01\x00\x00", b"\x00\x01\x05\x02\x00\x01\x00\x01"],
    "splits a character": [
        update(behind(1)),
        update(b"\x44\x05\x02\x01x"),
        b"\x00\x01\x05\x01\x00\x02",
        b"\x00\x01\x05\x01\x02\x02",
        update(behind(0, "😀".encode()), behind(0, client=ME)),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("reason", "raw"), [(why, raw) for why, all_ in HOSTILE.items() for raw in all_])
def test_refused(reason: str, raw: bytes) -> None:
    """An update that breaks a rule is refused with that reason, and changes nothing at all."""
    author = Document(OTHER)
    author.edit(0, 0, "a😀b")
    document = Document(9, author.state())
    with pytest.raises(Quarantined, match=reason):
        document.apply_untrusted(raw, ME)

    assert (document.text, document.clocks()) == ("a😀b", KNOWN)
    assert document.state() == author.state()
    document.apply_untrusted(update(behind(3, b"!")), ME)
    assert document.text == "a😀b!"


def test_limits() -> None:
    """Size, structs and clocks have limits of their own."""
    raw = update(FIRST, behind(0, client=ME))

    assert check_untrusted(raw, ME, {}).structs == 2
    for limits in (UpdateLimits(size=len(raw) - 1), UpdateLimits(structs=1), UpdateLimits(clock=1)):
        with pytest.raises(Quarantined):
            check_untrusted(raw, ME, {}, limits)


def test_summary() -> None:
    """What passes is summed up: the author's clocks, and where characters must not be split."""
    raw = update(behind(0, "é😀x😀".encode()), behind(3, b"y"))

    summary = check_untrusted(raw, ME, KNOWN)
    assert summary == UpdateSummary(ends={ME: 7}, halves=summary.halves, structs=2, ranges=0)
    assert list(summary.halves) == [(ME, 2), (ME, 5)]


def test_a_text_of_emoji_costs_little() -> None:
    """What is kept of each character that has two units is a few bytes."""
    count = 50_000
    raw = update(b"\x04" + TEXT + varint(4 * count) + "😀".encode() * count)
    tracemalloc.start()
    summary = check_untrusted(raw, ME, {})
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert summary.ends == {ME: 2 * count}
    assert (ME, 2 * count - 1) in summary.halves
    assert kept < 6 * count


def test_own_updates_of_many_clients() -> None:
    """Own checkpoints may hold many clients in any order, but no gap and nothing but text."""
    one, two = Document(1), Document(2)
    one.edit(0, 0, "first")
    two.apply_untrusted(one.state(), 1)
    two.edit(5, 5, " second 😀")
    merged = Document(3)
    merged.apply_own(two.state())

    assert merged.text == "first second 😀"
    with pytest.raises(Quarantined, match="not known"):
        Document(4).apply_own(update(behind(0)))
    with pytest.raises(Quarantined, match="missing"):
        Document(4).apply_own(update(FIRST, clock=1))
    with pytest.raises(Quarantined, match="nested"):
        Document(4).apply_own(update(b"\x07" + TEXT + b"\x00"))


def test_characters_of_a_checkpoint_are_not_split() -> None:
    """Where astral characters lie is known after opening from a state as well."""
    author = Document(OTHER)
    author.edit(0, 0, "😀")
    document = Document(9, author.state())
    with pytest.raises(Quarantined, match="splits"):
        document.apply_untrusted(b"\x00\x01\x05\x01\x00\x01", ME)


def test_known_structs_cannot_rewrite_what_is_known() -> None:
    """Other content under known clocks changes nothing, not even what counts as a character."""
    author = Document(OTHER)
    author.edit(0, 0, "abc")
    document = Document(9, author.state())
    document.apply_untrusted(update(b"\x04" + TEXT + b"\x04" + "😀".encode(), client=OTHER), OTHER)
    document.apply_untrusted(b"\x00\x01\x05\x01\x01\x01", ME)

    assert document.text == "ac"


def test_panic_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should an update that makes the engine panic get past the firewall, it is quarantined all the same."""
    raw = b"\x01\x00\x06\x00\x00"  # no structs, of a client that is known
    nothing = UpdateSummary({}, Halves(), 0, 0)
    document = Document(1)
    document.edit(0, 0, "日😀 kept")
    document.apply_untrusted(update(FIRST, client=ME), ME)
    text = document.text
    with monkeypatch.context() as opened:
        opened.setattr(received_text, "check_untrusted", lambda *_, **__: nothing)
        with pytest.raises(Quarantined, match="engine"):
            document.apply_untrusted(raw, ME)
    document.edit(0, 1, "月")

    assert document.text == document._replica.text() == text.replace("日", "月")
    assert document.clocks() == document._replica.clocks()
    assert Document(2, document.state()).text == document.text


def test_rebuilt_after_a_long_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rebuild holds the folded base and the updates since."""
    monkeypatch.setattr("peergos_collab.documents.replica._LEAST_TAIL", 1_000)
    document = Document(1)
    for at in range(500):
        document.edit(at, at, "日x"[at % 2])
    document._replica._build()

    assert document._replica.text() == document.text
    assert 0 < len(document._replica._tail) < 500


def test_merged_run_stays_one_client() -> None:
    """A merged run has the clocks of the run."""
    author = Document(ME)
    updates: list[bytes] = []
    author.on_update(updates.append)
    for at in range(50):
        author.edit(at, len(author), "abc")

    summary = check_untrusted(merge(updates), ME, {})
    assert summary.ends == {ME: author.clocks()[ME]}


def test_long_ids_that_begin_alike_are_told_apart() -> None:
    """A reference is read as that of the client it names, though the one before named another."""
    one, two, three = (1 << 52) + 5, (1 << 51) + 5, (1 << 52) + 5 + (1 << 20)
    first, second, third = Document(one), Document(two), Document(three)
    first.edit(0, 0, "aa")
    second.apply_untrusted(first.state(), one)
    updates: list[bytes] = []
    second.on_update(updates.append)
    second.edit(1, 1, "b" * 300)  # between two characters of the first
    third.apply_own(second.state())
    third.on_update(updates.append)
    third.edit(1, 1, "c")  # after one of the first, before one of the second
    third.edit(250, 250, "d")
    with pytest.raises(NotYet) as early:
        first.apply_untrusted(updates[1], three)
    first.apply_untrusted(updates[0], two)
    for update in updates[1:]:
        first.apply_untrusted(update, three)

    assert early.value.missing == (two, 0)
    assert first.text == third.text


def deletes(client: bytes) -> bytes:
    """An update that deletes the first character of a client."""
    return b"\x00\x01" + client + b"\x01\x00\x01"


@pytest.mark.parametrize("client", [1, 127, 128, (1 << 49) - 1, 1 << 49, (1 << 53) - 1])
def test_ids_of_any_length_are_read(client: int) -> None:
    """Up to eight bytes; each is accepted where it is known, and cut short nowhere."""
    raw = deletes(varint(client))

    assert check_untrusted(raw, ME, {client: 1}).ranges == 1
    with pytest.raises(NotYet) as early:
        check_untrusted(raw, ME, {})
    assert early.value.missing == (client, 0)
    for length in range(len(raw)):
        with pytest.raises(Quarantined, match="ends too early"):
            check_untrusted(raw[:length], ME, {client: 1})


@pytest.mark.parametrize(
    ("client", "reason"),
    [
        (b"\x81\x80\x80\x80\x80\x80\x80\x00", "longer than needed"),
        (varint(1 << 53), "too large"),
        (varint((1 << 56) - 1), "too large"),
        (varint(1 << 56), "too large"),
    ],
)
def test_an_id_has_one_form(client: bytes, reason: str) -> None:
    """One of eight bytes as well, and it is below 2**53."""
    known = {1: 1, 1 << 53: 1, (1 << 56) - 1: 1, 1 << 56: 1}

    with pytest.raises(Quarantined, match=reason):
        check_untrusted(deletes(client), ME, known)
