"""Who shares with whom: what the node that stores can tell, if it remembers everything, behind an entry node.

The acceptance test of the design. Ana shares a document with Ben, with Cleo, or with her own second device,
which does the same as they do: a link that nobody else uses, a contact that is nobody. All of them have used
the node before, and it knows every id and session of that. After that, the three look alike to it.

Clients that leak on purpose show that the test would notice.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.codec import decode_untrusted
from peergos_collab.codec.address import parse_address
from peergos_collab.crypto import SigningKey
from peergos_collab.identity.cards import mailbox_key
from peergos_collab.identity.pairs import PairMailbox
from peergos_collab.node import serve_node
from peergos_collab.objects import segments
from peergos_collab.objects.letters import LetterKind
from peergos_collab.objects.mail import DAY
from peergos_collab.ports.installed import installed_relay
from peergos_collab.sync.frames import MAX_FRAME, PROTOCOL_VERSION, Frame, encode_frame
from peergos_collab.workspace import Role, create_workspace, mail_reader, mail_sender, network
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.mail_session import MailSession
from peergos_collab.workspace.mailroom import Mailroom
from peergos_collab.workspace.open_object import OpenObject
from peergos_collab.workspace.sync_link import SyncLink
from support.homes import RELAYED, Person, World, agree, until, world
from support.leaks import leaks, letters
from support.linking import link
from support.needles import forms, found, runs, runs_in
from support.observer import Observer, Transcript

TEXT = "We meet at the lighthouse on Tuesday."
LAPTOP = "laptop"
"""Ana's second device. Others are people."""

NAMES = {"Ben": "Ben", "Cleo": "Kleopatra Philopator aus dem Hause der Ptolemaier, die Siebente"}
"""What they call themselves: sizes must not tell them apart."""

NOT_NOW = (1e6, 2e6)
"""Seconds: sessions that come by chance come when nobody records. They come at any time, whatever is done."""


@pytest.fixture(autouse=True)
def by_chance_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (network, mail_reader, mail_sender):
        monkeypatch.setattr(module, "FIRST_SECONDS", NOT_NOW)


class Stage:
    """Nodes and people, and what the store has seen of them."""

    def __init__(self, made: World) -> None:
        self.made = made
        self.observer = Observer()
        self.people: dict[str, Person] = {}
        self.store = self.entry = ""

    @classmethod
    async def build(cls, made: World) -> Stage:
        stage = cls(made)
        store = await serve_node(made.root / "store", "127.0.0.1", 0, transport=stage.observer)
        made.nodes.append(store)
        stage.store, stage.entry = store.address, (await made.node("entry", entry=True)).address
        return stage

    @property
    def ana(self) -> Person:
        return self.people["Ana"]

    @property
    def cards(self) -> frozenset[bytes]:
        """The mailboxes on people's cards."""
        seeds = (person.engine.keys.credentials.user_seed for person in self.people.values())
        return frozenset(mailbox_key(seed).public for seed in seeds)

    def secrets(self) -> list[bytes]:
        """Ids of accounts and devices, names, titles and texts."""
        all_ = [person.engine.keys.credentials for person in self.people.values()]
        found = [form for one in all_ for id_ in (one.account_id, one.device_id) for form in forms(id_)]
        return found + [
            word.encode() for word in (TEXT, "plans of Ben", "with Dora", "Dear diary.", *NAMES.values())
        ]

    def leaks(self) -> list[str]:
        return leaks(self.observer, *self.secrets(), cards=self.cards)

    async def arrive(self, *names: str, node: str = "") -> None:
        """People come, who reach their node through the entry and keep something of their own there."""
        for who in names:
            if not (self.made.root / who).exists():
                create_workspace(
                    self.made.root / who, name=NAMES.get(who, who), passphrase=None, device_name=who
                )
            person = self.people[who] = await self.made.person(who)
            await person.workspace.set_entry_node(self.entry)
            await person.workspace.add_node(node or self.store)
            await person.workspace.new_document("diary", "Dear diary.")

    async def link_laptop(self) -> None:
        """Ana's second device, which writes into the diary, too."""
        way = installed_relay(parse_address(self.entry))
        await link(self.made, "Ana", LAPTOP, way=way)
        laptop = self.people[LAPTOP] = await self.made.person(LAPTOP)
        await self.everybody_syncs()
        laptop.append("diary", " Here I am.")

    async def everybody_syncs(self) -> None:
        for person in self.people.values():
            await person.workspace.sync()

    async def remember(self) -> None:
        """All that happened until now, and what follows from it, is known from here on."""
        await self.everybody_syncs()
        self.observer.remember()

    def transcript(self) -> Transcript:
        """What was done since; Ana's profile is polled whatever is done, at times of its own."""
        return self.observer.transcript(leave_out=self.ana.engine.keys.profile)

    async def look_at_profile(self, *people: Person) -> None:
        """The profile's turn has come, on one device after the other."""
        for person in people:
            await first_look(self.store, person, "")


