"""The registry of purposes. Every hash, derived key and signature names exactly one of these.

A tag keeps uses apart: what was signed or derived for one purpose means nothing for another. Tags
are at most 16 bytes because BLAKE2b's ``person`` field holds 16.
"""

from __future__ import annotations

import enum


class Tag(enum.Enum):
    """``value`` is the tag as hashed. Never reuse or rename one: a new purpose takes a new line."""

    # Derived keys
    EPOCH_WRITE = b"epoch w"
    EPOCH_READ = b"epoch r"
    READ_SIGN = b"read sign"
    WRITE_SIGN = b"write sign"
    ADMIN_SIGN = b"admin sign"
    READ_BOX = b"read box"
    WRITE_BOX = b"write box"
    ADMIN_BOX = b"admin box"
    CONTENT = b"content"
    EPHEMERAL = b"ephemeral"
    OP_KEY = b"op key"
    BACK_LINK = b"back link"
    WRAP = b"wrap"
    USER_SIGN = b"user sign"
    USER_BOX = b"user box"
    LINK_SEED = b"link seed"
    LINK_SIGN = b"link sign"
    LINK_BOX = b"link box"
    LINK_CHECK = b"link check"
    DROP_SIGN = b"drop sign"
    DROP_SEAL = b"drop seal"
    JOURNAL = b"journal"
    CHECKPOINT = b"checkpoint"
    LOCAL_LOGS = b"local logs"
    LOCAL_VERSIONS = b"local versions"
    RECOVERY_CODE = b"recovery code"
    RECOVERY_SLOT = b"recovery slot"
    RECOVERY_WRAP = b"recovery wrap"
    NEXT_ROOT = b"next root"
    MAILBOX = b"mailbox"
    LETTER = b"letter"
    PAIR = b"pair"
    PAIR_SECRET = b"pair secret"
    PAIR_MAILBOX = b"pair mailbox"
    PAIR_SEAL = b"pair seal"
    KEY_STORE_SLOT = b"store slot"
    KEY_STORE_BODY = b"store body"

    # Sealing (the per-nonce keys of ``cseal``)
    SEAL = b"seal"

    # Hashes that name records
    ACCOUNT_ID = b"account id"
    ACCOUNT_OP_ID = b"account op id"
    EPOCH_ID = b"epoch id"
    GRANT_ID = b"grant id"
    RECORD_CORE = b"record core"
    CERTIFICATE_ID = b"certificate id"
    SEGMENT_ID = b"segment id"
    SEGMENT_BODY = b"segment body"
    NEXT_ROOT_HASH = b"next root hash"
    CLIENT_ID = b"crdt client"
    WRAP_HINT = b"wrap hint"
    PASSWORD = b"password"
    HEADS = b"heads"
    VERSION = b"version"
    CLOCK_NAME = b"clock name"
    MAIL_CONTENT = b"mail content"
    MAIL_WORK = b"mail work"
    MAIL_ID = b"mail id"
    CARD_CHECK = b"card check"
    CONTACT_ENTRY = b"contact entry"
    CONTACT_KEYS = b"contact keys"
    CONTACT_WORDS = b"contact words"

    # Signatures
    SIGN_INCEPTION = b"s inception"
    SIGN_ACCOUNT_OP = b"s account op"
    SIGN_EPOCH = b"s epoch"
    SIGN_GRANT = b"s grant"
    SIGN_OP = b"s op"
    SIGN_CERTIFICATE = b"s certificate"
    SIGN_SEGMENT = b"s segment"
    SIGN_BINDING_DEV = b"s binding device"
    SIGN_BINDING_PRI = b"s binding princ"
    SIGN_PROOF = b"s proof"
    SIGN_RECEIPT = b"s receipt"
    SIGN_DROP = b"s drop"
    SIGN_EPHEMERAL = b"s ephemeral"
    SIGN_MAIL = b"s mail"
    SIGN_CARD = b"s card"
    SIGN_LETTER = b"s letter"
