"""All epoch keys of one object that a device can open, found as its records come.

Keys come from wraps to a pair one holds, and from back-links of epochs one holds. An X25519 agreement
costs 50 µs for each record and pair, so wraps are tried only where the epoch's keys are not held yet,
newest epochs first: their back-links open the others. Who has an epoch without its history opens no content
of before through it, but all membership ops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..codec.ids import EpochId
from ..crypto import BoxPair, OpsSecret
from ..errors import RemoteProtocolError
from .back_links import open_back_link, open_ops_link
from .epoch_keys import EpochKeys, Level
from .history_seals import check_history
from .records import Epoch, MembershipRecord
from .wraps import unwrap_untrusted


class KeyRing:
    """See the module's text.

    Args:
        pairs: the box pairs of one's account, link or object principals; ``add_pair`` takes more.
        keys: epoch keys that came another way, by a capability for instance; believed once the epoch's
            record is here and they fit it.

    Attributes:
        keys: what is held of epochs that one reads.
        ops: what opens the membership ops of epochs: of all those, and of what they link back to.
        passing: pairs of epochs of which the first gives the second with its history.
        false: ids of records that give something which is not what they say.
    """

    def __init__(
        self, pairs: Sequence[BoxPair] = (), keys: Mapping[EpochId, EpochKeys] | None = None
    ) -> None:
        self.keys: dict[EpochId, EpochKeys] = {}
        self.ops: dict[EpochId, OpsSecret] = {}
        self.passing: set[tuple[EpochId, EpochId]] = set()
        self.epochs: dict[EpochId, Epoch] = {}
        self.false: set[bytes] = set()
        self._given = dict(keys or {})
        self._pairs = list(pairs)
        self._wraps: dict[EpochId, list[MembershipRecord]] = {}
        self._tried: dict[EpochId, set[tuple[bytes, int]]] = {}
        self._depth: dict[EpochId, int] = {}
        self._linking: dict[EpochId, list[EpochId]] = {}

    def take(self, records: Iterable[MembershipRecord]) -> list[EpochId]:
        """Takes records; returns the epochs of which something was found."""
        touched = []
        for record in records:
            epoch = record.id if isinstance(record, Epoch) else record.epoch
            if isinstance(record, Epoch):
                self._add_epoch(record)
            self._wraps.setdefault(EpochId(epoch), []).append(record)
            touched.append(EpochId(epoch))
        return self._open(touched)

    def add_pair(self, pair: BoxPair) -> list[EpochId]:
        """Takes another pair of one's own; returns the epochs whose keys it gave."""
        if any(pair.public_key == known.public_key for known in self._pairs):
            return []
        self._pairs.append(pair)
        return self._open(self._wraps)

    def give(self, epoch: EpochId, keys: EpochKeys) -> list[EpochId]:
        """Takes keys that came another way."""
        held = self._given.get(epoch)
        if held is None or held.level < keys.level:
            self._given[epoch] = keys
        return self._open([epoch])

    def deepen(self, epoch: EpochId, enough: Level = Level.ADMIN) -> EpochKeys | None:
        """The highest keys of an epoch that any wrap gives: back-links give readers' keys only.

        Args:
            enough: the level at which not to look further, where one's role is known.
        """
        if epoch in self.epochs:
            self._try_wraps(epoch, min(enough, self._top(epoch)))
        return self.keys.get(epoch)

    def _add_epoch(self, epoch: Epoch) -> None:
        self.epochs[epoch.id] = epoch
        for old in epoch.back_links:
            self._linking.setdefault(old, []).append(epoch.id)
        self._depth[epoch.id] = 1 + max((self._depth.get(parent, 0) for parent in epoch.parents), default=0)

    def _open(self, epochs: Iterable[EpochId]) -> list[EpochId]:
        found: list[EpochId] = []
        newest_first = sorted(set(epochs), key=lambda epoch: self._depth.get(epoch, 0), reverse=True)
        for epoch in newest_first:
            if epoch in self.epochs:
                found += self._take_given(epoch)
                found += self._follow_links_to(epoch)
                held = self.keys.get(epoch)
                if held is None or held.history is None:
                    found += self._try_wraps(epoch, Level.READ)
        return found

    def _take_given(self, epoch: EpochId) -> list[EpochId]:
        given = self._given.pop(epoch, None)
        try:
            return self._found(epoch) if given is not None and self._hold(epoch, given) else []
        except RemoteProtocolError:
            self.false.add(epoch)
            return []

    def _follow_links_to(self, epoch: EpochId) -> list[EpochId]:
        linking = self._linking.get(epoch, ())
        return [old for new in linking if new in self.ops for old in self._found(new)]

    def _top(self, epoch: EpochId) -> Level:
        return Level.WRITE if self.epochs[epoch].neutral else Level.ADMIN

    def _try_wraps(self, epoch: EpochId, enough: Level) -> list[EpochId]:
        found: list[EpochId] = []
        tried = self._tried.setdefault(epoch, set())
        for record in reversed(self._wraps.get(epoch, [])):
            for number, pair in enumerate(self._pairs):
                held = self.keys.get(epoch)
                if held is not None and held.level >= enough and held.history is not None:
                    return found
                if (record.id, number) in tried:
                    continue
                tried.add((record.id, number))
                try:
                    keys = unwrap_untrusted(record.wraps, pair, self.epochs[epoch].history)
                    if keys is not None and self._hold(epoch, keys):
                        found += self._found(epoch)
                except RemoteProtocolError:
                    self.false.add(record.id)
        return found

    def _hold(self, epoch: EpochId, keys: EpochKeys) -> bool:
        """Keeps what is more than was held. Raises RemoteProtocolError where it is not the epoch's key."""
        held = self.keys.get(epoch)
        if held is not None and held.level >= keys.level and (held.history or not keys.history):
            return False
        if held is not None:
            keys.share(held)
        keys.check(self.epochs[epoch].keys)
        check_history(keys, self.epochs[epoch].history)
        self.keys[epoch] = keys if held is None else held.joined(keys)
        self.ops[epoch] = keys.ops
        return True

    def _found(self, epoch: EpochId) -> list[EpochId]:
        """An epoch of which something was found, and all of which its back-links give something."""
        found, waiting = [epoch], [epoch]
        while waiting:
            linking = waiting.pop()
            for old in self.epochs[linking].back_links:
                if old not in self.epochs:
                    continue
                try:
                    better = [self._follow_ops(linking, old), self._follow_keys(linking, old)]
                except RemoteProtocolError:
                    self.false.add(linking)
                    continue
                if any(better):
                    found.append(old)
                    waiting.append(old)
        return found

    def _follow_ops(self, linking: EpochId, old: EpochId) -> bool:
        if old in self.ops:
            return False
        link, public = self.epochs[linking].back_links[old], self.epochs[old].keys
        self.ops[old] = open_ops_link(self.ops[linking], old, link, public)
        return True

    def _follow_keys(self, linking: EpochId, old: EpochId) -> bool:
        new = self.keys.get(linking)
        if new is None or new.history is None or (linking, old) in self.passing:
            return False
        link, epoch = self.epochs[linking].back_links[old], self.epochs[old]
        keys = open_back_link(new, old, link, epoch.keys, epoch.history)
        better = self._hold(old, keys)
        if keys.history is not None:
            self.passing.add((linking, old))
        return better
