"""A device is removed from an account: what it gets, what is believed of it, and who goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from peergos_collab.errors import NoAccess, NotFound, UsageError
from peergos_collab.workspace import Role
from peergos_collab.workspace.device_book import REMOVED
from support.homes import RELAYED, Person, World, agree, hand_over_everything, newest, until, world
from support.linking import link, two_devices


async def sync(*people: Person) -> None:
    for person in people:
        await person.workspace.sync()


async def befriend(one: Person, other: Person) -> None:
    """Each has the other as a contact."""
    await one.workspace.add_contact(await other.workspace.contact_card(), other.home.name)
    await other.workspace.add_contact(await one.workspace.contact_card(), one.home.name)


async def with_ben(place: World, role: Role = Role.WRITER) -> tuple[Person, Person, Person]:
    """Laptop and phone of one account, and Ben; ``notes`` is the laptop's, and Ben is in it."""
    laptop, phone = await two_devices(place)
    ben = await place.person("Ben")
    await ben.workspace.add_node((await laptop.workspace.nodes())[0].address)
    await befriend(laptop, ben)
    await laptop.workspace.share_with("notes", "Ben", role)
    await sync(ben, phone)
    assert ben.text("notes") == "hello"
    return laptop, phone, ben


async def faults(person: Person) -> list[str]:
    """What is told as a problem, but for a contact's new user key, which is told too."""
    return [words for words in await person.problems() if "have changed" not in words]


async def test_a_removed_device_opens_nothing_written_after(tmp_path: Path) -> None:
    """In private and shared objects, written by its owner or by others, though it is given every record."""
    async with world(tmp_path) as place:
        laptop, phone, ben = await with_ben(place)
        await laptop.workspace.new_document("private", "before")
        await sync(laptop, phone)
        done = await laptop.workspace.remove_device("phone")
        assert (done.name, done.waiting, done.by_link) == ("phone", 0, ())
        laptop.append("private", " and after")
        await laptop.workspace.new_document("new", "secret")
        await sync(laptop, ben)
        ben.append("notes", " after")
        await sync(ben, laptop)
        assert laptop.text("notes") == "hello after"
        await phone.workspace.go_online(RELAYED)
        await until(lambda: REMOVED in phone.engine.problems, phone, what="the phone's notice")
        with pytest.raises(NoAccess, match="has been removed from its account"):
            await phone.workspace.sync()
        for path in ("notes", "private"):
            hand_over_everything(laptop, phone, path)

            assert newest(laptop, path) not in phone.opened(path).live.replica.keys
        assert newest(ben, "notes") == newest(laptop, "notes")
        assert (phone.text("notes"), phone.text("private")) == ("hello", "before")
        assert phone.engine.profile.view.find("new") is None
        assert [device.name for device in await laptop.workspace.devices()] == ["laptop"]


async def test_what_it_wrote_before_stays_and_later_writes_reach_nobody(tmp_path: Path) -> None:
    """The removal names what of it counts; a removed device finds no keys to write with that others take."""
    async with world(tmp_path) as place:
        laptop, phone, ben = await with_ben(place)
        phone.append("notes", " from the phone")
        await sync(phone, laptop, ben)
        await laptop.workspace.remove_device("phone")
        await sync(laptop, ben)
        phone.append("notes", " TOO LATE")
        await phone.workspace.go_online(RELAYED)
        await until(lambda: REMOVED in phone.engine.problems, phone, what="the phone's notice")
        ben.append("notes", " from Ben")
        await sync(ben, laptop)

        assert laptop.text("notes") == ben.text("notes") == "hello from the phone from Ben"
        assert len(phone.opened("notes").live.replica.unsealed) > 0
        assert await laptop.problems() == await faults(ben) == []


async def test_the_other_devices_go_on(tmp_path: Path) -> None:
    """They get the new keys through the profile, without being told by anybody."""
    async with world(tmp_path) as place:
        laptop, _, ben = await with_ben(place)
        await link(place, "laptop", "tablet")
        tablet = await place.person("tablet")
        await sync(tablet, laptop)
        await laptop.workspace.remove_device("phone")
        laptop.append("notes", " 1")
        await sync(laptop, tablet, tablet)
        tablet.append("notes", " 2")
        await tablet.workspace.new_document("by tablet", "3")
        await sync(tablet, ben, laptop)

        assert laptop.text("notes") == ben.text("notes") == tablet.text("notes") == "hello 1 2"
        assert (await laptop.workspace.read_document("by tablet"))[0] == "3"
        assert tablet.engine.keys.credentials.user_seed == laptop.engine.keys.credentials.user_seed
        assert {device.name for device in await tablet.workspace.devices()} == {"laptop", "tablet"}
        assert await tablet.problems() == await faults(ben) == []


