"""The two texts that connect two people without a node: one offers, the other answers.

    text   = "pgc-pair:" ‖ base64url(record ‖ checksum (4))
    record = [1, 0 offer | 1 answer, id (8), expires (s since 1970), session description]

An answer has the id of its offer. A text names nobody: it holds addresses, and the fingerprint of a
certificate made for this one connection. Both are good for ten minutes.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, Self

from ..codec import decode_untrusted, encode
from ..codec.bases import from_base64url_untrusted, to_base64url
from ..codec.shape import array, blob, number, some_bytes
from ..crypto import Tag, hash256
from ..errors import BadPairText, RemoteProtocolError
from ..ports.peers import MAX_DESCRIPTION
from ..values import dataclass

VERSION: Final = 1
PREFIX: Final = "pgc-pair:"
MAX_TEXT: Final = 4096
"""Characters; one with eight addresses has 400."""

ID_LENGTH: Final = 8
_CHECKSUM: Final = 4


@dataclass(frozen=True, slots=True)
class PairText:
    """See the module's text. ``description`` is for the transport, and not checked here."""

    answers: bool
    id: bytes
    expires: int
    description: bytes = field(repr=False)

    def text(self) -> str:
        raw = encode([VERSION, int(self.answers), self.id, self.expires, self.description])
        return PREFIX + to_base64url(raw + _checksum(raw))

    @classmethod
    def read_untrusted(cls, text: str, *, answers: bool) -> Self:
        """The offer, or the answer, in a text that may have been broken into lines. Raises BadPairText."""
        text = "".join(text.split())
        if not text.startswith(PREFIX):
            raise BadPairText(f"this is no text of 'pgc pair': those begin with '{PREFIX}'")
        try:
            raw = from_base64url_untrusted(text.removeprefix(PREFIX), MAX_TEXT)
            if len(raw) <= _CHECKSUM or _checksum(raw[:-_CHECKSUM]) != raw[-_CHECKSUM:]:
                raise RemoteProtocolError("its checksum is wrong")
            found = cls._parse_untrusted(raw[:-_CHECKSUM])
        except RemoteProtocolError as error:
            raise BadPairText(f"the text is incomplete or mistyped ({error})") from None
        if found.answers is not answers:
            raise BadPairText(
                "this is an answer, and an offer is expected"
                if found.answers
                else "this is an offer, and the answer to one is expected"
            )
        return found

    @classmethod
    def _parse_untrusted(cls, raw: bytes) -> Self:
        fields = array(decode_untrusted(raw, MAX_TEXT), 5, "text of a pairing")
        number(fields[0], VERSION, VERSION, "version of a pairing")
        return cls(
            number(fields[1], 0, 1, "kind") == 1,
            blob(fields[2], ID_LENGTH, "id"),
            number(fields[3], 0, 2**40, "time"),
            some_bytes(fields[4], MAX_DESCRIPTION, "description"),
        )


def _checksum(raw: bytes) -> bytes:
    return hash256(Tag.PAIR_CHECK, raw)[:_CHECKSUM]
