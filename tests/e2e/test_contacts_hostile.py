"""Mail from those who mean no good: junk, forgeries, replays, floods, and keys that are swapped."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.codec.ids import MailAddress
from peergos_collab.crypto import BoxPair, SigningKey
from peergos_collab.errors import Conflict, PeergosCollabError
from peergos_collab.identity.account_ops import AddDevice, RemoveDevice
from peergos_collab.identity.cards import ContactCard, mailbox_key
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.pairs import Pair
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.node import RunningNode
from peergos_collab.node.mailboxes import MAIL
from peergos_collab.objects.epoch_keys import EpochKeys, Level
from peergos_collab.objects.key_ring import KeyRing
from peergos_collab.objects.key_versions import account_principal
from peergos_collab.objects.letters import (
    LetterKind,
    Writer,
    read_letter_untrusted,
    seal_in_pair,
    seal_to_stranger,
)
from peergos_collab.objects.links import Capability
from peergos_collab.objects.mail import LEAST_WORK, Mail, day_of
from peergos_collab.objects.op_kinds import Add
from peergos_collab.objects.payload import Kind
from peergos_collab.objects.records import Said, make_grant
from peergos_collab.objects.wraps import recipients_of
from peergos_collab.workspace import Role, contact_book, invitations, mail_sender
from peergos_collab.workspace.contact_book import MAX_OF_ONE
from peergos_collab.workspace.home import found_object
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.mail_session import MailSession
from peergos_collab.workspace.mailroom import ACCEPTED_AT_ONCE
from support.homes import RELAYED, Person, World, direct_connections, until, world
from support.linking import link


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def friends(made: World, *names: str) -> list[Person]:
    """Persons with one node; the first one and each of the others have each other's cards."""
    node = await made.node()
    first, *others = [await made.person(name) for name in names]
    for person in (first, *others):
        await person.workspace.add_node(node.address)
    for other in others:
        await first.workspace.add_contact(await other.workspace.contact_card())
        await other.workspace.add_contact(await first.workspace.contact_card())
    for person in (first, *others, first):
        await person.workspace.sync()
    return [first, *others]


def node_of(made: World) -> RunningNode:
    node = made.nodes[0]
    assert isinstance(node, RunningNode)
    return node


def credentials(person: Person) -> Credentials:
    return person.engine.keys.credentials


def become(person: Person, changed: Credentials) -> None:
    person.engine.keys = replace(person.engine.keys, credentials=changed)


async def post(made: World, address: bytes, sealed: bytes, work: int = LEAST_WORK) -> None:
    """Puts mail as anybody can, over a real connection."""
    person = made.open_now[0]
    mail = Mail.stamp(MailAddress(address), sealed, day_of(now_ms()), os.urandom, work)
    session = await MailSession.connect(person.engine.transport, node_of(made).address, os.urandom)
    await session.put(mail)


def kept(made: World) -> dict[bytes, bytes]:
    """All mail at the node."""
    return dict(node_of(made)._store.values(MAIL))


def invitation_of(person: Person, title: str = "plan") -> Capability:
    """To an object that this person made, and that nobody has."""
    epoch, keys = found_object(credentials(person), Kind.DOCUMENT, os.urandom)
    return Capability(epoch.object, epoch.id, keys, int(Kind.DOCUMENT), title, ())


def capability_of(person: Person, path: str, level: Level, node: str) -> Capability:
    """What somebody can invite others with to what he has, by the newest keys and one node."""
    replica = person.opened(path).live.replica
    epoch = replica.seat.epoch() or replica.seat.speaking_epoch()
    assert epoch is not None
    keys = EpochKeys(level, replica.keys[epoch].secret(level).expose())
    return Capability(replica.object, epoch, keys, int(Kind.DOCUMENT), path, (node,))


def nowhere(made: World) -> str:
    """The address of a node that is not there."""
    return node_of(made).address.rpartition(":")[0] + ":1"


