"""The account logs this device knows, of everybody: united, and the same for all objects.

A log that comes with the records of one object counts in all of them at once: who has heard that somebody's
device is gone does not write for it any more, anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..codec.ids import AccountId
from ..identity.account import Account
from ..identity.account_watch import AccountWatch
from .open_object import OpenObject

if TYPE_CHECKING:
    from .engine import Engine


class KnownAccounts:
    """See the module's text. ``newest`` is what objects are judged with."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._watch = AccountWatch()
        self.newest: Mapping[AccountId, Account] = {}

    def take(self, accounts: Iterable[Account]) -> None:
        """Takes in verified logs. What no honest account does is told as a problem that names it."""
        changed = False
        for account in accounts:
            before = self._watch.known.get(account.id)
            for alarm in self._watch.take(account):
                self._engine.on_problem(None, alarm.words)
            changed = changed or self._watch.known[account.id] is not before
        if changed:
            self.newest = dict(self._watch.known)
            for opened in self._engine.objects.values():
                opened.live.replica.seat.known_accounts = self.newest

    def take_from(self, opened: OpenObject) -> None:
        """Takes in the logs that came with an object's records, before anything is written there."""
        self.take(opened.live.replica.view.accounts().values())
        opened.live.replica.seat.known_accounts = self.newest
