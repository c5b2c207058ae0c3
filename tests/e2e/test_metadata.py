"""Who shares with whom: what the node that stores can tell, if it remembers everything, behind an entry node.

The acceptance test of the design. Ana shares a document with Ben, with Cleo, or with another device of her
own. All of them have used the node before, and it knows every id and session of that. After that, the three
look alike to it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from peergos_collab.codec import decode_untrusted
from peergos_collab.codec.sizes import BUCKETS, padme
from peergos_collab.node import serve_node
from peergos_collab.objects.ephemeral import SIZES as EPHEMERAL_SIZES
from peergos_collab.objects.mail import SIZES as MAIL_SIZES
from peergos_collab.objects.records import CERTIFICATE
from peergos_collab.sync.frames import Frame
from peergos_collab.workspace import Role, create_workspace, mail_reader, network
from support.homes import RELAYED, Person, World, agree, until, world
from support.needles import forms, runs, runs_in
from support.observer import Observer

TEXT = "We meet at the lighthouse on Tuesday."
NAMES = {
    "Ben": "Ben",
    "Cleo": "Kleopatra Philopator aus dem Hause der Ptolemaier, die Siebente",
    "laptop": "Ana",
}
"""What the three call themselves: sizes must not tell them apart. The laptop is hers."""

NOT_NOW = (1e6, 2e6)
"""Seconds: sessions that come by chance come when nobody records. They come at any time, whatever is done."""


@pytest.fixture(autouse=True)
def by_chance_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (network, mail_reader):
        monkeypatch.setattr(module, "FIRST_SECONDS", NOT_NOW)


@asynccontextmanager
async def after_an_hour(root: Path) -> AsyncIterator[tuple[World, Observer, dict[str, Person]]]:
    """All have things of their own at the store, and share some with Dora; the observer remembers it."""
    async with world(root) as made:
        observer = Observer()
        store = await serve_node(root / "store", "127.0.0.1", 0, transport=observer)
        made.nodes.append(store)
        entry = await made.node("entry", entry=True)
        for who, name in NAMES.items():
            create_workspace(root / who, name=name, passphrase=None, device_name=who)
        people = {who: await made.person(who) for who in ("Ana", "Dora", *NAMES)}
        for person in people.values():
            await person.workspace.set_entry_node(entry.address)
            await person.workspace.add_node(store.address)
            await person.workspace.new_document("diary", "Dear diary.")
        for who in NAMES:
            await people[who].workspace.new_document("with Dora", "Hello.")
            link = await people[who].workspace.share_link("with Dora", Role.WRITER)
            await people["Dora"].workspace.join(link, f"with {who}")
        for person in people.values():
            await person.workspace.sync()
        observer.remember()
        yield made, observer, people


async def share_and_write(ana: Person, other: Person, path: str) -> None:
    """She makes and shares it, the other joins and writes a line, she reads it; then both go."""
    await ana.workspace.new_document(path, TEXT)
    await other.workspace.join(await ana.workspace.share_link(path, Role.WRITER), path)
    await write_together(ana, other, path)


async def write_together(ana: Person, other: Person, path: str) -> None:
    """Both have it open; he writes a line, she reads it, and both go."""
    handles = [await person.workspace.open_document(path) for person in (ana, other)]
    for person in (ana, other):
        await person.workspace.go_online(RELAYED)
        await until(lambda person=person: person.live_over(path, "node"), person)  # type: ignore[misc]
    other.append(path, " Bring a lamp.")
    assert await agree(path, ana, other) == TEXT + " Bring a lamp."
    for person in (ana, other):
        live = person.opened(path).live
        await until(lambda live=live: live.saved_on(live.nodes[0]), person)  # type: ignore[misc]
    for person, handle in zip((ana, other), handles, strict=True):
        await handle.close()
        await person.engine.leave_online()


async def recorded(
    observer: Observer, people: dict[str, Person], who: str, path: str
) -> list[list[tuple[object, ...]]]:
    """What the observer sees of one share; afterwards it knows that, too."""
    await share_and_write(people["Ana"], people[who], path)
    transcript = observer.transcript()
    for person in people.values():
        await person.workspace.sync()
    observer.remember()
    return transcript


async def test_with_whom_something_is_shared_does_not_show(tmp_path: Path) -> None:
    """Three shares with three parties: equal in sessions, verbs, sizes and order, new things renamed."""
    async with after_an_hour(tmp_path) as (_, observer, people):
        with_ben = await recorded(observer, people, "Ben", "plans 1")
        with_cleo = await recorded(observer, people, "Cleo", "plans 2")
        with_herself = await recorded(observer, people, "laptop", "plans 3")

        assert len(with_ben) >= 5
        assert with_ben == with_cleo
        assert with_ben == with_herself


async def test_with_which_contact_something_is_shared_does_not_show(tmp_path: Path) -> None:
    """Nor, at the node where a document is, which contact it was shared with by mail at another node."""
    async with after_an_hour(tmp_path) as (made, observer, people):
        elsewhere, ana = await made.node("elsewhere"), people["Ana"]
        for who in ("Ben", "Cleo"):
            other = people[who]
            for node in await other.workspace.nodes():
                await other.workspace.remove_node(node.address)
            await other.workspace.add_node(elsewhere.address)
            await ana.workspace.add_contact(await other.workspace.contact_card(), who)
            await other.workspace.add_contact(await ana.workspace.contact_card(), "Ana")
        for _ in range(2):
            for person in (ana, people["Ben"], people["Cleo"]):
                await person.workspace.sync()
        observer.remember()
        transcripts = []
        for who, path in (("Ben", "plans 1"), ("Cleo", "plans 2")):
            await ana.workspace.new_document(path, TEXT)
            assert await ana.workspace.share_with(path, who, Role.WRITER) == who
            await people[who].workspace.sync()  # it is accepted by itself
            await write_together(ana, people[who], path)
            transcripts.append(observer.transcript())
            for person in people.values():
                await person.workspace.sync()
            observer.remember()

        assert len(transcripts[0]) >= 4
        assert transcripts[0] == transcripts[1]


async def test_a_client_with_one_session_for_everything_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same recording tells Ben from Cleo if all of an account's objects are on one session."""
    monkeypatch.setattr(network, "circle_of", lambda _: frozenset())
    async with after_an_hour(tmp_path) as (_, observer, people):
        diaries = {who: people[who].opened("diary").live.id.hex() for who in ("Ben", "Cleo")}
        with_ben = await recorded(observer, people, "Ben", "plans 1")
        with_cleo = await recorded(observer, people, "Cleo", "plans 2")

        assert with_ben != with_cleo
        assert diaries["Ben"] in str(with_ben)
        assert diaries["Cleo"] in str(with_cleo)


