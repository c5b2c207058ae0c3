"""A stolen account is taken back with the recovery code, on a new device, from what a node has."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import pytest

from peergos_collab.codec import to_multibase
from peergos_collab.codec.ids import DeviceId, PrincipalId
from peergos_collab.crypto import UserSeed
from peergos_collab.errors import Conflict, NoAccess, NotFound, Offline, UsageError
from peergos_collab.files.changes import put_entry, remove
from peergos_collab.identity.account import MAX_LOG
from peergos_collab.identity.account_ops import AddDevice, RemoveDevice
from peergos_collab.identity.cards import ContactCard
from peergos_collab.identity.credentials import Credentials, DeviceSecrets
from peergos_collab.identity.recovery_code import RecoveryCode
from peergos_collab.identity.user_keys import new_generation
from peergos_collab.node import RunningNode
from peergos_collab.node.shelf import DROPS
from peergos_collab.objects.letters import LetterKind, Writer, read_letter_untrusted
from peergos_collab.ports import PutValue
from peergos_collab.workspace import Role, create_workspace
from peergos_collab.workspace.device_book import REMOVED
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.network import with_node
from peergos_collab.workspace.recovering import RecoveredAccount, recover_account
from peergos_collab.workspace.recovery_drop import RecoveryDrop
from peergos_collab.workspace.recovery_keeper import KIND, PLACES, RENEW
from support.accounts import LogFiller
from support.homes import (
    RELAYED,
    EngineProcess,
    Person,
    World,
    copy_home,
    hand_over_everything,
    newest,
    until,
    world,
)
from support.linking import two_devices

ACCOUNT_TOLD = "taken back with its recovery code"


async def sync(*people: Person) -> None:
    for person in people:
        await person.workspace.sync()


class Theft:
    """Ana with a laptop and a phone, her contact Ben in ``notes``, and her recovery code."""

    def __init__(self, place: World) -> None:
        self.place = place
        made = create_workspace(place.root / "laptop", name="Ana", passphrase=None, device_name="laptop")
        self.code = made.recovery_code
        self.codes: list[str] = []

    async def begin(self) -> Theft:
        self.laptop, self.phone = await two_devices(self.place)
        self.node = (await self.laptop.workspace.nodes())[0].address
        self.ben = await self.place.person("Ben")
        await self.ben.workspace.add_node(self.node)
        await self.laptop.workspace.add_contact(await self.ben.workspace.contact_card(), "Ben")
        await self.ben.workspace.add_contact(await self.laptop.workspace.contact_card(), "Ana")
        await self.laptop.workspace.share_with("notes", "Ben", Role.WRITER)
        await self.laptop.workspace.new_document("private", "mine")
        await sync(self.laptop, self.ben, self.phone)
        assert self.ben.text("notes") == "hello"
        return self

    async def steal(self) -> Path:
        """The laptop, which is the oldest device, is gone; a whole copy of it is at the thief's."""
        await self.place.close(self.laptop)
        copy_home(self.laptop.home, self.place.root / "thief")
        return self.place.root / "thief"

    async def _show(self, code: str) -> None:
        self.codes.append(code)

    async def recover(self, name: str = "new", code: str = "") -> RecoveredAccount:
        home = self.place.root / name
        return await recover_account(
            home, code or self.code, self._show, node=self.node, device_name=name, passphrase=None
        )


