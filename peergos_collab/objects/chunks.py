"""State in numbered pieces: loaded when touched, dropped when cold, rewritten only where changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol, Self, TypeVar

from ..errors import Damaged, LocalProtocolError, RemoteProtocolError

HEAD: Final = 0
"""The number of the piece that names all others; ``Chunks`` itself gives numbers from 1 on."""

KEEP: Final = 64
"""Chunks kept decoded: at a few 100 bytes per row about 10 MB, and enough for what is on screen."""


class Chunk(Protocol):
    """A piece of state with a byte form."""

    def encode(self) -> bytes: ...

    @classmethod
    def decode(cls, raw: bytes) -> Self: ...


C = TypeVar("C", bound=Chunk)


class Chunks:
    """Numbered chunks, decoded on first use.

    Args:
        load: gives the bytes of a chunk that ``take_dirty`` once handed out. Without it every chunk
            stays in memory, encoded once cold.
        following: the next number to give.
    """

    def __init__(self, load: Callable[[int], bytes] | None = None, *, following: int = 1) -> None:
        self.following = following
        self._load = load
        self._open: dict[int, Chunk] = {}
        self._raw: dict[int, bytes] = {}
        self._dirty: set[int] = set()

    def add(self, chunk: Chunk) -> int:
        """Takes in a new chunk and returns its number."""
        number = self.following
        self.following += 1
        self._open[number] = chunk
        self._dirty.add(number)
        return number

    def replace(self, number: int, chunk: Chunk) -> None:
        """Puts a new chunk in the place of one that nobody needs any more."""
        self._raw.pop(number, None)
        self._open[number] = chunk
        self._dirty.add(number)

    def get(self, number: int, kind: type[C]) -> C:
        """The live chunk; call ``touch`` after changing it.

        Raises:
            Damaged: its bytes cannot be read.
        """
        chunk = self._open.pop(number, None)
        if chunk is None:
            chunk = self._decode(number, kind)
            self._raw.pop(number, None)
        self._open[number] = chunk  # moves it to the young end
        if not isinstance(chunk, kind):
            raise LocalProtocolError(f"chunk {number} is of another kind")
        return chunk

    def peek(self, number: int, kind: type[C]) -> C:
        """Like ``get`` for one look: a cold chunk stays cold. The result must not be changed."""
        chunk = self._open.get(number)
        return chunk if isinstance(chunk, kind) else self._decode(number, kind)

    def cold(self, number: int) -> bytes | None:
        """The bytes of a chunk that is not open, or None: for a scan that needs a part of it only."""
        return None if number in self._open else self._find(number)

    def touch(self, number: int) -> None:
        """Marks a chunk as changed."""
        self._dirty.add(number)

    def trim(self) -> None:
        """Drops or encodes the coldest chunks. Every chunk got before this call must be got again."""
        while len(self._open) > KEEP:
            number = next(iter(self._open))
            if number in self._dirty or self._load is None:
                self._raw[number] = self._open[number].encode()
            del self._open[number]

    def take_dirty(self) -> dict[int, bytes]:
        """The bytes of every chunk changed since the last call. From now on ``load`` must give them."""
        taken = {number: self._bytes(number) for number in sorted(self._dirty)}
        self._dirty.clear()
        if self._load is not None:
            self._raw.clear()
        return taken

    def read_few(self) -> None:
        """Reads all chunks where they are few, so that it shows now if one is damaged. Raises Damaged."""
        if self.following <= KEEP:
            self._raw.update(self.all())

    def all(self) -> Iterator[tuple[int, bytes]]:
        """Number and bytes of every chunk there is."""
        for number in range(1, self.following):
            yield number, self._bytes(number)

    def put(self, number: int, raw: bytes) -> None:
        """Gives a chunk its bytes, from a whole state."""
        self._raw[number] = raw

    def _bytes(self, number: int) -> bytes:
        chunk = self._open.get(number)
        return chunk.encode() if chunk is not None else self._find(number)

    def _find(self, number: int) -> bytes:
        raw = self._raw.get(number)
        if raw is None:
            if self._load is None:
                raise Damaged(f"chunk {number} of the local state is missing")
            raw = self._load(number)
        return raw

    def _decode(self, number: int, kind: type[C]) -> C:
        raw = self._find(number)
        try:
            return kind.decode(raw)
        except (RemoteProtocolError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
            raise Damaged(f"chunk {number} of the local state cannot be read") from error
