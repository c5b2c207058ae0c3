"""A text that takes in what others wrote: an update passes the firewall, and is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

from ..errors import Quarantined
from ..values import dataclass
from .difference import difference
from .edits import Change, Edit
from .firewall import LIMITS, OWN_LIMITS, UpdateSummary, check_untrusted, clients_of
from .indexed_text import IndexedText, Shown, State
from .lines import LineIndex
from .listeners import Unsubscribe, subscribe, tell_all
from .neighbours import Neighbours, prove
from .parts import FEW_RANGES, deleting_apart
from .proof import Proof, proved_empty
from .replica import EngineFailed


@dataclass(frozen=True, slots=True)
class Became:
    """What came of another state.

    Args:
        changed: it is another one.
        refused: positions of own updates that cannot be applied to it.
        lost: what those had brought, as insertions that put it in anew: for ``edit_each``.
    """

    changed: bool
    refused: list[int]
    lost: list[Edit]


class NotTogether(Exception):
    """The engine does not take together what the firewall let pass. Give it to a new document, one by one."""


class ReceivedText(IndexedText):
    """See the module's text. The arguments are those of ``IndexedText``."""

    def __init__(self, client: int, state: State | None = None, *, shown: Shown | None = None) -> None:
        super().__init__(client, state, shown=shown)
        self._gathered: list[bytes] | None = None
        self.proof = Proof()
        """Whether all that is in it was written where it could be."""
        self._on_change: list[Callable[[Change], None]] = []

    def on_change(self, callback: Callable[[Change], None]) -> Unsubscribe:
        """Calls back after every change of the text, local or not."""
        return subscribe(self._on_change, callback)

    # Whether it is true

    @property
    def in_doubt(self) -> bool:
        """Whether several wrote it, and it is not known yet if all wrote where they could: see ``proof``."""
        return not self.proof.holds and len(self._known()) > 1

    @property
    def may_show_otherwise(self) -> bool:
        """Whether its state, read again, may show another text: see ``proof``."""
        return self.in_doubt and self.proof.has_unseen

    def doubt_all(self) -> None:
        """From now on, while nothing is in it, no update is taken before that is known of it."""
        self.proof = proved_empty()

    def begin_proof(self) -> bytes:
        """The state to ``prove``, in a thread of its own; give what that gives to ``end_proof``."""
        self.proof.begin()
        return self.state()

    def end_proof(self, order: Neighbours | None) -> bool:
        """Whether that state and what came since is true; if not, deliver all anew."""
        return self.proof.end(order)

    def prove(self) -> bool:
        """Finds it out at once; O(n)."""
        return self.proof.holds or self.end_proof(prove(self.begin_proof()))

    # Changes from elsewhere

    def apply_untrusted(self, update: bytes, client: int, *, overlap: bool = False) -> None:
        """Takes in a colleague's update, after the firewall.

        What is known already changes nothing; anything else must continue exactly where the document
        ends for ``client``.

        Args:
            update: a Yjs v1 update.
            client: the only client id that may have created structs in it.
            overlap: it may begin within what is known already and go on beyond it, as an update does
                that was sealed a second time by a device restored from a backup.

        Raises:
            NotYet: it refers to what another client wrote and is not known here; nothing was changed.
            Quarantined: with the reason; nothing was changed.
        """
        self._read_halves()
        summary = check_untrusted(update, client, self._known(), LIMITS, self._halves, overlap=overlap)
        if client == self.client and summary.ends.get(client, 0) > self._own_clock:
            raise Quarantined("The update was refused: it goes on under the client id of this very run.")
        self._check_place(update, summary)
        self._apply(update, summary, recount=overlap)

    def apply_own(self, update: bytes) -> None:
        """Takes in an update that own devices have authenticated: a journal entry, a checkpoint.

        Any client id may have created structs in it, and it may overlap with what is known.

        Raises:
            Quarantined: it is malformed, or something before it is missing; nothing was changed.
        """
        summary = check_untrusted(update, None, self._known(), OWN_LIMITS)
        self._check_place(update, summary)
        self._apply(update, summary, recount=True)

    def _check_place(self, update: bytes, summary: UpdateSummary) -> None:
        if not self.proof.takes(update, summary.structs):
            raise Quarantined("The update was refused: it was written between what never stood side by side.")

    @contextmanager
    def catching_up(self) -> Iterator[None]:
        """Within, what comes from elsewhere is checked at once, but enters the engine together at the end.

        For opening, while nobody looks on or edits: for its account of what one update changed the engine
        walks through the whole text. Until the end the text stays as it was; no callback is called.

        Raises:
            NotTogether: this document is of no use any more.
        """
        gathered = self._gathered = []
        yield
        self._gathered = None
        if not gathered:
            return
        try:
            self._replica.apply_together(gathered)
        except EngineFailed as problem:
            raise NotTogether(str(problem)) from None
        if self._replica.clocks() != self._known():
            raise NotTogether("the engine did not take all of it")
        self._text = self._replica.text()
        self.lines = LineIndex(self._text)

    def take_state_untrusted(self, state: bytes, guarded: Mapping[int, int]) -> None:
        """Takes in a whole state that a colleague made, of which a part may be known.

        Args:
            guarded: of client ids, a clock beyond which nothing that it says of them is true.

        Raises:
            Quarantined: with the reason; nothing was changed.
        """
        self._read_halves()
        summary = check_untrusted(state, None, self._known(), OWN_LIMITS, self._halves)
        for client, clock in (*guarded.items(), (self.client, self._own_clock)):
            if summary.ends.get(client, 0) > clock:
                raise Quarantined("The state was refused: it holds what this device never wrote.")
        self._check_place(state, summary)
        self._apply(state, summary, recount=True)

    def become(self, state: bytes, own: Sequence[bytes], proof: Proof | None = None) -> Became:
        """Takes the state that the same history gave in another order, with own updates on top.

        Where that is no other state than this one, nothing happens. Else subscribers hear of one change, and
        what could be undone no longer can.

        Args:
            state: a trusted Yjs v1 update.
            own: updates that are not in the history yet, in order.
            proof: of that state; it goes on as that of this document.
        """
        other = ReceivedText(self.client, state)
        other.proof = proof or Proof()
        refused = [at for at, update in enumerate(own) if not other._takes(update)]
        self.proof = other.proof
        self.proof.puts_off = True
        if other.state() == self.state():
            return Became(False, refused, [])
        edits = difference(self.text, other.text)
        lost = self._words_of({client for at in refused for client in clients_of(own[at])}, edits)
        self._take_engine(other)
        backwards = tuple(reversed(edits))
        for edit in backwards:
            self.lines.replace(*edit)
        self._text = None
        if backwards:
            tell_all(self._on_change, Change(backwards, local=False, undo=False))
        return Became(True, refused, lost)

    def _words_of(self, clients: AbstractSet[int], edits: Sequence[Edit]) -> list[Edit]:
        """What some clients wrote of the text that edits take away, as insertions after those edits."""
        words: list[Edit] = []
        shift = 0
        for start, end, replacement in edits if clients else ():
            theirs = [self.text[at] for at in range(start, end) if self.writer_at(at) in clients]
            if theirs:
                words.append((start + shift, start + shift, "".join(theirs)))
            shift += len(replacement) - (end - start)
        return words

    def _takes(self, update: bytes) -> bool:
        """Takes in an own update where it fits, with no character split."""
        self._read_halves()
        try:
            summary = check_untrusted(update, None, self._known(), OWN_LIMITS, self._halves)
            self._check_place(update, summary)
            self._apply(update, summary, recount=True)
        except Quarantined:
            return False
        return True

    def _apply(self, update: bytes, summary: UpdateSummary, *, recount: bool) -> None:
        """``recount``: the update may overlap what is known, and only the engine knows what it took of it."""
        self.wake()  # it has to agree with what is counted here from the start
        parts = [update] if summary.ranges <= FEW_RANGES else deleting_apart(update)
        if self._gathered is not None:
            self._gathered += parts
            self._count(summary, self._clocks, recount=False)  # the engine's own count is compared later
            return
        try:
            deltas = [span for part in parts for span in self._replica.apply(part)]
        except EngineFailed as problem:
            # The replica was rebuilt from the same updates, so the text and the index still hold.
            self.proof.drop()
            raise Quarantined(f"The update was refused: the engine could not apply it ({problem}).") from None
        before = dict(self._clocks) if recount else self._clocks
        if recount:
            self._clocks = self._replica.clocks()
            if any(self._clocks.get(author, 0) < end for author, end in summary.ends.items()):
                self.proof.drop()  # the engine took less than was placed
        self._count(summary, before, recount=recount)
        edits = self._follow_deltas(deltas)
        if edits:
            tell_all(self._on_change, Change(edits, local=False, undo=False))
