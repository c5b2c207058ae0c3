"""Encodings: canonical CBOR, text forms, allowed sizes. No I/O."""

from .bases import from_multibase_untrusted, to_multibase
from .cbor import decode_untrusted, encode

__all__ = ["decode_untrusted", "encode", "from_multibase_untrusted", "to_multibase"]
