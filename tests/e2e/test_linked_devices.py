"""One account on several devices: linking over a real node, and working on both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.codec.address import parse_address
from peergos_collab.codec.ids import ObjectId
from peergos_collab.errors import NotFound, TimedOut
from peergos_collab.files.changes import put_entry
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.device_meeting import MeetingEnded
from peergos_collab.node import serve_node
from peergos_collab.objects.epoch_keys import Level
from peergos_collab.objects.letters import LetterKind, Writer, read_letter_untrusted
from peergos_collab.ports.installed import installed_relay
from peergos_collab.sync.frames import Frame
from peergos_collab.workspace import Options, Role, open_workspace
from peergos_collab.workspace.circle_people import CIRCLE
from peergos_collab.workspace.known_circles import KnownCircles
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.new_device import join_account
from peergos_collab.workspace.open_object import PROFILE_PATH
from support.homes import DIRECT, RELAYED, Person, World, agree, direct_connections, online, until, world
from support.linking import link, two_devices
from support.observer import Observer


async def test_a_linked_device_has_everything(tmp_path: Path) -> None:
    """Documents, chats and their history, under the same account and without a change to any object."""
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        await laptop.workspace.new_document("notes", "hello")
        await laptop.workspace.new_chat("talk")
        await laptop.workspace.send_message("talk", "first")
        await laptop.workspace.sync()
        before = {id_: list(opened.live.replica.book.epochs) for id_, opened in laptop.engine.objects.items()}
        joined = await link(place, "laptop", "phone")
        phone = await place.person("phone")
        await phone.workspace.sync()

        assert joined.name == "laptop"
        assert phone.engine.keys.credentials.account_id == laptop.engine.keys.credentials.account_id
        assert {entry.name for entry in await phone.workspace.list_entries()} == {"notes", "talk"}
        assert (await phone.workspace.read_document("notes"))[0] == "hello"
        assert [message.text for message in await phone.workspace.read_messages("talk", 9)] == ["first"]
        assert {
            id_: list(opened.live.replica.book.epochs) for id_, opened in phone.engine.objects.items()
        } == before


async def test_a_linked_device_takes_the_entry_node_over(tmp_path: Path) -> None:
    """It reaches the nodes through the entry from its first session on, and never directly."""
    async with world(tmp_path) as place:
        store, entry = await place.node("store"), await place.node("entry", entry=True)
        laptop = await place.person("laptop")
        await laptop.workspace.set_entry_node(entry.address)
        await laptop.workspace.add_node(store.address)
        await laptop.workspace.new_document("notes", "hello")
        await laptop.workspace.sync()
        await link(place, "laptop", "phone", way=installed_relay(parse_address(entry.address)))
        phone = await place.person("phone")
        places = direct_connections(phone)
        assert phone.engine.entry_node() == entry.address  # before anything was fetched
        await phone.workspace.sync()

        assert phone.text("notes") == "hello"
        assert (await phone.workspace.status()).entry_node == entry.address
        assert places == []


async def shared_and_own(place: World) -> tuple[Observer, Person]:
    """Ana with two things of her own and two that she shares with Ben, and all that the node sees."""
    observer = Observer()
    node = await serve_node(place.root / "node", "127.0.0.1", 0, transport=observer)
    place.nodes.append(node)
    ana, ben = await place.person("Ana"), await place.person("Ben")
    for person in (ana, ben):
        await person.workspace.add_node(node.address)
    await ana.workspace.add_contact(await ben.workspace.contact_card())
    for path in sorted(OURS | OWN - {PROFILE_PATH}):
        await ana.workspace.new_document(path, "ours" if path in OURS else "mine")
    for path in sorted(OURS):
        await ana.workspace.share_with(path, "Ben", Role.WRITER)
    await ana.workspace.sync()
    return observer, ana


def opened_on(observer: Observer, person: Person) -> dict[int, set[str]]:
    """What was opened on each session since the observer was told to remember."""
    paths = {id_: opened.path for id_, opened in person.engine.objects.items()}
    sessions: dict[int, set[str]] = {}
    for seen in observer.fresh:
        if seen.inward and seen.frame is Frame.OPEN:
            sessions.setdefault(seen.session, set()).add(paths[seen.fields[0]])
    return sessions


OWN, OURS = {PROFILE_PATH, "diary", "plans"}, {"more", "notes"}


async def test_a_linked_device_has_a_session_for_each_circle_at_once(tmp_path: Path) -> None:
    """Not one for each object, and on none are objects that the first device does not have on one."""
    async with world(tmp_path) as place:
        observer, _ = await shared_and_own(place)
        await link(place, "Ana", "phone")
        phone = await place.person("phone")
        observer.remember()
        await phone.workspace.sync()

        assert sorted(map(len, opened_on(observer, phone).values())) == [len(OURS), len(OWN)]
        assert all(opened in (OWN, OURS) for opened in opened_on(observer, phone).values())
        assert {phone.text(path) for path in OURS} == {"ours"}
        assert {phone.text(path) for path in ("diary", "plans")} == {"mine"}
        assert await phone.problems() == []


async def test_a_linked_device_believes_records_more_than_what_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where members changed since, an object goes to the session of those who are in it."""

    def one_circle(members: Iterable[tuple[ObjectId, bytes]]) -> KnownCircles:
        return KnownCircles({object_id[:8]: bytes(CIRCLE) for object_id, _ in members})

    async with world(tmp_path) as place:
        observer, _ = await shared_and_own(place)
        monkeypatch.setattr(KnownCircles, "gather", one_circle)
        await link(place, "Ana", "phone")
        phone = await place.person("phone")
        observer.remember()
        await phone.workspace.sync()
        sessions = opened_on(observer, phone).values()

        assert {phone.text(path) for path in OURS} == {"ours"}
        assert OWN - {PROFILE_PATH} | OURS in sessions
        assert OURS in sessions
        assert OWN in sessions


