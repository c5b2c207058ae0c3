"""People who write one text together and have its history forgotten: real replicas, a pretended network."""

from __future__ import annotations

import random
from typing import Final

from peergos_collab.objects.archives import Archive
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.prunes import Forgets, Prune
from peergos_collab.sync.archiving import pack_before, take_packed
from peergos_collab.sync.arrivals import BranchState
from peergos_collab.sync.husks import make_husks
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.pruning import admin_epoch, forgetting
from peergos_collab.workspace.history import stands_for_all
from support.hidden_texts import Table, Writing
from support.member_world import remembered


class Forgetful(Writing):
    """One of them, who does by himself what is due only where a test says so."""

    def publish_prune(self, what: Forgets | bytes, by: Forgetful | None = None) -> Prune:
        """Says what is to be forgotten, or objects, with keys of the epoch of today's admins."""
        book, one = self.replica.book, by or self
        epoch = admin_epoch(book)
        assert epoch is not None
        keys, actor = one.replica.keys[epoch], one.replica.actor
        prune = Prune.issue(book.object, epoch, what, keys, actor, self.rng.randbytes)  # type: ignore[arg-type]
        self.take([prune.raw], [])
        return prune

    def make_base_for_all(self) -> Forgets:
        self.seal()
        self.settle()
        made = self.replica.make_base_for_all()
        assert made is not None
        self.keep(made[0])
        return made[1]

    def have_forgotten(self) -> Prune:
        """As an admin: what stands for all, and the record."""
        return self.publish_prune(self.make_base_for_all())

    def finds_true(self, prune: Prune) -> bool | None:
        assert prune.forgets is not None
        object_id, store = self.group.object, self.store
        return stands_for_all(
            self.replica, prune.forgets, lambda: LogBook.load(object_id, store), self.empty_fold
        )

    def forget_all(self) -> bool:
        """Forgets all that counts, as after the time to object; whether there was anything."""
        forgot = [self.forget(prune) for prune in forgetting(self.replica.book)]
        return any(forgot)

    def forget(self, prune: Prune, most: int = 1 << 30) -> bool:
        """Forgets what one says, at most in so many steps: then the home was killed."""
        assert prune.forgets is not None
        some = False
        while most and (left := self.replica.left_to_forget(prune.forgets)):
            number, stop = next(iter(left.items()))
            husked = make_husks(self.replica.book, self.replica.book.numbered[number], stop)
            assert husked is not None
            self.store.write(self.replica.forget(husked, prune.forgets))
            self.store.flush()
            some, most = True, most - 1
        if most:
            self.settle()
        return some

    # -- what comes -------------------------------------------------------------------------------

    def take_archives(self, archives: list[Archive]) -> None:
        book = self.replica.book
        for archive in map(book.lacking_part, archives):
            while (packed := pack_before(book, archive)) is not None:
                self.store.write(take_packed(book, packed))
                self.store.flush()
            offered = book.take_closed(archive)
            self.store.write(offered.batch)
            self.store.flush()
            self.replica.order.take(offered.arrivals, "memory")

    def tell(self, other: Writing, *, most: int = 1 << 30) -> None:
        assert isinstance(other, Forgetful)
        book = self.replica.book
        records = [record.raw for record in (*book.compared_records(), *book.certificates.values())]
        other.take(records, [])
        branches = list(book.numbered.values())
        self.rng.shuffle(branches)
        branches.sort(key=lambda branch: branch.base is not None)
        for branch in branches:
            self._tell_branch(branch, other, most)

    def _tell_branch(self, branch: BranchState, other: Forgetful, most: int) -> None:
        book, seq = self.replica.book, branch.first
        while seq <= branch.tip and most > 0:
            closed = book.archived.closed_at(branch.number, seq)
            if closed is not None:
                other.take_archives([closed])
                seq = closed.last + 1
                continue
            raws = book.read(branch, seq, 1)[:1]
            other.take([], raws)
            seq, most = seq + len(raws), most - 1

    def opens(self, text: str) -> bool:
        """Whether something can be made out of this disk."""
        book = self.replica.book
        for branch in book.numbered.values():
            for segment in book.stored(branch, branch.first):
                held = self.replica.keys.get(segment.epoch)
                if held is not None and segment.is_here and text.encode() in segment.open(held.content):
                    return True
        return text in self.fold.document.state().decode("latin-1")


