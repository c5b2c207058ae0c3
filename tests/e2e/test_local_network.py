"""Devices in one local network find each other without a node; strangers in it learn nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import textwrap
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.codec import encode
from peergos_collab.codec.ids import DeviceId
from peergos_collab.errors import Offline
from peergos_collab.ports import Connection
from peergos_collab.ports.lan import Announcement
from peergos_collab.workspace import Options, Role, near, surroundings
from peergos_collab.workspace.api import Lan
from peergos_collab.workspace.engine import Engine
from peergos_collab.workspace.machine import now_ms
from peergos_collab.workspace.near import MAX_CALLERS, Near
from peergos_collab.workspace.network import Network
from peergos_collab.workspace.online import NO_LAN
from peergos_collab.workspace.surroundings import Surroundings
from support.command_line import PROGRAM, ROOT
from support.ether import Ether, EtherPlace
from support.homes import Person, World, until, world
from support.linking import two_devices
from support.neighbours import connect
from support.neighbours import near as are_near

LAN = Options(webrtc=True, lan=True)


@pytest.fixture
async def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.delenv(NO_LAN)
    monkeypatch.setattr(near, "YIELD_SECONDS", 0.2)
    monkeypatch.setattr(near, "LOOK_SECONDS", (0.2, 0.4))
    async with world(tmp_path) as made:
        yield made


async def people(made: World, ether: Ether, *names: str) -> list[Person]:
    """Persons in one local network, who are not online yet."""
    found = [await made.person(name) for name in names]
    for person in found:
        person.engine.online.near = Near(person.engine, lambda: ether)
    return found


async def acquaint(ana: Person, ben: Person, *, share: bool) -> None:
    """They meet once, and go apart."""
    for person in (ana, ben):
        await person.workspace.go_online(Options(webrtc=False))
    left, _ = await connect(ana, ben)
    if share:
        await ana.workspace.new_document("notes", "one")
        await ana.workspace.share_with("notes", ben.home.name, Role.WRITER)
        await until(lambda: ben.shows("notes", "one"), ben)
    left.cut()
    await until(lambda: not are_near(ana, ben) and not are_near(ben, ana), ana, ben)
    for person in (ana, ben):
        await person.engine.online.end()


def led_to(person: Person, other: Person) -> bytes:
    """By what one recognised the other."""
    link = person.engine.online.neighbours.of(other.engine.keys.credentials.account_id)
    assert link is not None
    return link.led


async def test_contacts_find_each_other(made: World) -> None:
    """With nothing shared yet: then sharing needs no node either. Events say that it goes over the LAN."""
    ana, ben = await people(made, ether := Ether(), "Ana", "Ben")
    await acquaint(ana, ben, share=False)
    for person in (ana, ben):
        await person.workspace.go_online(LAN)
    await until(lambda: are_near(ana, ben) and are_near(ben, ana), ana, ben)

    await ana.workspace.new_document("notes", "hello")
    await ana.workspace.share_with("notes", "Ben", Role.READER)
    await until(lambda: ben.shows("notes", "hello"), ben)
    assert ben.ways("notes") == {"lan"}
    assert led_to(ben, ana) == ana.engine.keys.credentials.account_id
    assert len(ether.places) == 2


async def test_fellow_members_find_each_other(made: World) -> None:
    """Ben and Cyd know each other only from Ana's document; who is removed from it is found no more."""
    ana, ben, cyd = await people(made, Ether(), "Ana", "Ben", "Cyd")
    await acquaint(ana, ben, share=True)
    for person in (ana, cyd):
        await person.workspace.go_online(Options(webrtc=False))
    left, _ = await connect(ana, cyd)
    await ana.workspace.share_with("notes", "Cyd", Role.WRITER)
    await until(lambda: cyd.shows("notes", "one"), cyd)
    left.cut()
    await made.close(ana)
    await cyd.engine.online.end()

    await ben.workspace.go_online(LAN)
    await cyd.workspace.go_online(LAN)
    await until(lambda: are_near(ben, cyd) and are_near(cyd, ben), ben, cyd)
    cyd.append("notes", " two")
    await until(lambda: ben.text("notes") == "one two", ben)
    assert [contact.name for contact in await ben.workspace.contacts()] == ["Ana"]
    assert led_to(ben, cyd) == ben.opened("notes").live.id