async def test_a_device_linked_after_a_removal_has_everything(tmp_path: Path) -> None:
    """Old generations of the user key come along, so what was written under them opens."""
    async with world(tmp_path) as place:
        laptop, _, ben = await with_ben(place)
        await laptop.workspace.remove_device("phone")
        laptop.append("notes", " after")
        await sync(laptop, ben)
        await link(place, "laptop", "tablet")
        tablet = await place.person("tablet")
        await sync(tablet)
        tablet.append("notes", " tablet")
        await sync(tablet, ben)

        assert ben.text("notes") == tablet.text("notes") == "hello after tablet"


async def test_it_works_offline_and_after_a_restart(tmp_path: Path) -> None:
    """New keys are made at once and survive; others get them when a node is there again."""
    async with world(tmp_path) as place:
        laptop, phone, ben = await with_ben(place)
        done = await laptop.workspace.remove_device("phone")
        before = newest(laptop, "notes")
        laptop = await place.reopen(laptop)
        laptop.append("notes", " after")
        await sync(laptop, ben)

        assert done.waiting == laptop.engine.devices.outdated() == 0
        assert newest(laptop, "notes") == before == newest(ben, "notes")
        assert ben.text("notes") == "hello after"
        hand_over_everything(laptop, phone, "notes")
        assert before not in phone.opened("notes").live.replica.keys


async def test_a_reader_tells_the_writers(tmp_path: Path) -> None:
    """Who may not make keys himself says that a device is gone; who writes next makes them."""
    async with world(tmp_path) as place:
        laptop, phone, ben = await with_ben(place, Role.READER)
        await link(place, "Ben", "Ben's phone")
        lost = await place.person("Ben's phone")
        await sync(lost)
        done = await ben.workspace.remove_device("Ben's phone")
        await sync(ben, laptop)
        laptop.append("notes", " after")
        await sync(laptop, ben)
        hand_over_everything(laptop, lost, "notes")

        assert done.waiting == 1
        assert ben.text("notes") == "hello after"
        assert newest(laptop, "notes") not in lost.opened("notes").live.replica.keys
        assert ben.engine.devices.outdated() == 0
        await sync(phone)
        assert await agree("notes", laptop, phone) == "hello after"


async def test_what_opens_with_a_link_is_told_and_ended(tmp_path: Path) -> None:
    """The device knows the account's links; they end on demand, and what others' links open is named."""
    async with world(tmp_path) as place:
        laptop, phone, ben = await with_ben(place)
        await ben.workspace.new_document("Ben's", "1")
        await laptop.workspace.join(await ben.workspace.share_link("Ben's", Role.WRITER))
        await laptop.workspace.share_link("notes", Role.READER)
        await sync(laptop, phone)
        done = await laptop.workspace.remove_device("phone", end_links=True)
        await sync(laptop)
        hand_over_everything(laptop, phone, "notes")

        assert done.by_link == ("Ben's",)
        assert newest(laptop, "notes") not in phone.opened("notes").live.replica.keys
        assert await laptop.workspace.links("notes") == []


async def test_links_stay_unless_they_are_to_end(tmp_path: Path) -> None:
    """Others may use them; the objects they open are named."""
    async with world(tmp_path) as place:
        laptop, _ = await two_devices(place)
        await laptop.workspace.share_link("notes", Role.READER)
        done = await laptop.workspace.remove_device("phone")

        assert done.by_link == ("notes",)
        assert len(await laptop.workspace.links("notes")) == 1


async def test_wrong_names_change_nothing(tmp_path: Path) -> None:
    """No such device, and the device itself."""
    async with world(tmp_path) as place:
        laptop, _ = await two_devices(place)
        head = laptop.engine.keys.credentials.account.head
        with pytest.raises(NotFound):
            await laptop.workspace.remove_device("tablet")
        with pytest.raises(UsageError, match="this device"):
            await laptop.workspace.remove_device("laptop")

        assert laptop.engine.keys.credentials.account.head == head
