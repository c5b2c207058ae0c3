"""The certificate of a node."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from peergos_collab.crypto.certificates import NodeCertificate, client_context, pin_of_untrusted
from peergos_collab.errors import Damaged, WrongPin

OPEN_FILES = Path("/proc/self/fd")


def files_in(folder: Path) -> int:
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_pin_is_the_hash_of_the_public_key() -> None:
    """Anyone can compute it from the certificate alone."""
    certificate = NodeCertificate.generate()
    key = x509.load_der_x509_certificate(certificate.der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert certificate.pin == hashlib.sha256(spki).digest()
    assert pin_of_untrusted(certificate.der) == certificate.pin


def test_the_pin_survives_storing() -> None:
    """What is stored holds the whole identity."""
    certificate = NodeCertificate.generate()

    assert NodeCertificate.from_secret_bytes(certificate.to_secret_bytes()).pin == certificate.pin


def test_it_tells_nothing_but_its_key() -> None:
    """Two certificates differ in key and signature alone: no name, no time of making."""
    one, two = (x509.load_der_x509_certificate(NodeCertificate.generate().der) for _ in range(2))

    assert list(one.subject) == list(one.issuer) == list(one.extensions) == []
    assert one.serial_number == two.serial_number
    assert one.not_valid_before_utc == two.not_valid_before_utc
    assert one.not_valid_after_utc == two.not_valid_after_utc
    assert one.not_valid_after_utc.year == 9999


def test_repr_shows_no_key() -> None:
    """A log line with a certificate in it gives nothing away."""
    certificate = NodeCertificate.generate()

    assert repr(certificate) == f"NodeCertificate(pin={certificate.pin.hex()})"


@pytest.mark.parametrize("memfd", [True, False])
async def test_contexts_speak_tls_13_and_leave_no_file(
    memfd: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handshake works, the client sees the pin, and neither file nor descriptor is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not memfd:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    certificate = NodeCertificate.generate()
    before = files_in(OPEN_FILES)
    context = certificate.server_context()

    assert files_in(tmp_path) == 0
    assert files_in(OPEN_FILES) == before

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(), server_hostname=""
    )
    tls = writer.get_extra_info("ssl_object")

    assert tls.version() == "TLSv1.3"
    assert pin_of_untrusted(tls.getpeercert(True)) == certificate.pin
    assert await reader.read() == b"hello"

    writer.close()
    await writer.wait_closed()
    server.close()


def test_older_tls_is_refused() -> None:
    """Both contexts start at TLS 1.3."""
    server = NodeCertificate.generate().server_context()

    assert server.minimum_version == client_context().minimum_version
    assert server.minimum_version == ssl.TLSVersion.TLSv1_3
    assert server.num_tickets == 0


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\x30\x03\x02\x01\x00",
        ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    ],
    ids=["empty", "no key", "P-384", "Ed25519"],
)
def test_a_damaged_store_is_named(stored: bytes) -> None:
    """Anything but a P-256 key is damage, not a crash."""
    with pytest.raises(Damaged):
        NodeCertificate.from_secret_bytes(stored)


@pytest.mark.parametrize("shown", [b"", b"\x30\x00", bytes(1000)])
def test_an_unreadable_certificate_is_a_wrong_pin(shown: bytes) -> None:
    """Who shows nonsense shows another key."""
    with pytest.raises(WrongPin):
        pin_of_untrusted(shown)
