"""Chat: append-only events, folded into one timeline that is the same on every device."""

from .events import (
    ChatEvent,
    Delete,
    Edit,
    Message,
    Pin,
    Reaction,
    ReadMarker,
    Reference,
    Reply,
    Topic,
    check_text,
    decode_events_untrusted,
    encode_events,
    same_segment,
)
from .timeline import Timeline, TimelineMessage

__all__ = [
    "ChatEvent",
    "Delete",
    "Edit",
    "Message",
    "Pin",
    "Reaction",
    "ReadMarker",
    "Reference",
    "Reply",
    "Timeline",
    "TimelineMessage",
    "Topic",
    "check_text",
    "decode_events_untrusted",
    "encode_events",
    "same_segment",
]
