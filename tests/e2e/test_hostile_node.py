"""A node that lies, breaks the rules or says nothing, beside one that is honest."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from peergos_collab.codec import decode_untrusted, encode
from peergos_collab.codec.ids import LogId, ObjectId, SegmentId
from peergos_collab.crypto import SigningKey
from peergos_collab.errors import Offline, PeergosCollabError, Refused, WrongPin
from peergos_collab.node import RunningNode
from peergos_collab.ports import Connection
from peergos_collab.sync.frames import MAX_FRAME, Frame, encode_frame
from peergos_collab.sync.heads import Tip
from peergos_collab.sync.receipts import Receipt
from peergos_collab.sync.session import Session
from peergos_collab.workspace import Role, network, sync_link
from peergos_collab.workspace.node_faults import node_faults
from support.homes import DIRECT, RELAYED, Person, World, agree, online, until, world

Change = Callable[[bytes], list[bytes]]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same machinery with shorter times."""
    monkeypatch.setattr(network, "RETRY_SECONDS", (0.1, 0.4))
    monkeypatch.setattr(sync_link, "PING_SECONDS", 0.2)
    monkeypatch.setattr(sync_link, "LOST_SECONDS", 0.6)


def tamper(node: RunningNode, change: Change) -> list[bytes]:
    """From here on ``node`` sends what ``change`` makes of each of its frames; all connections are made anew.

    Returns:
        A list that grows with each of them.
    """
    hellos: list[bytes] = []

    def send(session: Session, connection: Connection) -> None:
        for message in session.take_outgoing():
            if is_frame(message, Frame.HELLO):
                hellos.append(message)
            for changed in change(message):
                connection.send(changed)

    node._send = send  # type: ignore[method-assign]
    cut(node)
    return hellos


def cut(node: RunningNode) -> None:
    for connection in node._connections.values():
        connection.abort("cut by the test")  # type: ignore[attr-defined]


def behave(node: RunningNode) -> None:
    del node._send
    cut(node)


def fields(message: bytes) -> list:  # type: ignore[type-arg]
    value = decode_untrusted(message, MAX_FRAME)
    assert isinstance(value, list)
    return value


def is_frame(message: bytes, *kinds: Frame) -> bool:
    return fields(message)[0] in kinds


# -- what it does ---------------------------------------------------------------------------------


def random_bytes(_: bytes) -> list[bytes]:
    return [os.urandom(60)]


def nonsense(message: bytes) -> list[bytes]:
    if is_frame(message, Frame.HELLO):
        return [message]
    return [encode([99, b"", "what?"]), encode([int(Frame.SEGMENTS), 5, {}])]


def flipped_segments(message: bytes) -> list[bytes]:
    if not is_frame(message, Frame.SEGMENTS):
        return [message]
    kind, object_id, raws = fields(message)
    return [encode([kind, object_id, [raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:] for raw in raws]])]


def flipped_records(message: bytes) -> list[bytes]:
    if not is_frame(message, Frame.RECORDS):
        return [message]
    kind, object_id, raws = fields(message)
    return [encode([kind, object_id, [raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:] for raw in raws]])]


def hidden_segments(message: bytes) -> list[bytes]:
    return [] if is_frame(message, Frame.SEGMENTS) else [message]


def false_receipts(message: bytes) -> list[bytes]:
    if not is_frame(message, Frame.RECEIPT):
        return [message]
    *rest, signature = fields(message)
    return [encode([*rest, signature[:-1] + bytes([signature[-1] ^ 1])])]


def strange_receipts(message: bytes) -> list[bytes]:
    """Well signed, by a node that says it has what nobody ever wrote."""
    if is_frame(message, Frame.HELLO):
        kind, version, nonce, _, stun = fields(message)
        return [encode([kind, version, nonce, LIAR.public, stun])]
    if not is_frame(message, Frame.RECEIPT):
        return [message]
    _, object_id, number, _, epochs, _ = fields(message)
    tip = Tip(LogId(os.urandom(32)), 1 << 31, SegmentId(os.urandom(32)))
    receipt = Receipt.issue(LIAR, ObjectId(object_id), number, [tip], epochs)
    return [encode_frame(Frame.RECEIPT, *receipt.fields())]


LIAR = SigningKey.generate(os.urandom)


def endless_refusals(message: bytes) -> list[bytes]:
    if not is_frame(message, Frame.CAUGHT_UP, Frame.RECEIPT):
        return [message]
    object_id = fields(message)[1]
    reasons = ("unknown", "gap", "false", "read_only")
    return [
        encode_frame(Frame.REFUSED, object_id, reasons[n % 4], f"\x1b[31m no {n} \u202e" + "x" * 900)
        for n in range(2000)
    ]