async def test_a_thief_of_the_oldest_device_is_beaten(tmp_path: Path) -> None:
    """He is online with a copy of it in a process of his own, threw the phone out, and goes on writing."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        ben, home = theft.ben, await theft.steal()
        process = await EngineProcess.start(home)
        assert (await process.call("remove_device", "phone"))["name"] == "phone"
        await process.call("append", "notes", " by the thief")
        await process.call("sync")
        await process.call("go_online", False)
        back = await theft.recover()
        new = await place.person("new")
        new.append("notes", " after")
        new.append("private", " again")
        await sync(new, ben)
        ben.append("notes", " Ben")
        await sync(ben, new)
        await process.call("append", "notes", " TOO LATE")
        await process.call("append", "private", " TOO LATE")
        await process.stop()
        await sync(new, ben)

        assert (back.told, back.whole, back.waiting) == (True, True, 0)
        assert [device.name for device in await new.workspace.devices()] == ["new"]
        assert new.text("notes") == ben.text("notes") == "hello by the thief after Ben"
        assert new.text("private") == "mine again"
        thief = await place.person("thief")
        await thief.workspace.go_online(RELAYED)
        await until(lambda: REMOVED in thief.engine.problems, thief, what="the thief's notice")
        for path in ("notes", "private"):
            hand_over_everything(new, thief, path)

            assert newest(new, path) not in thief.opened(path).live.replica.keys
        assert newest(ben, "notes") == newest(new, "notes")
        assert "after" not in thief.text("notes")
        assert thief.text("private") == "mine TOO LATE"
        assert await new.problems() == []


async def test_contacts_are_told_plainly(tmp_path: Path) -> None:
    """Ben learns of it by mail, and shares with Ana again only after he accepted her new keys."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        await theft.steal()
        await theft.recover()
        await sync(theft.ben)
        told = [words for words in theft.ben.engine.problems if "Ana" in words]

        assert len(told) == 1
        assert ACCOUNT_TOLD in told[0]
        assert [contact.changed for contact in await theft.ben.workspace.contacts()] == [True]
        with pytest.raises(Conflict, match="have changed"):
            await theft.ben.workspace.share_with("notes", "Ana", Role.READER)


async def test_the_old_code_is_used_up_and_the_new_one_works(tmp_path: Path) -> None:
    """Without any device again: the code that was shown then takes the account back once more."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        await theft.recover()
        with pytest.raises(NotFound, match="nothing for this recovery code"):
            await theft.recover("again")
        back = await theft.recover("third", theft.codes[0])
        third = await place.person("third")

        assert len(set(theft.codes)) == 2
        assert back.removed == ("new",)
        assert third.text("notes") == "hello"
        assert third.engine.keys.credentials.account.standing.root_generation == 2
        assert not (place.root / "again").exists()


async def test_what_a_device_did_alone_is_found(tmp_path: Path) -> None:
    """The phone's own changes, and a device that only the profile tells of, count afterwards too."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        theft.phone.append("notes", " from the phone")
        await sync(theft.phone)
        await theft.steal()
        back = await theft.recover()
        new = await place.person("new")
        await sync(theft.ben)

        assert set(back.removed) == {"laptop", "phone"}
        assert new.text("notes") == theft.ben.text("notes") == "hello from the phone"
        assert {entry.name for entry in await new.workspace.list_entries()} == {"notes", "private"}
        assert [contact.name for contact in await new.workspace.contacts()] == ["Ben"]


def keep_from_the_code(own: Credentials) -> Credentials:
    """A user key for this device alone, which no honest program makes."""
    seed, standing = UserSeed.generate(os.urandom), own.account.standing
    op = new_generation(seed, [own.device.public], None, {}, os.urandom)
    account = own.account.with_op(op, own.device_sign)
    assert standing.recovery is not None
    return replace(own, account=account, user_seeds={**own.user_seeds, account.user_key.generation: seed})


