"""Mailboxes on a node: kept, given to their readers only, and within bounds whoever floods them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Damaged
from peergos_collab.node.mail_index import Bounds
from peergos_collab.node.mailboxes import (
    BACKLOG,
    LIFETIME_DAYS,
    MAIL,
    MAX_OPEN,
    PAGE_BYTES,
    PUT_RATE,
    Mailboxes,
)
from peergos_collab.node.shelf import Shelf
from peergos_collab.objects.mail import DAY, LEAST_WORK, SIZES, Mail, mail_id
from peergos_collab.ports import PutValue
from peergos_collab.sync.session import Session
from peergos_collab.sync.session_events import MailCame, MailKept, MailRefused
from peergos_collab.testing.store import MemoryStore

RANDOM = random.Random(31).randbytes
READER, OTHER = SigningKey.generate(RANDOM), SigningKey.generate(RANDOM)
RECEIPT = SigningKey.generate(RANDOM)
NOW = 20_000 * DAY + 5


def mail_for(
    key: SigningKey = READER, work: int = LEAST_WORK, day: int = 20_000, size: int = 1024, exact: bool = False
) -> Mail:
    """Stamped mail; ``exact`` looks until it has not a bit more than asked for."""
    while True:
        mail = Mail.stamp(MailAddress(key.public), RANDOM(size), day, RANDOM, work)
        if not exact or mail.work == work:
            return mail


@dataclass
class Client:
    """A client's session with a node, and what it was told."""

    session: Session
    served: Session
    events: list[Any] = field(default_factory=list)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def numbers(self) -> list[int]:
        return [number for event in self.of(MailCame) for number, _ in event.items]

    def mail(self) -> list[Mail]:
        return [mail for event in self.of(MailCame) for _, mail in event.items]


class Node:
    """A shelf whose batches become durable when the test says so, or at once."""

    def __init__(self, store: MemoryStore | None = None, bounds: Bounds | None = None) -> None:
        self.store = store if store is not None else MemoryStore()
        self.now = NOW
        self.lasting = True
        self.shelf = Shelf(self.store, RECEIPT, lambda: self.now, RANDOM)
        if bounds is not None:
            self.shelf.mailboxes = Mailboxes(self.store, lambda: self.now, self.shelf._touch, bounds)
        self.clients: list[Client] = []
        self.waiting: list[Callable[[], None]] = []

    def client(self) -> Client:
        client = Client(Session(b"pin", lambda _: None, RANDOM, with_node=True), self.shelf.attach(b"pin"))
        self.clients.append(client)
        return client

    def talk(self) -> None:
        """Carries frames both ways until nothing moves."""
        moved = True
        while moved:
            moved = False
            for client in self.clients:
                for frame in client.session.take_outgoing():
                    moved = True
                    self.take(client, frame)
                for frame in client.served.take_outgoing():
                    moved = True
                    client.events += client.session.receive_untrusted(frame)

    def take(self, client: Client, frame: bytes) -> None:
        for commit in self.shelf.receive_untrusted(client.served, frame):
            self.store.write(commit.batch)
            if self.lasting:
                commit.durable()
            else:
                self.waiting.append(commit.durable)

    def put(self, *mails: Mail) -> Client:
        """Puts mail from a session of its own each, and gives the last one."""
        for mail in mails:
            sender = self.client()
            sender.session.put_mail(mail)
            self.talk()
        return sender

    def read(self, key: SigningKey = READER, after: int = 0) -> Client:
        reader = self.client()
        reader.session.open_mail(key, after)
        self.talk()
        return reader

    def again(self) -> Node:
        """A new process on what is stored."""
        return Node(self.store)


def test_mail_waits_for_its_reader() -> None:
    """In the order it came, with rising numbers; the sender hears that it is kept."""
    node = Node()
    first, second = mail_for(), mail_for(size=SIZES[2])
    assert [node.put(mail).of(MailKept) for mail in (first, second)] == [
        [MailKept(first.id)],
        [MailKept(second.id)],
    ]
    reader = node.read()

    assert reader.mail() == [first, second]
    assert reader.numbers() == sorted(set(reader.numbers()))
    assert not reader.of(MailCame)[-1].more