def to_stranger(letter: bytes, person: Person) -> tuple[bytes, bytes]:
    """Address and seal for the mailbox on somebody's card."""
    user, box = credentials(person).user, MailAddress(mailbox_key(credentials(person).user_seed).public)
    return box, seal_to_stranger(letter, user.box.public_key, box, os.urandom)


def write(
    card: ContactCard, device: SigningKey, to: Person, kind: LetterKind, content: bytes = b"", age: int = 0
) -> bytes:
    time = now_ms() - age
    receiver = credentials(to).account_id
    return Writer(card, device).write(receiver, kind, content, id=os.urandom(16), time=time)


async def nothing_came(person: Person) -> None:
    assert await person.workspace.list_entries() == []
    assert await person.workspace.invitations() == []


async def test_a_mailbox_full_of_junk(made: World) -> None:
    """256 pieces of junk with enough work to be kept: the real invitation does more, gets in and is found."""
    ana, ben = await friends(made, "Ana", "Ben")
    eve = await made.person("Eve")
    await eve.workspace.add_node(node_of(made).address)
    await eve.workspace.add_contact(await ben.workspace.contact_card())
    box = MailAddress(mailbox_key(credentials(ben).user_seed).public)
    boxes, store = node_of(made)._shelf.mailboxes, node_of(made)._store
    for _ in range(256):
        mail = Mail.stamp(box, os.urandom(1024), day_of(now_ms()), os.urandom, LEAST_WORK)
        commit = boxes.put(node_of(made)._shelf.attach(b""), mail.raw)
        assert commit is not None
        store.write(commit.batch)
    await eve.workspace.new_document("plan", "from Eve")
    await eve.workspace.share_with("plan", "Ben", Role.READER)
    await ben.workspace.sync()

    (invited,) = await ben.workspace.invitations()
    assert (invited.path, invited.who) == ("plan", "Eve")
    assert kept(made) == {}
    await ana.workspace.sync()


