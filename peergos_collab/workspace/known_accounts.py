"""The account logs this device knows, of everybody: united, the same for all objects, and kept over restarts.

    kept  = cseal(local key, account log, ad = name)                   name = keyed hash of the account
    shown = cseal(local key, [1, time, [head …]], ad = name)           name = keyed hash of account and source

A log that comes with the records of one object counts in all of them at once: who has heard that somebody's
device is gone does not write for it any more, anywhere. And whoever shows less than he once did is found
out, also after a restart.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ..codec import decode_untrusted, encode
from ..codec.ids import AccountId
from ..codec.shape import array, blob, many, number
from ..crypto import Tag, copen, cseal, keyed_hash
from ..errors import Damaged, RemoteProtocolError
from ..identity.account import Account
from ..identity.account_watch import AccountWatch, Alarm, Shown
from ..ports import PutValue
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine

VERSION: Final = 1
KEPT: Final = "accounts"
SHOWN: Final = "accounts shown"
MAX_HEADS: Final = 16_384


class KnownAccounts:
    """See the module's text. ``newest`` is what objects are judged with."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watch = AccountWatch()
        self.newest: Mapping[AccountId, Account] = {}

    def take(self, accounts: Iterable[Account]) -> None:
        """Takes in verified logs. What no honest account does is told as a problem that names it."""
        self._note([(account, self._watch.take) for account in accounts])

    def of(self, account: AccountId) -> Account | None:
        """The newest log of an account that ever came, before this start as well."""
        self._recall(account)
        return self._watch.known.get(account)

    def take_newest(self, account: Account, source: bytes, time: int) -> None:
        """Takes in a log that ``source`` gave as its newest at ``time``; less than before is told too."""
        key = account.id, source
        if key not in self._watch.shown and (before := self._recall_shown(*key)) is not None:
            self._watch.shown[key] = before
        said = self._watch.shown.get(key)
        self._note([(account, lambda log: self._watch.take_newest(log, source, time))])
        if self._watch.shown[key] != said:
            self._keep_shown(*key)

    def take_from(self, opened: OpenObject) -> None:
        """Takes in the logs that came with an object's records, before anything is written there."""
        self.take(opened.live.replica.view.accounts().values())
        opened.live.replica.seat.known_accounts = self.newest

    def _note(self, taken: Iterable[tuple[Account, _Take]]) -> None:
        changed = False
        for account, take in taken:
            kept = self._recall(account.id)
            before = self._watch.known.get(account.id)
            for alarm in take(account):
                self._engine.on_problem(None, alarm.words)
            known = self._watch.known[account.id]
            changed = changed or known is not before or self.newest.get(account.id) is not known
            if known is not before and known.raw != kept:
                self._keep(known)
        if changed:
            self.newest = dict(self._watch.known)
            for opened in self._engine.objects.values():
                opened.live.replica.seat.known_accounts = self.newest

    # -- kept -----------------------------------------------------------------------------------

    def _recall(self, account: AccountId) -> bytes:
        """Takes in what was known of an account before this start; gives that log, if it was not here."""
        raw = (
            b"" if account in self._watch.known else self._open(KEPT, self._name(Tag.KNOWN_ACCOUNT, account))
        )
        try:
            known = Account.parse_untrusted(raw) if raw else None
        except RemoteProtocolError:
            return b""
        if known is None or known.id != account:
            return b""
        for alarm in self._watch.take(known):
            self._engine.on_problem(None, alarm.words)
        return raw

    def _recall_shown(self, account: AccountId, source: bytes) -> Shown | None:
        raw = self._open(SHOWN, self._name(Tag.ACCOUNT_SHOWN, account + source))
        try:
            fields = array(decode_untrusted(raw, MAX_HEADS * 40), 3, "shown log") if raw else None
            if fields is None:
                return None
            heads = tuple(blob(head, 32, "head") for head in many(fields[2], MAX_HEADS, "heads"))
            return Shown(number(fields[1], 0, 2**53, "time"), heads)
        except RemoteProtocolError:
            return None

    def _keep(self, account: Account) -> None:
        self._put(KEPT, self._name(Tag.KNOWN_ACCOUNT, account.id), account.raw)

    def _keep_shown(self, account: AccountId, source: bytes) -> None:
        shown = self._watch.shown[account, source]
        raw = encode([VERSION, shown.time, list(shown.heads)])
        self._put(SHOWN, self._name(Tag.ACCOUNT_SHOWN, account + source), raw)

    def _name(self, tag: Tag, what: bytes) -> bytes:
        """So that the store does not say whom one knows."""
        return keyed_hash(self._engine.keys.credentials.local, tag, what)

    def _put(self, space: str, name: bytes, raw: bytes) -> None:
        local = self._engine.keys.credentials.local
        sealed = cseal(local, Tag.KNOWN_ACCOUNT, raw, name, os.urandom)
        self._engine.store.write([PutValue(space, name, sealed)])

    def _open(self, space: str, name: bytes) -> bytes:
        try:
            sealed = self._engine.store.value(space, name)
            if sealed is None:
                return b""
            return copen(self._engine.keys.credentials.local, Tag.KNOWN_ACCOUNT, sealed, name)
        except (Damaged, RemoteProtocolError):
            return b""  # it is learned again


if TYPE_CHECKING:
    from collections.abc import Callable

    _Take = Callable[[Account], list[Alarm]]