async def test_devices_of_one_account_find_each_other(made: World) -> None:
    """With all that the account has, what is only its own among it; their node is gone."""
    laptop, phone = await two_devices(made)
    ether = Ether()
    for node in made.nodes:
        await node.close()  # type: ignore[union-attr]
    made.nodes.clear()
    for person in (laptop, phone):
        person.engine.online.near = Near(person.engine, lambda: ether)
        await person.workspace.go_online(LAN)
    await until(lambda: are_near(laptop, phone) and are_near(phone, laptop), laptop, phone)

    await laptop.workspace.new_document("plans", "for summer")
    laptop.append("notes", " again")
    await until(lambda: phone.shows("plans", "for summer") and phone.shows("notes", "hello again"), phone)
    assert await phone.workspace.contacts() == []


async def test_a_stranger_learns_nothing(made: World) -> None:
    """Whoever connects and does not know a secret gets not one message; marks of one day fit no other."""
    ana, ben = await people(made, ether := Ether(), "Ana", "Ben")
    await acquaint(ana, ben, share=True)
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: bool(ether.announced))
    [first] = ether.announced
    for call in (b"hello", encode([1, bytes(32), bytes(32)]), encode([2, bytes(32), bytes(32)])):
        connection = ether.call(first.pin)
        connection.send(call)
        with pytest.raises(Offline):
            await connection.receive()

    await ana.engine.online.end()
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.announced) == 2)
    again = ether.announced[1]
    assert (len(again.marks), len(first.marks)) == (62, 62)
    assert not set(again.marks) & set(first.marks)
    assert again.pin != first.pin


async def test_who_calls_and_says_nothing_keeps_nobody_away(made: World) -> None:
    """A stranger may call as often as he likes: who has shown nothing for longest makes room."""
    ana, ben = await people(made, ether := Ether(), "Ana", "Ben")
    await acquaint(ana, ben, share=False)
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: bool(ether.announced))
    [announced] = ether.announced
    silent = [ether.call(announced.pin) for _ in range(MAX_CALLERS)]
    call, secrets = ether.call(announced.pin), ben.engine.online.near._shared()
    await ben.engine.online.near._introduce(call, bytes(32), announced.pin, secrets[0])

    with pytest.raises(Offline):
        await silent[0].receive()


async def test_who_replays_an_announcement_hears_no_name(made: World) -> None:
    """He gets a call that shows nothing to him; he cannot answer, so no greeting follows."""
    ana, ben = await people(made, ether := Ether(), "Ana", "Ben")
    await acquaint(ana, ben, share=True)
    await ben.workspace.go_online(LAN)
    await ether.until(lambda: bool(ether.announced))
    [recorded] = ether.announced
    await made.close(ben)
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def pose(connection: object) -> None:
        heard.put_nowait(await connection.receive())  # type: ignore[attr-defined]
        connection.send(encode([1, bytes(32)]))  # type: ignore[attr-defined]
        while True:
            heard.put_nowait(await connection.receive())  # type: ignore[attr-defined]

    thief = await ether.open(pose, lambda _: None)
    del ether.places[thief.pin]
    thief.pin = recorded.pin
    ether.places[recorded.pin] = thief
    await ana.workspace.go_online(LAN)
    calls = [await asyncio.wait_for(heard.get(), 30) for _ in range(2)]  # each is given up after the answer

    for call in calls:
        assert len(call) < 100
        assert ana.engine.keys.credentials.account_id not in call
    assert calls[0] == calls[1]
    await thief.close()


class Between(Near):
    """Calls nobody. Of two who call it, it passes on to each what the other says."""

    def __init__(self, engine: Engine, lan: Ether) -> None:
        super().__init__(engine, lambda: lan)
        self.callers: list[Connection] = []
        self.both, self.refused = asyncio.Event(), asyncio.Event()

    def _consider(self, announcement: Announcement) -> None:
        pass

    async def _meet(self, connection: Connection, *_: object) -> DeviceId:
        self.callers.append(connection)
        if len(self.callers) == 2:
            self.both.set()
        await self.both.wait()
        other = next(each for each in self.callers if each is not connection)
        try:
            while True:
                other.send(await connection.receive())
        finally:
            self.refused.set()