@asynccontextmanager
async def after_an_hour(root: Path, *others: str, dora: bool = True) -> AsyncIterator[Stage]:
    """All have things of their own at the store, and share some with Dora; the observer remembers it."""
    async with world(root) as made:
        stage = await Stage.build(made)
        people = [who for who in others if who != LAPTOP]
        await stage.arrive("Ana", *people, *(["Dora"] if dora else []))
        for who in ("Ana", *people) if dora else ():
            await stage.people[who].workspace.new_document("with Dora", "Hello.")
            text = await stage.people[who].workspace.share_link("with Dora", Role.WRITER)
            await stage.people["Dora"].workspace.join(text, f"with {who}")
        if LAPTOP in others:
            await stage.link_laptop()
        await stage.remember()
        yield stage


async def first_look(store: str, person: Person, path: str) -> None:
    """A short session with the circle of one object; the profile's without a path."""
    engine = person.engine
    opened = engine.find(path) if path else engine.objects[engine.keys.profile]
    async with engine.online.needed() as connections:
        connections.refresh()
        with engine.online.holding(opened):
            await until(lambda: same_at(store, person, opened), person, what="comparing with the node")


def same_at(node: str, person: Person, opened: OpenObject) -> bool:
    """Whether both sides have the same, and the node said in this session that it keeps it."""
    connections = person.engine.online.network
    assert connections is not None
    node_link = connections.link_of(opened.live.id, node)
    at = node_link.link if node_link is not None else None
    there = at is not None and opened.live.id in at.ready and opened.live.id in at.checked
    return there and opened.live.saved_on(node)


async def share_and_write(stage: Stage, who: str, path: str, *, profile_first: bool = False) -> None:
    """She makes and shares it, the other joins and writes a line, she reads it; then both go.

    Args:
        profile_first: her second device has heard of it when it uses the link.
    """
    other = stage.people[who]
    await stage.ana.workspace.new_document(path, TEXT)
    text = await stage.ana.workspace.share_link(path, Role.WRITER)
    if profile_first:
        await stage.look_at_profile(stage.ana, other)
        assert other.engine.profile.view.find(path) is not None
    assert await other.workspace.join(text) == path
    await write_together(stage.store, stage.ana, other, path)


async def write_together(store: str, ana: Person, other: Person, path: str) -> None:
    """Both have it open; he writes a line, she reads it, and both go. He may have it at another node, too."""
    handles = [await person.workspace.open_document(path) for person in (ana, other)]
    for person in (ana, other):
        await person.workspace.go_online(RELAYED)
        opened = person.opened(path)
        await until(lambda person=person, opened=opened: same_at(store, person, opened), person)  # type: ignore[misc]
    other.append(path, " Bring a lamp.")
    assert await agree(path, ana, other) == TEXT + " Bring a lamp."
    for person in (ana, other):
        live = person.opened(path).live
        await until(lambda live=live: live.saved_on(store), person)  # type: ignore[misc]
    for person, handle in zip((ana, other), handles, strict=True):
        await handle.close()
        await person.engine.online.leave(RELAYED)


async def recorded(stage: Stage, who: str, path: str, *, profile_first: bool = False) -> Transcript:
    """What the observer sees of one share; afterwards it knows that, too."""
    await share_and_write(stage, who, path, profile_first=profile_first)
    transcript = stage.transcript()
    await stage.remember()
    return transcript


async def test_with_whom_something_is_shared_does_not_show(tmp_path: Path) -> None:
    """Shares with three parties: equal in sessions, verbs, numbers, sizes and order, new things renamed."""
    async with after_an_hour(tmp_path, "Ben", "Cleo", LAPTOP) as stage:
        with_ben = await recorded(stage, "Ben", "plans 1")
        with_cleo = await recorded(stage, "Cleo", "plans 2")
        with_herself = await recorded(stage, LAPTOP, "plans 3")
        with_herself_later = await recorded(stage, LAPTOP, "plans 4", profile_first=True)

        assert len(with_ben) >= 5
        assert with_ben == with_cleo
        assert with_ben == with_herself
        assert with_ben == with_herself_later
        assert stage.leaks() == []


