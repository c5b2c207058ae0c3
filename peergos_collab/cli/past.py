"""The past of documents: their versions, who wrote what, and ways back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden
from .output import local_time, print_bytes, print_result, table
from .session import in_workspace
from .settings import Command, current, refuse

if TYPE_CHECKING:
    from ..workspace.api import CompactedAt, Compaction, Forgetting, Passage, Version, Workspace

SHOWN: int = 12
"""Characters of a version's id in a table; any begin that only one version has will do."""


@click.command("history", cls=Command)
@click.argument("path")
def history(path: str) -> None:
    """List the versions of PATH, the newest first.

    A version is what one person wrote without a pause of five minutes, and without anybody else in between.
    One that has a name ends where that says, and is told with who gave it.
    """
    settings = current()

    async def read(workspace: Workspace) -> list[Version]:
        return await workspace.document_versions(path)

    versions = in_workspace(settings, read)
    rows = [
        (
            each.id[:SHOWN],
            local_time(each.time),
            _who(each),
            f"+{each.added}",
            f"-{each.removed}",
            _name(each),
        )
        for each in versions
    ]
    print_result(settings, {"versions": [dataclasses.asdict(each) for each in versions]}, table(rows))


@click.command("name", cls=Command)
@click.argument("path")
@click.argument("version")
@click.argument("name", default="")
@click.option("--remove", is_flag=True, help="Take the name of VERSION away instead.")
def name(path: str, version: str, name: str, *, remove: bool) -> None:
    """Call VERSION of PATH NAME from now on, for everybody in it.

    The name stands wherever a version is asked for, as 'now' does. Who wrote since, and what comes in late,
    changes nothing in what has a name. A version has one name: another takes its place.
    """
    settings = current()
    if remove == bool(name):
        refuse("A version is given a name, or --remove takes it away; nothing was changed.")

    async def write(workspace: Workspace) -> str:
        return await workspace.name_version(path, version, name)

    id_ = in_workspace(settings, write)
    print_result(settings, {"path": path, "version": id_, "name": name})


@click.command("at", cls=Command)
@click.argument("path")
@click.argument("version")
def at(path: str, version: str) -> None:
    """Print the text of PATH as it was at VERSION."""
    settings = current()

    async def read(workspace: Workspace) -> str:
        return await workspace.document_at(path, version)

    text = in_workspace(settings, read)
    if settings.json:
        print_result(settings, {"text": text})
    else:
        print_bytes(text.encode())


@click.command("diff", cls=Command)
@click.argument("path")
@click.argument("old")
@click.argument("new", default="now")
def diff(path: str, old: str, new: str) -> None:
    """Print what changed in PATH from version OLD to NEW, or to now, as a unified diff."""
    settings = current()

    async def read(workspace: Workspace) -> tuple[str, str]:
        return await workspace.document_at(path, old), await workspace.document_at(path, new)

    before, after = in_workspace(settings, read)
    text = "".join(_unified(before, after, f"{path}@{old[:SHOWN]}", f"{path}@{new[:SHOWN]}"))
    if settings.json:
        print_result(settings, {"diff": text})
    else:
        print_bytes(text.encode())


@click.command("blame", cls=Command)
@click.argument("path")
@click.argument("version", default="now")
def blame(path: str, version: str) -> None:
    """Print each line of PATH with who changed it last, and when."""
    settings = current()

    async def read(workspace: Workspace) -> tuple[str, list[Passage]]:
        # The text first: what is written meanwhile then has no passage, instead of another one's.
        return await workspace.document_at(path, version), await workspace.blame(path, version)

    text, passages = in_workspace(settings, read)
    rows = [
        (local_time(last.time), _who(last), line) if last else ("", "", line)
        for line, last in _lines(text, passages)
    ]
    print_result(settings, {"ranges": [dataclasses.asdict(each) for each in passages]}, table(rows))


@click.command("restore", cls=Command)
@click.argument("path")
@click.argument("version")
def restore(path: str, version: str) -> None:
    """Make PATH again what it was at VERSION.

    It is an edit like any other: everything since stays in the history, and can be restored as well.
    """
    settings = current()

    async def write(workspace: Workspace) -> None:
        await workspace.restore_document(path, version)

    in_workspace(settings, write)
    print_result(settings, {"path": path, "version": version})


