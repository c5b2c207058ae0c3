"""What has been seen of accounts, so that logs which go back or split raise an alarm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from ..codec import to_multibase
from ..codec.ids import AccountId, DeviceId
from ..values import dataclass
from .account import Account


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something no honest device of this account does. ``device`` is None where the root is meant."""

    account: AccountId
    device: DeviceId | None
    words: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a source last gave as the newest log: when, by its own clock, and the last ops in it."""

    time: int
    heads: tuple[bytes, ...]


@dataclass(slots=True)
class AccountWatch:
    """The newest log known of each account: the union of all that was seen.

    A log that lacks what is known is no attack by itself: records keep the log of their day, and a device
    that was offline has not heard of everything. It is one where somebody claims it to be the newest,
    and had more when he last did.
    """

    known: dict[AccountId, Account] = field(default_factory=dict)
    shown: dict[tuple[AccountId, bytes], Shown] = field(default_factory=dict)
    _raised: set[Alarm] = field(default_factory=set)

    def take(self, account: Account) -> list[Alarm]:
        """Takes in a verified log from a record. Returns alarms not raised before."""
        before = self.known.get(account.id)
        merged = self.known[account.id] = account if before is None else before.merge(account)
        return self._new([*self._forks(merged), *_too_much(merged, account)])

    def take_newest(self, account: Account, source: bytes, time: int = 0) -> list[Alarm]:
        """Takes in a log that ``source`` (a device, a node, a file) gives as the newest there is.

        Args:
            time: when it said so, by its clock: what it said before that may come later.
        """
        key = (account.id, source)
        before = self.shown.get(key)
        alarms = self.take(account)
        if before is not None and time < before.time:
            return alarms
        self.shown[key] = Shown(time, account.standing.heads)
        if before is not None and not account.op_ids().issuperset(before.heads):
            words = f"{_name(account.id)} was shown without changes that were in it before"
            alarms.append(Alarm(account.id, None, words))
        return alarms

    def _new(self, alarms: Iterable[Alarm]) -> list[Alarm]:
        fresh = [alarm for alarm in alarms if alarm not in self._raised]
        self._raised.update(fresh)
        return fresh

    def _forks(self, account: Account) -> Iterable[Alarm]:
        standing = account.standing
        found: list[tuple[DeviceId | None, str]] = [
            (device, f"a device of {_name(account.id)} signed two histories: a copy of it is in use")
            for device in sorted(standing.forked)
        ]
        if standing.root_forked:
            found.append((None, f"the recovery code of {_name(account.id)} was used twice"))
        return [Alarm(account.id, device, words) for device, words in found]


def _too_much(known: Account, shown: Account) -> Iterable[Alarm]:
    """Changes for which there is no room beside those that are known: honest devices leave enough of it."""
    if known.standing.root_generation == shown.standing.root_generation and not (
        shown.op_ids() <= known.op_ids()
    ):
        words = (
            f"{_name(known.id)} was shown with more changes than there is room for: a device of it is in "
            "other hands, or broken; what was known of it before counts"
        )
        yield Alarm(known.id, None, words)


def _name(account: AccountId) -> str:
    return f"the account {to_multibase(account)}"
