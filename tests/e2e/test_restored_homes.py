"""Homes that are put back from an older copy, and copies that run beside their twin."""

from __future__ import annotations

from pathlib import Path

from peergos_collab.workspace import Role
from support.homes import RELAYED, Person, World, agree, copy_home, online, until, world

STEPS = 5


async def history(made: World, node: str) -> tuple[Person, Person]:
    """Ana and Ben with a document and a chat."""
    ana, ben = await made.pair(node)
    await ana.workspace.new_chat("talk")
    await ben.workspace.join(await ana.workspace.share_link("talk", Role.WRITER))
    return ana, ben


async def said(person: Person) -> list[str]:
    return [message.text for message in await person.workspace.read_messages("talk", 1000)]


async def write(person: Person, word: str) -> None:
    person.append("notes", f"{word} ")
    await person.workspace.send_message("talk", word)


async def test_restore_at_every_step(tmp_path: Path) -> None:
    """Every older copy finds its later self at the node; what is written on it joins, nothing twice."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await history(made, node.address)
        words, copies = [], []
        for number in range(STEPS):
            await write(ana, f"w{number}")
            words.append(f"w{number}")
            if number % 2:
                await ana.workspace.sync()
            copies.append(tmp_path / f"copy{number}")
            copy_home(ana.home, copies[-1])
            await write(ben, f"b{number}")
            words.append(f"b{number}")
            await ben.workspace.sync()
            await ana.workspace.sync()
        await made.close(ana)

        for number, copy in enumerate(copies):
            restored = await made.person(copy.name)
            await write(restored, f"r{number}")
            words.append(f"r{number}")
            await restored.workspace.sync()
            await made.close(restored)
            await ben.workspace.sync()
        last = await made.person("Ana")
        await last.workspace.sync()
        await ben.workspace.sync()

        for person in (last, ben):
            assert sorted(person.text("notes").split()) == sorted(words)
            assert sorted(await said(person)) == sorted(words)
        assert last.text("notes") == ben.text("notes")
        assert await said(last) == await said(ben)


async def test_an_old_copy_with_unsent_work(tmp_path: Path) -> None:
    """A copy made before its changes were sent, put back after they were, sends them no second time."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await history(made, node.address)
        for number in range(4):
            await write(ana, f"w{number}")
        copy_home(ana.home, tmp_path / "old")
        await ana.workspace.sync()
        await write(ana, "later")
        await ana.workspace.sync()
        await made.close(ana)

        old = await made.person("old")
        await write(old, "after")
        await old.workspace.sync()
        await ben.workspace.sync()

        words = sorted([*(f"w{number}" for number in range(4)), "later", "after"])
        for person in (old, ben):
            assert sorted(person.text("notes").split()) == words
            assert sorted(await said(person)) == words
        # The restored device goes on working, and so does its other copy.
        again = await made.person("Ana")
        await write(again, "twin")
        await again.workspace.sync()
        await old.workspace.sync()
        assert sorted(await said(old)) == sorted([*words, "twin"])


async def test_a_copy_runs_beside_its_twin(tmp_path: Path) -> None:
    """Two homes with the same keys, both online and typing: everything is on both and with Ben, once."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await history(made, node.address)
        await write(ana, "before")
        await ana.workspace.sync()
        await made.close(ana)
        copy_home(ana.home, tmp_path / "Twin")
        ana, twin = await made.person("Ana"), await made.person("Twin")
        everybody = (ana, twin, ben)
        await online("notes", RELAYED, *everybody)
        words = ["before"]
        for number in range(10):
            for person in everybody:
                await write(person, f"{person.home.name}{number}")
                words.append(f"{person.home.name}{number}")
        for person in everybody:
            person.engine.find("talk")

        def whole() -> bool:
            return all(sorted(person.text("notes").split()) == sorted(words) for person in everybody)

        await until(whole, *everybody, what="all words everywhere, once")
        await agree("notes", *everybody)
        await until(
            lambda: all(len(person.opened("talk").fold.timeline) == len(words) for person in everybody),
            *everybody,
        )  # type: ignore[union-attr]
        assert await said(ana) == await said(twin) == await said(ben)
        assert sorted(await said(ana)) == sorted(words)


async def test_a_forked_log_is_told_and_stays_listed(tmp_path: Path) -> None:
    """Two copies of a home each seal the next segment of one log: others keep both, and are told whose it is;
    ``check`` lists it after a restart, too."""
    async with world(tmp_path) as made:
        node = await made.node()
        ana, ben = await made.pair(node.address, text="one. ")
        await ana.workspace.sync()
        await made.close(ana)
        copy_home(ana.home, tmp_path / "Twin")
        ana, twin = await made.person("Ana"), await made.person("Twin")
        copied = twin.opened("notes").live
        copied.release()
        twin.append("notes", "twin. ")
        await copied.durable()
        ana.append("notes", "ana. ")
        await ana.workspace.sync()
        await ben.workspace.sync()
        (branch,) = copied.replica.book.numbered.values()
        ben.opened("notes").live.take_segments(copied.replica.book.read(branch, 1, 1 << 20), "memory", None)

        assert sorted(ben.text("notes").split()) == ["ana.", "one.", "twin."]
        (told,) = await ben.problems()
        assert "a device of Ana wrote on in two ways" in told
        ben = await made.reopen(ben)
        (flaw,) = (await ben.workspace.check()).forked
        assert flaw.path == "notes"
        assert "Ana wrote on in two ways" in flaw.what