def huge_frames(message: bytes) -> list[bytes]:
    return [message, bytes(MAX_FRAME - 100)]


def everything_thrice(message: bytes) -> list[bytes]:
    return [message] if is_frame(message, Frame.HELLO) else [message] * 3


def silence(message: bytes) -> list[bytes]:
    return [message] if is_frame(message, Frame.HELLO) else []


def nothing_at_all(_: bytes) -> list[bytes]:
    return []


BREAKS = "breaks the rules"
LIES: dict[str, tuple[Change, str]] = {
    "random bytes": (random_bytes, BREAKS),
    "nonsense": (nonsense, BREAKS),
    "flipped segments": (flipped_segments, "sent a false segment"),
    "flipped records": (flipped_records, ""),
    "hidden segments": (hidden_segments, ""),
    "false receipts": (false_receipts, BREAKS),
    "strange receipts": (strange_receipts, "as far as this device can tell"),
    "endless refusals": (endless_refusals, "refused a change"),
    "huge frames": (huge_frames, BREAKS),
    "everything thrice": (everything_thrice, ""),
    "silence": (silence, "closed"),
    "nothing at all": (nothing_at_all, "closed"),
}
LINKS = 3
"""Sessions with one node: of Ana's two circles, and of Ben's."""
CANNOT_SAVE = {
    "random bytes",
    "nonsense",
    "false receipts",
    "strange receipts",
    "endless refusals",
    "silence",
    "nothing at all",
}


async def beside_an_honest_one(made: World) -> tuple[Person, Person, RunningNode, RunningNode]:
    """Ana and Ben share a document through an honest node, and one that is honest so far."""
    good, bad = await made.node("good"), await made.node("bad")
    ana, ben = await made.person("Ana"), await made.person("Ben")
    for node in (good, bad):
        await ana.workspace.add_node(node.address)
    await ana.workspace.new_document("notes", "begin. ")
    await ben.workspace.join(await ana.workspace.share_link("notes", Role.WRITER))
    await ana.workspace.new_document("other", "apart. ")
    await online("notes", RELAYED, ana, ben)
    await until(lambda: all(p.saved_on("notes", bad.address) for p in (ana, ben)), ana, ben)
    return ana, ben, good, bad


def both_nodes(person: Person) -> bool:
    live = person.opened("notes").live
    sessions = [session.channels.get(live.id) for session, _, _ in live.links.values()]
    return len(sessions) == 2 and all(channel is not None and channel.caught_up for channel in sessions)


@pytest.mark.parametrize("behaviour", LIES)
async def test_beside_an_honest_node(tmp_path: Path, behaviour: str) -> None:
    """What it does is named, nothing is called saved there that is not, the rest goes on; then all heals."""
    change, named = LIES[behaviour]
    async with world(tmp_path) as made:
        ana, ben, good, bad = await beside_an_honest_one(made)
        started = asyncio.get_running_loop().time()
        connects = tamper(bad, change)
        if behaviour not in CANNOT_SAVE | {"huge frames"}:
            await until(lambda: len(connects) >= LINKS and both_nodes(ana) and both_nodes(ben), ana, ben)
        for number in range(5):
            ana.append("notes", f"a{number} ")
            ben.append("notes", f"b{number} ")
        ana.append("other", "still. ")
        words = {"begin."} | {f"{who}{number}" for who in "ab" for number in range(5)}
        await until(
            lambda: all(set(p.text("notes").split()) == words for p in (ana, ben)), ana, ben, what="words"
        )
        await until(
            lambda: ana.saved_on("other", good.address) and ben.saved_on("notes", good.address), ana, ben
        )

        def told() -> list[str]:
            found = [
                link.problem
                for p in (ana, ben)
                for link in (p.engine.online.network.links.values() if p.engine.online.network else ())
            ]
            for p in (ana, ben):
                found += p.engine.problems
                names = p.engine.mailroom.book.names()
                for opened in p.engine.objects.values():
                    found += opened.live.replica.problems
                    found += [fault.what for fault in node_faults(opened, names)]
            return found

        if named:
            await until(lambda: any(named in text for text in told()), ana, ben, what=f"told: {named}")
            place = bad.address.rsplit("@", 1)[1]
            assert all(place in text for text in told() if text and named in text), told()
            assert not any(good.address in text for text in told())
        assert len(told()) < 300
        assert not any("\x1b" in text or "\u202e" in text for text in told())
        if behaviour in CANNOT_SAVE:
            assert not ana.saved_on("notes", bad.address)
            assert not ben.saved_on("notes", bad.address)
        # Each link rests before it tries again: half of the first pause at least.
        passed = asyncio.get_running_loop().time() - started
        assert len(connects) <= LINKS * (1 + passed / (network.RETRY_SECONDS[0] / 2))

        behave(bad)
        await until(
            lambda: all(p.saved_on("notes", bad.address) for p in (ana, ben)), ana, ben, what="made whole"
        )
        text = await agree("notes", ana, ben)
        assert sorted(text.split()) == sorted(words)
        assert ana.text("other") == "apart. still. "


