"""Hostile updates and anchors: accepted whole, or refused with the documented error and no change."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from peergos_collab.documents import Document, merge
from peergos_collab.errors import Quarantined

ME = 6


def real() -> tuple[bytes, list[bytes]]:
    """A state with all kinds of characters and deletions, and updates of ME on top of it."""
    base = Document(5)
    base.edit(0, 0, "a😀b日c\n")
    base.edit(1, 2, "")
    base.edit(2, 2, "x😀")
    state = base.state()
    author = Document(ME, state)
    updates: list[bytes] = []
    author.on_update(updates.append)
    author.edit(1, 2, "q")
    author.edit(0, 0, "😀\n")
    author.edit(0, 3, "zz")
    author.edit_many([(0, 1, "k"), (2, 3, "l")])
    return state, [*updates, merge(updates), merge(updates[:2]), state, author.state()]


STATE, UPDATES = real()
TELLING = st.sampled_from([0, 1, 2, 4, 5, 6, 7, 8, 10, 0x20, 0x40, 0x44, 0x7F, 0x80, 0x81, 0x84, 0xC4, 0xFF])
changes = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from("sid"), TELLING | st.integers(0, 255)), max_size=4
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real update with a few bytes set, put in or taken out."""
    raw = bytearray(draw(st.sampled_from(UPDATES)))
    for at, how, byte in draw(changes):
        at %= len(raw) or 1
        if how == "s" and raw:
            raw[at] = byte
        elif how == "i":
            raw.insert(at, byte)
        elif raw:
            del raw[at]
    return bytes(raw)


LONGER = (
    b"\x01\x05\x05\x00\x04\x01\x04text\x01a\x81\x05\x00\x02\x84\x05\x00\x02\x01b\x84\x05\x03\x05\xe6\x97\xa5c\n"
    b"\xc4\x05\x03\x05\x04\x05x\xf0\x9f\x98\x80\x01\x05\x01\x01\x02"
)
"""What is known, one unit longer: the engine takes nothing of it, as the rest begins within a character."""


@settings(max_examples=1_500)
@given(mutated() | st.binary(max_size=80), st.booleans())
@example(LONGER, True)
def test_whole_or_not_at_all(raw: bytes, own: bool) -> None:
    """Only Quarantined escapes; then nothing changed, else two replicas agree and all counts are right."""
    one, two = Document(9, STATE), Document(10, STATE)
    before = (one.text, one.clocks())
    apply_one = (lambda: one.apply_own(raw)) if own else (lambda: one.apply_untrusted(raw, ME))
    apply_two = (lambda: two.apply_own(raw)) if own else (lambda: two.apply_untrusted(raw, ME))
    try:
        apply_one()
    except Quarantined:
        assert (one.text, one.clocks()) == before
        assert one._replica.text() == one.text
        return
    apply_two()
    one.edit(0, 0, "after")
    two.edit(0, 0, "after")

    assert one.text == two.text == one._replica.text() == one.lines.text()
    assert one.clocks() == one._replica.clocks()


@given(st.binary(max_size=20) | st.builds(lambda a, b: bytes([0, a, b, 0]), TELLING, TELLING))
def test_hostile_anchors(raw: bytes) -> None:
    """An anchor of any bytes is a position in the text, or none."""
    document = Document(9, STATE)
    offset = document.offset_untrusted(raw)

    assert offset is None or 0 <= offset <= len(document)