async def test_lengths_and_bytes_on_the_wire(tmp_path: Path) -> None:
    """Whatever goes in or out at the store has an allowed length, and shows nobody and nothing."""
    async with after_an_hour(tmp_path) as (_, observer, people):
        ana, ben = people["Ana"], people["Ben"]
        await ana.workspace.add_contact(await ben.workspace.contact_card())
        await ben.workspace.add_contact(await ana.workspace.contact_card())
        for person in (ana, ben):
            await person.workspace.sync()
        await ana.workspace.new_document("Takeover", TEXT)
        assert await ana.workspace.share_with("Takeover", "Ben", Role.WRITER) == "Ben"
        await share_and_write(ana, ben, "plans")
        accounts = [person.engine.keys.credentials for person in people.values()]
        secrets = [form for one in accounts for id_ in (one.account_id, one.device_id) for form in forms(id_)]
        secrets += [word.encode() for word in (TEXT, "Takeover", "with Dora", "Dear diary.", NAMES["Cleo"])]

        assert wrong_lengths(observer.raw) == []
        assert {Frame.SEGMENTS, Frame.RECORDS, Frame.PUT_DROP, Frame.PUT_MAIL, Frame.EPHEMERAL} <= {
            Frame(decode_untrusted(message, 1 << 20)[0]) for message in observer.raw
        }
        assert runs_in(b"\0".join(observer.raw), runs(*secrets)) == set()
        # The search itself works: what must be there is found.
        shared = ana.opened("Takeover").live.id
        assert runs_in(b"\0".join(observer.raw), runs(shared)) == runs(shared)


def wrong_lengths(messages: list[bytes]) -> list[tuple[str, int]]:
    """Sealed things of a length that others of their kind do not have."""
    wrong = []
    for message in messages:
        kind, *fields = decode_untrusted(message, 1 << 20)
        match Frame(kind):
            case Frame.SEGMENTS:
                found = [len(raw) for raw in fields[1]]
                allowed = {padme(length) for length in found if length >= 256}
            case Frame.RECORDS:
                records = [raw for raw in fields[1] if decode_untrusted(raw, 1 << 20)[1] != CERTIFICATE]
                found, allowed = [len(raw) for raw in records], set(BUCKETS)
            case Frame.PUT_DROP:
                found, allowed = [len(fields[0])], set(BUCKETS)
            case Frame.PUT_MAIL:
                found, allowed = [len(decode_untrusted(fields[0], 1 << 17)[2])], set(MAIL_SIZES)
            case Frame.EPHEMERAL:
                found, allowed = [len(fields[3])], set(EPHEMERAL_SIZES)
            case _:
                continue
        wrong += [(Frame(kind).name, length) for length in found if length not in allowed]
    return wrong