@pytest.mark.parametrize("options", [RELAYED, DIRECT], ids=["relayed", "direct"])
async def test_two_devices_of_one_account_write_live(tmp_path: Path, options: Options) -> None:
    """In one document at once, and each sees the other's cursor under the person's name."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        await online("notes", options, laptop, phone)
        laptop.append("notes", " from the laptop")
        phone.append("notes", " from the phone")
        text = await agree("notes", laptop, phone)
        handle = await laptop.workspace.open_document("notes")
        (await phone.workspace.open_document("notes")).set_cursor(0, 0)
        await until(lambda: bool(handle.presences), laptop, phone, what="the other's cursor")

        assert sorted(text.split(" from ")) == sorted(["hello", "the laptop", "the phone"])
        assert [present.name for present in handle.presences] == ["laptop"]
        assert await laptop.problems() == await phone.problems() == []


async def test_what_each_device_made_offline_is_on_both(tmp_path: Path) -> None:
    """New documents, and a third device linked by the second, of which the first learns by itself."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        await laptop.workspace.new_document("by laptop", "1")
        await phone.workspace.new_document("by phone", "2")
        await link(place, "phone", "tablet")
        tablet = await place.person("tablet")
        for person in (laptop, phone, tablet, laptop, phone):
            await person.workspace.sync()
        for person in (laptop, phone, tablet):
            names = {entry.name for entry in await person.workspace.list_entries()}
            devices = await person.workspace.devices()

            assert names == {"notes", "by laptop", "by phone"}
            assert {device.name for device in devices} == {"laptop", "phone", "tablet"}
            assert [device.me for device in devices] == [True, False, False]
        heads = {person.engine.keys.credentials.account.head for person in (laptop, phone, tablet)}

        assert len(heads) == 1


