"""The mailbox part of a session: putting mail on a node, reading it live, and a node's side of both.

Between peers who greeted each other mail is put too: each is the other's mailbox, and answers once it has
done what the mail asks for.

    client                                    node
    PUT_MAIL ────────────────────────────────► MAIL_KEPT once it is durable, or REFUSED
    OPEN_MAIL after 0 ───────────────────────► MAIL, more
    OPEN_MAIL after the last number ─────────► MAIL, no more; from now on MAIL whenever something came
    DROP_MAIL numbers ───────────────────────► nothing

Whoever opens a mailbox proves that he holds its key, to this node and on this connection. Who does not
hold it gets the answer of an empty mailbox, without a look into the store: so nobody learns from a
node which mailboxes there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, Final

from ..codec.ids import MailAddress
from ..codec.shape import array, blob, boolean, many, number, some_bytes
from ..crypto import BadSignature, SigningKey
from ..errors import LocalProtocolError, RemoteProtocolError
from ..objects.mail import MAX_MAIL, Mail, check_reader, prove_reader
from ..values import dataclass
from .frames import Frame
from .session_events import (
    MailCame,
    MailDropped,
    MailKept,
    MailOffered,
    MailRefused,
    MailWanted,
    SessionEvent,
)

MAIL_FRAMES: Final = frozenset(
    {Frame.PUT_MAIL, Frame.OPEN_MAIL, Frame.MAIL, Frame.DROP_MAIL, Frame.MAIL_KEPT}
)

MAX_NUMBERS: Final = 256
"""Mail in one MAIL or DROP_MAIL frame: as much as a mailbox holds."""

MAX_NUMBER: Final = 2**53


@dataclass(slots=True)
class _Open:
    """A mailbox that is open here. ``last`` is the number of the last mail that came."""

    key: SigningKey
    last: int


class SessionMail:
    """See the module's text.

    Args:
        channel: names the connection to both ends.
        nonce: this side's, which the other side signs.
        send: queues a frame.
        serving: True for a node's side.
        takes_mail: mail may be put here; so it is at a node.
    """

    def __init__(
        self,
        channel: bytes,
        nonce: bytes,
        send: Callable[..., None],
        *,
        serving: bool,
        takes_mail: bool = False,
    ) -> None:
        self._channel = channel
        self._nonce = nonce
        self._their_nonce = b""
        self._send = send
        self._serving = serving
        self._takes_mail = serving or takes_mail
        self._open: dict[MailAddress, _Open] = {}
        self._put: set[bytes] = set()
        self._waiting: list[Callable[[], None]] = []

    def greeted(self, their_nonce: bytes) -> None:
        """The other side's nonce is known, so proofs can be made."""
        self._their_nonce = their_nonce
        waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()

    # -- a client's side ------------------------------------------------------------------------

    def put(self, mail: Mail) -> None:
        self._put.add(mail.id)
        self._send(Frame.PUT_MAIL, mail.raw)

    def open(self, key: SigningKey, after: int) -> None:
        wanted = self._open[MailAddress(key.public)] = _Open(key, after)
        self._once_greeted(lambda: self._send_open(wanted))

    def drop(self, key: SigningKey, numbers: Iterable[int]) -> None:
        ordered = sorted(numbers)
        if len(ordered) > MAX_NUMBERS:
            raise LocalProtocolError(f"at most {MAX_NUMBERS} at once; nothing was dropped")
        self._once_greeted(lambda: self._send(Frame.DROP_MAIL, key.public, self._proof(key), ordered))

    def _once_greeted(self, go_on: Callable[[], None]) -> None:
        if self._their_nonce:
            go_on()
        else:
            self._waiting.append(go_on)

    def _send_open(self, wanted: _Open) -> None:
        self._send(Frame.OPEN_MAIL, wanted.key.public, self._proof(wanted.key), wanted.last)

    def _proof(self, key: SigningKey) -> bytes:
        return prove_reader(key, self._channel, self._their_nonce)

    def refused(self, id_: bytes, reason: str, words: str) -> MailRefused | None:
        """What a refusal means, if it is of mail that was put here."""
        if id_ not in self._put:
            return None
        self._put.discard(id_)
        return MailRefused(id_, reason, words)

    # -- a node's side --------------------------------------------------------------------------

    def answer(self, address: MailAddress, items: Iterable[tuple[int, bytes]], more: bool) -> None:
        """Sends mail of a mailbox, by rising numbers."""
        self._send(Frame.MAIL, address, [[number_, raw] for number_, raw in items], more)

    def keep(self, id_: bytes) -> None:
        """Says that mail is durable."""
        self._send(Frame.MAIL_KEPT, id_)

    def refuse(self, id_: bytes, reason: str, words: str) -> None:
        self._send(Frame.REFUSED, id_, reason, words)

    # -- what the other side does ---------------------------------------------------------------

    def receive_untrusted(self, kind: Frame, fields: list[Any]) -> list[SessionEvent]:
        """Takes one of ``MAIL_FRAMES``. Raises RemoteProtocolError."""
        return self._HANDLERS[kind](self, fields)

    def _on_put(self, fields: list[Any]) -> list[SessionEvent]:
        if not self._takes_mail:
            raise RemoteProtocolError("mail for somebody who takes none")
        return [MailOffered(some_bytes(fields[0], MAX_MAIL, "mail"))]

    def _on_open(self, fields: list[Any]) -> list[SessionEvent]:
        self._only_a_node()
        address, proved = self._reader_untrusted(fields)
        after = number(fields[2], 0, MAX_NUMBER, "mail number")
        if proved:
            return [MailWanted(address, after)]
        self.answer(address, [], False)
        return []

    def _on_drop(self, fields: list[Any]) -> list[SessionEvent]:
        self._only_a_node()
        address, proved = self._reader_untrusted(fields)
        numbers = _numbers_untrusted(many(fields[2], MAX_NUMBERS, "mail numbers"))
        return [MailDropped(address, numbers)] if proved else []

    def _reader_untrusted(self, fields: list[Any]) -> tuple[MailAddress, bool]:
        address = MailAddress(blob(fields[0], 32, "mail address"))
        try:
            check_reader(address, self._channel, self._nonce, blob(fields[1], 64, "proof"))
        except BadSignature:
            return address, False
        return address, True

    def _on_mail(self, fields: list[Any]) -> list[SessionEvent]:
        address = MailAddress(blob(fields[0], 32, "mail address"))
        wanted = self._open.get(address)
        if wanted is None:
            raise RemoteProtocolError("mail of a mailbox that is not open here")
        more = boolean(fields[2], "whether there is more mail")
        items = [_numbered_untrusted(item, address) for item in many(fields[1], MAX_NUMBERS, "mail")]
        numbers = _numbers_untrusted([number_ for number_, _ in items])
        wanted.last = max([wanted.last, *numbers])
        if more:
            self._send_open(wanted)
        return [MailCame(address, items, more)]

    def _on_kept(self, fields: list[Any]) -> list[SessionEvent]:
        id_ = blob(fields[0], 32, "mail id")
        if id_ not in self._put:
            return []
        self._put.discard(id_)
        return [MailKept(id_)]

    def _only_a_node(self) -> None:
        if not self._serving:
            raise RemoteProtocolError("mail for somebody who is no node")

    _HANDLERS: Final[dict[Frame, Callable[[SessionMail, list[Any]], list[SessionEvent]]]] = {
        Frame.PUT_MAIL: _on_put,
        Frame.OPEN_MAIL: _on_open,
        Frame.MAIL: _on_mail,
        Frame.DROP_MAIL: _on_drop,
        Frame.MAIL_KEPT: _on_kept,
    }


def _numbered_untrusted(value: Any, address: MailAddress) -> tuple[int, Mail]:
    number_, raw = array(value, 2, "numbered mail")
    mail = Mail.parse_untrusted(some_bytes(raw, MAX_MAIL, "mail"))
    if mail.address != address:
        raise RemoteProtocolError("mail of another mailbox")
    return number_, mail


def _numbers_untrusted(values: list[Any]) -> list[int]:
    """Numbers of mail, which rise."""
    numbers = [number(value, 1, MAX_NUMBER, "mail number") for value in values]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise RemoteProtocolError("mail numbers that do not rise")
    return numbers
