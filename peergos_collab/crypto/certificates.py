"""The certificate of a node: one key, neutral fields, recognised by its pin alone.

The only secret is the key, so that is what is stored; the certificate around it is made anew
with constant fields, and the pin stays the same.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import Damaged, WrongPin

if TYPE_CHECKING:
    import ssl

    from cryptography.hazmat.primitives.asymmetric import ec

_NOT_BEFORE: Final = (2000, 1, 1)
_NOT_AFTER: Final = (9999, 12, 31, 23, 59, 59)
"""RFC 5280 section 4.1.2.5: the value for "has no well-defined end"."""


class NodeCertificate:
    """A self-signed ECDSA P-256 certificate and its key. Holds a secret; its repr shows the pin."""

    __slots__ = ("_der", "_key", "pin")

    pin: bytes
    """SHA-256 of the SubjectPublicKeyInfo, DER; 32 bytes."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._der = _self_sign(key)
        self.pin = _pin_of_key(key.public_key())

    @classmethod
    def generate(cls) -> NodeCertificate:
        from cryptography.hazmat.primitives.asymmetric import ec

        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_secret_bytes(cls, data: bytes) -> NodeCertificate:
        """The certificate stored with ``to_secret_bytes``. Raises ``Damaged`` for anything else."""
        from cryptography.hazmat.primitives import serialization

        try:
            return cls(_p256(serialization.load_der_private_key(data, password=None)))
        except (ValueError, TypeError) as error:
            raise Damaged("The node's stored key is not readable.") from error

    def to_secret_bytes(self) -> bytes:
        """The key in PKCS #8, DER; about 138 bytes. Secret: seal it or keep it in a 0600 file."""
        from cryptography.hazmat.primitives import serialization as s

        return self._key.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())

    @property
    def der(self) -> bytes:
        """The public certificate."""
        return self._der

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.3 only, no session tickets; shows this certificate.

        OpenSSL takes keys from files alone, so it reads one that was never on a disk where the
        system has memfd, else a 0600 file removed at once; the key in it is encrypted under a
        password that exists only during this call.
        """
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        password = os.urandom(32).hex()
        with _unnamed_file(self._encrypted_pem(password)) as path:
            context.load_cert_chain(path, password=password)
        return context

    def _encrypted_pem(self, password: str) -> bytes:
        from cryptography.hazmat.primitives import serialization as s

        key = self._key.private_bytes(
            s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(password.encode())
        )
        return key + _pem(self._der)

    def __repr__(self) -> str:
        return f"NodeCertificate(pin={self.pin.hex()})"


def client_context() -> ssl.SSLContext:
    """TLS 1.3 only; takes any certificate, so the caller must compare the pin before he sends."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pin_of_untrusted(der: bytes) -> bytes:
    """The pin of a certificate a peer showed. Raises ``WrongPin`` if it is not readable."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as s

    try:
        key = x509.load_der_x509_certificate(der).public_key()
        return _sha256(key.public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise WrongPin("The node shows a certificate that is not readable; nothing was sent.") from error


def _pin_of_key(key: ec.EllipticCurvePublicKey) -> bytes:
    from cryptography.hazmat.primitives import serialization as s

    return _sha256(key.public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo))


def _sha256(data: bytes) -> bytes:
    from cryptography.hazmat.primitives import hashes

    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def _p256(key: object) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not a P-256 key")
    return key


def _self_sign(key: ec.EllipticCurvePrivateKey) -> bytes:
    """No names, a constant serial and constant dates: it tells nothing but the key."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(x509.Name([]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(*_NOT_BEFORE, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(*_NOT_AFTER, tzinfo=datetime.UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def _pem(der: bytes) -> bytes:
    import ssl

    return ssl.DER_cert_to_PEM_cert(der).encode()


@contextlib.contextmanager
def _unnamed_file(content: bytes) -> Iterator[str]:
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
        path, temporary = f"/proc/self/fd/{descriptor}", ""
    else:
        descriptor, temporary = tempfile.mkstemp()
        path = temporary
    try:
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)
        if temporary:
            Path(temporary).unlink()
