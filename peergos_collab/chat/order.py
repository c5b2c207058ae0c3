"""All messages of a chat in their total order, in chunks: positions, insertion and look-up."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from ..objects.chunks import Chunks
from .events import Reference
from .rows import ROWS, ROWS_BYTES, Key, Row, Rows, texts_of


class Order:
    """An ordered sequence of rows that loads, and rewrites, only the chunks it touches.

    In memory per chunk: its number, its count and the Lamport time of its first row.
    """

    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._numbers: list[int] = []
        self._counts: list[int] = []
        self._firsts: list[int] = []
        self._starts: list[int] = []  # position of each chunk's first row; [] when it must be counted anew

    def __len__(self) -> int:
        return self._start(len(self._numbers) - 1) + self._counts[-1] if self._numbers else 0

    def slice(self, start: int, stop: int) -> list[Row]:
        """Rows at positions ``start`` to ``stop``, which must lie within the sequence."""
        rows: list[Row] = []
        if start >= stop:
            return rows
        at = bisect_right(self._all_starts(), start) - 1
        while at < len(self._numbers) and self._start(at) < stop:
            first = self._start(at)
            rows += self._rows(at).rows[max(start - first, 0) : stop - first]
            at += 1
        return rows

    def find(self, reference: Reference) -> tuple[int, Row] | None:
        """Position and row of a message, or None."""
        for at in self._candidates(reference.lamport):
            rows = self._rows(at)
            if (row := rows.find(reference)) is not None:
                return self._start(at) + row, rows.rows[row]
        return None

    def touch(self, position: int) -> None:
        """Marks the row at a position as changed."""
        self._chunks.touch(self._numbers[bisect_right(self._all_starts(), position) - 1])

    def insert(self, block: list[Row]) -> None:
        """Puts in the rows of one segment."""
        if not self._numbers:
            self._new(0, [])
        at = self._chunk_for(block[0].key)
        rows = self._rows(at)
        tail = at == len(self._numbers) - 1 and (not rows.rows or rows.rows[-1].key < block[0].key)
        if tail and rows.size > ROWS_BYTES:
            self._new(at + 1, block)
            return
        rows.insert(block)
        self._chunks.touch(self._numbers[at])
        self._update(at)
        if len(rows.rows) > ROWS:
            self._split(at, ROWS if tail else ROWS // 2)

    def newest_texts(self) -> Iterator[tuple[int, list[str]]]:
        """(position of the first row, texts) of every chunk, newest first. Cold chunks stay cold."""
        for at in range(len(self._numbers) - 1, -1, -1):
            raw = self._chunks.cold(self._numbers[at])
            yield self._start(at), self._rows(at).texts() if raw is None else texts_of(raw)

    def head(self) -> list[Any]:
        """What ``restore`` needs beside the chunks: about 10 bytes per chunk."""
        return [self._numbers, self._counts, self._firsts]

    def restore(self, head: list[Any]) -> None:
        self._numbers, self._counts, self._firsts = head
        self._starts = []

    def _candidates(self, lamport: int) -> Iterator[int]:
        """Chunks that may hold rows of a Lamport time, the last one first."""
        at = bisect_right(self._firsts, lamport) - 1
        while at >= 0:
            yield at
            if self._firsts[at] < lamport:
                return
            at -= 1

    def _chunk_for(self, key: Key) -> int:
        for at in self._candidates(key.lamport):
            if self._firsts[at] < key.lamport or self._rows(at).rows[0].key < key:
                return at
        return 0

    def _rows(self, at: int) -> Rows:
        return self._chunks.get(self._numbers[at], Rows)

    def _new(self, at: int, rows: list[Row]) -> None:
        self._numbers.insert(at, self._chunks.add(Rows(rows)))
        self._counts.insert(at, 0)
        self._firsts.insert(at, 0)
        self._update(at)

    def _update(self, at: int) -> None:
        rows = self._rows(at).rows
        if at < len(self._numbers) - 1 or len(self._starts) != len(self._numbers):
            self._starts = []
        self._counts[at] = len(rows)
        self._firsts[at] = rows[0].source.lamport if rows else 0

    def _split(self, at: int, size: int) -> None:
        """At the end full chunks are cut off and stay so; in the middle room is left on both sides."""
        whole = self._rows(at)
        pieces = [whole.rows[start : start + size] for start in range(0, len(whole.rows), size)]
        whole.keep(pieces[0])
        self._update(at)
        for piece in reversed(pieces[1:]):
            self._new(at + 1, piece)

    def _start(self, at: int) -> int:
        return self._all_starts()[at]

    def _all_starts(self) -> list[int]:
        if len(self._starts) != len(self._numbers):
            self._starts = [0, *accumulate(self._counts[:-1])]
        return self._starts
