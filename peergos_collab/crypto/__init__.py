"""Cryptography: typed keys, one committing AEAD, one verifier, one registry of purposes.

The only package that imports nacl, cryptography, hashlib or hmac.
"""

from .boxes import BoxPair, BoxPublic
from .keys import (
    AdminSecret,
    BoxSeed,
    ContentKey,
    EphemeralKey,
    HistoryKey,
    HistorySecret,
    LanKey,
    LinkSeed,
    LocalKey,
    MasterKey,
    OpKey,
    OpsSecret,
    PairSecret,
    PasswordKey,
    ReadSecret,
    SecretKey,
    SignSeed,
    UserSeed,
    WrapKey,
    WriteSecret,
    derive,
    hash256,
    keyed_hash,
    same,
)
from .passwords import DEFAULT_PARAMETERS, FLOOR, PasswordParameters, stretch
from .seal import SEAL_OVERHEAD, SealBroken, copen, cseal, open_once, seal_once
from .signatures import SIGNATURE_LENGTH, BadSignature, SigningKey, VerifyKey
from .tags import Tag
from .work import NONCE_LENGTH, find_nonce, work_done

__all__ = [
    "DEFAULT_PARAMETERS",
    "FLOOR",
    "NONCE_LENGTH",
    "SEAL_OVERHEAD",
    "SIGNATURE_LENGTH",
    "AdminSecret",
    "BadSignature",
    "BoxPair",
    "BoxPublic",
    "BoxSeed",
    "ContentKey",
    "EphemeralKey",
    "HistoryKey",
    "HistorySecret",
    "LanKey",
    "LinkSeed",
    "LocalKey",
    "MasterKey",
    "OpKey",
    "OpsSecret",
    "PairSecret",
    "PasswordKey",
    "PasswordParameters",
    "ReadSecret",
    "SealBroken",
    "SecretKey",
    "SignSeed",
    "SigningKey",
    "Tag",
    "UserSeed",
    "VerifyKey",
    "WrapKey",
    "WriteSecret",
    "copen",
    "cseal",
    "derive",
    "find_nonce",
    "hash256",
    "keyed_hash",
    "open_once",
    "same",
    "seal_once",
    "stretch",
    "work_done",
]
