"""Client ids."""

from __future__ import annotations

from peergos_collab.codec.ids import DeviceId, ObjectId, RunId
from peergos_collab.crypto import Tag, hash256
from peergos_collab.documents.client_id import client_id


def test_first_53_bits() -> None:
    """The id is the first 53 bits, big-endian, of the tagged hash of object, device and run."""
    object_id, device, run = ObjectId(b"o" * 32), DeviceId(b"d" * 32), RunId(b"r" * 16)
    digest = hash256(Tag.CLIENT_ID, b"o" * 32 + b"d" * 32 + b"r" * 16)
    bits = "".join(f"{byte:08b}" for byte in digest)

    assert client_id(object_id, device, run) == int(bits[:53], 2)


def test_runs_differ() -> None:
    """Each run of one device has its own id, within what JavaScript counts exactly."""
    ids = {
        client_id(ObjectId(bytes(32)), DeviceId(bytes(32)), RunId(i.to_bytes(16, "big"))) for i in range(200)
    }

    assert len(ids) == 200
    assert all(0 < number < 1 << 53 for number in ids)