def test_mail_is_kept_only_when_it_is_durable() -> None:
    """The reader may have it before; the sender is told nothing that a power cut could undo."""
    node = Node()
    reader = node.read()
    node.lasting = False
    mail = mail_for()
    sender = node.put(mail)
    assert reader.mail() == [mail]
    assert not sender.of(MailKept)
    for durable in node.waiting:
        durable()
    node.talk()

    assert sender.of(MailKept) == [MailKept(mail.id)]


def test_mail_comes_live() -> None:
    """To whoever has the mailbox open, from any session; not to readers of other mailboxes."""
    node = Node()
    reader, other = node.read(), node.read(OTHER)
    mail = mail_for()
    node.put(mail)

    assert reader.mail() == [mail]
    assert other.mail() == []


def test_mail_survives_a_restart() -> None:
    """With its numbers; later mail has higher ones, even if all before was dropped."""
    node = Node()
    node.put(mail_for(), mail_for())
    before = node.read().numbers()
    node = node.again()
    reader = node.read()
    assert reader.numbers() == before
    reader.session.drop_mail(READER, before)
    node.talk()
    assert node.store.keys(MAIL, b"", b"\xff" * 99, 9) == []
    node = node.again()
    node.now += 1
    node.put(mail_for())

    assert node.read().numbers() > before


def test_only_the_reader_drops() -> None:
    """A false proof changes nothing, and no number of another mailbox is touched."""
    node = Node()
    node.put(mail_for(), mail_for(OTHER))
    numbers = node.read().numbers() + node.read(OTHER).numbers()
    stranger = node.client()
    stranger.session.mail._proof = lambda _: bytes(64)  # type: ignore[method-assign]
    stranger.session.drop_mail(READER, numbers)
    node.talk()
    node.read(OTHER).session.drop_mail(OTHER, numbers)
    node.talk()

    assert len(node.read().mail()) == 1
    assert node.read(OTHER).mail() == []


def test_known_and_unknown_mailboxes_answer_alike() -> None:
    """Frame by frame: one with mail for somebody else, one without mail, one that nobody knows."""
    node = Node()
    node.put(mail_for())
    frames = []
    for key in (READER, OTHER, SigningKey.generate(RANDOM)):
        client = node.client()
        node.talk()
        if key is READER:
            client.session.mail._proof = lambda _: bytes(64)  # type: ignore[method-assign]
        client.session.open_mail(key)
        for frame in client.session.take_outgoing():
            node.take(client, frame)
        answers = client.served.take_outgoing()
        frames.append([answer.replace(key.public, b"address") for answer in answers])

    assert frames[0] == frames[1] == frames[2]
    assert len(frames[0]) == 1


class CountingStore(MemoryStore):
    """Counts how often it is looked into."""

    looks = 0

    def value(self, space: str, key: bytes) -> bytes | None:
        self.looks += 1
        return super().value(space, key)

    def keys(self, space: str, start: bytes, stop: bytes, most: int) -> list[bytes]:
        self.looks += 1
        return super().keys(space, start, stop, most)


def test_what_a_stranger_asks_costs_the_same_whatever_is_there() -> None:
    """The store is not looked into, so that the time it takes does not tell that there is mail."""
    store = CountingStore()
    node = Node(store)
    node.put(mail_for())
    looks = []
    for key in (READER, SigningKey.generate(RANDOM)):
        client = node.client()
        client.session.mail._proof = lambda _: bytes(64)  # type: ignore[method-assign]
        client.session.open_mail(key)
        before = store.looks
        node.talk()
        looks.append(store.looks - before)
    before = store.looks
    assert len(node.read().mail()) == 1

    assert looks == [0, 0]
    assert store.looks > before  # it is counted


def test_mail_for_known_and_unknown_mailboxes_is_answered_alike() -> None:
    """Who puts mail does not learn whether it is read, was ever read, or had mail before."""
    node = Node()
    node.read()
    node.put(mail_for())
    frames = []
    for key in (READER, OTHER, SigningKey.generate(RANDOM)):
        sender, mail = node.client(), mail_for(key)
        node.talk()
        sender.session.put_mail(mail)
        for frame in sender.session.take_outgoing():
            node.take(sender, frame)
        frames.append([frame.replace(mail.id, b"id") for frame in sender.served.take_outgoing()])

    assert frames[0] == frames[1] == frames[2]
    assert len(frames[0]) == 1


