"""Whatever bytes come in: a value that encodes to the same bytes, or RemoteProtocolError."""

from __future__ import annotations

from typing import Any

import cbor2
from hypothesis import given
from hypothesis import strategies as st

from peergos_collab.codec import decode_untrusted, encode, from_multibase_untrusted, to_multibase
from peergos_collab.codec.sizes import pad, unpad_untrusted
from peergos_collab.errors import RemoteProtocolError

LIMIT = 1 << 16

keys = st.one_of(st.integers(-(2**63), 2**64 - 1), st.text(max_size=5), st.binary(max_size=5))
leaves = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.binary(max_size=40),
    st.text(max_size=40),
    st.booleans(),
    st.none(),
)
records = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=20,
)
foreign = st.recursive(
    st.one_of(leaves, st.floats(), st.integers(), st.just(cbor2.undefined)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.builds(cbor2.CBORTag, st.integers(0, 70_000), inner),
        st.dictionaries(st.one_of(keys, st.floats(), st.booleans()), inner, max_size=4),
    ),
    max_leaves=10,
)


def accepted_or_refused(raw: bytes) -> None:
    try:
        value = decode_untrusted(raw, LIMIT)
    except RemoteProtocolError:
        return
    assert encode(value) == raw


@given(records)
def test_every_record_comes_back(value: Any) -> None:
    """What encodes decodes to an equal value, of the same types, and encodes to the same bytes."""
    raw = encode(value)
    again = decode_untrusted(raw, LIMIT)

    assert again == value
    assert encode(again) == raw


@given(st.binary(max_size=200))
def test_random_bytes(raw: bytes) -> None:
    """Random bytes are accepted in the one form, or refused with the documented error."""
    accepted_or_refused(raw)


@given(records, st.data())
def test_damaged_records(value: Any, data: st.DataObject) -> None:
    """A record with a byte changed, cut out or put in is accepted in the one form, or refused."""
    raw = encode(value)
    at = data.draw(st.integers(0, len(raw)))
    cut = data.draw(st.integers(0, 3))
    accepted_or_refused(raw[:at] + data.draw(st.binary(max_size=3)) + raw[at + cut :])


@given(foreign)
def test_what_other_encoders_write(value: Any) -> None:
    """Tags, floats, big integers and odd keys, well-formed otherwise, never pass in another form."""
    accepted_or_refused(cbor2.dumps(value))


@given(records)
def test_no_second_form(value: Any) -> None:
    """A map in another order than the canonical one is refused."""
    raw = cbor2.dumps(value)
    if raw != encode(value):
        try:
            decode_untrusted(raw, LIMIT)
        except RemoteProtocolError:
            return
        raise AssertionError("two byte strings for one record")


@given(st.binary(max_size=64))
def test_ids_as_text_come_back(data: bytes) -> None:
    """Bytes, their base58 text, and the bytes again."""
    assert from_multibase_untrusted(to_multibase(data)) == data


@given(st.text(max_size=80) | st.text("z123ABCxyz", max_size=80).map(lambda text: "z" + text))
def test_texts_as_ids(text: str) -> None:
    """A text is the only form of its bytes, or refused."""
    try:
        data = from_multibase_untrusted(text)
    except RemoteProtocolError:
        return
    assert to_multibase(data) == text


@given(st.binary(max_size=100), st.integers(1, 100))
def test_padding_comes_off(payload: bytes, room: int) -> None:
    """Any payload, padded by any amount, comes back."""
    assert unpad_untrusted(pad(payload, len(payload) + room)) == payload


@given(st.binary(max_size=100))
def test_unpadding_random_bytes(padded: bytes) -> None:
    """Random bytes unpad to what pads to them again, or are refused."""
    try:
        payload = unpad_untrusted(padded)
    except RemoteProtocolError:
        return
    assert pad(payload, len(padded)) == padded