class ForgetfulTable(Table):
    """Everybody, by name."""

    person = Forgetful

    def __getitem__(self, name: str) -> Forgetful:
        one = self.people[name]
        assert isinstance(one, Forgetful)
        return one


def written_together(names: str = "abc", seed: int = 7) -> ForgetfulTable:
    """A text that all of them wrote, and what was taken away again; ``a`` is the admin."""
    table = ForgetfulTable(names, seed)
    table["a"].write(0, "begin ")
    for name in names[1:]:
        table.add("a", name, Level.WRITE)
    table.meet()
    for at, name in enumerate(names * 3):
        table[name].write(at * 2, f"<{name}{at}>")
        table.meet()
    table[names[-1]].write(0, "secret")
    table.meet()
    table[names[0]].write(0, "", len("secret"))
    table.meet()
    return table


class ForgettingTexts:
    """A random run: people write, are away, start again or are killed, and have the history forgotten.

    ``z`` hears of all at once and never forgets: what he has in the end, all have to have.
    """

    LEVELS: Final = {"a": Level.ADMIN, "b": Level.ADMIN, "c": Level.WRITE, "d": Level.WRITE, "z": Level.WRITE}
    NEW: Final = "e"

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.table = ForgetfulTable("".join(self.LEVELS) + self.NEW, seed)
        self.faults: list[str] = []
        self.written = self.said = self.husked = self.killed = 0
        self._write("a")
        for name in "bcdz":
            self.table.add("a", name, self.LEVELS[name])
        self.table.meet("abcdz")

    def run(self, steps: int = 60) -> ForgettingTexts:
        with remembered():
            for _ in range(steps):
                self._step(self.rng.choice("abcde"), self.rng.choice("abcde"))
            self._look()
        return self

    def _step(self, name: str, other: str) -> None:
        one, roll = self.table[name], self.rng.random()
        if one.level is None:
            if self.rng.random() < 0.2:
                self.table.add(self.rng.choice("ab"), name, Level.WRITE)
        elif roll < 0.35:
            one.tell(self.table[other], most=self.rng.choice((1, 3, 1 << 30)))
            self.table[other].settle()
        elif roll < 0.65:
            self._write(name)
        elif roll < 0.72:
            one.start()
        elif roll < 0.76:
            one.fold_anew()
        elif roll < 0.8:
            one.archive()
        elif roll < 0.86 and one.level is Level.ADMIN:
            self._have_forgotten(one)
        else:
            self._forget(name, killed=self.rng.random() < 0.3)

    def _write(self, name: str) -> None:
        self.written += 1
        one = self.table[name]
        one.write(self.rng.randrange(200), f"<{name}{self.written}>", self.rng.choice((0, 0, 3, 9)))
        one.tell(self.table["z"])

    def _have_forgotten(self, one: Forgetful) -> None:
        if not one.replica.unsealed and not one.replica.order.waiting:
            one.have_forgotten()
            one.tell(self.table["z"])
            self.said += 1

    def _forget(self, name: str, *, killed: bool) -> None:
        one = self.table[name]
        for prune in forgetting(one.replica.book):
            verdict = one.finds_true(prune)
            if verdict is False:
                self.faults.append(f"{name} takes what is true to be false")
            if verdict:
                self.husked += one.forget(prune, most=1 if killed else 1 << 30)
                self.killed += killed
        if killed:
            one.start()

    def _look(self) -> None:
        self.table.meet()
        for name in "abcde":
            if self.table[name].level is not None:
                self._forget(name, killed=False)
        self.table.meet()
        people = {name: one for name, one in self.table.people.items() if one.level is not None}
        for name, one in people.items():
            if one.text != people["z"].text:
                self.faults.append(f"{name} sees another text: {one.text!r}, not {people['z'].text!r}")
            self.faults += [f"{name} sets aside: {aside.reason}" for aside in one.replica.order.set_aside]
        for name, one in people.items():
            one.start()
            if one.text != people["z"].text:
                self.faults.append(f"{name} sees another text after a start")
