"""Keys and values in their order, in pages: only those are read where somebody looks, and only those
written again where something changed.

    page = [[key, value] …] in the order of the keys
    head = [[[first key, number of the page] …], [number of a page that is free …]]
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, Final, Self

from ..codec import decode_untrusted, encode
from ..objects.chunks import Chunks
from ..values import dataclass

MOST: Final = 64
"""In one page: about 16 KB of entries, which take 0.3 ms to read."""

_PAGE_LIMIT: Final = 1 << 30
"""Our own sealed state, not a peer's: only a guard against nonsense."""

Key = tuple[Any, ...]


@dataclass(slots=True)
class Page:
    keys: list[Key]
    values: list[Any]

    def encode(self) -> bytes:
        return encode([[list(key), value] for key, value in zip(self.keys, self.values, strict=True)])

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        pairs = decode_untrusted(raw, _PAGE_LIMIT)
        return cls([tuple(key) for key, _ in pairs], [value for _, value in pairs])

    def place(self, key: Key) -> tuple[int, bool]:
        """Where a key is, or would be."""
        at = bisect_left(self.keys, key)
        return at, at < len(self.keys) and self.keys[at] == key


class SortedPages:
    """See the module's text.

    Args:
        chunks: where the pages are kept; may be shared. Whoever owns it trims it.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._firsts: list[Key] = []
        """Of each page a key that is not above any in it, and above all in the page before."""
        self._numbers: list[int] = []
        self._free: list[int] = []

    def get(self, key: Key) -> Any | None:
        if not self._numbers:
            return None
        page = self._chunks.get(self._numbers[self._index(key)], Page)
        at, found = page.place(key)
        return page.values[at] if found else None

    def put(self, key: Key, value: Any) -> None:
        """Sets the value of a key, whether or not it is there."""
        if not self._numbers:
            self._insert_page(0, key, Page([], []))
        index = self._index(key)
        page = self._open(index)
        at, found = page.place(key)
        if found:
            page.values[at] = value
            return
        page.keys.insert(at, key)
        page.values.insert(at, value)
        self._firsts[index] = min(self._firsts[index], key)
        if len(page.keys) > MOST:
            self._split(index, page, MOST if at == MOST else MOST // 2)

    def remove(self, key: Key) -> None:
        """Takes a key out that is there."""
        index = self._index(key)
        page = self._open(index)
        at, _ = page.place(key)
        del page.keys[at], page.values[at]
        if not page.keys:
            del self._firsts[index]
            self._free.append(self._numbers.pop(index))

    def since(self, key: Key) -> Iterator[tuple[Key, Any]]:
        """From a key on, whether or not it is there. Nothing may change meanwhile."""
        for index in range(self._index(key) if self._numbers else 0, len(self._numbers)):
            page = self._chunks.peek(self._numbers[index], Page)
            for at in range(page.place(key)[0], len(page.keys)):
                yield page.keys[at], page.values[at]

    def head(self) -> list[Any]:
        """What ``restore`` needs beside the pages."""
        firsts = zip(self._firsts, self._numbers, strict=True)
        return [[[list(first), number] for first, number in firsts], self._free]

    def restore(self, head: list[Any]) -> None:
        """Sets empty pages to what ``head`` gave."""
        pages, self._free = head
        self._firsts = [tuple(first) for first, _ in pages]
        self._numbers = [number for _, number in pages]

    def _index(self, key: Key) -> int:
        return max(0, bisect_right(self._firsts, key) - 1)

    def _open(self, index: int) -> Page:
        """A page that is about to change."""
        page = self._chunks.get(self._numbers[index], Page)
        self._chunks.touch(self._numbers[index])
        return page

    def _split(self, index: int, page: Page, at: int) -> None:
        """Cuts a page in two: in the middle, or behind all where keys come in their order."""
        rest = Page(page.keys[at:], page.values[at:])
        del page.keys[at:], page.values[at:]
        self._insert_page(index + 1, rest.keys[0], rest)

    def _insert_page(self, index: int, first: Key, page: Page) -> None:
        if self._free:
            number = self._free.pop()
            self._chunks.replace(number, page)
        else:
            number = self._chunks.add(page)
        self._firsts.insert(index, first)
        self._numbers.insert(index, number)
