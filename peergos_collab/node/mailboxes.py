"""A node's mailboxes: sealed messages by address, numbered, durable, within bounds.

Anybody may put mail, and nobody knows who he is; work is what keeps junk within bounds. Where there
is no room, the least work for its size goes first, and of equal work the newest: whoever floods a
mailbox must do more work than honest senders did, and a sender who is refused can do more than that.

Keys in the store alone say everything that is decided here, so a start reads no mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ..codec.ids import MailAddress
from ..errors import Damaged, RemoteProtocolError
from ..objects.mail import Mail, day_of, mail_id
from ..ports import Batch, Clock, PutValue, SegmentStore
from ..sync.session import Session
from .commits import Commit, nothing
from .mail_index import KEY_LENGTH, USUAL, Bounds, KeptMail, MailIndex
from .rates import Rate

MAIL: Final = "mail"

LIFETIME_DAYS: Final = 32
"""Whoever was away for longer asks anew. Mail of an older day is forgotten."""

SKEW_DAYS: Final = 1
"""Mail is stamped for yesterday, today or tomorrow: no stamps are piled up for later."""

MAX_OPEN: Final = 64
"""Mailboxes open on one session; clients have one."""

PUT_RATE: Final = 60
"""Mail put on one session in a minute. A session more costs a handshake and hides the sender better."""

PAGE_BYTES: Final = 128 << 10
"""Of mail in one frame, unless a single one is longer."""

BACKLOG: Final = 32
"""Frames that wait for a slow reader above which he is told to ask again, instead of being sent more."""


class Mailboxes:
    """See the module's text.

    Args:
        touch: told of sessions that have frames to send.
    """

    def __init__(
        self,
        store: SegmentStore,
        clock: Clock,
        touch: Callable[[Session], None],
        bounds: Bounds = USUAL,
    ) -> None:
        self._store = store
        self._clock = clock
        self._touch = touch
        self._bounds = bounds
        self._index = MailIndex()
        self._swept = 0
        self._readers: dict[MailAddress, dict[int, Session]] = {}
        self._opened: dict[int, set[MailAddress]] = {}
        self._rates: dict[int, Rate] = {}
        for key in store.keys(MAIL, b"", b"\xff" * (KEY_LENGTH + 1), 2 * bounds.all_count):
            if (kept := KeptMail.read(key)) is not None:
                self._index.add(kept)
        self._last = self._index.newest

    def detach(self, session: Session) -> None:
        """The session has ended."""
        self._rates.pop(id(session), None)
        for address in self._opened.pop(id(session), ()):
            self._quiet(address, session)

    # -- what sessions ask ----------------------------------------------------------------------

    def put(self, session: Session, raw: bytes) -> Commit | None:
        """Keeps mail and passes it on to who reads its mailbox; or refuses it, saying why."""
        id_ = mail_id(raw)
        now = self._clock()
        if self._rates.setdefault(id(session), Rate(PUT_RATE, 60_000)).exceeded(now):
            session.mail.refuse(id_, "busy", "too much mail from this session; try again in a minute")
            return None
        try:
            mail = Mail.parse_untrusted(raw)
        except RemoteProtocolError as error:
            session.mail.refuse(id_, "false", str(error))
            return None
        if abs(mail.day - day_of(now)) > SKEW_DAYS:
            session.mail.refuse(id_, "day", "stamped for another day than yesterday, today or tomorrow")
            return None
        batch = self._sweep()
        kept = self._index.find(mail)
        if kept is None:
            goes = self._index.make_room(mail, self._bounds)
            if goes is None:
                session.mail.refuse(id_, "full", "no room for mail with so little work; do more of it")
                return Commit(batch, nothing) if batch else None
            batch += self._forget(goes)
            kept = self._take(mail)

        def durable() -> None:
            session.mail.keep(id_)
            self._touch(session)

        # Written again even if it is here: only then is it certain to be durable when that is said.
        return Commit([*batch, PutValue(MAIL, kept.key, mail.raw)], durable)

    def open(self, session: Session, address: MailAddress, after: int) -> Commit | None:
        """Gives what came after a number, and once that is all, what comes from now on."""
        opened = self._opened.setdefault(id(session), set())
        if address not in opened and len(opened) >= MAX_OPEN:
            session.mail.answer(address, [], False)
            return None
        opened.add(address)
        batch = self._sweep()
        page, damaged, more = self._page(address, after)
        batch += self._forget(damaged)
        session.mail.answer(address, page, more)
        if more:
            self._quiet(address, session)
        else:
            self._readers.setdefault(address, {})[id(session)] = session
        return Commit(batch, nothing) if batch else None

    def drop(self, address: MailAddress, numbers: Iterable[int]) -> Commit | None:
        """Forgets mail that its reader has taken in."""
        batch = self._forget(self._index.numbered(address, numbers))
        return Commit(batch, nothing) if batch else None

    # -- how ------------------------------------------------------------------------------------

    def _take(self, mail: Mail) -> KeptMail:
        # Numbers never come twice, or a reader would miss mail: not even after all was dropped and a restart.
        self._last = max(self._last + 1, self._clock())
        kept = KeptMail.of(mail, self._last)
        self._index.add(kept)
        for session in list(self._readers.get(mail.address, {}).values()):
            self._pass_on(session, kept, mail.raw)
        return kept

    def _pass_on(self, session: Session, kept: KeptMail, raw: bytes) -> None:
        if session.backlog > BACKLOG:
            session.mail.answer(kept.address, [], True)
            self._quiet(kept.address, session)
        else:
            session.mail.answer(kept.address, [(kept.number, raw)], False)
        self._touch(session)

    def _page(self, address: MailAddress, after: int) -> tuple[list[tuple[int, bytes]], list[KeptMail], bool]:
        """Mail for one frame, what turned out to be damaged, and whether there is more."""
        page: list[tuple[int, bytes]] = []
        damaged: list[KeptMail] = []
        size = 0
        for kept in self._index.after(address, after):
            if page and size + kept.size > PAGE_BYTES:
                return page, damaged, True
            raw = self._read(kept)
            if raw is None:
                damaged.append(kept)
            else:
                page.append((kept.number, raw))
                size += kept.size
        return page, damaged, False

    def _read(self, kept: KeptMail) -> bytes | None:
        try:
            return self._store.value(MAIL, kept.key)
        except Damaged:
            return None

    def _sweep(self) -> Batch:
        """Forgets what is too old; looks once a day."""
        today = day_of(self._clock())
        if today == self._swept:
            return []
        self._swept = today
        return self._forget([kept for kept in self._index.all() if kept.day < today - LIFETIME_DAYS])

    def _forget(self, goes: Iterable[KeptMail]) -> Batch:
        batch: Batch = []
        for kept in goes:
            self._index.remove(kept)
            batch.append(PutValue(MAIL, kept.key, None))
        return batch

    def _quiet(self, address: MailAddress, session: Session) -> None:
        readers = self._readers.get(address, {})
        readers.pop(id(session), None)
        if not readers:
            self._readers.pop(address, None)
