"""Changes to a map of entries, and their byte form: the content of one segment of kind ENTRIES.

The format is specified in docs/spec/entries.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NewType, TypeAlias

from ..codec import decode_untrusted, encode
from ..codec.shape import array, blob, many, number, some_bytes
from ..errors import LocalProtocolError, RemoteProtocolError, UsageError
from ..objects.lamport import MAX_LAMPORT
from ..values import dataclass
from .names import MAX_NAME, check_name

VERSION: Final = 1

EntryId = NewType("EntryId", bytes)
"""16 random bytes, given when an entry is made; its name may change, its id never does."""

ENTRY_ID_LENGTH: Final = 16

MAX_KIND: Final = 32
"""UTF-8 bytes of a kind such as ``doc`` or ``chat``."""

MAX_REFERENCE: Final = 64 * 1024
"""Bytes of a reference: an encoded capability, or the list of blobs of a large file."""

MAX_ADDRESS: Final = 512
"""UTF-8 bytes of a node's address: a pin, a DNS name of at most 253 bytes, a port."""

MAX_OWN_NAME: Final = 256
"""UTF-8 bytes of the holder's own name: 64 code points of 4 bytes."""

MAX_CHANGES: Final = 1_000
"""Changes per segment, as many as the outbox coalesces."""

MAX_CONTENT: Final = 768 * 1024
"""Bytes of one segment's changes: even incompressible they fit in a message of 1 MiB, padded and sealed."""

MAX_TIME: Final = 2**62
"""ms since 1970; beyond this it would not fit in 64 bits."""


@dataclass(frozen=True, slots=True)
class PutEntry:
    """Makes an entry, or brings a removed one back. Times in ms since 1970."""

    id: EntryId
    name: str
    kind: str
    reference: bytes
    created: int
    modified: int


@dataclass(frozen=True, slots=True)
class RenameEntry:
    id: EntryId
    name: str
    modified: int


@dataclass(frozen=True, slots=True)
class ReplaceReference:
    id: EntryId
    reference: bytes
    modified: int


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    id: EntryId


@dataclass(frozen=True, slots=True)
class SetNode:
    """Adds (``on``) or removes a node's address."""

    address: str
    on: bool


@dataclass(frozen=True, slots=True)
class SetOwnName:
    """What the holder of the profile calls himself."""

    name: str


@dataclass(frozen=True, slots=True)
class SetEntryNode:
    """Through which node of another operator this account reaches its nodes; empty for none."""

    address: str


EntryChange: TypeAlias = (
    PutEntry | RenameEntry | ReplaceReference | RemoveEntry | SetNode | SetOwnName | SetEntryNode
)


def touched(changes: Iterable[EntryChange]) -> set[EntryId]:
    """The entries that changes are about."""
    about = (PutEntry, RenameEntry, ReplaceReference, RemoveEntry)
    return {change.id for change in changes if isinstance(change, about)}


def put_entry(id: bytes, name: str, kind: str, reference: bytes, *, now: int, created: int = 0) -> PutEntry:
    """A new entry, or an old one brought back.

    Args:
        id: 16 random bytes for a new entry.
        now: ms since 1970; also ``created`` unless that is given.

    Raises:
        UsageError: the name is not allowed.
    """
    return PutEntry(EntryId(id), check_name(name), kind, reference, created or now, now)


def rename(id: EntryId, name: str, *, now: int) -> RenameEntry:
    """Raises UsageError where the name is not allowed."""
    return RenameEntry(id, check_name(name), now)


def replace_reference(id: EntryId, reference: bytes, *, now: int) -> ReplaceReference:
    return ReplaceReference(id, reference, now)


def remove(id: EntryId) -> RemoveEntry:
    return RemoveEntry(id)


def add_node(address: str) -> SetNode:
    return SetNode(address, True)


def remove_node(address: str) -> SetNode:
    return SetNode(address, False)


def set_entry_node(address: str) -> SetEntryNode:
    """``address`` is empty where nodes are to be reached directly again."""
    return SetEntryNode(address)


def set_name(name: str) -> SetOwnName:
    """Raises UsageError where the name is too long."""
    if len(name.encode(errors="surrogatepass")) > MAX_OWN_NAME:
        raise UsageError(f"a person's name has at most {MAX_OWN_NAME} bytes; nothing was changed")
    return SetOwnName(name)


