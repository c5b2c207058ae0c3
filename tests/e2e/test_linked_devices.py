"""One account on several devices: linking over a real node, and working on both."""

from __future__ import annotations

import asyncio
from pathlib import Path

from peergos_collab.workspace.new_device import LinkedHome, join_account
from support.homes import World, world


async def link(place: World, name: str, new: str, *, same: bool = True) -> LinkedHome:
    """Links a new home to the account of an open one; both users compare what they see."""
    first = next(person for person in place.open_now if person.home.name == name)
    offer = await first.workspace.link_device()
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def compare(digits: str) -> bool:
        return digits == await shown

    async def finish() -> None:
        comparison = await first.workspace.compare_device(offer.id)
        shown.set_result(comparison.digits)
        await first.workspace.finish_linking(offer.id, same=True)

    _, joined = await asyncio.gather(
        finish(), join_account(place.root / new, offer.code, compare, device_name=new, passphrase=None)
    )
    return joined


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