async def test_others_take_what_a_new_device_writes(tmp_path: Path) -> None:
    """In an object shared before the device was there: its log says whose it is."""
    async with world(tmp_path) as place:
        node = await place.node()
        ana, ben = await place.pair(node.address, "notes", "hello")
        await link(place, "Ana", "phone")
        phone = await place.person("phone")
        await phone.workspace.sync()
        await online("notes", RELAYED, ana, ben, phone)
        phone.append("notes", " by phone")
        await until(lambda: "by phone" in ben.text("notes"), ana, ben, phone, what="the phone's text")
        writer = await (await ben.workspace.open_document("notes")).writer_at(8)

        assert await ben.problems() == []
        assert writer is not None
        assert (writer.name, writer.me) == ("Ana", False)


async def test_digits_that_differ_link_nothing(tmp_path: Path) -> None:
    """The new device's user says no: the other one hears of it, and the code is used up."""
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        offer = await laptop.workspace.link_device()

        async def compare(_: str) -> bool:
            return False

        with pytest.raises(MeetingEnded):
            await join_account(place.root / "phone", offer.code, compare, device_name="", passphrase=None)
        await laptop.workspace.compare_device(offer.id)
        with pytest.raises(MeetingEnded):
            await laptop.workspace.finish_linking(offer.id, same=True)
        with pytest.raises(NotFound):
            await laptop.workspace.compare_device(offer.id)

        assert len(await laptop.workspace.devices()) == 1
        assert not (place.root / "phone").exists()


async def test_a_second_reader_of_the_code_ends_it(tmp_path: Path) -> None:
    """Somebody photographed the code and came first; when the right device comes, neither is linked."""
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        offer = await laptop.workspace.link_device()
        met = asyncio.Event()

        async def wait(_: str) -> bool:
            met.set()
            await asyncio.Event().wait()
            return False

        async def yes(_: str) -> bool:
            return True

        thief = asyncio.create_task(
            join_account(place.root / "thief", offer.code, wait, device_name="", passphrase=None)
        )
        await laptop.workspace.compare_device(offer.id)
        await met.wait()
        phone = asyncio.create_task(
            join_account(place.root / "phone", offer.code, yes, device_name="", passphrase=None)
        )
        with pytest.raises(MeetingEnded, match="one code"):
            await laptop.workspace.finish_linking(offer.id, same=True)
        for task in (thief, phone):
            task.cancel()
        await asyncio.gather(thief, phone, return_exceptions=True)

        assert len(await laptop.workspace.devices()) == 1


async def test_a_code_that_nobody_serves_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its device has ended, or it was used: the new device says so, and makes no home."""
    monkeypatch.setattr("peergos_collab.workspace.new_device.ANSWER_SECONDS", 0.2)
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        offer = await laptop.workspace.link_device()
        await laptop.workspace.finish_linking(offer.id, same=False)

        async def compare(_: str) -> bool:
            raise AssertionError

        with pytest.raises(TimedOut, match="expired"):
            await join_account(place.root / "phone", offer.code, compare, device_name="", passphrase=None)

        assert not (place.root / "phone").exists()


async def test_a_code_that_nobody_uses_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, and its place is free again."""
    monkeypatch.setattr("peergos_collab.workspace.linking.CODE_SECONDS", 0.1)
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        for _ in range(5):
            offer = await laptop.workspace.link_device()
            with pytest.raises(TimedOut):
                await laptop.workspace.compare_device(offer.id)


async def test_an_attached_process_links_too(tmp_path: Path) -> None:
    """The interface runs; the command line beside it shows the code."""
    async with world(tmp_path) as place:
        node = await place.node()
        laptop = await place.person("laptop")
        await laptop.workspace.add_node(node.address)
        beside = await open_workspace(laptop.home)
        assert beside.attached
        try:
            offer = await beside.link_device()

            async def compare(digits: str) -> bool:
                return digits == (await beside.compare_device(offer.id)).digits

            joining = asyncio.create_task(
                join_account(place.root / "phone", offer.code, compare, device_name="ph", passphrase=None)
            )
            await beside.compare_device(offer.id)
            linked = await beside.finish_linking(offer.id, same=True)
            await joining

            assert linked is not None
            assert linked in await beside.devices()
        finally:
            await beside.close()