def test_a_false_proof_gets_nothing_later_either() -> None:
    """Who could not prove is no reader, so nothing comes live to him."""
    node = Node()
    stranger = node.client()
    stranger.session.mail._proof = lambda _: bytes(64)  # type: ignore[method-assign]
    stranger.session.open_mail(READER)
    node.talk()
    node.put(mail_for())

    assert stranger.mail() == []


def test_the_same_mail_is_kept_once() -> None:
    """Whoever sends it again, because the answer was lost, is told that it is kept."""
    node = Node()
    mail = mail_for()
    node.put(mail)
    assert node.put(mail).of(MailKept) == [MailKept(mail.id)]

    assert node.read().mail() == [mail]


def test_mail_of_other_days_is_refused() -> None:
    """Yesterday, today and tomorrow are taken, so that clocks may differ a little; nothing else."""
    node = Node()
    taken = {}
    for day in range(19_996, 20_005):
        sender = node.put(mail_for(day=day))
        refusals = sender.of(MailRefused)
        assert [refusal.reason for refusal in refusals] == (["day"] if refusals else [])
        taken[day] = bool(sender.of(MailKept))

    assert [day for day, kept in taken.items() if kept] == [19_999, 20_000, 20_001]


def test_old_mail_is_forgotten() -> None:
    """A month later nobody reads it, and it takes no room."""
    node = Node()
    node.put(mail_for())
    node.now += LIFETIME_DAYS * DAY
    assert len(node.read().mail()) == 1
    node.now += DAY
    assert node.read().mail() == []

    assert node.store.keys(MAIL, b"", b"\xff" * 99, 9) == []


def test_what_is_no_mail_is_refused() -> None:
    """With its id, so that the sender knows which."""
    node = Node()
    good = mail_for()
    raw = good.raw[:-1] + bytes([good.raw[-1] ^ 1])
    bad = Mail(good.address, good.sealed, good.day, good.work, mail_id(raw), raw)

    assert [(refusal.id, refusal.reason) for refusal in node.put(bad).of(MailRefused)] == [(bad.id, "false")]


SMALL = Bounds(mailbox_count=4, mailbox_bytes=64 << 10, all_count=8, all_bytes=80 << 10)


def test_a_full_mailbox_keeps_the_most_work() -> None:
    """Junk that did as little work as anybody may goes first, the newest of it; real mail does more."""
    node = Node(bounds=SMALL)
    junk = [mail_for(exact=True) for _ in range(5)]
    senders = [node.put(mail) for mail in junk]
    assert [refusal.reason for refusal in senders[4].of(MailRefused)] == ["full"]
    real = mail_for(work=LEAST_WORK + 1)
    assert node.put(real).of(MailKept)

    assert node.read().mail() == [*junk[:3], real]


def test_long_mail_has_to_do_more_work() -> None:
    """The same work on 16 times the bytes is worth 4 bits less, so room cannot be taken cheaply."""
    node = Node(bounds=SMALL)
    for _ in range(4):
        node.put(mail_for(work=LEAST_WORK + 3, exact=True, size=SIZES[2]))
    assert node.put(mail_for(exact=True)).of(MailKept)
    refused = node.put(mail_for(work=LEAST_WORK + 1, exact=True, size=SIZES[1])).of(MailRefused)

    assert [refusal.reason for refusal in refused] == ["full"]


def test_the_bytes_of_a_mailbox_are_bounded() -> None:
    """However few mails they are."""
    node = Node(bounds=Bounds(mailbox_count=99, mailbox_bytes=4096))
    senders = [node.put(mail_for(exact=True)) for _ in range(5)]

    assert [len(sender.of(MailKept)) for sender in senders] == [1, 1, 1, 1, 0]


@pytest.mark.parametrize(
    ("bounds", "most"), [(Bounds(all_count=3), 3), (Bounds(all_bytes=2048), 2)], ids=["count", "bytes"]
)
def test_all_mailboxes_together_are_bounded(bounds: Bounds, most: int) -> None:
    """The least work of all goes first; the store holds no more than what is kept."""
    node = Node(bounds=bounds)
    keys = [SigningKey.generate(RANDOM) for _ in range(5)]
    senders = [node.put(mail_for(key, exact=True)) for key in keys]
    assert sum(len(sender.of(MailKept)) for sender in senders) == most
    assert node.put(mail_for(OTHER, work=LEAST_WORK + 1)).of(MailKept)

    assert len(node.read(OTHER).mail()) == 1
    assert len(node.store.keys(MAIL, b"", b"\xff" * 99, 99)) == most


