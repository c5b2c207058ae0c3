"""What is under way when something ends: nothing is lost, nothing goes on, and nobody is left alone."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.codec.address import format_address
from peergos_collab.errors import Conflict, Offline
from peergos_collab.identity.device_code import DeviceCode
from peergos_collab.workspace import linking, mail_sender, meeting_place
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.mail_session import MailSession
from peergos_collab.workspace.meeting_place import MeetingPlace
from peergos_collab.workspace.presence import PresenceBook
from support.homes import RELAYED, world


async def test_what_runs_beside_ends_with_the_engine(tmp_path: Path) -> None:
    """It would go on with a store that is closed."""
    ended = []

    async def beside() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        ana.engine.spawn(beside())
        await asyncio.sleep(0)
        await made.close(ana)

        assert ended == [True]


async def test_a_home_opens_again_after_an_ending_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its lock nor its store stays behind, and what was written is there."""

    async def fail() -> None:
        raise OSError("the network is stuck")

    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes", "kept")
        monkeypatch.setattr(ana.engine.online, "end", fail)
        with pytest.raises(OSError, match="stuck"):
            await made.close(ana)
        ana = await made.person("Ana")

        assert ana.text("notes") == "kept"


async def test_a_failure_of_what_runs_beside_is_told(tmp_path: Path) -> None:
    """To the user, as a problem; not as a fault of the program, and not to nobody."""

    async def beside() -> None:
        raise Offline("the node is away")

    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        ana.engine.spawn(beside())
        await asyncio.sleep(0)

        assert "the node is away" in ana.engine.problems


async def test_what_is_being_gathered_is_written_at_the_end(tmp_path: Path) -> None:
    """A program types in bulk, and the home is closed in the midst: no timer is left, and all is there."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        await ana.workspace.new_document("notes")
        live = ana.opened("notes").live
        for _ in range(2000):
            ana.append("notes", "x")
        while live._gathering is None:  # noqa: ASYNC110 - whatever is under way may take some turns
            await asyncio.sleep(0)
        ana.append("notes", "y")
        live.stop()
        assert live._gathering is None
        assert live._in_flight
        ana = await made.reopen(ana)

        assert ana.text("notes") == "x" * 2000 + "y"


async def test_who_goes_online_while_another_leaves_stays_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He is given a network, and that is not the one that is just being closed."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana = await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", "hello")
        await ana.workspace.go_online(RELAYED)
        online, leave = ana.engine.online, PresenceBook.leave
        came: list[asyncio.Task[bool]] = []

        async def come() -> bool:
            async with online.needed() as network:
                for _ in range(20):
                    await asyncio.sleep(0)
                return online.network is network

        def leaving(presence: PresenceBook) -> None:
            leave(presence)
            if not came:
                came.append(asyncio.get_running_loop().create_task(come()))

        monkeypatch.setattr(PresenceBook, "leave", leaving)
        await online.leave(RELAYED)

        assert await came[0]


async def test_messages_of_two_devices_arrive_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the first takes longer to be sent: a refusal that overtook a greeting would mean nothing."""
    put, sent = MailSession.put, []

    async def slow_at_first(self: MailSession, mail: object) -> None:
        if not sent:
            sent.append("first")
            for _ in range(50):
                await asyncio.sleep(0)
        await put(self, mail)  # type: ignore[arg-type]

    monkeypatch.setattr(meeting_place.MailSession, "put", slow_at_first)
    async with world(tmp_path) as made:
        node = await made.node()
        assert node._listener is not None
        code = DeviceCode.generate(node._listener.address, os.urandom)
        came: list[bytes] = []

        async def take(sealed: bytes) -> None:
            came.append(sealed)

        transport, address = (await made.person("Ana")).engine.transport, format_address(code.node)
        here = MeetingPlace(transport, address, code.to_first(), code.to_new(), take)
        there = MeetingPlace(transport, address, code.to_new(), code.to_first(), take)
        async with here, there:
            messages = [bytes([number]) * 1024 for number in (1, 2, 3)]
            await asyncio.gather(*(there.send(message) for message in messages))
            await here.until(lambda: len(came) == 3, 20, "all messages")

        assert came == messages


async def test_a_letter_that_is_being_stamped_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session with the node was there before the work was done, and goes when the work is given up."""
    connect, connected = MailSession.connect, asyncio.Event()

    async def noticed(*arguments: Any) -> MailSession:
        session = await connect(*arguments)
        connected.set()
        return session

    monkeypatch.setattr(mail_sender, "USUAL_WORK", 99)
    monkeypatch.setattr(MailSession, "connect", noticed)
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.person("Ana"), await made.person("Ben")
        await ben.workspace.add_node(node.address)
        await ana.workspace.add_contact(await ben.workspace.contact_card())
        await ana.workspace.go_online(RELAYED)
        async with asyncio.timeout(60):
            await connected.wait()
            await asyncio.sleep(0)
            await ana.engine.online.leave(RELAYED)
            while node._shelf.sessions:  # noqa: ASYNC110 - the node has no event for it
                await asyncio.sleep(0)


async def test_codes_that_nobody_used_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever showed them and went away keeps nobody from linking a device once they have expired."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana = await made.person("Ana")
        await ana.workspace.add_node(node.address)
        for _ in range(linking.MAX_LINKINGS):
            await ana.workspace.link_device()
        with pytest.raises(Conflict):
            await ana.workspace.link_device()
        later = now_ms() + int(linking.CODE_SECONDS * 1000)
        monkeypatch.setattr(linking, "now_ms", lambda: later)

        assert (await ana.workspace.link_device()).expires > later
