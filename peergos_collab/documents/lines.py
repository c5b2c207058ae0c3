"""The text of a document in chunks, with lines and UTF-8 bytes counted: every offset converts here.

A chunk is a short ``str`` with three counts: code points, UTF-8 bytes and line ends. A position is
found by adding up the counts of the chunks before it, then looking inside one chunk. The chunk last
used is remembered with its sums, so typing at one place adds up nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Final

CHUNK: Final = 2048
"""Code points in a fresh chunk: copying one costs less than looking it up."""
LARGEST: Final = 2 * CHUNK
"""A chunk that grows beyond is cut, so an edit never copies more."""
SMALLEST: Final = CHUNK // 4
"""A chunk that shrinks below joins its neighbour, so much deletion leaves no dust of chunks."""


class LineIndex:
    """A text with lines. Lines end at ``\\n`` only; all columns and offsets are code points.

    Args:
        text: any text that UTF-8 can encode.
    """

    __slots__ = ("_at", "_breaks", "_bytes", "_bytes_before", "_lengths", "_lines_before",
                 "_points_before", "_texts", "byte_length", "count", "length")  # fmt: skip

    def __init__(self, text: str = "") -> None:
        self._texts, self._lengths, self._bytes, self._breaks = _cut(text)
        self.length = len(text)
        """Code points in all."""
        self.byte_length = sum(self._bytes)
        """UTF-8 bytes in all."""
        self.count = sum(self._breaks) + 1
        """Lines; an empty text has one."""
        self._rest_at(0, 0, 0, 0)

    # Reading

    def text(self) -> str:
        """The whole text; O(n)."""
        return "".join(self._texts)

    def slice(self, start: int, end: int) -> str:
        """Text between two offsets, clipped to the text like a slice of ``str``."""
        start, end = max(0, min(start, self.length)), max(0, min(end, self.length))
        if start >= end:
            return ""
        self._seek_point(end)
        last, tail = self._at, end - self._points_before
        self._seek_point(start)
        first, head = self._at, start - self._points_before
        if first == last:
            return self._texts[first][head:tail]
        middle = self._texts[first + 1 : last]
        return "".join((self._texts[first][head:], *middle, self._texts[last][:tail]))

    def line(self, row: int) -> str:
        """A line without its final ``\\n``. Raises IndexError where there is no such row."""
        start = self._line_start(row)
        chunk, head = self._at, start - self._points_before
        text = self._texts[chunk]
        end = text.find("\n", head)
        if end >= 0:
            return text[head:end]
        parts = [text[head:]]
        for text in self._texts[chunk + 1 :]:
            end = text.find("\n")
            if end >= 0:
                parts.append(text[:end])
                break
            parts.append(text)
        return "".join(parts)

    def position(self, offset: int) -> tuple[int, int]:
        """Row and column of an offset. Raises IndexError outside of the text."""
        self._check(offset, self.length)
        self._seek_point(offset)
        inside = offset - self._points_before
        text = self._texts[self._at]
        row = self._lines_before + text.count("\n", 0, inside)
        start = text.rfind("\n", 0, inside)
        if start >= 0:
            return row, inside - start - 1
        column, at = inside, self._at
        while at:
            at -= 1
            length = self._lengths[at]
            if self._breaks[at]:
                return row, column + length - self._texts[at].rfind("\n") - 1
            column += length
        return row, column

    def offset(self, row: int, column: int) -> int:
        """Offset of a row and column; a column beyond the line's end means its end. Raises IndexError."""
        if column < 0:
            raise IndexError(f"no column {column}")
        start = self._line_start(row)
        end = self._line_start(row + 1) - 1 if row + 1 < self.count else self.length
        return min(start + column, end)

    def byte_offset(self, offset: int) -> int:
        """UTF-8 bytes before an offset in code points. Raises IndexError outside of the text."""
        self._check(offset, self.length)
        self._seek_point(offset)
        return self._bytes_before + _size(self._texts[self._at], offset - self._points_before)

    def offset_of_byte(self, byte: int) -> int:
        """The offset in code points of a byte offset.

        Raises:
            IndexError: outside of the text.
            ValueError: inside a character.
        """
        self._check(byte, self.byte_length)
        self._seek_byte(byte)
        text, inside = self._texts[self._at], byte - self._bytes_before
        if text.isascii():
            return self._points_before + inside
        return self._points_before + len(text.encode()[:inside].decode())

    # Changing

    def replace(self, start: int, end: int, replacement: str) -> str:
        """Replaces a range that lies within the text, and returns what was there."""
        self._seek_point(start)
        chunk, inside = self._at, start - self._points_before
        text = self._texts[chunk]
        stop = inside + end - start
        size = len(text) - end + start + len(replacement)
        if stop > len(text) or size > LARGEST or (size < SMALLEST and len(self._texts) > 1):
            return self._replace_chunks(start, end, replacement)
        removed = text[inside:stop]
        new_bytes = len(replacement) if replacement.isascii() else len(replacement.encode())
        grown = new_bytes - (len(removed) if removed.isascii() else len(removed.encode()))
        breaks = replacement.count("\n") - removed.count("\n")
        self._texts[chunk] = text[:inside] + replacement + text[stop:]
        self._lengths[chunk] = size
        self._bytes[chunk] += grown
        self.length += size - len(text)
        self.byte_length += grown
        if breaks:
            self._breaks[chunk] += breaks
            self.count += breaks
        return removed

    def _replace_chunks(self, start: int, end: int, replacement: str) -> str:
        """The slow way of ``replace``: rebuilds every chunk touched, and a small neighbour with them."""
        removed = self.slice(start, end)
        self._seek_point(end)
        last, tail = self._at, self._texts[self._at][end - self._points_before :]
        self._seek_point(start)
        first, head = self._at, self._texts[self._at][: start - self._points_before]
        if len(head) + len(replacement) + len(tail) < SMALLEST:
            if last + 1 < len(self._texts):
                last += 1
                tail += self._texts[last]
            elif first:
                self._step(first - 1)
                first -= 1
                head = self._texts[first] + head
        old = slice(first, last + 1)
        texts, lengths, sizes, breaks = _cut(head + replacement + tail)
        self.byte_length += sum(sizes) - sum(self._bytes[old])
        self.count += sum(breaks) - sum(self._breaks[old])
        self.length += len(replacement) - (end - start)
        self._texts[old], self._lengths[old] = texts, lengths
        self._bytes[old], self._breaks[old] = sizes, breaks
        return removed

    # Finding the chunk

    def _rest_at(self, chunk: int, points: int, size: int, lines: int) -> None:
        self._at, self._points_before, self._bytes_before, self._lines_before = chunk, points, size, lines

    def _step(self, chunk: int) -> None:
        """Moves to a chunk, with sums taken afresh; three sums over short lists of int."""
        self._rest_at(chunk, sum(self._lengths[:chunk]), sum(self._bytes[:chunk]), sum(self._breaks[:chunk]))

    def _seek_point(self, offset: int) -> None:
        """Goes to the chunk that holds the code point at ``offset``; a boundary belongs to either side."""
        inside = offset - self._points_before
        if not 0 <= inside <= self._lengths[self._at]:
            self._jump(self._lengths, offset)

    def _seek_byte(self, byte: int) -> None:
        inside = byte - self._bytes_before
        if not 0 <= inside <= self._bytes[self._at]:
            self._jump(self._bytes, byte)

    def _jump(self, counts: list[int], target: int) -> None:
        chunk = bisect_right(list(accumulate(counts)), target)
        self._step(min(chunk, len(counts) - 1))

    def _line_start(self, row: int) -> int:
        """Offset of a row's first character; leaves the index at the chunk that holds it."""
        if not 0 <= row < self.count:
            raise IndexError(f"no line {row} of {self.count}")
        if row == 0:
            self._seek_point(0)
            return 0
        # The line begins behind the row-th line end.
        inside = row - self._lines_before
        if not 0 < inside <= self._breaks[self._at]:
            chunk = bisect_right(list(accumulate(self._breaks)), row - 1)
            self._step(chunk)
            inside = row - self._lines_before
        return self._points_before + _after_break(self._texts[self._at], inside)

    @staticmethod
    def _check(offset: int, limit: int) -> None:
        if not 0 <= offset <= limit:
            raise IndexError(f"offset {offset} lies outside of the text, which ends at {limit}")


def _cut(text: str) -> tuple[list[str], list[int], list[int], list[int]]:
    """Cuts a text into chunks, and counts each."""
    texts = [text[i : i + CHUNK] for i in range(0, len(text), CHUNK)] or [""]
    lengths = [len(chunk) for chunk in texts]
    if text.isascii():
        sizes = lengths[:]
    else:
        sizes = [len(chunk) if chunk.isascii() else len(chunk.encode()) for chunk in texts]
    return texts, lengths, sizes, [chunk.count("\n") for chunk in texts]


def _size(text: str, end: int) -> int:
    """UTF-8 bytes of the first ``end`` code points."""
    return end if text.isascii() else len(text[:end].encode())


def _after_break(text: str, nth: int) -> int:
    """Where the text goes on behind its ``nth`` line end, from 1; by halving, for chunks of line ends."""
    low, high = 0, len(text)
    while high - low > 1:
        middle = (low + high) // 2
        before = text.count("\n", low, middle)
        if before >= nth:
            high = middle
        else:
            nth -= before
            low = middle
    return high