async def test_whom_two_call_cannot_be_one_of_them_to_the_other(made: World) -> None:
    """Eve is a contact of both. She passes greetings on; they name both ends, so nobody takes them."""
    ana, ben, eve = await people(made, ether := Ether(), "Ana", "Ben", "Eve")
    for person in (ana, ben):
        await acquaint(person, eve, share=False)
    between = eve.engine.online.near = Between(eve.engine, ether)
    for person in (eve, ana, ben):
        await person.workspace.go_online(LAN)
    await asyncio.wait_for(between.refused.wait(), 20)
    assert not are_near(ana, ben)
    assert not are_near(ben, ana)


class Posing(Near):
    """Calls under a pin that is another's; or nobody."""

    pin = bytes(32)
    calls = True

    def __init__(self, engine: Engine, lan: Ether) -> None:
        super().__init__(engine, lambda: lan)

    def _consider(self, announcement: Announcement) -> None:
        if self.calls:
            super()._consider(announcement)

    async def _introduce(self, connection: Connection, _: bytes, pin: bytes, secret: Any) -> None:
        await super()._introduce(connection, self.pin, pin, secret)

    async def _meet(self, connection: Connection, channel: bytes, secret: Any) -> DeviceId:
        return await super()._meet(connection, channel[:32] + self.pin, secret)


async def test_who_calls_under_the_pin_of_another_keeps_nobody_from_him(made: World) -> None:
    """A pin is proved by who is called under it, not by who calls."""
    ana, eve = await people(made, ether := Ether(), "Ana", "Eve")
    await acquaint(ana, eve, share=False)
    near_ana, other = Posing(ana.engine, ether), Posing(eve.engine, ether)
    near_ana.calls, ana.engine.online.near, eve.engine.online.near = False, near_ana, other
    for person in (ana, eve):
        await person.workspace.go_online(LAN)
    await until(lambda: are_near(ana, eve), ana, eve)
    assert not near_ana._is_here(Posing.pin)


@pytest.mark.parametrize(
    "options",
    [Options(lan=False), Options(lan=True, webrtc=False), Options(lan=True, relay_only=True)],
    ids=["no lan", "no webrtc", "relay only"],
)
async def test_nothing_is_announced_unless_it_is_wanted(made: World, options: Options) -> None:
    """Each option that forbids it does, also where another face of the home would allow it."""
    [ana] = await people(made, ether := Ether(), "Ana")
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.places) == 1)
    await ana.workspace.go_online(options)
    assert ether.places == {}
    await ana.engine.online.leave(options)
    await ether.until(lambda: len(ether.places) == 1)


async def test_a_home_can_forbid_it_for_good(made: World) -> None:
    """At once, and at each later start, whatever is asked for; and allow it again."""
    [ana] = await people(made, ether := Ether(), "Ana")
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.places) == 1)
    assert (await ana.workspace.status()).lan is Lan.ANNOUNCED
    await ana.workspace.set_lan(False)
    assert ether.places == {}

    ana = await made.reopen(ana)
    ana.engine.online.near = Near(ana.engine, lambda: ether)
    await ana.workspace.go_online(LAN)
    assert ana.engine.online.near._task is None
    assert (await ana.workspace.status()).lan is Lan.OFF
    await ana.workspace.set_lan(True)
    await ether.until(lambda: len(ether.places) == 1)


async def test_who_hides_behind_an_entry_node_announces_nothing(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when going online nor once it is set; the variable in the environment forbids it too."""
    [ana] = await people(made, ether := Ether(), "Ana")
    node, entry = await made.node(), await made.node("entry", entry=True)
    await ana.workspace.add_node(node.address)
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.places) == 1)
    await ana.workspace.set_entry_node(entry.address)
    await ether.until(lambda: ether.places == {})

    await ana.workspace.set_entry_node("")
    await ether.until(lambda: len(ether.places) == 1)
    await ana.engine.online.end()
    monkeypatch.setenv(NO_LAN, "1")
    await ana.workspace.go_online(LAN)
    assert ana.engine.online.near._task is None


async def test_in_another_network_it_looks_around_anew(made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another pin; behind an entry node nothing happens at one moment."""
    monkeypatch.setattr(surroundings, "LOOK_SECONDS", 0.05)
    [ana] = await people(made, ether := Ether(), "Ana")
    addresses, online = ["192.0.2.7"], ana.engine.online
    online.surroundings = Surroundings(now_ms, online.changed_place, lambda: list(addresses))
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.announced) == 1)
    addresses[0] = "198.51.100.7"
    await ether.until(lambda: len(ether.announced) == 2)
    assert len(ether.places) == 1
    assert len({announcement.pin for announcement in ether.announced}) == 2

    hurried: list[None] = []
    monkeypatch.setattr(Network, "hurry", lambda _: hurried.append(None))
    online.changed_place(moved=False)
    monkeypatch.setattr(Engine, "entry_node", lambda _: "pgc://entry")
    online.changed_place(moved=False)
    assert hurried == [None]


