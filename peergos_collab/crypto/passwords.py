"""Keys from passwords: Argon2id (RFC 9106) over the NFKC form."""

from __future__ import annotations

import unicodedata
from typing import Final

from nacl.bindings import crypto_pwhash_alg, crypto_pwhash_ALG_ARGON2ID13
from nacl.exceptions import CryptoError

from ..errors import LocalProtocolError
from ..values import dataclass
from .keys import KEY_LENGTH, PasswordKey

SALT_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class PasswordParameters:
    """How much work one guess costs: ``passes`` over ``memory`` bytes. The default takes about a second."""

    passes: int = 3
    memory: int = 256 << 20

    def at_least(self, floor: PasswordParameters) -> bool:
        return self.passes >= floor.passes and self.memory >= floor.memory


DEFAULT_PARAMETERS: Final = PasswordParameters()
FLOOR: Final = PasswordParameters(passes=2, memory=64 << 20)
"""What a stored file may not go below, lest somebody weakens it to guess faster."""


def stretch(password: str, salt: bytes, parameters: PasswordParameters = DEFAULT_PARAMETERS) -> PasswordKey:
    """A key from ``password`` and 16 bytes of ``salt``."""
    if len(salt) != SALT_LENGTH:
        raise LocalProtocolError(f"a salt has {SALT_LENGTH} bytes")
    normal = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    try:
        secret = crypto_pwhash_alg(
            KEY_LENGTH, normal, salt, parameters.passes, parameters.memory, crypto_pwhash_ALG_ARGON2ID13
        )
    except (CryptoError, MemoryError):
        mebibytes = parameters.memory >> 20
        raise LocalProtocolError(f"opening this needs {mebibytes} MiB of free memory") from None
    return PasswordKey(secret)