async def test_a_thief_who_keeps_keys_from_the_code_is_beaten(tmp_path: Path) -> None:
    """He gave profile and documents a user key that is not boxed to the code, and added a device."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        await theft.steal()
        thief = await place.person("thief")
        own = thief.engine.keys.credentials
        own = replace(own, account=own.account.with_op(RemoveDevice(phone_of(theft)), own.device_sign))
        added = DeviceSecrets.generate(os.urandom)
        own = replace(own, account=own.account.with_op(AddDevice(added.public), own.device_sign))
        thief.engine.devices.keep(keep_from_the_code(own))
        thief.engine.waking.open_all()
        for opened in list(thief.engine.objects.values()):
            thief.engine.devices.renew(opened)
        thief.append("notes", " by the thief")
        await sync(thief)
        back = await theft.recover()
        new = await place.person("new")
        await sync(theft.ben, new)
        new.append("notes", " after")
        new.append("private", " again")
        await sync(new, theft.ben, new)

        assert (back.told, back.whole, back.waiting) == (True, False, 0)
        assert new.text("private") == "mine again"
        assert theft.ben.text("notes").startswith("hello")
        assert theft.ben.text("notes").endswith(" after")
        for path in ("notes", "private"):
            hand_over_everything(new, thief, path)

            assert newest(new, path) not in thief.opened(path).live.replica.keys
        assert new.engine.keys.credentials.account.devices.keys() == {new.engine.keys.credentials.device_id}


def phone_of(theft: Theft) -> DeviceId:
    return theft.phone.engine.keys.credentials.device_id


async def test_wrong_codes_and_places_are_told(tmp_path: Path) -> None:
    """Somebody else's code, a mistyped one, a node without the account, none at all, a home that is there."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        other = await place.node("other")
        with pytest.raises(NotFound, match="nothing for this recovery code"):
            await theft.recover(code=RecoveryCode.generate(os.urandom).show())
        mistyped = theft.code[:-1] + ("0" if theft.code[-1] != "0" else "1")
        with pytest.raises(UsageError, match="Group 8"):
            await theft.recover(code=mistyped)
        node, theft.node = theft.node, other.address
        with pytest.raises(NotFound, match="nothing for this recovery code"):
            await theft.recover()
        theft.node = node
        with pytest.raises(Conflict):
            await theft.recover("Ben")
        await place.nodes[0].close()  # type: ignore[union-attr]
        with pytest.raises(Offline):
            await theft.recover()

        assert theft.codes == []
        assert not (place.root / "new").exists()


async def test_a_node_without_the_profile_is_told(tmp_path: Path) -> None:
    """It has the drop and nothing behind it, as one would that lost its objects."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        lost = await place.node("lost")
        (drop,) = theft.laptop.engine.recovery.drops()
        async with await with_node(
            theft.laptop.engine.transport, theft.laptop.engine.link_events, os.urandom, lost.address
        ) as link:
            await link.put_drop(drop.public, drop.drop.raw)
        theft.node = lost.address
        with pytest.raises(Offline, match="does not have this account's profile"):
            await theft.recover()


async def test_a_used_code_is_told_where_its_drop_is_still_there(tmp_path: Path) -> None:
    """A node that was restored from a backup has the old drop again, and what came since as well."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        (drop,) = theft.laptop.engine.recovery.drops()
        await theft.recover()
        node = place.nodes[0]
        assert isinstance(node, RunningNode)
        stored = now_ms().to_bytes(8, "big") + drop.drop.raw
        await asyncio.wrap_future(node._store.write([PutValue(DROPS, drop.public, stored)]))
        with pytest.raises(NoAccess, match="has been used"):
            await theft.recover("again")


async def test_a_thief_cannot_hide_the_account_from_its_code(tmp_path: Path) -> None:
    """He takes the drop out of the profile and puts false ones in: other devices keep the one they know."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        phone, thief = theft.phone.engine, theft.laptop.engine
        (drop,) = thief.recovery.drops()
        changes = [remove(drop.entry_id)]
        for number in range(8):
            false = RecoveryDrop.make(
                RecoveryCode.generate(os.urandom),
                phone.keys.profile,
                phone.keys.profile_epoch,
                phone.keys.profile_keys,
                f"false {number}",
                os.urandom,
            )
            false = replace(false, next_root=drop.next_root)
            changes.append(put_entry(false.entry_id, "recovery", KIND, false.encode(), now=now_ms()))
        await thief.change_profile(*changes)
        await sync(theft.laptop, theft.phone)
        second = await place.node("second")
        await theft.phone.workspace.add_node(second.address)
        await sync(theft.phone)
        theft.node = second.address
        back = await theft.recover()

        assert drop.entry_id in {kept.entry_id for kept in phone.recovery.drops()}
        assert back.whole


async def test_the_drop_is_put_again_in_time(tmp_path: Path) -> None:
    """Nodes forget it after a year, so each device puts it once in thirty days, and not more often."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        laptop, node = theft.laptop.engine, place.nodes[0]
        assert isinstance(node, RunningNode)
        (drop,) = laptop.recovery.drops()
        times = []
        for age in (0, 0, RENEW):
            await asyncio.wrap_future(node._store.write([PutValue(DROPS, drop.public, None)]))
            for place_, time in list(laptop.store.values(PLACES)):
                earlier = int.from_bytes(time, "big") - age
                await asyncio.wrap_future(
                    laptop.store.write([PutValue(PLACES, place_, earlier.to_bytes(8, "big"))])
                )
            await sync(theft.laptop)
            times.append(node._store.value(DROPS, drop.public) is not None)

        assert times == [False, False, True]


