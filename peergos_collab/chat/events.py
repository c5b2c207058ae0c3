"""What people do in a chat, and its byte form: the content of one segment of kind CHAT.

The format is specified in docs/spec/chat.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from ..codec import decode_untrusted, encode, from_multibase_untrusted, to_multibase
from ..codec.ids import ID_LENGTH, SegmentId
from ..codec.shape import array, blob, many, number, some_bytes
from ..errors import LocalProtocolError, RemoteProtocolError, UsageError
from ..objects.lamport import MAX_LAMPORT
from ..values import dataclass

VERSION: Final = 1

MAX_TEXT: Final = 16 * 1024
"""UTF-8 bytes of one message: several pages; longer texts belong in a document."""

MAX_TOPIC: Final = 1024
"""UTF-8 bytes of a topic: it has to fit in a title bar."""

MAX_EMOJI: Final = 64
"""UTF-8 bytes of a reaction; the longest emoji sequence in use takes 35."""

MAX_EVENTS: Final = 1_000
"""Events per segment, as many as the outbox coalesces."""

MAX_CONTENT: Final = 768 * 1024
"""Bytes of one segment's events: even incompressible they fit in a message of 1 MiB, padded and sealed."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Names a message: the segment it came in, and its index there.

    Args:
        lamport: that segment's Lamport time, which says where in the timeline to look. 0 with an empty
            ``segment`` means the very segment the reference is in.
        segment: 32 bytes, or empty.
        index: from 0.
    """

    lamport: int
    segment: SegmentId
    index: int

    def to_text(self) -> str:
        """The message's id as people and scripts see it: about 50 characters, stable for ever."""
        lamport = self.lamport.to_bytes((self.lamport.bit_length() + 7) // 8, "big")
        return to_multibase(self.segment + self.index.to_bytes(2, "big") + lamport)

    @staticmethod
    def from_text(text: str) -> Reference:
        """Raises UsageError where the text is no message id."""
        try:
            raw = from_multibase_untrusted(text)
        except RemoteProtocolError as error:
            raise UsageError(f"{text[:80]!r} is not the id of a message") from error
        segment, index, lamport = raw[:ID_LENGTH], raw[ID_LENGTH : ID_LENGTH + 2], raw[ID_LENGTH + 2 :]
        if not 1 <= len(lamport) <= 8 or lamport[0] == 0:
            raise UsageError(f"{text[:80]!r} is not the id of a message")
        return Reference(int.from_bytes(lamport, "big"), SegmentId(segment), int.from_bytes(index, "big"))


def same_segment(index: int) -> Reference:
    """Names a message earlier in the same segment, whose id nobody knows before it is sealed."""
    return Reference(0, SegmentId(b""), index)


@dataclass(frozen=True, slots=True)
class Message:
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A message that answers another."""

    target: Reference
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """New text for one's own message."""

    target: Reference
    text: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Takes the text of a message away; its place stays."""

    target: Reference


@dataclass(frozen=True, slots=True)
class Reaction:
    """Sets or withdraws one emoji of the author's on a message."""

    target: Reference
    emoji: str
    on: bool = True


@dataclass(frozen=True, slots=True)
class Topic:
    """What the chat is about; empty clears it."""

    text: str


@dataclass(frozen=True, slots=True)
class ReadMarker:
    """The author has seen everything up to this message."""

    target: Reference


@dataclass(frozen=True, slots=True)
class Pin:
    """Pins a message for everybody, or unpins it."""

    target: Reference
    on: bool = True


ChatEvent: TypeAlias = Message | Reply | Edit | Delete | Reaction | Topic | ReadMarker | Pin


def encode_events(lamport: int, events: Sequence[ChatEvent]) -> bytes:
    """The content of a segment.

    Args:
        lamport: ``Timeline.next_lamport()`` when the segment is sealed. 0 for a journal entry that is
            not sealed yet: nobody accepts it as a segment.
        events: 1 to 1,000.

    Raises:
        UsageError: a text is empty or too long.
        LocalProtocolError: too many events or bytes, or a bad reference.
    """
    raw = encode([VERSION, lamport, [_fields(event) for event in events]])
    try:
        decode_events_untrusted(raw)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"these events cannot be sent: {error}") from error
    return raw


