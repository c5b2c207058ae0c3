"""A member whose program breaks the protocol on a direct connection."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from peergos_collab.codec import encode
from peergos_collab.errors import Offline
from peergos_collab.ports import Connection
from peergos_collab.sync.frames import Frame, encode_frame
from support.homes import DIRECT, agree, connections, online, until, world

FALSE = {
    "random bytes": os.urandom(100),
    "an unknown frame": encode([77, 1, 2]),
    "a receipt": encode_frame(Frame.RECEIPT, bytes(32), 1, [], [], bytes(64)),
    "a frame for nodes": encode_frame(Frame.GET_DROP, bytes(32)),
    "one megabyte": bytes((1 << 20) - 1),
}


@pytest.mark.parametrize("what", FALSE)
async def test_nonsense_over_the_data_channel(tmp_path: Path, what: str) -> None:
    """That connection ends and is named, the text goes on through the node, and nobody else notices."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        await online("notes", DIRECT, ana, ben)
        problems = ana.opened("notes").live.replica.problems

        def told() -> bool:
            return any("broke the rules" in problem for problem in problems)

        while not told():  # on a slow machine the connection may have ended by itself, and comes again
            await until(lambda: "webrtc" in ana.ways("notes") & ben.ways("notes"), ana, ben)
            connection: Connection = connections(ben, "notes", "webrtc")[0]
            with suppress(Offline):
                connection.send(FALSE[what])
            await until(lambda: told() or "webrtc" not in ana.ways("notes"), ana, what="let go")
        await until(lambda: id(connection) not in map(id, connections(ben, "notes", "webrtc")), ben)
        ana.append("notes", "a ")
        ben.append("notes", "b ")
        await until(lambda: len(ana.text("notes").split()) == 2, ana, ben)

        assert sorted((await agree("notes", ana, ben)).split()) == ["a", "b"]
        assert await ben.problems() == []