async def test_forged_letters_do_nothing(made: World) -> None:
    """In Ana's name by somebody else's device, for somebody else, altered, in the pair's mailbox or not."""
    ana, ben = await friends(made, "Ana", "Ben")
    eve = Credentials.found("Eve", RecoveryCode.generate(os.urandom), os.urandom)
    card, content = ana.engine.mailroom.card(), invitation_of(ana).encode()
    good = write(card, credentials(ana).device_sign, ben, LetterKind.SHARE, content)
    other = write(card, credentials(ana).device_sign, ana, LetterKind.SHARE, content)
    forged = write(card, eve.device_sign, ben, LetterKind.SHARE, content)
    for letter in (other, forged, good[:-1], good.replace(b"plan", b"plot")):
        await post(made, *to_stranger(letter, ben))
    address, sealed = to_stranger(good, ben)
    await post(made, address, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    pair = Pair.of(credentials(ana).account_id, credentials(ana).user, credentials(ben).account)
    daily = pair.outbox(day_of(now_ms()))
    stranger = write(ContactCard.make(eve, (), 1), eve.device_sign, ben, LetterKind.SHARE, content)
    for letter in (forged, stranger):
        box = MailAddress(daily.key.public)
        await post(made, box, seal_in_pair(letter, daily.seal, box, os.urandom))
    await ben.workspace.sync()

    await nothing_came(ben)
    assert [each.name for each in await ben.workspace.contacts()] == ["Ana"]
    assert kept(made) == {}


async def test_a_replayed_letter_does_nothing(made: World) -> None:
    """The node gives it again after what it brought was removed: it stays removed."""
    ana, ben = await friends(made, "Ana", "Ben")
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    raws = kept(made)
    assert raws
    await ben.workspace.sync()
    await ben.workspace.remove("notes")
    boxes, store = node_of(made)._shelf.mailboxes, node_of(made)._store
    for raw in raws.values():
        commit = boxes.put(node_of(made)._shelf.attach(b""), raw)
        assert commit is not None
        store.write(commit.batch)
    ben = await made.reopen(ben)
    await ben.workspace.sync()

    await nothing_came(ben)
    assert kept(made) == {}


async def test_letters_of_long_ago_do_nothing(made: World) -> None:
    """Their ids are no longer remembered, so they are not taken either."""
    ana, ben = await friends(made, "Ana", "Ben")
    card, content = ana.engine.mailroom.card(), invitation_of(ana).encode()
    for age in (40 * 86_400_000, -40 * 86_400_000):
        letter = write(card, credentials(ana).device_sign, ben, LetterKind.SHARE, content, age)
        await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    await nothing_came(ben)


async def test_false_invitations_of_a_contact(made: World) -> None:
    """To what he may not have, with a key that is none, of no known kind: nothing is entered."""
    ana, ben = await friends(made, "Ana", "Ben")
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.sync()
    replica = ana.opened("notes").live.replica
    epoch, keys = next(iter(replica.keys.items()))
    read = EpochKeys(Level.READ, keys.secret(Level.READ).expose())
    nodes = (node_of(made).address,)
    good = Capability(replica.object, epoch, read, int(Kind.DOCUMENT), "notes", nodes)
    false = [
        good,  # Ben is no member
        replace(good, object=invitation_of(ana).object),
        replace(good, kind=int(Kind.CHAT)),
        replace(good, keys=EpochKeys(Level.WRITE, os.urandom(32))),
        replace(good, kind=99),
    ]
    for content in (*(each.encode() for each in false), b"", b"junk", good.encode()[:-1]):
        card = ana.engine.mailroom.card()
        letter = write(card, credentials(ana).device_sign, ben, LetterKind.SHARE, content)
        await post(made, *to_stranger(letter, ben))
        ben = await made.reopen(ben)
        await ben.workspace.sync()
        assert await ben.workspace.list_entries() == []
        for invited in await ben.workspace.invitations():
            with pytest.raises(PeergosCollabError):
                await ben.workspace.accept_invitation(invited.id)
            assert await ben.workspace.list_entries() == []
            await ben.workspace.decline_invitation(invited.id)

    assert kept(made) == {}


@pytest.mark.parametrize("member", [True, False])
async def test_a_false_invitation_takes_nothing_away(
    made: World, monkeypatch: pytest.MonkeyPatch, member: bool
) -> None:
    """To what is here already, with a false key that promises more: what one has stays as it is."""
    monkeypatch.setattr(invitations, "GRANT_SECONDS", 0.1)
    ana, ben = await friends(made, "Ana", "Ben")
    await ana.workspace.new_document("notes", "x")
    if member:
        await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    else:
        await ben.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
    await ben.workspace.sync()
    replica = ben.opened("notes").live.replica
    epoch = next(iter(replica.keys))
    false = EpochKeys(Level.ADMIN, os.urandom(32))
    capability = Capability(replica.object, epoch, false, int(Kind.DOCUMENT), "notes", ())
    card = ana.engine.mailroom.card()
    letter = write(card, credentials(ana).device_sign, ben, LetterKind.SHARE, capability.encode())
    await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()
    assert any("invitation" in problem for problem in ben.engine.problems) == member
    ben = await made.reopen(ben)
    await ben.workspace.write_document("notes", "y")
    await ben.workspace.sync()
    await ana.workspace.sync()

    assert ana.text("notes") == "y"
    assert (await ben.workspace.list_entries())[0].role == Role.WRITER


async def test_who_invites_to_what_is_being_shared_ends_nothing(made: World) -> None:
    """Her invitation to the same object comes at the same time, and leads to a node that is not there: what
    Ana shared is entered, and stays open to whoever writes in it."""
    ben, ana, eve = await friends(made, "Ben", "Ana", "Eve")
    await ana.workspace.new_document("plan", "from Ana")
    await ana.workspace.share_with("plan", "Ben", Role.WRITER)
    for person, node in ((ana, node_of(made).address), (eve, nowhere(made))):
        content = capability_of(ana, "plan", Level.WRITE, node).encode()
        letter = write(
            person.engine.mailroom.card(), credentials(person).device_sign, ben, LetterKind.SHARE, content
        )
        assert await ben.engine.mailroom._do(read_letter_untrusted(letter, credentials(ben).account_id))
    await ben.workspace.go_online(RELAYED)
    await until(lambda: ben.engine.profile.view.find("plan") is not None, ben, what="it is entered")
    handle = await ben.workspace.open_document("plan")
    await until(lambda: not ben.engine.mailroom._accepting, ben, what="both are looked at")
    await until(lambda: handle.document.text == "from Ana", ben, what="its text")
    handle.document.edit(0, 0, "typed by Ben ")
    await handle.saved()
    await handle.close()

    assert [state.path for state in (await ben.workspace.status()).objects] == ["plan"]
    assert (await (await made.reopen(ben)).workspace.read_document("plan"))[0] == "typed by Ben from Ana"


async def test_a_node_with_another_certificate_does_not_end_the_way_by_the_next(made: World) -> None:
    """Of the nodes that an invitation names the first is not what its address says: the second has it."""
    ana, ben = await friends(made, "Ana", "Ben")
    other = await made.node("other")
    await ana.workspace.new_document("plan", "from Ana")
    await ana.workspace.share_with("plan", "Ben", Role.READER)
    right = node_of(made).address
    wrong = f"{other.address.partition('@')[0]}@{right.partition('@')[2]}"
    capability = replace(capability_of(ana, "plan", Level.READ, right), nodes=(wrong, right))
    card = ana.engine.mailroom.card()
    letter = write(card, credentials(ana).device_sign, ben, LetterKind.SHARE, capability.encode())
    assert await ben.engine.mailroom._do(read_letter_untrusted(letter, credentials(ben).account_id))
    await ben.workspace.go_online(RELAYED)
    await until(lambda: not ben.engine.mailroom._accepting, ben, what="it is looked at")

    assert [entry.name for entry in await ben.workspace.list_entries()] == ["plan"]
    assert ben.engine.problems == []


async def test_invitations_that_lead_nowhere_have_few_places_called(made: World) -> None:
    """Each place that they name once or twice, a few invitations at a time; what comes later from the same
    contact does not have all of it tried again."""
    ben, eve = await friends(made, "Ben", "Eve")
    mailroom, places, in_use = ben.engine.mailroom, direct_connections(ben), set[int]()

    def looked_at() -> bool:
        in_use.add(len(ben.engine.objects))
        return not mailroom._accepting

    async def take(kind: LetterKind, content: bytes = b"") -> None:
        letter = write(eve.engine.mailroom.card(), credentials(eve).device_sign, ben, kind, content)
        assert await mailroom._do(read_letter_untrusted(letter, credentials(ben).account_id))

    def to_nowhere(number: int) -> bytes:
        ports = range(1 + 8 * number, 9 + 8 * number)
        nodes = tuple(f"{nowhere(made).rpartition(':')[0]}:{port}" for port in ports)
        return replace(invitation_of(eve, f"{number}"), nodes=nodes).encode()

    for number in range(10):
        await take(LetterKind.SHARE, to_nowhere(number))
    await ben.workspace.go_online(RELAYED)
    await until(looked_at, ben, what="all are looked at")
    called = len(places)
    await take(LetterKind.HELLO)
    again = list(mailroom._accepting)
    await take(LetterKind.SHARE, to_nowhere(10))
    await until(looked_at, ben, what="the last one is looked at")

    assert 80 <= called <= 320
    assert max(in_use) <= 1 + ACCEPTED_AT_ONCE
    assert again == []
    assert len(places) <= called + 32
    assert len(await ben.workspace.invitations()) == 11


@pytest.mark.parametrize("role", [Role.READER, Role.ADMIN])
async def test_an_invitation_leads_nobody_away_from_his_nodes(made: World, role: Role) -> None:
    """A member invites to what Ben has already, with newer keys that are true, and names another node: he
    keeps what he has, and where the keys give more he has that node beside his."""
    ana, ben, eve = await friends(made, "Ana", "Ben", "Eve")
    await ben.workspace.add_contact(await eve.workspace.contact_card())
    second = await made.node("second")
    await ana.workspace.add_node(second.address)
    await ana.workspace.new_document("plan", "from Ana")
    await ana.workspace.share_with("plan", "Ben", Role.WRITER)
    await ana.workspace.share_with("plan", "Eve", role)
    for person in (ben, eve):
        await person.workspace.sync()
    await ana.workspace.share_link("plan", Role.READER)
    (link,) = await ana.workspace.links("plan")
    await ana.workspace.unshare("plan", link.id)
    for person in (ana, eve):
        await person.workspace.sync()
    level = Level.READ if role is Role.READER else Level.ADMIN
    content = capability_of(eve, "plan", level, nowhere(made)).encode()
    letter = write(eve.engine.mailroom.card(), credentials(eve).device_sign, ben, LetterKind.SHARE, content)
    assert await ben.engine.mailroom._do(read_letter_untrusted(letter, credentials(ben).account_id))
    await ben.workspace.go_online(RELAYED)
    mailroom = ben.engine.mailroom
    await until(lambda: not mailroom._accepting and not mailroom.invitations.all(), ben, what="it is taken")
    await until(lambda: ben.saved_on("plan", second.address), ben, what="all is at his nodes")

    nodes = ben.opened("plan").live.nodes
    assert second.address in nodes
    assert (nowhere(made) in nodes) == (role is Role.ADMIN)
    assert ben.opened("plan").live.replica.can_write


async def test_a_flood_of_strangers(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many may wait; more stay at the node, and contacts' shares are not held up by them."""
    monkeypatch.setattr(contact_book, "MAX_ASKING", 2)
    ana, ben = await friends(made, "Ana", "Ben")
    for number in range(4):
        eve = Credentials.found(f"Eve {number}", RecoveryCode.generate(os.urandom), os.urandom)
        card = ContactCard.make(eve, (), 1)
        await post(made, *to_stranger(write(card, eve.device_sign, ben, LetterKind.HELLO), ben))
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ben.workspace.sync()
    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]
    assert len([each for each in await ben.workspace.contacts() if each.pending]) == 2
    assert len(kept(made)) == 2
    for each in await ben.workspace.contacts():
        if each.pending:
            await ben.workspace.remove_contact(each.name)
    ben = await made.reopen(ben)
    await ben.workspace.sync()

    assert len([each for each in await ben.workspace.contacts() if each.pending]) == 2
    assert kept(made) == {}


async def test_a_flood_of_introductions(made: World) -> None:
    """Of one contact eight wait; more stay at the node. Whom others introduce, and who writes, finds room."""
    ben, ana, cai = await friends(made, "Ben", "Ana", "Cai")
    account = credentials(ben).account_id
    names = {f"Friend {number}" for number in range(MAX_OF_ONE + 1)}
    for name in names:
        card = ContactCard.make(stranger(name), (), 1)
        await ana.engine.mailroom.tell(account, LetterKind.INTRODUCE, card.raw)
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    await ana.workspace.sync()
    await ben.workspace.sync()
    here = await waiting(ben)
    assert len(here) == MAX_OF_ONE
    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]
    zoe, eve = stranger("Zoe"), stranger("Eve")
    card = ContactCard.make(zoe, (), 1)
    await cai.engine.mailroom.tell(account, LetterKind.INTRODUCE, card.raw)
    await cai.workspace.sync()
    letter = write(ContactCard.make(eve, (), 1), eve.device_sign, ben, LetterKind.HELLO)
    await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    assert {"Zoe", "Eve"} <= set(await waiting(ben))
    await ben.workspace.remove_contact(here[0])
    ben = await made.reopen(ben)
    await ben.workspace.sync()
    assert names.difference(here) <= set(await waiting(ben))