async def test_swapped_signals(tmp_path: Path) -> None:
    """A node that changes what passes between devices keeps them from a direct way, and gets nothing else."""

    def swapped(message: bytes) -> list[bytes]:
        if not is_frame(message, Frame.EPHEMERAL):
            return [message]
        kind, object_id, said = fields(message)
        changed = [[key, counter, sealed[:-40] + os.urandom(40)] for key, counter, sealed in said]
        return [encode([kind, object_id, changed])]

    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address)
        tamper(node, swapped)
        for person in (ana, ben):
            await person.workspace.go_online(DIRECT)
        await until(lambda: ana.live_over("notes", "node") and ben.live_over("notes", "node"), ana, ben)
        for number in range(10):
            ana.append("notes", f"{number} ")
        await agree("notes", ana, ben)

        for person in (ana, ben):
            assert person.ways("notes") == {"node"}
            assert person.opened("notes").presence.present == {}
            assert (await person.workspace.status()).objects[0].connection == "node"
        behave(node)
        await until(lambda: ana.live_over("notes", "webrtc"), ana, ben, what="direct")


ALONE: dict[str, tuple[Change, type[PeergosCollabError], int]] = {
    "random bytes": (random_bytes, Offline, 5),
    "nothing at all": (nothing_at_all, Offline, 5),
    "silence": (silence, Offline, 5),
}


@pytest.mark.parametrize("behaviour", ALONE)
async def test_commands_against_such_a_node(tmp_path: Path, behaviour: str) -> None:
    """With no other node, commands end with an error in time, and nothing is changed."""
    change, kind, exit_code = ALONE[behaviour]
    async with world(tmp_path) as made:
        node = await made.node()
        ana = await made.person("Ana")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", "text")
        link = await ana.workspace.share_link("notes", Role.WRITER)
        ben = await made.person("Ben")
        tamper(node, change)
        for command in (
            lambda: ben.workspace.join(link, timeout=1),
            lambda: ben.workspace.add_node(node.address),
            lambda: ana.workspace.sync(1),
            lambda: ana.workspace.share_link("notes", Role.READER),
        ):
            with pytest.raises(PeergosCollabError) as caught:
                async with asyncio.timeout(30):
                    await command()
            assert isinstance(caught.value, kind)
            assert caught.value.exit_code == exit_code

        assert await ben.workspace.list_entries() == []
        assert await ben.workspace.nodes() == []
        assert ana.text("notes") == "text"


async def test_false_drops(tmp_path: Path) -> None:
    """Random bytes, or another link's drop, in the place of a drop are refused: exit 7."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.person("Ana"), await made.person("Ben")
        await ana.workspace.add_node(node.address)
        await ana.workspace.new_document("notes", "text")
        link = await ana.workspace.share_link("notes", Role.WRITER)
        drops = [raw[8:] for _, raw in node._store.values("drops")]
        await ana.workspace.new_document("other", "text")
        await ana.workspace.share_link("other", Role.WRITER)
        (others,) = [raw[8:] for _, raw in node._store.values("drops") if raw[8:] not in drops]
        for false in (os.urandom(1024), others, drops[0][:-1] + bytes([drops[0][-1] ^ 1])):

            def swapped(message: bytes, false: bytes = false) -> list[bytes]:
                if not is_frame(message, Frame.DROP):
                    return [message]
                return [encode([int(Frame.DROP), fields(message)[1], false])]

            tamper(node, swapped)
            with pytest.raises(Refused) as caught:
                await ben.workspace.join(link)
            assert caught.value.exit_code == 7
            assert await ben.workspace.list_entries() == []


async def test_another_certificate(tmp_path: Path) -> None:
    """Whoever took the node's place is not spoken to, by no command: exit 7; what is here stays usable."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, _ = await made.pair(node.address, text="text")
        await made.nodes.pop().close()  # type: ignore[union-attr]
        other = await made.node("other", node.port)
        for command in (
            lambda: ana.workspace.sync(5),
            lambda: ana.workspace.share_link("notes", Role.READER),
        ):
            with pytest.raises(WrongPin) as caught:
                await command()
            assert caught.value.exit_code == 7
            assert caught.value.hint
        ana.append("notes", " more")
        await ana.workspace.read_document("notes")

        assert other._store.objects() == []
        assert ana.text("notes") == "text more"
