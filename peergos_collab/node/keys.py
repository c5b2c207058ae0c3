"""A node's own keys: its TLS certificate, whose pin is its name, and what it signs receipts with.

    file = [1, certificate key, receipt seed, port]        mode 0600, not encrypted

A node opens nothing with them; whoever steals the file can pose as the node, not read what it holds.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import SigningKey, SignSeed
from ..crypto.certificates import NodeCertificate
from ..errors import Damaged, NotFound, PeergosCollabError
from ..storage import read_file, write_atomic
from ..values import dataclass

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class NodeKeys:
    certificate: NodeCertificate
    receipt: SigningKey
    port: int = 0

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys in the file, or new ones. Raises Damaged."""
        try:
            raw = read_file(path)
        except NotFound:
            return cls(NodeCertificate.generate(), SigningKey.generate(os.urandom))
        try:
            fields = array(decode_untrusted(raw, 4096), 4, "node keys")
            number(fields[0], VERSION, VERSION, "node keys version")
            certificate = NodeCertificate.from_secret_bytes(some_bytes(fields[1], 2048, "certificate"))
            seed = SignSeed(blob(fields[2], 32, "receipt seed"))
            return cls(certificate, SigningKey.from_seed(seed), number(fields[3], 0, 65535, "port"))
        except PeergosCollabError as error:
            raise Damaged(
                f"the node's key file {path.name} is damaged: {error}; what it stores is untouched",
                hint="Put the file back from a backup. Without it the node gets a new address.",
            ) from None

    def save(self, path: Path) -> None:
        seed = self.receipt.seed.expose()
        write_atomic(path, encode([VERSION, self.certificate.to_secret_bytes(), seed, self.port]))
