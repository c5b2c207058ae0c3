"""Whether what was written between two characters could have been: were they neighbours for its author?

Replicas put what comes in different orders into one order, as long as each piece was written between two
characters that stood side by side in the text its author saw, deleted ones counted. The engine believes
whatever an update names. So here is the order of all pieces once more, and of each what its author had seen
at least: the pieces it names, what their authors had seen, and what he wrote before. If one of those stands
between the two, no text ever was as the update says, and replicas could differ for good.

That is decided by the pieces alone, so everybody decides alike, whatever came first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Mapping

from .seen import Seen
from .structure import Id, Struct, structs_of


class _Piece:
    """Characters of one client that stand together: nothing was written between them yet."""

    __slots__ = ("before", "client", "clock", "end", "left", "next", "right")

    def __init__(self, client: int, clock: int, end: int, left: Id | None, right: Id | None) -> None:
        self.client, self.clock, self.end = client, clock, end
        self.left, self.right = left, right
        self.before: _Piece | None = None
        self.next: _Piece | None = None

    def insert(self, piece: _Piece) -> None:
        """Puts a piece behind this one."""
        piece.before, piece.next = self, self.next
        if self.next is not None:
            self.next.before = piece
        self.next = piece

    def take_out(self) -> None:
        assert self.before is not None
        self.before.next = self.next
        if self.next is not None:
            self.next.before = self.before


class _Client:
    """What one client wrote."""

    __slots__ = ("end", "pieces", "right", "starts")

    def __init__(self) -> None:
        self.end = 0
        """Its next clock."""
        self.right: Id | None = None
        """What its newest piece names to the right."""
        self.starts: list[int] = []
        self.pieces: list[_Piece] = []

    def forget(self, end: int, right: Id | None) -> None:
        """Goes back to where it ended before."""
        at = bisect_left(self.starts, end)
        for piece in self.pieces[at:]:
            piece.take_out()
        self.end, self.right = end, right
        del self.starts[at:], self.pieces[at:]
        if self.pieces:
            self.pieces[-1].end = end


class Neighbours:
    """The order of all pieces of a text, deleted ones too."""

    def __init__(self) -> None:
        self._first = _Piece(0, 0, 0, None, None)
        self._clients: dict[int, _Client] = {}
        self._seen = Seen()

    def place(self, structs: Iterable[Struct]) -> bool:
        """Puts structs in their places, each client's in order; False, and none, where one of them is false.

        What they name must be here or among them.
        """
        queues: dict[int, deque[Struct]] = {}
        for struct in structs:
            queues.setdefault(struct.client, deque()).append(struct)
        known = {client: self._clients.setdefault(client, _Client()) for client in queues}
        ends = [(id_, client.end, client.right, self._seen.count(id_)) for id_, client in known.items()]
        if all(self._place_queue(client, queues) for client in queues):
            return True
        for client, end, right, named in ends:
            known[client].forget(end, right)
            self._seen.forget(client, named)
        return False

    def _place_queue(self, client: int, queues: Mapping[int, deque[Struct]]) -> bool:
        """Places all of one client, and of others what it waits for."""
        chain = {client: None}  # each waits for something of the next
        while chain:
            waits = next(reversed(chain))
            queue = queues[waits]
            missing = self._missing(queue[0]) if queue else None
            if missing is not None:
                if missing in chain or not queues.get(missing):
                    return False
                chain[missing] = None
                continue
            if queue and not self._place(queue.popleft()):
                return False
            if not queue or waits != client:
                del chain[waits]
        return True

    def _missing(self, struct: Struct) -> int | None:
        """Whose piece it names that is not here yet."""
        for id_ in (struct.left, struct.right):
            if id_ is not None:
                client = self._clients.get(id_[0])
                if client is None or id_[1] >= client.end:
                    return id_[0]
        return None

    def _place(self, struct: Struct) -> bool:
        client = self._clients[struct.client]
        end = struct.clock + struct.length
        if end <= client.end:
            return True
        clock, left, right = struct.clock, struct.left, struct.right
        if clock < client.end:
            clock, left = client.end, (struct.client, client.end - 1)
        # Behind the own piece before, with the same one to the right, it goes on with what was found true.
        goes_on = clock > 0 and left == (struct.client, clock - 1) and right == client.right
        self._seen.name(struct.client, clock, left)
        self._seen.name(struct.client, clock, right)
        stop = None if right is None else self._beginning(right)
        before = self._ending(left)  # second: it keeps the beginning of what it cuts
        piece = _Piece(struct.client, clock, end, left, right)
        look = not goes_on and before.next is not stop
        behind = self._place_for(piece, before, stop, self._seen.by(struct.client) if look else None)
        if behind is None:
            return False
        if goes_on and behind is client.pieces[-1]:
            behind.end = end
        else:
            behind.insert(piece)
            client.starts.append(clock)
            client.pieces.append(piece)
        client.end, client.right = end, right
        return True

    def _place_for(
        self, new: _Piece, before: _Piece, stop: _Piece | None, seen: Mapping[int, int] | None
    ) -> _Piece | None:
        """Behind which piece it belongs, among what others wrote between the same two: as YATA orders them.

        Args:
            seen: if given, the answer is None where something its author had seen stands between.
        """
        client, left, right = new.client, new.left, new.right
        number = since = 0
        between: dict[_Piece, int] = {}
        """What was passed, numbered; from ``since`` on it is in conflict."""
        placed = False
        piece = before.next
        while piece is not stop:
            if piece is None:
                return before if seen is None else None
            author = piece.client
            if seen is not None and (author == client or piece.clock < seen.get(author, 0)):
                return None
            if not placed:
                number += 1
                between[piece] = number
                if piece.left == left:
                    if author < client:
                        before, since = piece, number
                    else:
                        placed = piece.right == right
                else:
                    # What it names may have become longer since.
                    passed = between.get(self._holding(piece.left)) if piece.left is not None else None
                    if passed is None:
                        placed = True
                    elif passed <= since:
                        before, since = piece, number
            elif seen is None:
                break
            piece = piece.next
        return before

    def _holding(self, id_: Id) -> _Piece:
        """The piece that a character is in."""
        client = self._clients[id_[0]]
        return client.pieces[bisect_right(client.starts, id_[1]) - 1]

    def _ending(self, id_: Id | None) -> _Piece:
        """The piece that ends with a character, cut there if need be."""
        if id_ is None:
            return self._first
        client = self._clients[id_[0]]
        at = bisect_right(client.starts, id_[1]) - 1
        piece = client.pieces[at]
        return piece if piece.end == id_[1] + 1 else self._cut(client, at, id_[1] + 1)

    def _beginning(self, id_: Id) -> _Piece:
        """The piece that begins with a character, cut there if need be."""
        client = self._clients[id_[0]]
        at = bisect_right(client.starts, id_[1]) - 1
        if client.starts[at] != id_[1]:
            self._cut(client, at, id_[1])
            at += 1
        return client.pieces[at]

    @staticmethod
    def _cut(client: _Client, at: int, clock: int) -> _Piece:
        """Cuts a piece in two before a clock; returns the first."""
        piece = client.pieces[at]
        rest = _Piece(piece.client, clock, piece.end, (piece.client, clock - 1), piece.right)
        piece.end = clock
        piece.insert(rest)
        client.starts.insert(at + 1, clock)
        client.pieces.insert(at + 1, rest)
        return piece


def prove(state: bytes) -> Neighbours | None:
    """The order of all that is in a state; None where something in it is false. O(n)."""
    found = Neighbours()
    return found if found.place(structs_of(state)) else None