async def test_contacts_are_the_accounts(tmp_path: Path) -> None:
    """A new device knows them, gets what they share (once, whoever reads the mail), and shares with them."""
    async with world(tmp_path) as place:
        node = await place.node()
        ana, ben = await place.person("Ana"), await place.person("Ben")
        for person, other in ((ana, ben), (ben, ana)):
            await person.workspace.add_node(node.address)
            await person.workspace.add_contact(await other.workspace.contact_card())
        await ana.workspace.mark_verified("Ben", words=await ben.workspace.contact_words("Ana"))
        for person in (ana, ben):
            await person.workspace.sync()
        await link(place, "Ana", "phone")
        phone = await place.person("phone")
        await phone.workspace.sync()
        assert [(each.name, each.verified) for each in await phone.workspace.contacts()] == [("Ben", True)]
        for person in (ana, phone):
            await person.workspace.go_online(RELAYED)
        await ben.workspace.new_document("from Ben", "hello")
        await ben.workspace.share_with("from Ben", "Ana", Role.WRITER)

        def has(person: Person) -> bool:
            return person.engine.profile.view.find("from Ben") is not None

        await until(lambda: has(ana) and has(phone), ana, phone, what="the share on both devices")
        for person in (ana, phone):
            assert [entry.name for entry in await person.workspace.list_entries()] == ["from Ben"]
        await until(lambda: phone.text("from Ben") == "hello", phone, what="its text")
        phone.append("from Ben", " phone")
        await agree("from Ben", ana, phone)
        await phone.workspace.new_document("from the phone", "x")
        await phone.workspace.share_with("from the phone", "Ben", Role.READER)
        await ben.workspace.sync()

        assert (ben.text("from the phone"), ben.text("from Ben")) == ("x", "hello phone")
        assert not (await ben.workspace.contacts())[0].changed


async def test_what_a_device_joined_before_it_was_told_of_it_is_listed_once(tmp_path: Path) -> None:
    """By a link to its own account's document: the account's own entry stays, with all that was written."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        await laptop.workspace.new_document("plan", "one")
        link_to_it = await laptop.workspace.share_link("plan", Role.READER)
        await phone.workspace.join(link_to_it, "by link")
        await phone.workspace.sync()
        await laptop.workspace.sync()
        for person in (laptop, phone):
            names = person.engine.profile.view.entries
            await until(lambda names=names: set(names()) == {"notes", "plan"}, person, what="one entry")  # type: ignore[misc]

        await until(lambda: phone.opened("plan").live.replica.level is Level.ADMIN, phone, what="as itself")
        phone = await place.reopen(phone)
        phone.append("plan", " two")
        await phone.workspace.sync()
        await laptop.workspace.sync()
        assert laptop.text("plan") == "one two"
        laptop = await place.reopen(laptop)
        assert set(laptop.engine.profile.view.entries()) == {"notes", "plan"}


async def test_what_another_device_took_out_is_not_in_use_any_more(tmp_path: Path) -> None:
    """But whoever has it open goes on until he closes it."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        await laptop.workspace.new_document("more", "more")
        await laptop.workspace.sync()
        await phone.workspace.sync()
        handle = await laptop.workspace.open_document("more")
        opened = laptop.opened("more")
        for path in ("notes", "more"):
            await phone.workspace.remove(path)
        await phone.workspace.sync()
        await laptop.workspace.sync()
        assert [state.path for state in (await laptop.workspace.status()).objects] == ["more"]
        opened.fold.document.edit(0, 0, "still ")  # type: ignore[union-attr]
        await handle.close()
        await laptop.workspace.new_document("new")
        assert [state.path for state in (await laptop.workspace.status()).objects] == ["new"]


