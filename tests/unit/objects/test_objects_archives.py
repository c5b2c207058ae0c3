"""Archives: what they give back, to whom, and what is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import EpochId, ObjectId
from peergos_collab.crypto import ContentKey, SigningKey, Tag, copen, cseal
from peergos_collab.errors import RemoteProtocolError
from peergos_collab.objects import archives
from peergos_collab.objects.archives import MAX_SEGMENTS, Archive, pack_archive
from peergos_collab.objects.segments import Segment, seal_segment

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
    packed = copen(KEY, Tag.ARCHIVE, archive.sealed, archive.prefix)
    fields = archives._unzip_untrusted(packed)
    change(fields)  # type: ignore[operator]
    again = archives.zlib.compress(encode(fields))
    raw = encode([archive.prefix, cseal(KEY, Tag.ARCHIVE, again, archive.prefix, RNG.randbytes)])
    return Archive.parse_untrusted(raw)


@pytest.mark.parametrize(("start", "stop"), [(0, 300), (0, 1), (1, 300), (250, 260)])
def test_it_gives_back_every_segment_bit_for_bit(start: int, stop: int) -> None:
    """From the begin of a log or from within; each one proves itself as before."""
    some = SEGMENTS[start:stop]
    archive = Archive.parse_untrusted(pack_archive(some, KEY, RNG.randbytes).raw)
    raws = archive.unpack_untrusted(KEY)

    assert raws == [segment.raw for segment in some]
    assert [Segment.parse_untrusted(raw).verify() for raw in raws] == some
    assert (archive.first, archive.last, archive.last_id) == (start + 1, stop, some[-1].id)
    assert archive.previous == some[0].previous


def test_it_takes_a_third_of_the_room() -> None:
    """For keystrokes; without what a store adds to each segment."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)

    assert len(archive.raw) * 2.4 < sum(len(segment.raw) for segment in SEGMENTS)


def test_what_is_not_sealed_in_the_usual_way_is_kept_whole() -> None:
    """Somebody may seal under another key, or pad otherwise: his segments are given back all the same."""
    some = write(b"fine")
    some += write(b"under another key", key=OTHER, after=some[-1])
    some += write(b"fine again", after=some[-1])

    assert pack_archive(some, KEY, RNG.randbytes).unpack_untrusted(KEY) == [each.raw for each in some]


def test_many_go_into_several() -> None:
    """Each takes as many as fit, in number and in bytes."""
    large = write(*(RNG.randbytes(200 << 10) for _ in range(6)))
    first = pack_archive(large, KEY, RNG.randbytes)
    second = pack_archive(large[first.last :], KEY, RNG.randbytes)

    assert (first.last, second.first, second.last) == (3, 4, 6)
    assert second.previous == first.last_id
    many = [replace(SEGMENTS[0], seq=n) for n in range(MAX_SEGMENTS + 1)]
    assert len(many[:MAX_SEGMENTS]) == MAX_SEGMENTS


def test_it_ends_with_its_epoch() -> None:
    """Who reads one epoch reads no other by it."""
    other = EpochId(bytes(32))
    moved = [*SEGMENTS[:3], *(replace(segment, epoch=other) for segment in SEGMENTS[3:5])]

    assert pack_archive(moved, KEY, RNG.randbytes).last == 3


def test_who_lacks_the_key_opens_nothing() -> None:
    """Nor is it bound to anything less than where it says it stands."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)
    with pytest.raises(RemoteProtocolError):
        archive.unpack_untrusted(OTHER)
    moved = decode_untrusted(archive.prefix, 256)
    moved[4] -= 1
    elsewhere = Archive.parse_untrusted(encode([encode(moved), archive.sealed]))

    with pytest.raises(RemoteProtocolError):
        elsewhere.unpack_untrusted(KEY)


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
    fields[2][7] = SEGMENTS[8].raw


def _nonsense(fields: list[list[object]]) -> None:
    fields[1][7] = 0


@pytest.mark.parametrize("change", [_one_less, _other_words, _no_padding, _bomb, _short, _strange, _nonsense])
def test_a_false_one_is_refused(change: object) -> None:
    """Whatever whoever has the key puts into it: it is these segments or none."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)
    with pytest.raises(RemoteProtocolError):
        forged(archive, change).unpack_untrusted(KEY)


def test_one_that_names_too_much_room_is_refused_at_once() -> None:
    """Before any of it is made."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)
    with pytest.raises(RemoteProtocolError, match="too much"):
        forged(archive, _bomb).unpack_untrusted(KEY)


def test_a_whole_segment_vouches_for_none_before_it() -> None:
    """Each has to be where its archive says: the last one's id does not name what is put in front of it."""
    some = write(b"fine")
    some += write(b"under another key", key=OTHER, after=some[-1])

    def other_first(fields: list[list[object]]) -> None:
        fields[1][0], fields[2][0] = 0, SEGMENTS[8].raw

    with pytest.raises(RemoteProtocolError, match="does not belong"):
        forged(pack_archive(some, KEY, RNG.randbytes), other_first).unpack_untrusted(KEY)


def test_nothing_changed_is_not_refused() -> None:
    """So that the test above tests what it says."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)

    assert len(forged(archive, lambda _: None).unpack_untrusted(KEY)) == 300


def test_too_much_when_unpacked() -> None:
    """Is noticed before it is there."""
    archive = pack_archive(SEGMENTS[:1], KEY, RNG.randbytes)
    bomb = archives.zlib.compress(bytes(archives.MAX_UNPACKED + 1))
    raw = encode([archive.prefix, cseal(KEY, Tag.ARCHIVE, bomb, archive.prefix, RNG.randbytes)])

    assert len(raw) < 1 << 17
    with pytest.raises(RemoteProtocolError, match="too much"):
        Archive.parse_untrusted(raw).unpack_untrusted(KEY)


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, 2), (1, b"x"), (3, 0), (4, 0), (4, 3000), (5, b"p" * 32), (6, b""), (7, b"e")],
)
def test_false_fields(field: int, value: object) -> None:
    """Each is refused."""
    archive = pack_archive(SEGMENTS, KEY, RNG.randbytes)
    fields = decode_untrusted(archive.prefix, 256)
    fields[field] = value

    with pytest.raises(RemoteProtocolError):
        Archive.parse_untrusted(encode([encode(fields), archive.sealed]))