async def acquaint(stage: Stage, *names: str) -> None:
    """Ana and others know each other by card, and have heard so."""
    for who in names:
        other = stage.people[who]
        await stage.ana.workspace.add_contact(await other.workspace.contact_card(), who)
        await other.workspace.add_contact(await stage.ana.workspace.contact_card(), "Ana")
    for _ in range(2):
        await stage.everybody_syncs()


async def test_with_which_contact_something_is_shared_does_not_show(tmp_path: Path) -> None:
    """Nor, at the node where a document is, which contact it was shared with by mail at another node.

    Nor whether that contact is anybody: Ana's second device can do all that he would do.
    """
    async with world(tmp_path) as made:
        stage = await Stage.build(made)
        elsewhere = await made.node("elsewhere")
        await stage.arrive("Ana")
        await stage.arrive("Ben", "Cleo", "Nobody", node=elsewhere.address)
        await acquaint(stage, "Ben", "Cleo", "Nobody")
        await stage.link_laptop()
        await stage.remember()
        transcripts = []
        for who, path in (("Ben", "plans 1"), ("Cleo", "plans 2"), ("Nobody", "plans 3")):
            await stage.ana.workspace.new_document(path, TEXT)
            assert await stage.ana.workspace.share_with(path, who, Role.WRITER) == who
            if who == "Nobody":
                await stage.look_at_profile(stage.ana, stage.people[LAPTOP])
                await first_look(stage.store, stage.people[LAPTOP], path)
            else:
                await stage.people[who].workspace.sync()  # it is accepted by itself
            await write_together(
                stage.store, stage.ana, stage.people[LAPTOP if who == "Nobody" else who], path
            )
            transcripts.append(stage.transcript())
            await stage.remember()

        assert len(transcripts[0]) >= 4
        assert transcripts[0] == transcripts[1]
        assert transcripts[0] == transcripts[2]


async def test_lengths_and_bytes_on_the_wire(tmp_path: Path) -> None:
    """Whatever goes in or out at the store has an allowed length, and shows nobody and nothing.

    Nor does anything that the two nodes keep.
    """
    async with after_an_hour(tmp_path, "Ben", "Cleo") as stage:
        ana = stage.ana
        await acquaint(stage, "Ben")
        await ana.workspace.new_document("plans of Ben", TEXT)
        assert await ana.workspace.share_with("plans of Ben", "Ben", Role.WRITER) == "Ben"
        await share_and_write(stage, "Ben", "plans")
        frames = {seen.frame for seen in stage.observer.record}
        nodes = [file for name in ("store", "entry") for file in (tmp_path / name).iterdir()]
        kept = [file for file in nodes if file.name != "lock"]

        assert stage.leaks() == []
        assert {Frame.SEGMENTS, Frame.RECORDS, Frame.PUT_DROP, Frame.PUT_MAIL, Frame.EPHEMERAL} <= frames
        assert found(kept, runs(*stage.secrets())) == set()
        # The search itself works: what must be there is found.
        shared = ana.opened("plans of Ben").live.id
        assert runs_in(stage.observer.wire, runs(shared)) == runs(shared)
        assert found(kept, runs(shared)) == runs(shared)


