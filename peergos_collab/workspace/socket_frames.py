"""The engine's socket: where it is, and how frames go over it.

    frame    = length (4 bytes, big-endian) ‖ CBOR array
    call     = [id, method, [argument …]]            client → engine
    cancel   = [id]                                  client → engine: ends a stream
    result   = [id, 0, value]                        engine → client
    error    = [id, 1, [class name, message, hint]]
    item     = [id, 2, value]                        of a stream
    hello    = [0, 2, [version, lasting]]            the first frame of the engine

Mode 0600 in a directory of mode 0700: whoever can connect is this user, and the home is unlocked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .. import errors
from ..codec import decode_untrusted, encode
from ..errors import Offline, PeergosCollabError, RemoteProtocolError

SOCKET: Final = "socket"
VERSION: Final = 1
MAX_FRAME: Final = 512 << 20
RESULT, ERROR, ITEM = 0, 1, 2
_LONGEST_PATH: Final = 100
"""sockaddr_un holds 108 bytes on Linux and 104 elsewhere."""


@contextlib.contextmanager
def socket_path(home: Path) -> Iterator[str]:
    """A path to the socket that is short enough, valid while the block runs."""
    path = str(home / SOCKET)
    if len(path.encode()) <= _LONGEST_PATH:
        yield path
        return
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def write_frame(writer: asyncio.StreamWriter, value: list[Any]) -> None:
    raw = encode(value)
    writer.write(len(raw).to_bytes(4, "big") + raw)


async def read_frame_untrusted(reader: asyncio.StreamReader) -> list[Any]:
    """The next frame. Raises Offline at the end, RemoteProtocolError for nonsense."""
    try:
        length = int.from_bytes(await reader.readexactly(4), "big")
        if length > MAX_FRAME:
            raise RemoteProtocolError("a frame on the engine's socket that is too long")
        value = decode_untrusted(await reader.readexactly(length), MAX_FRAME)
    except (OSError, asyncio.IncompleteReadError):
        raise Offline("the process that had this home open has ended; nothing is lost") from None
    if type(value) is not list or not value or type(value[0]) is not int:
        raise RemoteProtocolError("a frame on the engine's socket that is no call or answer")
    return value


def error_value(error: PeergosCollabError) -> list[str]:
    """Of an error of a class of its own: the nearest one that the other side can make, and exits with."""
    known = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return [known.__name__, error.message, error.hint]


def error_from(value: Any) -> PeergosCollabError:
    """The error that the engine raised, as the same class."""
    name, message, hint = value
    kind = getattr(errors, name, PeergosCollabError)
    if not (isinstance(kind, type) and issubclass(kind, PeergosCollabError)):
        kind = PeergosCollabError
    return kind(message, hint=hint)