def decode_events_untrusted(raw: bytes) -> tuple[int, tuple[ChatEvent, ...]]:
    """The Lamport time and the events of a segment's content.

    Raises:
        RemoteProtocolError: it breaks the format or one of its limits.
    """
    version, lamport, events = array(decode_untrusted(raw, MAX_CONTENT), 3, "chat events")
    number(version, VERSION, VERSION, "version of chat events")
    number(lamport, 0, MAX_LAMPORT, "Lamport time")
    many(events, MAX_EVENTS, "chat events")
    if not events:
        raise RemoteProtocolError("chat events: none in a segment")
    return lamport, tuple(_event(fields, index) for index, fields in enumerate(events))


def check_text(text: str) -> str:
    """A message's text, if it may be sent. Raises UsageError."""
    if not text:
        raise UsageError("a message needs some text; nothing was sent")
    if len(_utf8(text)) > MAX_TEXT:
        raise UsageError(
            f"a message has at most {MAX_TEXT} bytes; nothing was sent", hint="Put long texts in a document."
        )
    return text


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise UsageError("this text is not valid Unicode; nothing was sent") from None


def _fields(event: ChatEvent) -> list[Any]:
    match event:
        case Message(text):
            return [0, check_text(text)]
        case Reply(target, text):
            return [1, _reference_fields(target), check_text(text)]
        case Edit(target, text):
            return [2, _reference_fields(target), check_text(text)]
        case Delete(target):
            return [3, _reference_fields(target)]
        case Reaction(target, emoji, on):
            return [4, _reference_fields(target), emoji, on]
        case Topic(text):
            return [5, text]
        case ReadMarker(target):
            return [6, _reference_fields(target)]
        case Pin(target, on):
            return [7, _reference_fields(target), on]


def _reference_fields(reference: Reference) -> list[Any]:
    return [reference.lamport, reference.segment, reference.index]


def _message(fields: list[Any], index: int) -> Message:
    return Message(_text(fields[0], 1, MAX_TEXT))


def _reply(fields: list[Any], index: int) -> Reply:
    return Reply(_reference(fields[0], index), _text(fields[1], 1, MAX_TEXT))


def _edit(fields: list[Any], index: int) -> Edit:
    return Edit(_reference(fields[0], index), _text(fields[1], 1, MAX_TEXT))


def _delete(fields: list[Any], index: int) -> Delete:
    return Delete(_reference(fields[0], index))


def _reaction(fields: list[Any], index: int) -> Reaction:
    return Reaction(_reference(fields[0], index), _text(fields[1], 1, MAX_EMOJI), _flag(fields[2]))


def _topic(fields: list[Any], index: int) -> Topic:
    return Topic(_text(fields[0], 0, MAX_TOPIC))


def _read_marker(fields: list[Any], index: int) -> ReadMarker:
    return ReadMarker(_reference(fields[0], index))


def _pin(fields: list[Any], index: int) -> Pin:
    return Pin(_reference(fields[0], index), _flag(fields[1]))


_FORMS: Final[tuple[tuple[int, Callable[[list[Any], int], ChatEvent]], ...]] = (
    (1, _message),
    (2, _reply),
    (2, _edit),
    (1, _delete),
    (3, _reaction),
    (1, _topic),
    (1, _read_marker),
    (2, _pin),
)
"""Per event number: how many fields follow it, and how they are read."""


def _event(fields: Any, index: int) -> ChatEvent:
    most = 1 + max(count for count, _ in _FORMS)
    first = many(fields, most, "chat event")[0] if fields else None
    kind = number(first, 0, len(_FORMS) - 1, "kind of chat event")
    count, read = _FORMS[kind]
    return read(array(fields, 1 + count, "chat event")[1:], index)


def _reference(fields: Any, index: int) -> Reference:
    lamport, segment, at = array(fields, 3, "reference to a message")
    number(lamport, 0, MAX_LAMPORT, "Lamport time of a reference")
    if lamport == 0:
        some_bytes(segment, 0, "segment of a reference to the same segment")
        number(at, 0, index - 1, "index of a reference to the same segment")
    else:
        blob(segment, ID_LENGTH, "segment of a reference")
        number(at, 0, MAX_EVENTS - 1, "index of a reference")
    return Reference(lamport, SegmentId(segment), at)


def _text(value: Any, least: int, most: int) -> str:
    if type(value) is not str or not least <= len(value.encode()) <= most:
        raise RemoteProtocolError(f"chat event: expected a text of {least} to {most} bytes")
    return value


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise RemoteProtocolError("chat event: expected true or false")
    return value