@click.command("compact", cls=Command)
@click.argument("path")
def compact(path: str) -> None:
    """Have the nodes of PATH keep its older changes in archives, in a third of the room.

    For admins. History, blame and all versions stay as they are. A node drops the changes themselves only
    once members had time to look into the archives (a week, unless its operator says otherwise), and not at
    all if one of them objects.
    """
    settings = current()

    async def work(workspace: Workspace) -> Compaction:
        return await workspace.compact_document(path)

    done = in_workspace(settings, work)
    lines = [f"{done.changes} older changes lie in {done.archives} archives, of {done.bytes} bytes together."]
    if not done.archives:
        lines = ["There is nothing to compact yet: the newest changes of each device stay as they are."]
    print_result(settings, {"path": path, **dataclasses.asdict(done)}, lines + table(_at_nodes(done)))


@click.command("forget", cls=Command)
@click.argument("path")
@click.option("--before", metavar="VERSION", default="", help="Forget up to VERSION only, by its name or id.")
@click.option("--status", is_flag=True, help="Only tell what was forgotten or is to be, and where.")
def forget(path: str, before: str, *, status: bool) -> None:
    """Have everybody forget how the text of PATH came about: what was taken away, who wrote what, and when.

    For admins. The text stays, and what is written from now on. What comes before now, or before VERSION,
    goes from the nodes of PATH and from its members' devices, names of versions included. That is done once
    members had time to compare (a week, unless a node's operator says otherwise), and not at all if one of
    them objects. A node that is away is named, and does so once it is reached. Who kept a copy, or runs
    another program, can still have it.
    """
    settings = current()
    if status and before:
        refuse("--status changes nothing, so there is no --before to it; nothing was changed.")

    async def work(workspace: Workspace) -> list[Forgetting]:
        if status:
            return await workspace.forgetting(path)
        return [await workspace.forget_document(path, before)]

    found = in_workspace(settings, work)
    lines = [] if found else ["Nothing of it was forgotten, as far as this device has heard."]
    for each in found:
        lines += [
            _forgotten(each),
            *table([(at.node, _when(at, "forgets them", "forgot them")) for at in each.nodes]),
        ]
    print_result(settings, {"path": path, "forgotten": [dataclasses.asdict(each) for each in found]}, lines)


def _forgotten(each: Forgetting) -> str:
    by = _person(each.by, unverified=each.unverified)
    what = f"{each.changes} changes are to be forgotten, as {by} said, {local_time(each.time)}"
    if each.done:
        return f"{what}: on this device they are."
    if not each.counts:
        return f"{what}: they stay, for somebody objected, or who said so is no admin of today."
    return f"{what}: members' devices do so after the nodes, unless somebody objects."


def _when(at: CompactedAt, does: str, did: str) -> str:
    return at.problem or (
        f"{does} in {at.hours} h, unless a member objects"
        if at.hours
        else f"{did}, or is at it: the time to object is over"
    )


def _at_nodes(done: Compaction) -> list[tuple[str, str]]:
    does, did = "drops the changes themselves", "dropped the changes themselves"
    return [(at.node, _when(at, does, did)) for at in done.nodes if done.archives]


def _who(each: Version | Passage) -> str:
    return _person(each.author, unverified=each.unverified)


def _person(who: str, *, unverified: bool) -> str:
    return f"{who} (unverified)" if unverified else who


def _name(each: Version) -> str:
    by = _person(each.named_by, unverified=each.named_by_unverified)
    return f"“{each.name}”, by {by}, {local_time(each.named)}" if each.name else ""


def _lines(text: str, passages: list[Passage]) -> Iterator[tuple[str, Passage | None]]:
    """Each line with the newest passage in it, its end included."""
    start = first = 0
    for line in text.split("\n"):
        end = start + len(line) + 1
        while first < len(passages) and passages[first].end <= start:
            first += 1
        inside = []
        for passage in passages[first:]:
            if passage.start >= end:
                break
            inside.append(passage)
        if line or inside:
            yield line, max(inside, key=lambda each: each.time, default=None)
        start = end


def _unified(before: str, after: str, old: str, new: str) -> Iterator[str]:
    from difflib import unified_diff

    lines = (_split(before), _split(after))
    for line in unified_diff(*lines, escape_hidden(old), escape_hidden(new)):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _split(text: str) -> list[str]:
    """Lines as documents have them: only a line feed ends one."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + [line for line in lines[-1:] if line]