async def test_a_letter_read_too_early_makes_nobody_a_stranger(tmp_path: Path) -> None:
    """The phone reads Ben's letter before it hears that the laptop accepted him: he stays a contact."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        ben = await place.person("Ben")
        await laptop.workspace.add_contact(await ben.workspace.contact_card(), "Benno")
        keys = ben.engine.keys.credentials
        writer = Writer(ben.engine.mailroom.card(), keys.device_sign)
        own = phone.engine.keys.credentials.account_id
        raw = writer.write(own, LetterKind.HELLO, b"", id=bytes(16), time=now_ms())
        await phone.engine.mailroom._do(read_letter_untrusted(raw, own))
        assert [contact.pending for contact in await phone.workspace.contacts()] == [True]
        await laptop.workspace.sync()
        for person in (phone, laptop):
            await person.workspace.sync()

            (contact,) = await person.workspace.contacts()
            assert (contact.name, contact.pending) == ("Benno", False)
        await laptop.workspace.remove_contact("Benno")
        await laptop.workspace.sync()
        await phone.workspace.sync()
        assert await laptop.workspace.contacts() == await phone.workspace.contacts() == []


async def test_a_stranger_takes_no_name_from_a_contact(tmp_path: Path) -> None:
    """Ben, and Eve who calls herself Ben, write to the phone while the laptop adds Ben: he is Ben on both."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        ben, eve = await place.person("Ben"), await place.person("Eve")
        own = phone.engine.keys.credentials.account_id
        for writer in (ben, eve):
            keys = writer.engine.keys.credentials
            card = ContactCard.make(replace(keys, name="Ben"), (), now_ms())
            raw = Writer(card, keys.device_sign).write(
                own, LetterKind.HELLO, b"", id=bytes(16), time=now_ms()
            )
            await phone.engine.mailroom._do(read_letter_untrusted(raw, own))
        await laptop.workspace.add_contact(await ben.workspace.contact_card())
        for person in (phone, laptop, phone):
            await person.workspace.sync()
        card = ben.engine.mailroom.card()
        for person in (laptop, phone):
            known = await person.workspace.contacts()

            assert [(each.name, each.pending) for each in known] == [("Ben", False), ("Ben (2)", True)]
            assert person.engine.mailroom.book.find("Ben").account == card.id


async def test_what_waits_is_taken_once_another_device_accepted_who_sent_it(tmp_path: Path) -> None:
    """However it came to be accepted: also where the other device cannot take it itself."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        ben = await place.person("Ben")
        await ben.workspace.add_node(place.nodes[0].address)
        await ben.workspace.add_contact(await laptop.workspace.contact_card(), "Ana")
        await ben.workspace.new_document("ours", "from Ben")
        await ben.workspace.share_with("ours", "Ana", Role.READER)
        await ben.workspace.sync()
        await phone.workspace.sync()
        assert [invitation.who for invitation in await phone.workspace.invitations()] == ["Ben"]
        laptop.engine.mailroom.accept_known = lambda *_: None  # type: ignore[method-assign]
        await laptop.workspace.sync()
        await laptop.workspace.accept_contact("Ben")
        await laptop.workspace.sync()
        await phone.workspace.sync()
        await until(lambda: phone.engine.profile.view.find("ours") is not None, phone, what="the document")

        assert await phone.workspace.invitations() == []


async def test_what_no_node_has_yet_holds_up_no_sync(tmp_path: Path) -> None:
    """The laptop went away between the profile and a document: the phone says what is lacking, and gets it
    once it is there."""
    async with world(tmp_path) as place:
        laptop, phone = await two_devices(place)
        await laptop.workspace.new_document("plan", "one")
        view = laptop.engine.profile.view.find("plan")
        assert view is not None
        await place.close(laptop)
        early = put_entry(view.id, view.name, view.kind, view.reference, now=now_ms())
        await phone.engine.change_profile(early)
        await phone.workspace.sync()
        states = {state.path: state.problems for state in (await phone.workspace.status()).objects}
        assert states["notes"] == ()
        assert "does not have it" in states["plan"][0]
        laptop = await place.person("laptop")
        await laptop.workspace.sync()
        await phone.workspace.sync()

        assert phone.text("plan") == "one"
        assert await phone.problems() == []