async def test_what_is_switched_off_while_it_moves_stays_off(
    made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To take an announcement back takes a moment; what is wanted is asked after it."""
    [ana] = await people(made, ether := Ether(), "Ana")
    online, leave, close = ana.engine.online, asyncio.Event(), EtherPlace.close

    async def close_slowly(place: EtherPlace) -> None:
        await leave.wait()
        await close(place)

    monkeypatch.setattr(EtherPlace, "close", close_slowly)
    await ana.workspace.go_online(LAN)
    await ether.until(lambda: len(ether.announced) == 1)
    online.changed_place(moved=True)
    await ana.workspace.set_lan(False)
    leave.set()
    await ether.until(lambda: not ether.places)
    await asyncio.gather(*ana.engine._beside)
    assert online.near._task is None


# -- the real one ---------------------------------------------------------------------------------


def named(events: Iterator[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    return (event for event in events if event["event"] == name)


TWO_MACHINES = """
    # Two network namespaces with a cable between them: this one, and that of the process $!.
    unshare --net sleep 600 &
    other=$!
    while [ "$(readlink /proc/$other/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do :; done
    ip link set lo up
    ip link add name near type veth peer name far
    ip link set far netns $other
    there="nsenter --target $other --net"
    if [ $FAMILY = IPv4 ]; then
        echo 1 >/proc/sys/net/ipv6/conf/near/disable_ipv6
        $there sh -c 'echo 1 >/proc/sys/net/ipv6/conf/far/disable_ipv6'
        ip address add 192.0.2.1/24 dev near
        $there ip address add 192.0.2.2/24 dev far
    else
        # Nobody else can have the address: so it need not be asked for a second.
        echo 0 >/proc/sys/net/ipv6/conf/near/accept_dad
        $there sh -c 'echo 0 >/proc/sys/net/ipv6/conf/far/accept_dad'
    fi
    ip link set near up
    $there sh -c 'ip link set lo up; ip link set far up'
    $there "$@" --home "$BEN" online &
    ben=$!
    "$@" --home "$ANA" online &
    trap 'kill $! $ben $other; wait' EXIT
    cat >/dev/null
"""


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_two_machines_with_a_cable(tmp_path: Path, family: str) -> None:
    """Two processes in two network namespaces, real multicast, no node: what one types the other gets. With
    nobody to give out addresses they have those that IPv6 makes itself."""
    namespace = ["unshare", "--user", "--map-root-user", "--net"]
    probe = "unshare --net ip link add name near type veth peer name far && nsenter --target $$ --net true"
    try:
        ready = subprocess.run(
            [*namespace, "sh", "-c", probe], check=False, capture_output=True, text=True, timeout=60
        )
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    if ready.returncode != 0:
        pytest.skip(f"not permitted or not there: {ready.stderr.strip()}")

    async def prepare() -> None:
        async with world(tmp_path) as made:
            ana, ben = await made.person("Ana"), await made.person("Ben")
            await acquaint(ana, ben, share=True)

    asyncio.run(prepare())
    environment = {**os.environ, "ANA": str(tmp_path / "Ana"), "BEN": str(tmp_path / "Ben"), "FAMILY": family}
    del environment[NO_LAN]
    running = subprocess.Popen(
        [*namespace, "sh", "-c", textwrap.dedent(TWO_MACHINES), "sh", *PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )
    assert running.stdout is not None
    events = map(json.loads, running.stdout)
    try:
        ways = {event["author"]: event["via"] for event in islice(named(events, "connected"), 2)}
        assert ways == {"Ana": "lan", "Ben": "lan"}
        subprocess.run(
            [*PROGRAM, "--home", str(tmp_path / "Ana"), "doc", "write", "notes", "-"],
            input=b"over the cable",
            check=True,
            cwd=ROOT,
        )
        change = next(event for event in named(events, "change") if event["via"] != "local")
        assert (change["author"], change["via"]) == ("Ana", "lan")
    finally:
        running.communicate()