def shift(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Clients' clocks for mail go on; nodes take mail of tomorrow."""
    for module in (mail_sender, mail_reader):
        monkeypatch.setattr(module, "now_ms", lambda: now_ms() + days * DAY)


async def shared_on_two_days(stage: Stage, monkeypatch: pytest.MonkeyPatch, *names: str) -> list[bytes]:
    """Ana shares something with each contact today and tomorrow; the mailboxes that were written to.

    He has read and accepted it when this returns, and she has looked at her mail.
    """
    await acquaint(stage, *names)
    before = len(letters(stage.observer))
    for day in (0, 1):
        shift(monkeypatch, day)
        for who in names:
            await stage.ana.workspace.new_document(f"{who} {day}", TEXT)
            await stage.ana.workspace.share_with(f"{who} {day}", who, Role.WRITER)
            await stage.people[who].workspace.sync()
            assert stage.people[who].text(f"{who} {day}") == TEXT
            await stage.ana.workspace.sync()
    return [bytes(letter.address) for letter in letters(stage.observer)[before:]]


async def test_each_pair_and_day_has_a_mailbox_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two contacts on two days: four letters in four mailboxes, none on a card, and no answer to any."""
    async with world(tmp_path) as made:
        stage = await Stage.build(made)
        await stage.arrive("Ana", "Ben", "Cleo")
        written_to = await shared_on_two_days(stage, monkeypatch, "Ben", "Cleo")

        assert len(written_to) == len(set(written_to)) == 4
        assert stage.cards.isdisjoint(written_to)
        assert stage.leaks() == []


# -- clients that leak -------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def one_session_for_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(network, "circle_of", lambda _: bytes(16))


def one_session_id_for_all(patch: pytest.MonkeyPatch) -> None:
    class Marked(SyncLink):
        def __init__(self, connection: Any, objects: Any, owner: Any, random: Any, *rest: Any, **more: Any):
            run = owner.engine.run
            super().__init__(connection, objects, owner, lambda count: bytes(run[:count]), *rest, **more)

    patch.setattr(network, "SyncLink", Marked)


def account_in_the_hello(patch: pytest.MonkeyPatch) -> None:
    class Named(SyncLink):
        def __init__(self, connection: Any, objects: Any, owner: Any, *rest: Any, **more: Any):
            super().__init__(connection, objects, owner, *rest, **more)
            (hello,) = self.session.take_outgoing()
            nonce = decode_untrusted(hello, MAX_FRAME)[2]
            account = owner.engine.keys.credentials.account_id
            self.session.send_frame(encode_frame(Frame.HELLO, PROTOCOL_VERSION, nonce, account, False))

    patch.setattr(network, "SyncLink", Named)


def lengths_as_they_are(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "padme", lambda length: length)


def introductions_as_long_as_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(segments, "_COARSE", ())


def one_mailbox_for_all_days(patch: pytest.MonkeyPatch) -> None:
    of = PairMailbox.of
    patch.setattr(PairMailbox, "of", lambda secret, receiver, _: of(secret, receiver, 0))


def two_mailboxes_on_one_session(patch: pytest.MonkeyPatch) -> None:
    read = MailSession.read

    async def read_more(self: MailSession, *rest: Any, **options: Any) -> None:
        self._session.open_mail(SigningKey.generate(os.urandom))
        await read(self, *rest, **options)

    patch.setattr(MailSession, "read", read_more)


def automatic_receipts(patch: pytest.MonkeyPatch) -> None:
    take = Mailroom._take_share

    async def take_and_answer(self: Mailroom, known: Any, letter: Any) -> bool:
        await self.tell(known.account, LetterKind.HELLO)
        return await take(self, known, letter)

    patch.setattr(Mailroom, "_take_share", take_and_answer)


@pytest.mark.parametrize(
    ("leak", "traces"),
    [
        (one_session_for_everything, set()),
        (introductions_as_long_as_names, set()),
        (one_session_id_for_all, {"a nonce that was there before"}),
        (account_in_the_hello, {"a hello with something in it", "8 bytes of a secret"}),
    ],
)
async def test_a_leak_tells_one_contact_from_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: Patch, traces: set[str]
) -> None:
    """The same recording tells Ben from Cleo, and what the leak leaves behind is found on the wire."""
    leak(monkeypatch)
    async with after_an_hour(tmp_path, "Ben", "Cleo", dora=False) as stage:
        with_ben = await recorded(stage, "Ben", "plans 1")
        await share_and_write(stage, "Cleo", "plans 2")

        assert with_ben != stage.transcript()
        assert set(stage.leaks()) == traces


@pytest.mark.parametrize(
    ("leak", "trace"),
    [
        (lengths_as_they_are, "SEGMENTS of a length of its own"),
        (one_mailbox_for_all_days, "a mailbox that stays the same the next day"),
        (two_mailboxes_on_one_session, "a session that shows what belongs together"),
        (automatic_receipts, "a letter that nobody wrote"),
    ],
)
async def test_a_leak_shows_on_the_wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: Patch, trace: str
) -> None:
    """While Ana shares with Ben on two days, by mail, at a node that sees all of it."""
    leak(monkeypatch)
    async with world(tmp_path) as made:
        stage = await Stage.build(made)
        await stage.arrive("Ana", "Ben")
        written_to = await shared_on_two_days(stage, monkeypatch, "Ben")
        traces = set(stage.leaks()) | ({"a letter that nobody wrote"} if len(written_to) != 2 else set())

        assert traces == {trace}
