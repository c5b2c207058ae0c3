"""Two people without any node: paired by two texts, they share and edit over one direct connection."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Self

import pytest

from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import BadPairText, Conflict, NoNode, NotFound, Offline, RemoteProtocolError
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.greetings import Greeting
from peergos_collab.identity.pair_texts import PairText
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.objects.mail import LEAST_WORK, Mail, day_of
from peergos_collab.testing.transport import MemoryConnection, memory_pair
from peergos_collab.workspace import Role, mail_sender, neighbours, waking
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.mail_session import MailRefusal
from support.command_line import PROGRAM, ROOT, Home
from support.homes import DIRECT, PATIENCE, RELAYED, Person, World, until, world
from support.neighbours import connect, near


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


# -- as people do it ------------------------------------------------------------------------------


class Paired:
    """``pgc pair`` in a process of its own, which talks by lines."""

    def __init__(self, home: Home, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, "--home", str(home.path), "pair", "--json", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )

    def event(self, name: str) -> dict[str, Any]:
        """The next event of a name; others before it are passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found: dict[str, Any] = json.loads(line)
            if found["event"] == name:
                return found
        raise AssertionError(f"it ended before {name!r}")

    def say(self, line: str) -> None:
        pipe: IO[bytes] | None = self.process.stdin
        assert pipe is not None
        pipe.write(line.encode() + b"\n")
        pipe.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_two_processes_with_no_node(tmp_path: Path) -> None:
    """Offer out, answer back; then a document is shared, edits go both ways, and nobody else was asked."""
    ana, ben = Home(tmp_path / "ana"), Home(tmp_path / "ben")
    for home, name in ((ana, "Ana"), (ben, "Ben")):
        home.pgc("init", "--name", name, "--no-passphrase")
    ana.pgc("doc", "new", "notes")
    with ExitStack() as stack:
        left = stack.enter_context(Paired(ana))
        offer = left.event("offer")["text"]
        right = stack.enter_context(Paired(ben, "-"))
        right.say(offer)
        left.say("not an answer")
        left.say(right.event("answer")["text"])
        assert (left.event("paired")["name"], right.event("paired")["name"]) == ("Ben", "Ana")
        assert right.event("connected")["via"] == "webrtc"

        assert ana.json("share", "notes", "--with", "Ben", "--role", "writer")["delivered_to"] == "Ben"
        assert right.event("joined")["path"] == "notes"
        ben.pgc("doc", "write", "notes", "-", stdin=b"from Ben")
        assert left.event("change")["author"] == "Ben"
        ana.pgc("doc", "write", "notes", "-", stdin=b"from Ben, and Ana")
        while right.event("change")["author"] != "Ana":
            pass

        assert ben.pgc("doc", "cat", "notes") == b"from Ben, and Ana"
        [state] = ben.json("status")["objects"]
        assert (state["connection"], ben.json("status")["nodes"]) == ("direct", [])
        assert [each["name"] for each in ben.json("contact", "list")["contacts"]] == ["Ana"]
    assert len(offer) < 600
    assert os.fsencode("Ana") not in offer.encode()


