"""Linking devices in end-to-end tests."""

from __future__ import annotations

import asyncio

from peergos_collab.ports import Transport
from peergos_collab.workspace.new_device import LinkedHome, join_account
from support.homes import Person, World


async def link(place: World, name: str, new: str, *, way: Transport | None = None) -> LinkedHome:
    """Links a new home to the account of an open one; both users compare what they see.

    ``way``: how the new device reaches the node; the usual way by default.
    """
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
        finish(),
        join_account(place.root / new, offer.code, compare, device_name=new, passphrase=None, transport=way),
    )
    return joined


async def two_devices(place: World) -> tuple[Person, Person]:
    """A laptop with a document, and a phone of the same account; both have everything."""
    node = await place.node()
    laptop = await place.person("laptop")
    await laptop.workspace.add_node(node.address)
    await laptop.workspace.new_document("notes", "hello")
    await laptop.workspace.sync()
    await link(place, "laptop", "phone")
    phone = await place.person("phone")
    await phone.workspace.sync()
    return laptop, phone
