"""People who write one text together, some added from now on: real replicas, and a pretended network.

Everybody has his own disk. What one gives another may be a part of what he has; somebody may be away for
long, start again from his disk, or fold all anew, at any moment.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from peergos_collab.codec.ids import RunId
from peergos_collab.documents import Document
from peergos_collab.errors import Conflict, PeergosCollabError
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.op_kinds import Add, Target
from peergos_collab.objects.payload import Kind, Payload, decode_payload_untrusted
from peergos_collab.objects.records import MembershipRecord
from peergos_collab.objects.snapshots import SnapshotPart
from peergos_collab.sync import archiving
from peergos_collab.sync.arrivals import BranchState
from peergos_collab.sync.bases import Base
from peergos_collab.sync.causal_order import CausalOrder
from peergos_collab.sync.logbook import LogBook
from peergos_collab.sync.replica import Replica
from peergos_collab.sync.sealing import Collected
from peergos_collab.testing.store import MemoryStore
from peergos_collab.workspace.folds import DocumentFold
from peergos_collab.workspace.history import is_true
from support.member_world import remembered
from support.members import Group, Person


class Writing:
    """One person's replica of a group's text. It is released: what is written is sealed at once."""

    def __init__(self, group: Group, person: Person, rng: random.Random) -> None:
        self.group, self.person, self.rng = group, person, rng
        self.store = MemoryStore()
        self.start()

    def start(self, run: RunId | None = None) -> None:
        """From what is on the disk, in a new run."""
        device = self.person.credentials.device_id
        self.run = run or RunId(self.rng.randbytes(16))
        self.fold = DocumentFold(self.group.object, device, self.run, lambda: 1)
        self.replica = Replica(
            self.group.object,
            LogBook.load(self.group.object, self.store),
            self.fold,
            {},
            self.person.maker.actor,
            self.person.credentials.local,
            self.run,
            lambda: 1,
            self.rng.randbytes,
        )
        self.replica.released = True
        self.replica.deliver_stored()
        self.replica.restore_journal()
        self.fold.document.on_update(self._submit)

    def _submit(self, update: bytes) -> None:
        self.replica.submit(update)
        self.seal()

    def seal(self) -> None:
        while (collected := self.replica.collect()) is not None:
            self.keep(collected)

    def keep(self, collected: Collected | None) -> bool:
        if collected is not None:
            self.store.write(collected.batch)
            self.store.flush()
            self.replica.book.settle(collected.arrivals)
        return collected is not None

    # -- what comes -------------------------------------------------------------------------------

    def know(self, *records: MembershipRecord) -> None:
        self.take([record.raw for record in records], [])

    def take(self, records: Iterable[bytes], segments: Iterable[bytes]) -> None:
        """Takes what others have, as a shell does."""
        self.store.write(self.replica.take_records(records).batch)
        self.replica.deliver_waiting("memory")
        self.store.write(self.replica.take_segments(segments, "memory").offered.batch)
        self.store.flush()

    def all(self) -> tuple[list[bytes], list[list[bytes]]]:
        """Its records, and its segments by branch."""
        book = self.replica.book
        records = [record.raw for record in book.membership_records()]
        certificates = [certificate.raw for certificate in book.certificates.values()]
        logs = [_all_of(book, branch) for branch in book.numbered.values()]
        return [*records, *certificates], logs

    def tell(self, other: Writing, *, most: int = 1 << 30) -> None:
        """Gives another its records, and of each log what fits into ``most`` segments."""
        records, logs = self.all()
        self.rng.shuffle(logs)
        other.take(records, [raw for log in logs for raw in log[:most]])

    # -- what is done -----------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return self.fold.document.text

    @property
    def level(self) -> Level | None:
        return self.replica.view.level(self.person.id)

    @property
    def is_hidden(self) -> bool:
        return self.replica.order.bases.is_hidden

    def write(self, at: int, text: str, gone: int = 0) -> None:
        length = len(self.fold.document)
        start = min(at, length)
        self.fold.document.edit(start, min(length, start + gone), text)

    def only_add(self, other: Writing, level: Level, *, hidden: bool) -> None:
        """Makes another a member, and that is all."""
        principal = account_principal(other.person.credentials.account)
        self.publish(self.replica.seat.maker.add(principal, level, hidden=hidden))

    def remove(self, other: Writing) -> None:
        """Removes another; all of his that is here counts."""
        maker, id_ = self.replica.seat.maker, other.person.id
        self.publish([maker.remove([Target(id_, b"", tuple(maker.closes(id_, b"")))])])

    def add(self, other: Writing, level: Level, *, hidden: bool) -> None:
        """Makes another a member; who is added from now on gets a base."""
        self.only_add(other, level, hidden=hidden)
        if other.person.id in self.replica.view.members and self.replica.view.members[other.person.id].hidden:
            self.base()

    def publish(self, records: Sequence[MembershipRecord]) -> None:
        self.know(*records)

    def base(self) -> bool:
        self.seal()
        self.settle()
        return self.keep(self.replica.make_base())

    def settle(self) -> None:
        """Folds all anew where that is due."""
        for _ in range(20):
            if not self.replica.unsettled:
                return
            self.fold_anew()
        raise AssertionError("unsettled for ever")

    def empty_fold(self) -> DocumentFold:
        device, run = self.person.credentials.device_id, RunId(self.rng.randbytes(16))
        fold = DocumentFold(self.group.object, device, run, lambda: 1)
        fold.guarded = self.fold.own_clock()
        return fold

    def believes(self, base: Base) -> bool:
        """Whether a base holds what the history holds."""
        return is_true(self.replica, base, LogBook.load(self.group.object, self.store), self.empty_fold)

    def fold_anew(self) -> CausalOrder:
        anew = self.replica.fold_anew(LogBook.load(self.group.object, self.store), self.empty_fold())
        self.store.write(self.replica.adopt(anew))
        self.store.flush()
        self.fold.put_back()
        self.seal()
        return anew

    def archive(self) -> int:
        """Archives all that is due, as the workspace does; how many archives that made."""
        book, made = self.replica.book, 0
        for branch in list(book.numbered.values()):
            while archiving.is_due(branch):
                beside = LogBook.load(book.object, self.store)
                beside.archived.keys = self.replica.keys
                there = beside.numbered[branch.number]
                packed = archiving.pack_next(beside, there, self.replica.keys)
                if packed is None:
                    break
                self.store.write(archiving.take_packed(book, packed))
                self.store.flush()
                made += 1
        return made

    def lie(self, text: str) -> bool:
        """Makes a base that says something else than the history; whether that could be."""
        other = Document(self.rng.getrandbits(40) + 1)
        other.edit(0, 0, text)
        true, self.fold.snapshot_state = self.fold.snapshot_state, other.state  # type: ignore[method-assign]
        try:
            return self.base()
        finally:
            self.fold.snapshot_state = true  # type: ignore[method-assign]

    def check_bases(self) -> None:
        """As the workspace does with what others made."""
        order = self.replica.order
        for id_ in list(order.bases.unchecked):
            base = order.bases.known.get(id_)
            if base is not None and order.base_counts(base) and not self.believes(base):
                order.bases.find_false(base)
        order.bases.unchecked.clear()

    def duties(self) -> bool:
        """What is due; whether there was anything."""
        self.check_bases()
        try:
            batch = self.replica.do_duties()
        except PeergosCollabError:
            batch = []
        self.store.write(batch)
        self.store.flush()
        self.replica.deliver_waiting("memory")
        self.settle()
        made = self.replica.base_is_due and self.base()
        return bool(batch) or made


class Table:
    """Everybody, by name. ``names``: the first made the object."""

    person: type[Writing] = Writing

    def __init__(self, names: str, seed: int = 7) -> None:
        self.rng = random.Random(seed)
        self.group = Group(list(names), self.rng.randbytes, Kind.DOCUMENT)
        self.people = {name: self.person(self.group, self.group[name], self.rng) for name in names}
        self[names[0]].know(self.group.first)

    def __getitem__(self, name: str) -> Writing:
        return self.people[name]

    def add(self, by: str, who: str, level: Level = Level.WRITE, *, hidden: bool = False) -> None:
        self[by].add(self[who], level, hidden=hidden)

    def meet(self, names: str | None = None) -> None:
        """Everybody gets what everybody has, and does what is due, until nothing is."""
        some = [self[name] for name in (names or self.people)]
        for _ in range(30):
            for one in some:
                for other in some:
                    if other is not one:
                        one.tell(other)
            for one in some:
                one.settle()
            done = [one.duties() for one in some if one.level is not None]
            if not any(done):
                return
        raise AssertionError("duties without end")


@dataclass
class Secret:
    """Something written and taken away at once, by somebody who had seen these adds."""

    text: str
    author: str
    seen: frozenset[bytes]


LIE: Final = "what nobody wrote"


class HiddenTexts:
    """A random run: people write, are away, start again, and add others from now on.

    Args:
        removals: members are removed as well.
        liar: a writer gives newcomers words that nobody wrote, now and then.
    """

    OLD: Final = {"a": Level.ADMIN, "b": Level.ADMIN, "c": Level.WRITE, "d": Level.READ}
    NEW: Final = "nm"

    def __init__(self, seed: int, *, removals: bool = False, liar: bool = False) -> None:
        self.rng = random.Random(seed)
        self.liar = liar
        self.lies = 0
        self.removals = removals
        self.table = Table("".join(self.OLD) + self.NEW, seed)
        self.secrets: list[Secret] = []
        self.faults: list[str] = []
        self.written = self.bases = self.passed = 0
        self.table["a"].fold.document.track_undo()
        self._write("a")
        for name in "bcd":
            self.table.add("a", name, self.OLD[name])
        self.table.meet("abcd")

    def run(self, steps: int = 50) -> HiddenTexts:
        names = [*self.OLD, *self.NEW]
        with remembered():
            for _ in range(steps):
                self._step(self.rng.choice(names), self.rng.choice(names))
            self._look()
        return self

    def _step(self, name: str, other: str) -> None:
        if self.liar and self.rng.random() < 0.1:
            self._lie(self.table["c"])
        one, roll = self.table[name], self.rng.random()
        if roll < 0.35:
            one.tell(self.table[other], most=self.rng.choice((1, 2, 3, 1 << 30)))
            self.table[other].settle()
        elif roll < 0.6:
            self._write(name)
        elif roll < 0.7:
            self._write_secret(name)
        elif roll < 0.76 and one.level is not None:
            one.duties()
        elif roll < 0.82:
            one.start()
        elif roll < 0.86:
            one.fold_anew()
        elif one.level is Level.ADMIN:
            self._change_members(one, name, other)

    def _lie(self, one: Writing) -> None:
        waited_for = any(member.hidden for member in one.replica.view.members.values())
        if waited_for and (one.level or 0) >= Level.WRITE:
            self.lies += one.lie(LIE)

    def _change_members(self, one: Writing, name: str, other: str) -> None:
        view = one.replica.view
        roll, id_ = self.rng.random(), self.table[other].person.id
        try:
            if roll < 0.7 and id_ not in view.members:
                level = self.OLD.get(
                    other, self.rng.choice((Level.WRITE, Level.WRITE, Level.ADMIN, Level.READ))
                )
                one.add(self.table[other], level, hidden=other in self.NEW)
            elif roll < 0.85:
                one.publish([one.replica.seat.maker.rotate()])
            elif (
                self.removals
                and id_ in view.members
                and view.members[id_].rank > view.members[one.person.id].rank
            ):
                one.remove(self.table[other])
        except Conflict:
            return

    def _write(self, name: str) -> None:
        one = self.table[name]
        if (one.level or 0) >= Level.WRITE:
            self.written += 1
            one.write(self.rng.randrange(200), f"<{name}{self.written}>", self.rng.choice((0, 0, 0, 3)))

    def _write_secret(self, name: str) -> None:
        one = self.table[name]
        if (one.level or 0) >= Level.WRITE:
            secret = Secret(
                f"{self.rng.getrandbits(64):016x}", name, frozenset(one.replica.view.history.indices)
            )
            at = self.rng.randrange(len(one.fold.document) + 1)
            one.write(at, secret.text)
            one.write(at, "", len(secret.text))
            if not one.replica.unsealed:  # else it is sealed, and told, only later
                self.secrets.append(secret)

    def _look(self) -> None:
        self.table.meet()
        people = self.table.people
        view = people["a"].replica.view
        inside = {name: one for name, one in people.items() if one.person.id in view.members}
        texts = {name: one.text for name, one in inside.items()}
        full = [name for name in inside if not view.members[people[name].person.id].hidden]
        for name, text in texts.items():
            if text != texts[full[0]]:
                self.faults.append(f"{name} sees another text: {text!r}, not {texts[full[0]]!r}")
            if LIE in text:
                self.faults.append(f"{name} sees what nobody wrote")
            if name in full and people[name].replica.order.bases.used:
                self.faults.append(f"{name} uses a base, and has the history")
        for name in self.NEW:
            self._look_for_leaks(name)
        for name in full:
            self._look_for_accusations(name)
        self.bases = len(people[full[0]].replica.order.bases.known)
        self.passed = sum(len(one.replica.order.bases.passed) for one in inside.values())
        for name, one in inside.items():
            before = one.text
            one.start()
            if one.text != before:
                self.faults.append(f"{name} sees another text after a start")
            one.fold_anew()
            if one.text != before:
                self.faults.append(f"{name} sees another text after all was folded anew")

    def _look_for_leaks(self, name: str) -> None:
        one = self.table[name]
        adds = [
            entry
            for person in self.table.people.values()
            for entry in person.replica.view.history.entries
            if not entry.refused
            and isinstance(entry.signed.op, Add)
            and entry.signed.op.principal.id == one.person.id
        ]
        if any(not entry.signed.op.hidden for entry in adds):  # type: ignore[union-attr]
            return
        cuts = {bytes(entry.record.epoch) for entry in adds}  # type: ignore[union-attr]
        for secret in self.secrets:
            if (
                secret.author not in self.NEW
                and not cuts & secret.seen
                and self._reads(one, secret.text.encode())
            ):
                self.faults.append(f"{name} reads what {secret.author} wrote before, and took away")

    def _look_for_accusations(self, name: str) -> None:
        """Nobody lies here."""
        one = self.table[name]
        for base in one.replica.order.bases.known.values():
            lied = self.liar and base.author.name == "c"
            if not lied and one.replica.order.base_counts(base) and not one.believes(base):
                self.faults.append(f"{name} takes a base of {base.author.name} to be false")

    @staticmethod
    def _reads(one: Writing, secret: bytes) -> bool:
        """Whether somebody can make it out of his disk, but in a text that was given to him with it."""
        for branch in one.replica.book.numbered.values():
            for segment in one.replica.book.stored(branch, branch.first):
                keys = one.replica.keys.get(segment.epoch)
                if keys is None:
                    continue
                payload = decode_payload_untrusted(segment.open(keys.content))
                if secret in payload.content and secret not in _text_in(payload):
                    return True
        return False


def _all_of(book: LogBook, branch: BranchState) -> list[bytes]:
    raws: list[bytes] = []
    while branch.first + len(raws) <= branch.tip:
        raws += book.read(branch, branch.first + len(raws), 1 << 30)
    return raws


def _text_in(payload: Payload) -> bytes:
    if payload.kind is not Kind.SNAPSHOT:
        return b""
    return Document(1, SnapshotPart.decode_untrusted(payload.content).piece).text.encode()