async def test_what_goes_wrong_with_texts(made: World) -> None:
    """An offer survives what is pasted by mistake; what has ended or was never begun says so."""
    ana, ben, eve = [await made.person(name) for name in ("Ana", "Ben", "Eve")]
    with pytest.raises(Conflict, match="direct connections"):
        await ana.workspace.offer_pairing()
    for person in (ana, ben, eve):
        await person.workspace.go_online(DIRECT)
    offer, other = await ana.workspace.offer_pairing(), await eve.workspace.offer_pairing()
    answer, foreign = [await ben.workspace.answer_pairing(text) for text in (offer.text, other.text)]

    for wrong in ("", "hello", offer.text, foreign.text):
        with pytest.raises(BadPairText):
            await ana.workspace.finish_pairing(offer.id, wrong)
    old = PairText(False, bytes(8), now_ms() // 1000 - 1, b"").text()
    with pytest.raises(BadPairText, match="expired"):
        await ben.workspace.answer_pairing(old)
    await ben.workspace.end_pairing(foreign.id)
    with pytest.raises(NotFound):
        await ben.workspace.finish_pairing(foreign.id)
    for _ in range(3):
        await ben.workspace.offer_pairing()
    with pytest.raises(Conflict, match="other people"):
        await ben.workspace.offer_pairing()

    left, right = await asyncio.gather(
        ana.workspace.finish_pairing(offer.id, answer.text), ben.workspace.finish_pairing(answer.id)
    )
    assert (left.name, right.name, left.verified, left.me) == ("Ben", "Ana", False, False)
    await until(lambda: near(ana, ben) and near(ben, ana), ana, ben)


# -- neighbours -------------------------------------------------------------------------------------


async def people(made: World, *names: str) -> list[Person]:
    """Persons who are online, without any node."""
    found = [await made.person(name) for name in names]
    for person in found:
        await person.workspace.go_online(RELAYED)
    return found


async def test_sharing_without_a_node_needs_the_other_there(made: World) -> None:
    """Who has gone is shared with by nothing; when he comes back, what was written meanwhile comes."""
    ana, ben = await people(made, "Ana", "Ben")
    await ana.workspace.new_document("notes", "one")
    left, _ = await connect(ana, ben)
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await until(lambda: ben.shows("notes", "one"), ben)
    left.cut()
    await until(lambda: not near(ana, ben) and not near(ben, ana), ana, ben)

    await ana.workspace.new_document("more")
    with pytest.raises(NoNode):
        await ana.workspace.share_with("more", "Ben", Role.WRITER)
    ana.append("notes", " two")
    ben.append("notes", " three")
    await connect(ana, ben)
    await until(lambda: ana.text("notes") == ben.text("notes") and "two" in ben.text("notes"), ana, ben)
    assert "three" in ana.text("notes")
    assert await ana.problems() == []
    assert await ben.problems() == []


async def test_third_parties_are_brought_up_to_date(made: World) -> None:
    """Ben, who met Ana, passes what she wrote on to Cyd, who never met her; there is no node."""
    ana, ben, cyd = await people(made, "Ana", "Ben", "Cyd")
    await ana.workspace.new_document("notes", "by Ana")
    left, _ = await connect(ana, ben)
    middle, _ = await connect(ana, cyd)
    for name in ("Ben", "Cyd"):
        await ana.workspace.share_with("notes", name, Role.WRITER)
    for person in (ben, cyd):
        await until(lambda who=person: who.shows("notes", "by Ana"), person)  # type: ignore[misc]
    middle.cut()
    await until(lambda: not near(ana, cyd), ana, cyd)

    ana.append("notes", ", later")
    await until(lambda: ben.text("notes") == "by Ana, later", ben)
    left.cut()
    await made.close(ana)
    await connect(ben, cyd)
    await until(lambda: cyd.text("notes") == "by Ana, later", cyd)


async def test_letters_that_wait_go_when_he_comes(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An introduction made while he was away is not left for the next try."""
    monkeypatch.setattr(mail_sender, "RETRY_SECONDS", (10_000.0, 10_000.0))
    ana, ben, cyd = await people(made, "Ana", "Ben", "Cyd")
    left, _ = await connect(ana, ben)
    await connect(ana, cyd)
    left.cut()
    await until(lambda: not near(ana, ben), ana)
    await ana.workspace.introduce("Cyd", "Ben")
    await until(lambda: any("waits here" in words for words in ana.engine.problems), ana)

    await connect(ana, ben)
    await until(lambda: len(ben.engine.mailroom.book.all()) == 2, ben)


async def at_rest(made: World) -> tuple[Person, Person]:
    """Ana and Ben, who share ``notes`` by a link; she has more. All rests, saved at a node that is gone."""
    node = await made.node()
    ana, ben = await made.pair(node.address, text="one")
    for number in range(5):
        await ana.workspace.new_document(f"private {number}")
    for person in (ana, ben):
        await person.workspace.sync()
    ana, ben = await made.reopen(ana), await made.reopen(ben)
    await node.close()
    made.nodes.clear()
    for person in (ana, ben):
        await person.workspace.go_online(RELAYED)
    return ana, ben


async def test_what_is_at_rest_wakes_for_a_neighbour(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben came by a link: only his proof says that he is in it."""
    monkeypatch.setattr(waking, "LIVELY", 0)
    ana, ben = await at_rest(made)
    assert len(ben.engine.objects) == 1  # the profile

    ana.append("notes", " two")
    await connect(ana, ben)
    await until(lambda: len(ben.engine.objects) == 2 and ben.text("notes") == "one two", ben)


async def test_a_neighbour_wakes_only_what_he_may_be_in(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a stranger in the local network, who knows one secret, is in nothing else."""
    monkeypatch.setattr(waking, "LIVELY", 0)
    ana, ben = await at_rest(made)
    await connect(ana, ben)
    ana.append("notes", " two")
    await until(lambda: ben.text("notes") == "one two", ben)
    cyd = await made.person("Cyd")
    await cyd.workspace.go_online(RELAYED)
    await connect(ana, cyd)
    await until(lambda: not ana.engine.waking.busy, ana)

    assert {each.path for each in ana.engine.objects.values()} == {"", "notes"}


async def test_what_is_at_rest_is_opened_for_a_neighbour_who_is_in_it(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """She does not know that he is, as he never wrote: he shows it when he opens it."""
    monkeypatch.setattr(waking, "LIVELY", 0)
    ana, ben = await at_rest(made)
    await connect(ana, ben)
    await until(lambda: len(ana.engine.objects) == 2, ana)

    assert ben.text("notes") == ana.text("notes") == "one"


async def test_there_is_room_while_a_neighbour_is_here(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What he is not in comes to rest as ever."""
    monkeypatch.setattr(waking, "LIVELY", 0)
    ana, ben = await at_rest(made)
    await connect(ana, ben)
    await until(lambda: len(ana.engine.objects) == 2 and bool(ana.opened("notes").live.links), ana)
    for name, value in (("ROOM", 1), ("UNUSED_SECONDS", 0.1)):
        monkeypatch.setattr(waking, name, value)
    for number in range(5):
        ana.opened(f"private {number}")
    await until(lambda: {each.path for each in ana.engine.objects.values()} == {"", "notes"}, ana)
    assert near(ana, ben)


async def test_a_neighbour_hears_only_of_what_he_is_in(made: World) -> None:
    """Of other objects not even the id goes over the connection."""
    ana, ben = await people(made, "Ana", "Ben")
    left, _ = await connect(ana, ben)
    sent: list[bytes] = []
    send = left.send
    left.send = lambda message: (sent.append(message), send(message))[1]  # type: ignore[method-assign,func-returns-value]
    await ana.workspace.new_document("secret")
    await ana.workspace.new_document("shared")
    await ana.workspace.share_with("shared", "Ben", Role.READER)
    await until(lambda: ben.engine.profile.view.find("shared") is not None, ben)

    said = b"".join(sent)
    assert ana.opened("shared").live.id in said
    assert ana.opened("secret").live.id not in said
    assert ana.engine.keys.profile not in said


async def test_false_greetings_end_the_connection(made: World) -> None:
    """Our own greeting played back, one of another channel, one of a device that was removed, and noise."""
    ana, ben = await people(made, "Ana", "Ben")
    credentials = ben.engine.keys.credentials
    card = ben.engine.mailroom.card()
    greetings = [
        lambda _: b"hello",
        lambda _: Greeting.make(card, credentials.device_sign, bytes(64)),
        lambda c: Greeting.make(card, SigningKey.generate(os.urandom), c),
        lambda c: Greeting.make(ana.engine.mailroom.card(), ana.engine.keys.credentials.device_sign, c),
    ]
    for greeting in greetings:
        left, right = memory_pair(os.urandom(64))
        right.send(greeting(right.channel))
        with pytest.raises(RemoteProtocolError):
            await ana.engine.online.neighbours.meet(left)
    assert await ana.workspace.contacts() == []


async def test_an_invitation_is_accepted_when_he_is_back(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He went right after the letter, before the content was here."""
    ana, ben = await people(made, "Ana", "Ben")
    left, _ = await connect(ana, ben)
    with monkeypatch.context() as patch:
        patch.setattr(ben.engine.mailroom, "_accept_soon", lambda _: None)
        await ana.workspace.new_document("notes", "hello")
        await ana.workspace.share_with("notes", "Ben", Role.READER)
        left.cut()
        await until(lambda: not near(ana, ben) and not near(ben, ana), ana, ben)
    assert [invitation.path for invitation in await ben.workspace.invitations()] == ["notes"]

    await connect(ana, ben)
    await until(lambda: ben.shows("notes", "hello"), ben)


async def test_what_a_neighbour_does_not_take_goes_to_a_node(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share as well: then the node has the object before the letter."""
    node = await made.node()
    ana, ben = await people(made, "Ana", "Ben")
    for person in (ana, ben):
        await person.workspace.add_node(node.address)
    await connect(ana, ben)
    monkeypatch.setattr(neighbours, "MAX_MAIL_AT_ONCE", 0)
    await ana.workspace.new_document("notes", "hello")
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    await until(lambda: ben.shows("notes", "hello"), ben)


async def test_neighbours_are_bounded(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is let go; those who are here stay. A device that comes again takes its own place."""
    monkeypatch.setattr(neighbours, "MAX_NEIGHBOURS", 1)
    ana, ben, cyd = await people(made, "Ana", "Ben", "Cyd")
    await connect(ana, ben)
    left, right = memory_pair(os.urandom(64))
    met, _ = await asyncio.gather(
        ana.engine.online.neighbours.meet(left), cyd.engine.online.neighbours.meet(right)
    )
    ana.engine.online.neighbours.serve(met, left)
    with pytest.raises(Offline):
        await right.receive()
    assert near(ana, ben)
    assert not near(ana, cyd)
    await connect(ana, ben)


async def test_a_device_that_comes_several_times_at_once_has_one_seat(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is to take the place of the one before, which takes a moment to end."""
    close = MemoryConnection.close

    async def close_slowly(connection: MemoryConnection) -> None:
        await asyncio.sleep(0)
        await close(connection)

    monkeypatch.setattr(MemoryConnection, "close", close_slowly)
    ana, ben = await people(made, "Ana", "Ben")
    await connect(ana, ben)
    seats, met = ana.engine.online.neighbours, []
    for left, right in [memory_pair(os.urandom(64)) for _ in range(3)]:
        greeting, _ = await asyncio.gather(seats.meet(left), ben.engine.online.neighbours.meet(right))
        met.append((greeting, left))
    served = [seats.serve(greeting, left) for greeting, left in met]
    async with asyncio.timeout(PATIENCE):
        while len(served) > 1:
            await asyncio.wait(served, return_when=asyncio.FIRST_COMPLETED)
            served = [each for each in served if not each.done()]

    assert near(ana, ben)


async def test_one_secret_takes_no_seat_from_others(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where seats are short, the newest of those that most came by gives up his; none of his own gets it."""
    monkeypatch.setattr(neighbours, "MAX_NEIGHBOURS", 2)
    ana, *others = await people(made, "Ana", "Ben", "Cyd", "Dee", "Eve")

    async def come(person: Person, led: bytes) -> None:
        left, right = memory_pair(os.urandom(64))
        met, seen = await asyncio.gather(
            ana.engine.online.neighbours.meet(left), person.engine.online.neighbours.meet(right)
        )
        ana.engine.online.neighbours.serve(met, left, led=led)
        await person.engine.online.neighbours.serve(seen, right)

    ben, cyd, dee, eve = others
    ways = []
    for other, led in ((ben, b"one"), (cyd, b"one"), (dee, b"two")):
        ways.append(asyncio.create_task(come(other, led)))
        await until(lambda other=other: near(ana, other), ana, other)  # type: ignore[misc]
    assert [near(ana, other) for other in others] == [True, False, True, False]
    async with asyncio.timeout(60):
        await come(eve, b"one")
    assert [near(ana, other) for other in others] == [True, False, True, False]
    for way in ways:
        way.cancel()
    await asyncio.gather(*ways, return_exceptions=True)


async def test_a_removed_device_is_no_neighbour(made: World) -> None:
    """Its old card still lists it; who has heard of the removal knows better, after a start as well."""
    [ana] = await people(made, "Ana")
    stolen = DeviceSecrets.generate(os.urandom)
    founded = Credentials.found("Ben", RecoveryCode.generate(os.urandom), os.urandom)
    both = founded.add_device(stolen.public)
    card = ContactCard.make(both, (), 5)
    left, right = memory_pair(os.urandom(64))
    right.send(Greeting.make(card, stolen.sign, right.channel))
    assert (await ana.engine.online.neighbours.meet(left)).device == stolen.public.id

    ana.engine.accounts.take([both.remove_device(stolen.public.id, os.urandom).account])
    for _ in range(2):
        left, right = memory_pair(os.urandom(64))
        right.send(Greeting.make(card, stolen.sign, right.channel))
        with pytest.raises(RemoteProtocolError, match="removed"):
            await ana.engine.online.neighbours.meet(left)
        ana = await made.reopen(ana)


async def test_mail_of_a_neighbour_is_bounded(made: World) -> None:
    """What is for no mailbox of the two, or too much at once, is refused; nobody else's session ends."""
    ana, ben = await people(made, "Ana", "Ben")
    await connect(ana, ben)
    link = ben.engine.online.neighbours.of(ana.engine.keys.credentials.account_id)
    assert link is not None
    nobodys = MailAddress(SigningKey.generate(os.urandom).public)
    today = day_of(now_ms())
    mail = [Mail.stamp(nobodys, os.urandom(1024), today, os.urandom, LEAST_WORK) for _ in range(20)]
    answers = await asyncio.gather(*map(link.put, mail), return_exceptions=True)

    assert {error.reason for error in answers if isinstance(error, MailRefusal)} == {"refused", "full"}
    assert sum(isinstance(error, MailRefusal) for error in answers) == 20
    assert near(ana, ben)
