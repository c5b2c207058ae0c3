"""Archives: what they give back, to whom, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import BadSignature, ContentKey, SigningKey, Tag, copen, cseal
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects import archives
from peergos_collab.objects.archives import MAX_SEGMENTS, Archive, pack_archive
from peergos_collab.objects.segments import MAX_SEGMENT, Segment, seal_segment

RNG = random.Random(8)
KEY, OTHER = ContentKey(RNG.randbytes(32)), ContentKey(RNG.randbytes(32))
LOG = SigningKey.generate(RNG.randbytes)
OBJECT, EPOCH = ObjectId(RNG.randbytes(32)), EpochId(RNG.randbytes(32))


def write(*payloads: bytes, key: ContentKey = KEY, after: Segment | None = None) -> list[Segment]:
    """Consecutive segments of one log."""
    made: list[Segment] = [after] if after is not None else []
    for payload in payloads:
        seq, previous = (made[-1].seq + 1, made[-1].id) if made else (1, b"")
        made.append(seal_segment(OBJECT, LOG, seq, previous, EPOCH, payload, key, RNG.randbytes))
    return made[1:] if after is not None else made


SEGMENTS = write(*(b"keystroke %d" % n for n in range(300)))


def forged(archive: Archive, change: object) -> Archive:
    """The archive with other contents, sealed as its maker would."""
    packed = copen(KEY, Tag.ARCHIVE, archive.sealed, archive.bound)
    fields = archives._unzip_untrusted(packed)
    change(fields)  # type: ignore[operator]
    return with_sealed(archive, archives.zlib.compress(encode(fields)))


def with_sealed(archive: Archive, packed: bytes) -> Archive:
    prefix, proofs, _ = decode_untrusted(archive.raw, MAX_SEGMENT)
    sealed = cseal(KEY, Tag.ARCHIVE, packed, archive.bound, RNG.randbytes)
    return Archive.parse_untrusted(encode([prefix, proofs, sealed]))


@pytest.mark.parametrize(("start", "stop"), [(0, 300), (0, 1), (1, 300), (250, 260)])
def test_it_gives_back_every_segment_bit_for_bit(start: int, stop: int) -> None:
    """From the begin of a log or from within; each one proves itself as before."""
    some = SEGMENTS[start:stop]
    archive = Archive.parse_untrusted(pack_archive(some, KEY).raw)
    raws = archive.unpack_untrusted(KEY)

    assert raws == [segment.raw for segment in some]
    assert [Segment.parse_untrusted(raw).verify() for raw in raws] == some
    assert (archive.first, archive.last, archive.last_id) == (start + 1, stop, some[-1].id)
    assert archive.previous == some[0].previous


def test_it_takes_a_third_of_the_room() -> None:
    """For keystrokes; without what a store adds to each segment."""
    archive = pack_archive(SEGMENTS, KEY)

    assert len(archive.raw) * 2.4 < sum(len(segment.raw) for segment in SEGMENTS)


def test_what_is_not_sealed_in_the_usual_way_is_kept_whole() -> None:
    """Somebody may seal under another key, or pad otherwise: his segments are given back all the same."""
    some = write(b"fine")
    some += write(b"under another key", key=OTHER, after=some[-1])
    some += write(b"fine again", after=some[-1])

    assert pack_archive(some, KEY).unpack_untrusted(KEY) == [each.raw for each in some]


def test_many_go_into_several() -> None:
    """Each takes as many as fit, in number and in bytes."""
    large = write(*(RNG.randbytes(200 << 10) for _ in range(6)))
    first = pack_archive(large, KEY)
    second = pack_archive(large[first.last :], KEY)

    assert (first.last, second.first, second.last) == (3, 4, 6)
    assert second.previous == first.last_id
    many = [replace(SEGMENTS[0], seq=n) for n in range(MAX_SEGMENTS + 1)]
    assert len(many[:MAX_SEGMENTS]) == MAX_SEGMENTS


def test_it_ends_with_its_epoch() -> None:
    """Who reads one epoch reads no other by it."""
    other = EpochId(bytes(32))
    moved = [*SEGMENTS[:3], *(replace(segment, epoch=other) for segment in SEGMENTS[3:5])]

    assert pack_archive(moved, KEY).last == 3


def test_who_lacks_the_key_opens_nothing() -> None:
    """Nor is it bound to anything less than where it says it stands."""
    archive = pack_archive(SEGMENTS, KEY)
    with pytest.raises(RemoteProtocolError):
        archive.unpack_untrusted(OTHER)
    other = pack_archive(SEGMENTS[:7], KEY)
    prefix, proofs, _ = decode_untrusted(other.raw, MAX_SEGMENT)
    elsewhere = Archive.parse_untrusted(encode([prefix, proofs, archive.sealed]))

    with pytest.raises(RemoteProtocolError):
        elsewhere.unpack_untrusted(KEY)


def test_who_lacks_the_key_sees_which_segments_they_are() -> None:
    """Their ids, and who signed them, and no other segments in their place."""
    archive = pack_archive(SEGMENTS, KEY)
    assert list(archive.ids) == [segment.id for segment in SEGMENTS]
    archive.verify()
    closed = archive.closed_segment(7)
    assert (closed.id, closed.place, closed.signature) == (
        SEGMENTS[7].id,
        SEGMENTS[7].place,
        SEGMENTS[7].signature,
    )
    assert not closed.is_here
    assert SEGMENTS[7].is_here


@pytest.mark.parametrize("at", [0, 7 * 96, 299 * 96])
def test_a_signature_that_is_another_is_noticed(at: int) -> None:
    """By who checks them, and by who has the key: the seal is bound to them."""
    prefix, proofs, sealed = decode_untrusted(pack_archive(SEGMENTS, KEY).raw, MAX_SEGMENT)
    spoiled = proofs[:at] + bytes([proofs[at] ^ 1]) + proofs[at + 1 :]
    archive = Archive.parse_untrusted(encode([prefix, spoiled, sealed]))

    with pytest.raises(BadSignature):
        archive.verify()
    with pytest.raises(RemoteProtocolError):
        archive.unpack_untrusted(KEY)


def test_ids_that_do_not_lead_to_the_last_are_refused() -> None:
    """Each is made from the one before."""
    prefix, proofs, sealed = decode_untrusted(pack_archive(SEGMENTS, KEY).raw, MAX_SEGMENT)
    with pytest.raises(RemoteProtocolError, match="follow"):
        Archive.parse_untrusted(encode([prefix, proofs[:64] + bytes(32) + proofs[96:], sealed]))


def test_the_same_segments_give_the_same_archive() -> None:
    """Whoever packs them; and others give another nonce."""
    one, again, less = (
        pack_archive(SEGMENTS, KEY),
        pack_archive(SEGMENTS, KEY),
        pack_archive(SEGMENTS[:9], KEY),
    )

    assert one.raw == again.raw
    assert one.sealed[:24] != less.sealed[:24]


def _one_less(fields: list[list[object]]) -> None:
    fields[1].pop()
    fields[2].pop()


def _other_words(fields: list[list[object]]) -> None:
    fields[2][7] = b"other words!"


def _no_padding(fields: list[list[object]]) -> None:
    fields[1][7] = 1


def _bomb(fields: list[list[object]]) -> None:
    fields[1] = [1 << 19] * len(fields[1])


def _short(fields: list[object]) -> None:
    fields[0] = fields[0][:-1]  # type: ignore[index]


def _strange(fields: list[list[object]]) -> None:
    fields[1][7] = 0
    fields[2][7] = SEGMENTS[8].body


def _nonsense(fields: list[list[object]]) -> None:
    fields[1][7] = 0


@pytest.mark.parametrize("change", [_one_less, _other_words, _no_padding, _bomb, _short, _strange, _nonsense])
def test_a_false_one_is_refused(change: object) -> None:
    """Whatever whoever has the key puts into it: it is these segments or none."""
    archive = pack_archive(SEGMENTS, KEY)
    with pytest.raises(RemoteProtocolError):
        forged(archive, change).unpack_untrusted(KEY)


def test_one_that_names_too_much_room_is_refused_at_once() -> None:
    """Before any of it is made."""
    archive = pack_archive(SEGMENTS, KEY)
    with pytest.raises(RemoteProtocolError, match="too much"):
        forged(archive, _bomb).unpack_untrusted(KEY)


def test_nothing_changed_is_not_refused() -> None:
    """So that the test above tests what it says."""
    archive = pack_archive(SEGMENTS, KEY)

    assert len(forged(archive, lambda _: None).unpack_untrusted(KEY)) == 300


def test_too_much_when_unpacked() -> None:
    """Is noticed before it is there."""
    archive = pack_archive(SEGMENTS[:1], KEY)
    bomb = archives.zlib.compress(bytes(archives.MAX_UNPACKED + 1))
    small = with_sealed(archive, bomb)

    assert len(small.raw) < 1 << 17
    with pytest.raises(RemoteProtocolError, match="too much"):
        small.unpack_untrusted(KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, 2), (1, b"x"), (3, 0), (4, 0), (4, 3000), (5, b"p" * 32), (6, b""), (7, b"e")],
)
def test_false_fields(field: int, value: object) -> None:
    """Each is refused."""
    archive = pack_archive(SEGMENTS, KEY)
    prefix, proofs, sealed = decode_untrusted(archive.raw, MAX_SEGMENT)
    fields = decode_untrusted(prefix, 256)
    fields[field] = value

    with pytest.raises(RemoteProtocolError):
        Archive.parse_untrusted(encode([encode(fields), proofs, sealed]))