async def write(credentials: Credentials, to: Person) -> None:
    """A letter as its node would hand it over."""
    own = to.engine.keys.credentials.account_id
    writer = Writer(ContactCard.make(credentials, (), now_ms()), credentials.device_sign)
    raw = writer.write(own, LetterKind.HELLO, b"", id=os.urandom(16), time=now_ms())
    await to.engine.mailroom._do(read_letter_untrusted(raw, own))


async def test_an_older_log_is_found_out_after_a_restart(tmp_path: Path) -> None:
    """Ben was restarted since; then Ana's laptop writes without what it had said before: an old copy."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        laptop = theft.laptop.engine
        old = laptop.keys.credentials
        newer = old.add_device(DeviceSecrets.generate(os.urandom).public)
        await write(newer, theft.ben)
        ben = await place.reopen(theft.ben)
        before = [*ben.engine.problems]
        await write(old, ben)
        told = [words for words in ben.engine.problems if to_multibase(old.account_id) in words]

        assert before == []
        assert len(told) == 1
        assert "without changes" in told[0]


async def test_a_thief_who_fills_the_accounts_log_is_beaten(tmp_path: Path) -> None:
    """He signs as much as records carry, adds a device and a key at the end, and shows all that everywhere.
    The account comes back with room to go on, and the contact follows and shares with it again."""
    async with world(tmp_path) as place:
        theft = await Theft(place).begin()
        ben, home = theft.ben, await theft.steal()
        thief = await place.person(home.name)
        stolen = thief.engine.keys.credentials
        filler, seed = LogFiller(stolen), UserSeed.generate(os.urandom)
        filler.fill("thief", room=2_000)
        late = DeviceSecrets.generate(os.urandom)
        assert filler.sign(AddDevice(late.public))
        devices = [*stolen.account.devices.values(), late.public]
        assert filler.sign(new_generation(seed, devices, stolen.account.standing.recovery, {}, os.urandom))
        filler.fill("end")
        full = filler.account
        seeds = {**stolen.user_seeds, full.user_key.generation: seed}
        thief.engine.devices.keep(replace(stolen, account=full, user_seeds=seeds))
        await thief.engine.devices.note_own()
        for opened in list(thief.engine.objects.values()):
            thief.engine.devices.renew(opened)
        thief.append("notes", " by the thief")
        await sync(thief, ben)
        assert ben.text("notes") == "hello by the thief"
        assert len(ben.engine.accounts.newest[stolen.account_id].raw) > MAX_LOG - 400
        await sync(theft.phone)
        theft.phone.append("notes", " phone")
        await sync(theft.phone, ben)
        assert ben.text("notes") == "hello by the thief phone"
        await place.close(thief)
        await place.close(theft.phone)

        back = await theft.recover()
        new = await place.person("new")
        own = new.engine.keys.credentials
        assert (back.told, back.waiting) == (True, 0)
        assert len(own.account.raw) < MAX_LOG // 2
        assert own.account.devices.keys() == {own.device_id}
        assert late.public.id in own.account.standing.gone
        new.append("notes", " after")
        await sync(new, ben, new, ben)
        assert new.text("notes") == ben.text("notes") == "hello by the thief phone after"
        assert len(ben.engine.accounts.newest[own.account_id].raw) <= MAX_LOG
        assert ben.engine.accounts.newest[own.account_id].devices == own.account.devices
        members = ben.opened("notes").live.replica.view.members
        assert members[PrincipalId(own.account_id)].principal.version == own.account.user_key.generation
        await ben.workspace.accept_contact("Ana")
        await ben.workspace.new_document("ours", "from Ben")
        await ben.workspace.share_with("ours", "Ana", Role.WRITER)
        await sync(new)
        assert new.text("ours") == "from Ben"
