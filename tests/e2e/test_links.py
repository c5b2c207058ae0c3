"""Links that do not work: each says why, with its exit code, and leaves everything as it was."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from peergos_collab.errors import (
    BadLink,
    Conflict,
    LinkEnded,
    NoAccess,
    Offline,
    PeergosCollabError,
    Refused,
    WrongPin,
)
from peergos_collab.node.shelf import DROPS
from peergos_collab.objects.links import make_last_drop
from peergos_collab.ports import PutValue
from peergos_collab.workspace import Role
from peergos_collab.workspace.made_links import all_links, end_link, forget_ended
from peergos_collab.workspace.network import with_node
from support.homes import Person, World, world


@pytest.fixture
async def made(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def sharing(made: World) -> tuple[Person, str]:
    node = await made.node()
    ana = await made.person("Ana")
    await ana.workspace.add_node(node.address)
    await ana.workspace.new_document("notes", "text")
    return ana, node.address


async def refused(made: World, link: str, kind: type[PeergosCollabError], **rest: str) -> PeergosCollabError:
    """Joins in vain; nothing may have changed."""
    ben = await made.person("Ben") if all(p.home.name != "Ben" for p in made.open_now) else made.open_now[-1]
    with pytest.raises(kind) as caught:
        await ben.workspace.join(link, timeout=5, **rest)
    assert type(caught.value) is kind
    assert caught.value.hint or caught.value.exit_code == 5
    assert await ben.workspace.list_entries() == []
    assert list(ben.engine.objects) == [ben.engine.keys.profile]
    return caught.value


async def test_wrong_and_truncated(made: World) -> None:
    """Whatever is cut off or mistyped, and whatever is no link at all, is a bad link: exit 2."""
    ana, _ = await sharing(made)
    link = await ana.workspace.share_link("notes", Role.WRITER)
    at = link.index("#") + 5
    for text in (
        "",
        "hello",
        "https://example.org/",
        link[:-1],
        link[:-9],
        link[: link.index("#") + 1],
        link + "x",
    ):
        assert (await refused(made, text, BadLink)).exit_code == 2
    mistyped = link[:at] + ("2" if link[at] != "2" else "3") + link[at + 1 :]
    assert (await refused(made, mistyped, BadLink)).exit_code == 2


async def test_every_truncation_is_found(made: World) -> None:
    """There is no length at which a cut link opens anything."""
    ana, _ = await sharing(made)
    link = await ana.workspace.share_link("notes", Role.READER)
    ben = await made.person("Ben")
    for length in range(len(link)):
        with pytest.raises(BadLink):
            await ben.workspace.join(link[:length])


async def test_passwords(made: World) -> None:
    """Without the password of a link, or with another, there is no access: exit 4. With it there is."""
    ana, _ = await sharing(made)
    link = await ana.workspace.share_link("notes", Role.WRITER, password="correct horse")
    for password in ("", "wrong horse"):
        assert (await refused(made, link, NoAccess, password=password)).exit_code == 4
    ben = made.open_now[-1]

    assert await ben.workspace.join(link, password="correct horse") == "notes"
    assert ben.text("notes") == "text"


async def test_expired_and_gone(made: World) -> None:
    """A link that has expired, or whose drop the node no longer has, has ended: exit 4."""
    ana, _ = await sharing(made)
    now = time.time_ns() // 1_000_000
    expired = await ana.workspace.share_link("notes", Role.WRITER, expires=now - 1)
    assert (await refused(made, expired, LinkEnded)).exit_code == 4
    good = await ana.workspace.share_link("notes", Role.WRITER, expires=now + 600_000)
    (node,) = made.nodes
    store = node._store  # type: ignore[union-attr]
    store.write([PutValue(DROPS, key, None) for key, _ in store.values(DROPS)]).result()
    assert (await refused(made, good, LinkEnded)).exit_code == 4


async def test_made_links_are_known_and_can_be_ended(made: World) -> None:
    """Whoever made a link sees it again; once it is ended its node gives nothing out for good."""
    ana, address = await sharing(made)
    text = await ana.workspace.share_link("notes", Role.READER, expires=2**50)
    (known,) = await ana.workspace.links("notes")
    (link,) = all_links(ana.engine)
    drop_key = link.keys.drop.public
    async with await with_node(ana.engine.transport, ana.engine, os.urandom, address) as session:
        working = await session.get_drop(drop_key)

    assert (known.text, known.role, known.password, known.expires) == (text, Role.READER, False, 2**50)
    assert text not in repr(known)

    await end_link(ana.engine, link)
    assert await ana.workspace.links("notes") == []
    await forget_ended(ana.engine)
    assert list(all_links(ana.engine)) == []
    assert (await refused(made, text, LinkEnded)).exit_code == 4
    async with await with_node(ana.engine.transport, ana.engine, os.urandom, address) as session:
        with pytest.raises(Refused):
            await session.put_drop(drop_key, working)
    assert (await refused(made, text, LinkEnded)).exit_code == 4


async def test_a_link_is_ended_once_its_node_can_be_reached(made: World) -> None:
    """Until then the profile remembers it; another device of the account may have done it meanwhile."""
    ana, address = await sharing(made)
    text = await ana.workspace.share_link("notes", Role.READER)
    (link,) = all_links(ana.engine)
    await end_link(ana.engine, link)
    await made.nodes[0].close()  # type: ignore[union-attr]
    await forget_ended(ana.engine)
    assert [each.ended for each in all_links(ana.engine)] == [True]
    await made.node(port=int(address.rsplit(":", 1)[1]))
    async with await with_node(ana.engine.transport, ana.engine, os.urandom, address) as session:
        await session.put_drop(link.keys.drop.public, make_last_drop(link.keys, os.urandom).raw)
    await forget_ended(ana.engine)
    assert list(all_links(ana.engine)) == []
    assert (await refused(made, text, LinkEnded)).exit_code == 4


async def test_unreachable_and_another_node(made: World) -> None:
    """Nobody at the address: exit 5. Somebody with another certificate: exit 7, and he is told nothing."""
    ana, address = await sharing(made)
    link = await ana.workspace.share_link("notes", Role.WRITER)
    await made.nodes[0].close()  # type: ignore[union-attr]
    assert (await refused(made, link, Offline)).exit_code == 5
    other = await made.node("other", int(address.rsplit(":", 1)[1]))
    assert (await refused(made, link, WrongPin)).exit_code == 7
    assert other._store.objects() == []


async def test_twice_and_over_another(made: World) -> None:
    """A link used twice leads to the same document; a name that is taken is a conflict: exit 8."""
    ana, _ = await sharing(made)
    link = await ana.workspace.share_link("notes", Role.WRITER)
    ben = await made.person("Ben")
    await ben.workspace.new_document("mine", "untouched")
    with pytest.raises(Conflict) as caught:
        await ben.workspace.join(link, "mine")
    assert caught.value.exit_code == 8
    assert await ben.workspace.join(link, "theirs") == "theirs"
    assert await ben.workspace.join(link) == "theirs"

    assert ben.text("mine") == "untouched"
    assert {entry.name for entry in await ben.workspace.list_entries()} == {"mine", "theirs"}