def test_bounds_hold_after_a_restart() -> None:
    """What is stored counts, without being read."""
    node = Node(bounds=SMALL)
    for _ in range(4):
        node.put(mail_for(exact=True))
    node = Node(node.store, SMALL)

    assert [refusal.reason for refusal in node.put(mail_for(exact=True)).of(MailRefused)] == ["full"]


def test_one_session_puts_so_much() -> None:
    """Beyond the rate it is refused; a minute later it may go on."""
    node = Node()
    sender = node.client()
    mails = [mail_for() for _ in range(PUT_RATE + 2)]
    for mail in mails[:-1]:
        sender.session.put_mail(mail)
    node.talk()
    assert len(sender.of(MailKept)) == PUT_RATE
    assert [refusal.reason for refusal in sender.of(MailRefused)] == ["busy"]
    node.now += 60_000
    sender.session.put_mail(mails[-1])
    node.talk()

    assert len(sender.of(MailKept)) == PUT_RATE + 1


def test_one_session_opens_so_many() -> None:
    """Beyond that mailboxes look empty there; on another session they are not."""
    node = Node()
    node.put(mail_for())
    client = node.client()
    for _ in range(MAX_OPEN):
        client.session.open_mail(SigningKey.generate(RANDOM))
    client.session.open_mail(READER)
    node.talk()
    assert client.mail() == []

    assert len(node.read().mail()) == 1


def test_much_mail_comes_in_pages() -> None:
    """No frame is longer than a page; all of it comes, once, and then what is new."""
    node = Node()
    mails = [mail_for(size=SIZES[3]) for _ in range(5)]
    node.put(*mails)
    reader = node.read()
    assert reader.mail() == mails
    assert [event.more for event in reader.of(MailCame)] == [True, True, False]
    assert all(sum(len(m.sealed) for _, m in e.items) <= PAGE_BYTES for e in reader.of(MailCame))
    late = mail_for()
    node.put(late)

    assert reader.mail() == [*mails, late]


def test_a_reader_may_begin_later() -> None:
    """After a number he has seen."""
    node = Node()
    node.put(mail_for(), mail_for(), mail_for())
    numbers = node.read().numbers()

    assert node.read(after=numbers[1]).numbers() == numbers[2:]


def test_a_slow_reader_asks_again() -> None:
    """What waits for him does not grow without bound, and in the end he has everything."""
    node = Node()
    reader = node.read()
    mails = [mail_for() for _ in range(BACKLOG + 20)]
    for mail in mails:
        commit = node.shelf.mailboxes.put(node.shelf.attach(b"x"), mail.raw)
        assert commit is not None
        node.store.write(commit.batch)
    assert reader.served.backlog == BACKLOG + 2
    node.talk()

    assert reader.mail() == mails


def test_damaged_mail_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the mailbox is served, and the damage does not come back."""
    node = Node()
    mails = [mail_for() for _ in range(3)]
    node.put(*mails)
    value = node.store.value
    bad = node.store.keys(MAIL, b"", b"\xff" * 99, 9)[1]

    def damaged(space: str, key: bytes) -> bytes | None:
        if key == bad:
            raise Damaged("a value is damaged")
        return value(space, key)

    monkeypatch.setattr(node.store, "value", damaged)
    assert node.read().mail() == [mails[0], mails[2]]
    monkeypatch.undo()

    assert node.read().mail() == [mails[0], mails[2]]
    assert len(node.store.keys(MAIL, b"", b"\xff" * 99, 9)) == 2


def test_foreign_keys_in_the_store_are_passed_over() -> None:
    """A key that is no mail's is left alone, and hinders nobody."""
    node = Node()
    node.put(mail_for())
    (key,) = node.store.keys(MAIL, b"", b"\xff" * 99, 9)
    node.store.write([PutValue(MAIL, b"short", b"x"), PutValue(MAIL, key[:45] + b"\x09" + key[46:], b"x")])

    assert len(node.again().read().mail()) == 1


def test_nothing_is_kept_for_sessions_that_ended() -> None:
    """Neither as readers, nor how much they put."""
    node = Node()
    reader = node.read()
    sender = node.put(mail_for())
    for client in (reader, sender):
        node.shelf.detach(client.served)
    boxes = node.shelf.mailboxes

    assert (boxes._readers, boxes._opened, boxes._rates) == ({}, {}, {})