async def test_introductions_leave_room_for_who_writes(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And who writes for those whom contacts introduce, however many there are."""
    for name in ("MAX_ASKING", "MAX_INTRODUCED"):
        monkeypatch.setattr(contact_book, name, 1)
    ben, ana = await friends(made, "Ben", "Ana")
    for name in ("Cai", "Dan"):
        card = ContactCard.make(stranger(name), (), 1)
        await ana.engine.mailroom.tell(credentials(ben).account_id, LetterKind.INTRODUCE, card.raw)
    await ana.workspace.sync()
    await ben.workspace.sync()
    assert len(await waiting(ben)) == 1
    for name in ("Eve", "Flo"):
        one = stranger(name)
        letter = write(ContactCard.make(one, (), 1), one.device_sign, ben, LetterKind.HELLO)
        await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    assert len(await waiting(ben)) == 2
    assert len(kept(made)) == 2


def stranger(name: str) -> Credentials:
    return Credentials.found(name, RecoveryCode.generate(os.urandom), os.urandom)


async def waiting(person: Person) -> list[str]:
    return [each.name for each in await person.workspace.contacts() if each.pending]


async def test_strangers_introduce_nobody(made: World) -> None:
    """Only contacts do; anybody else could fill the list in others' names."""
    _, ben = await friends(made, "Ana", "Ben")
    eve, zoe = (Credentials.found(name, RecoveryCode.generate(os.urandom), os.urandom) for name in ("E", "Z"))
    card = ContactCard.make(zoe, (), 1)
    letter = write(ContactCard.make(eve, (), 1), eve.device_sign, ben, LetterKind.INTRODUCE, card.raw)
    await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    assert [(each.name, each.pending) for each in await ben.workspace.contacts()] == [
        ("Ana", False),
        ("E", True),
    ]


async def test_a_flood_of_invitations(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of strangers only so many are kept here."""
    monkeypatch.setattr(invitations, "MAX_OF_STRANGERS", 2)
    ana, ben = await friends(made, "Ana", "Ben")
    eve = Credentials.found("Eve", RecoveryCode.generate(os.urandom), os.urandom)
    card = ContactCard.make(eve, (), 1)
    for _ in range(3):
        letter = write(card, eve.device_sign, ben, LetterKind.SHARE, invitation_of(ana).encode())
        await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    assert len(await ben.workspace.invitations()) == 2
    assert len(kept(made)) == 1


async def test_titles_that_can_be_no_names(made: World) -> None:
    """They hold up neither the invitation nor the letters that come after it."""
    ana, ben = await friends(made, "Ana", "Ben")
    titles = ["", ".." + " " * 198 + "x", "\U0001d15e" * 60, "/" * 255, "plan"]
    eve = Credentials.found("Eve", RecoveryCode.generate(os.urandom), os.urandom)
    for title in titles:
        content = invitation_of(ana, title).encode()
        letter = write(ContactCard.make(eve, (), 1), eve.device_sign, ben, LetterKind.SHARE, content)
        await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    paths = [invited.path for invited in await ben.workspace.invitations()]
    assert len(paths) == len(titles)
    assert "plan" in paths
    assert kept(made) == {}


async def renew_keys(made: World, person: Person) -> None:
    """A second device comes and is removed, so the account has a new user key."""
    before = credentials(person).account.user_key
    await link(made, person.home.name, "phone")
    await person.workspace.remove_device("phone")
    assert credentials(person).account.user_key != before


async def test_changed_keys_are_shown_and_wait(made: World) -> None:
    """Nothing goes to new keys, and nothing from them is accepted, before a person says so."""
    ana, ben = await friends(made, "Ana", "Ben")
    before = await ana.workspace.contact_words("Ben")
    await ana.workspace.mark_verified("Ben", words=before)
    await ana.workspace.new_document("notes", "x")
    await renew_keys(made, ben)
    await ben.workspace.sync()
    await ana.workspace.sync()
    (shown,) = await ana.workspace.contacts()
    assert shown.changed
    assert await ana.workspace.contact_words("Ben") != before
    assert await ana.workspace.contact_words("Ben") == await ben.workspace.contact_words("Ana")
    with pytest.raises(Conflict):
        await ana.workspace.share_with("notes", "Ben", Role.READER)
    assert any("keys of Ben have changed" in problem for problem in ana.engine.problems)
    capability = invitation_of(ben)
    card = ben.engine.mailroom.card()
    letter = write(card, credentials(ben).device_sign, ana, LetterKind.SHARE, capability.encode())
    await post(made, *to_stranger(letter, ana))
    await ana.workspace.sync()
    assert [each.path for each in await ana.workspace.invitations()] == ["plan"]

    with pytest.raises(Conflict, match="not the words"):
        await ana.workspace.mark_verified("Ben", words=before)
    verified = await ana.workspace.mark_verified("Ben", words=await ana.workspace.contact_words("Ben"))
    assert (verified.verified, verified.changed) == (True, False)


async def test_mail_after_new_keys_still_finds_the_other(made: World) -> None:
    """Who has a new key reads what comes to the old one, and by itself tells it where the other looks."""
    ana, ben = await friends(made, "Ana", "Ben")
    await renew_keys(made, ben)
    await ana.workspace.new_document("notes", "x")
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    await ben.workspace.sync()
    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]
    await ana.workspace.sync()

    assert (await ana.workspace.contacts())[0].changed


async def test_two_devices_that_know_nothing_of_each_others_ops(made: World) -> None:
    """Letters of both are taken, though neither's account log holds the other's."""
    ana, ben = await friends(made, "Ana", "Ben")
    own = credentials(ana)
    phone, *others = [DeviceSecrets.generate(os.urandom) for _ in range(3)]
    both = own.account.with_op(AddDevice(phone.public), own.device_sign)
    later = now_ms() + 60_000
    for number, (signer, device) in enumerate(zip((own.device, phone), others, strict=True)):
        account = both.with_op(AddDevice(device.public), signer.sign)
        card = ContactCard.make(replace(own, account=account), (), later - number)
        letter = write(card, device.sign, ben, LetterKind.SHARE, invitation_of(ana, f"{number}").encode())
        await post(made, *to_stranger(letter, ben))
        await ben.workspace.sync()

    assert {invited.path for invited in await ben.workspace.invitations()} == {"0", "1"}
    assert ben.engine.problems == []


async def test_a_removed_device_speaks_for_nobody(made: World) -> None:
    """It signs with an account log from before its removal; Ben knows the later one."""
    ana, ben = await friends(made, "Ana", "Ben")
    stolen = DeviceSecrets.generate(os.urandom)
    before = credentials(ana)
    added = replace(before, account=before.account.with_op(AddDevice(stolen.public), before.device_sign))
    removal = RemoveDevice(stolen.public.id)
    become(ana, replace(added, account=added.account.with_op(removal, before.device_sign)))
    await ana.engine.mailroom.tell_card()
    await ana.workspace.sync()
    await ben.workspace.sync()
    old_card = ContactCard.make(added, (), now_ms() + 5)
    letter = write(old_card, stolen.sign, ben, LetterKind.SHARE, invitation_of(ana).encode())
    await post(made, *to_stranger(letter, ben))
    await ben.workspace.sync()

    await nothing_came(ben)
    assert any("removed" in problem for problem in ben.engine.problems)


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_clock_that_is_a_day_off(made: World, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """The sender's day is yesterday or tomorrow for the receiver: the mail arrives."""
    ana, ben = await friends(made, "Ana", "Ben")
    await ana.workspace.new_document("notes", "x")
    monkeypatch.setattr(mail_sender, "now_ms", lambda: now_ms() + days * 86_400_000)
    await ana.workspace.share_with("notes", "Ben", Role.WRITER)
    monkeypatch.undo()
    await ben.workspace.sync()

    assert [entry.name for entry in await ben.workspace.list_entries()] == ["notes"]


async def test_addresses_tell_nothing(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of different contacts and days no mailbox comes twice; no account, name or title is at the node."""
    ana, ben, cai = await friends(made, "Anastasia", "Benedikt", "Caitlin")
    seen: list[bytes] = []
    put = node_of(made)._shelf.mailboxes.put
    monkeypatch.setattr(
        node_of(made)._shelf.mailboxes, "put", lambda session, raw: (seen.append(raw), put(session, raw))[1]
    )
    await ana.workspace.new_document("secret title")
    for name in ("Benedikt", "Caitlin"):
        await ana.workspace.share_with("secret title", name, Role.READER)
    later = now_ms() + 86_400_000
    monkeypatch.setattr(mail_sender, "now_ms", lambda: later)
    for person in (ben, cai):
        receiver = credentials(person).account_id
        letter = await ana.engine.mailroom.tell(receiver, LetterKind.HELLO)
        async with ana.engine.online.needed():
            ana.engine.mailroom.start(reading=False)
            await ana.engine.mailroom.delivered(letter)
    addresses = [Mail.parse_untrusted(raw).address for raw in seen]
    assert len(set(addresses)) == len(addresses) == 4
    cards = {mailbox_key(credentials(person).user_seed).public for person in (ana, ben, cai)}
    assert cards.isdisjoint(addresses)
    stored = b"".join(key + raw for key, raw in kept(made).items())
    for person in (ana, ben, cai):
        account = credentials(person).account
        secrets: list[bytes] = [account.id, account.user_key.sign.public, account.user_key.box.public]
        secrets += [*account.devices, credentials(person).name.encode(), b"secret title"]
        assert not any(secret[:8] in stored for secret in secrets)
    assert len({len(Mail.parse_untrusted(raw).sealed) for raw in seen}) == 1


async def test_an_admin_who_lists_a_friend_with_keys_of_his_own_is_found_out(made: World) -> None:
    """The others are told who did it and in whose name, nothing is sealed to his keys, and the friend can be
    added as ever."""
    ana, mal, ben = await friends(made, "Ana", "Mal", "Ben")
    await ana.workspace.new_document("notes", "before ")
    await ana.workspace.share_with("notes", "Mal", Role.ADMIN)
    await mal.workspace.sync()
    his = mal.opened("notes").live
    ring, maker = his.replica.seat.membership.ring, his.replica.seat.maker
    (epoch,) = ring.keys
    keys, mine = ring.deepen(epoch), BoxPair.generate(os.urandom)
    assert keys is not None
    false = replace(account_principal(credentials(ben).account), box=mine.public_key)
    said = Said(Add(false, Level.WRITE), maker.actor, maker.membership.view.heads)
    to = recipients_of(false, Level.WRITE, keys)
    his.take_records([make_grant(his.id, epoch, keys, to, said, os.urandom).raw])
    await his.durable()
    await mal.workspace.sync()
    await ana.workspace.sync()

    (notes,) = (await ana.workspace.status()).objects
    (problem,) = notes.problems
    assert problem.startswith("Mal added Ben with keys that are not shown to be theirs: ")
    assert {one.who for one in await ana.workspace.members("notes")} == {"Ana", "Mal"}
    await ana.workspace.write_document("notes", "after")
    known = KeyRing([mine])
    known.take(ana.opened("notes").live.replica.book.membership_records())
    assert set(known.keys) == {epoch}
    assert ana.opened("notes").live.replica.seat.epoch() not in known.keys
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    await ben.workspace.sync()
    assert (await ben.workspace.read_document("notes"))[0] == "after"
