"""People who share one document and gossip; some are added with its history hidden, at any moment.

Everybody has his own records and keys. At the end everybody gets every record of all time, as from a node
that colludes with the newcomers. What is wanted is said in ``Outcome``.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from peergos_collab.codec.ids import EpochId
from peergos_collab.crypto import Tag, UserSeed, copen, cseal
from peergos_collab.errors import PeergosCollabError
from peergos_collab.identity.credentials import user_pair
from peergos_collab.objects import due as duties
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.member_changes import Maker
from peergos_collab.objects.membership import Membership, View
from peergos_collab.objects.op_kinds import Add, Leave, Target
from peergos_collab.objects.records import Said, make_grant
from peergos_collab.objects.surroundings import Surroundings
from peergos_collab.objects.usable_epochs import may_get, tips
from peergos_collab.objects.wraps import recipients_of
from support.circle import actor_of
from support.member_world import remembered
from support.members import Group, Person

OLD = {"a": Level.ADMIN, "b": Level.ADMIN, "c": Level.ADMIN, "d": Level.WRITE, "e": Level.READ}
NEW = ("n", "m", "q")
"""Whoever adds them hides the history from them; ``q`` is added by ``n`` and ``m``, once they are admins."""


@dataclass
class Text:
    """Something written, and what its author had seen."""

    epoch: EpochId
    sealed: bytes
    author: str
    members: frozenset[str]
    seen: frozenset[bytes]


@dataclass
class Outcome:
    """What went wrong, in words.

    Args:
        leaks: a newcomer opens what was written by somebody who did not know that he was to be added.
        unreadable: a member does not open what was written for him since he began, or, with history, at all.
        diverged: two members do not see the same.
        stuck: a writer has no epoch to write in.
    """

    leaks: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    texts: int = 0
    hidden: int = 0

    @property
    def faults(self) -> list[str]:
        return self.leaks + self.unreadable + self.diverged + self.stuck


class HiddenWorld:
    """One run. ``hostile``: newcomers who are admins add each other "with history", too."""

    def __init__(self, seed: int, *, hostile: bool = False) -> None:
        self.rng = random.Random(seed)
        self.hostile = hostile
        self.group = Group([*OLD, *NEW], self.rng.randbytes)
        self.texts: list[Text] = []
        self.outcome = Outcome()
        for name in list(OLD)[1:]:
            if self.rng.random() < 0.8:
                self._take("a", self.group["a"].maker.add(self._principal(name), OLD[name]))
        self.group.meet(*OLD)

    def run(self, steps: int = 140) -> Outcome:
        with remembered():
            for _ in range(steps):
                self._step(self.rng.choice([*OLD, *NEW, *NEW]))
            self._settle()
            self._look()
        return self.outcome

    # -- steps ------------------------------------------------------------------------------------

    def _step(self, name: str) -> None:
        roll = self.rng.random()
        if roll < 0.4:
            self._gossip(name, self.rng.choice([*OLD, *NEW]))
        elif roll < 0.6:
            self._write(name)
        elif roll < 0.62:
            self._renew_user_key(name)
        elif roll < 0.68:
            self._duty(name, to_write=False)
        elif self._level(name) is not None:
            try:
                self._take(name, self._some_change(name))
            except PeergosCollabError:
                return

    def _gossip(self, name: str, other: str) -> None:
        self.group.tell(list(self.group[other].records), name)
        self._learn(name)

    def _learn(self, name: str) -> None:
        one = self.group[name]
        known = {**one.maker.surroundings.accounts, **one.view.accounts()}
        known[one.credentials.account_id] = one.credentials.account
        one.maker = replace(one.maker, surroundings=Surroundings(accounts=known))

    def _renew_user_key(self, name: str) -> None:
        """As after a device was removed: a re-pin is due, and others learn of it by and by."""
        one = self.group[name]
        one.credentials = one.credentials.rotate_user_key(self.rng.randbytes)
        for seed in one.credentials.user_seeds.values():
            one.membership.add_pair(user_pair(seed).box)
        one.maker = replace(one.maker, actor=actor_of(one.credentials))
        self._learn(name)

    def _some_change(self, name: str) -> list[object]:
        one, roll = self.group[name], self.rng.random()
        maker, view, level = one.maker, one.view, self._level(name)
        if roll < 0.04 and name not in "ab":
            return [maker.leave(Leave())]
        if roll < 0.3 and level is not None and level >= Level.WRITE:
            return [maker.rotate()]
        if level is not Level.ADMIN:
            return []
        if self.hostile and name in NEW and roll < 0.6:
            return self._forged_add(one)
        absent = [other for other in (*OLD, *NEW) if self._principal(other).id not in view.members]
        if roll < 0.75 and absent:
            other = self.rng.choice(absent)
            role = OLD.get(other) or self.rng.choice((Level.READ, Level.WRITE, Level.ADMIN, Level.ADMIN))
            return maker.add(self._principal(other), role, hidden=other in NEW)
        own = view.members[one.id]
        juniors = [other for other in view.members.values() if other.rank > own.rank]
        if not juniors:
            return []
        target = self.rng.choice(juniors)
        if roll < 0.87:
            role = self.rng.choice((Level.READ, Level.WRITE, Level.ADMIN))
            if role > target.level:
                return list(maker.raise_role(target.principal.id, role))
            return [maker.lower_role(Target(target.principal.id), role)] if role < target.level else []
        return [maker.remove([Target(target.principal.id)])]

    def _forged_add(self, one: Person) -> list[object]:
        """An add that says "with history", of an accomplice, in the newest epoch that this one holds."""
        accomplice = self._principal(self.rng.choice(NEW))
        epoch = tips(one.view, one.membership.ring)[-1]
        keys = one.membership.keys[epoch]
        to = recipients_of(accomplice, min(keys.level, Level.WRITE), keys)
        op = Add(accomplice, Level.WRITE)
        said = Said(op, one.maker.actor, one.view.heads, (), log_known=False)
        return [make_grant(self.group.object, epoch, keys, to, said, self.rng.randbytes)]

    def _duty(self, name: str, *, to_write: bool) -> None:
        for _ in range(30):
            if self._level(name) is None:
                return
            record = self.group[name].duty(to_write=to_write)
            if record is None:
                return
            self._take(name, [record])
        raise AssertionError("duties without end")

    def _write(self, name: str) -> None:
        if (self._level(name) or 0) < Level.WRITE:
            return
        self._duty(name, to_write=True)
        one = self.group[name]
        epoch = one.usable
        if epoch is None:
            return
        keys = one.membership.keys[epoch]
        sealed = cseal(keys.content, Tag.SEAL, b"text", b"", self.rng.randbytes)
        members = frozenset(self._name(id_) for id_ in one.view.members)
        seen = frozenset(one.view.history.indices)
        self.texts.append(Text(epoch, sealed, name, members, seen))

    # -- the end ----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """All who are members get everything, and do what is due; then everybody gets it."""
        everybody = (*OLD, *NEW)
        for _ in range(40):
            self.group.meet()
            for name in everybody:
                self._learn(name)
            before = len(self.group["a"].records)
            for name in everybody:
                if self._level(name) is not None:
                    self._duty(name, to_write=False)
            self.group.meet()
            if len(self.group["a"].records) == before:
                return
        raise AssertionError("duties without end")

    def _look(self) -> None:
        self.outcome.texts = len(self.texts)
        truth = self._what_all_know_together()
        members = [name for name in (*OLD, *NEW) if self.group[name].id in truth.members]
        for name in (*OLD, *NEW):
            one = self.group[name]
            if name in NEW:
                self._look_for_leaks(name, truth)
            elif name in members and not truth.members[one.id].hidden:
                self._look_for_history(name)
            if name in members and (self._level(name) or 0) >= Level.WRITE and self._can_write(one):
                self._duty(name, to_write=True)
                if one.usable is None:
                    self.outcome.stuck.append(f"{name} has nothing to write in")
        self.group.meet()
        truth = self._what_all_know_together()
        for name in members:
            if _shown(self.group[name].view) != _shown(truth):
                self.outcome.diverged.append(f"{name} does not see what all know together")

    def _what_all_know_together(self) -> View:
        """What follows from all records, for somebody with everybody's keys."""
        pairs = [user_pair(seed).box for name in (*OLD, *NEW) for seed in self._seeds(name)]
        made = {id_: keys for one in self.group.people.values() for id_, keys in one.membership.keys.items()}
        together = Membership(self.group.object, KeyRing(pairs, made))
        together.take(self.group["a"].records)
        return together.view

    def _seeds(self, name: str) -> list[UserSeed]:
        return list(self.group[name].credentials.user_seeds.values())

    def _can_write(self, one: Person) -> bool:
        keys = one.membership.keys
        newest = tips(one.view, one.membership.ring)
        return any(keys[epoch].level >= Level.WRITE for epoch in newest)

    def _look_for_leaks(self, name: str, truth: View) -> None:
        one = self.group[name]
        member = truth.members.get(one.id)
        # A newcomer who is hostile hands on what he has: what any of them may open the others open, too.
        together = {self.group[other].id for other in (NEW if self.hostile else (name,))}
        cuts = {
            EpochId(entry.record.epoch)  # type: ignore[union-attr]
            for person in self.group.people.values()
            for entry in person.view.history.entries
            if not entry.refused and isinstance(entry.signed.op, Add) and entry.signed.op.hidden
            if entry.signed.op.principal.id in together
        }
        self.outcome.hidden += bool(cuts)
        for text in self.texts:
            if self._opens(one, text) and not cuts & text.seen and text.author not in NEW:
                self.outcome.leaks.append(f"{name} opens what {text.author} wrote before")
            is_his = member is not None and name in text.members and may_get(truth, member, text.epoch)
            if is_his and not self._opens(one, text):
                self.outcome.unreadable.append(f"{name} does not open what {text.author} wrote for him")

    def _look_for_history(self, name: str) -> None:
        for text in self.texts:
            if not self._opens(self.group[name], text):
                self.outcome.unreadable.append(f"{name} does not open what {text.author} wrote")

    def _opens(self, one: Person, text: Text) -> bool:
        keys = one.membership.keys.get(text.epoch)
        return keys is not None and copen(keys.content, Tag.SEAL, text.sealed, b"") == b"text"

    # -- who --------------------------------------------------------------------------------------

    def _take(self, name: str, records: list[object]) -> None:
        self.group.tell(records, name)  # type: ignore[arg-type]
        self._learn(name)

    def _principal(self, name: str):  # type: ignore[no-untyped-def]
        return account_principal(self.group[name].credentials.account)

    def _level(self, name: str) -> Level | None:
        return self.group[name].view.level(self.group[name].id)

    def _name(self, id_: bytes) -> str:
        return next(name for name, one in self.group.people.items() if bytes(one.id) == bytes(id_))


def _shown(view: View) -> list[object]:
    members = [
        (bytes(one.principal.id), one.level, one.rank, one.hidden, one.principal.version, one.contested)
        for one in view.members.values()
    ]
    return [sorted(members, key=lambda member: member[0]), sorted(view.void), view.heads]


__all__ = ["HiddenWorld", "Maker", "duties"]
