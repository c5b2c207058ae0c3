"""What the core needs from outside, as protocols: connections, stores, time and randomness."""

from .clock import Clock, Random
from .peers import PeerOptions, PeerTransport, PendingAnswer, PendingOffer
from .store import (
    AppendSegment,
    Batch,
    BeginBranch,
    Branch,
    DropJournal,
    JournalEntry,
    NewBranch,
    PutJournal,
    PutRecord,
    PutValue,
    SegmentStore,
    StoredRecord,
    TakenOut,
    TruncateBranch,
)
from .transport import Address, Connection, Listener, Transport
from .tunnels import RelayTransport, Tunnels

__all__ = [
    "Address",
    "AppendSegment",
    "Batch",
    "Branch",
    "Clock",
    "Connection",
    "BeginBranch",
    "DropJournal",
    "JournalEntry",
    "Listener",
    "NewBranch",
    "PeerOptions",
    "PeerTransport",
    "PendingAnswer",
    "PendingOffer",
    "PutJournal",
    "PutRecord",
    "PutValue",
    "Random",
    "RelayTransport",
    "SegmentStore",
    "StoredRecord",
    "TakenOut",
    "Transport",
    "TruncateBranch",
    "Tunnels",
]