def encode_changes(lamport: int, changes: Sequence[EntryChange]) -> bytes:
    """The content of a segment.

    Args:
        lamport: ``EntryMap.next_lamport()`` when the segment is sealed. 0 for a journal entry that is
            not sealed yet: nobody accepts it as a segment.
        changes: 1 to 1,000.

    Raises:
        LocalProtocolError: too many changes or bytes, or a value out of its limits.
    """
    raw = encode([VERSION, lamport, [_fields(change) for change in changes]])
    try:
        decode_changes_untrusted(raw)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"these changes cannot be sent: {error}") from error
    return raw


def decode_changes_untrusted(raw: bytes) -> tuple[int, tuple[EntryChange, ...]]:
    """The Lamport time and the changes of a segment's content. Names of others may be hostile.

    Raises:
        RemoteProtocolError: it breaks the format or one of its limits.
    """
    version, lamport, changes = array(decode_untrusted(raw, MAX_CONTENT), 3, "changes of entries")
    number(version, VERSION, VERSION, "version of changes of entries")
    number(lamport, 0, MAX_LAMPORT, "Lamport time")
    if not many(changes, MAX_CHANGES, "changes of entries"):
        raise RemoteProtocolError("changes of entries: none in a segment")
    return lamport, tuple(map(_change, changes))


def _fields(change: EntryChange) -> list[Any]:
    match change:
        case PutEntry(id, name, kind, reference, created, modified):
            return [0, id, name, kind, reference, created, modified]
        case RenameEntry(id, name, modified):
            return [1, id, name, modified]
        case ReplaceReference(id, reference, modified):
            return [2, id, reference, modified]
        case RemoveEntry(id):
            return [3, id]
        case SetNode(address, on):
            return [4, address, on]
        case SetOwnName(name):
            return [5, name]
        case SetEntryNode(address):
            return [6, address]


def _put(fields: list[Any]) -> PutEntry:
    entry, name, kind, reference, created, modified = fields
    return PutEntry(
        _id(entry),
        _text(name, MAX_NAME, "name"),
        _text(kind, MAX_KIND, "kind"),
        some_bytes(reference, MAX_REFERENCE, "reference of an entry"),
        _time(created),
        _time(modified),
    )


def _rename(fields: list[Any]) -> RenameEntry:
    return RenameEntry(_id(fields[0]), _text(fields[1], MAX_NAME, "name"), _time(fields[2]))


def _replace(fields: list[Any]) -> ReplaceReference:
    reference = some_bytes(fields[1], MAX_REFERENCE, "reference of an entry")
    return ReplaceReference(_id(fields[0]), reference, _time(fields[2]))


def _remove(fields: list[Any]) -> RemoveEntry:
    return RemoveEntry(_id(fields[0]))


def _set_node(fields: list[Any]) -> SetNode:
    if type(fields[1]) is not bool:
        raise RemoteProtocolError("node of a profile: expected true or false")
    return SetNode(_text(fields[0], MAX_ADDRESS, "address"), fields[1])


def _set_name(fields: list[Any]) -> SetOwnName:
    return SetOwnName(_text(fields[0], MAX_OWN_NAME, "name"))


def _set_entry_node(fields: list[Any]) -> SetEntryNode:
    return SetEntryNode(_text(fields[0], MAX_ADDRESS, "address"))


_FORMS: Final[tuple[tuple[int, Callable[[list[Any]], EntryChange]], ...]] = (
    (6, _put),
    (3, _rename),
    (3, _replace),
    (1, _remove),
    (2, _set_node),
    (1, _set_name),
    (1, _set_entry_node),
)
"""Per change number: how many fields follow it, and how they are read."""


def _change(fields: Any) -> EntryChange:
    most = 1 + max(count for count, _ in _FORMS)
    first = many(fields, most, "change of an entry")[0] if fields else None
    count, read = _FORMS[number(first, 0, len(_FORMS) - 1, "kind of change of an entry")]
    return read(array(fields, 1 + count, "change of an entry")[1:])


def _id(value: Any) -> EntryId:
    return EntryId(blob(value, ENTRY_ID_LENGTH, "id of an entry"))


def _time(value: Any) -> int:
    return number(value, 0, MAX_TIME, "time of an entry")


def _text(value: Any, most: int, what: str) -> str:
    if type(value) is not str or len(value.encode()) > most:
        raise RemoteProtocolError(f"{what} of an entry: expected a text of at most {most} bytes")
    return value
