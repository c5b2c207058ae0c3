"""Documents: new, read, write, export. Editing in an editor is in ``editor``."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from .output import narrate, print_bytes, print_result
from .past import at, blame, compact, diff, forget, history, name, restore
from .session import in_workspace
from .settings import Group, Settings, current, refuse

if TYPE_CHECKING:
    from ..workspace.api import Workspace


@click.group(cls=Group)
def doc() -> None:
    """Text documents."""


def read_text(settings: Settings, source: str) -> str:
    """The text of a file, or of stdin for ``-``, every line end as it is.

    Raises:
        UsageError: it is not UTF-8.
    """
    if source == "-":
        if settings.secret_file() == "-":
            refuse("The text and the passphrase cannot both come from stdin; nothing was changed.")
        raw = sys.stdin.buffer.read()
    else:
        raw = Path(source).read_bytes()
    return decode_text(raw, "stdin" if source == "-" else repr(source))


def decode_text(raw: bytes, where: str) -> str:
    """``raw`` as text; a byte order mark is a part of it, like everything else."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where} is not UTF-8 text (byte {error.start}); nothing was changed.",
            hint="Documents hold text. Files of other kinds will go in with 'pgc put', in a later version.",
        ) from None


@doc.command("new")
@click.argument("path")
@click.option("--from", "source", metavar="FILE", help="Begin with the text of FILE, '-' for stdin.")
def new(path: str, source: str | None) -> None:
    """Make a document called PATH."""
    settings = current()
    text = "" if source is None else read_text(settings, source)

    async def make(workspace: Workspace) -> None:
        await workspace.new_document(path, text)

    in_workspace(settings, make)
    print_result(settings, {"path": path})


@doc.command("cat")
@click.argument("path")
def cat(path: str) -> None:
    """Print the text of PATH, byte for byte."""
    settings = current()

    async def read(workspace: Workspace) -> tuple[str, str]:
        return await workspace.read_document(path)

    text, version = in_workspace(settings, read)
    if settings.json:
        print_result(settings, {"text": text, "version": version})
    else:
        print_bytes(text.encode("utf-8"))


@doc.command("write")
@click.argument("path")
@click.argument("file")
@click.option(
    "--base",
    metavar="VERSION",
    default="",
    help="The version FILE was made from, as 'cat --json' gave it; default: the state now.",
)
def write(path: str, file: str, base: str) -> None:
    """Apply what differs in FILE as edits.

    FILE '-' is stdin. With --base, what others wrote since then stays.
    """
    settings = current()
    text = read_text(settings, file)

    async def apply(workspace: Workspace) -> str:
        await workspace.write_document(path, text, base=base)
        return (await workspace.read_document(path))[1] if settings.json else ""

    version = in_workspace(settings, apply)
    print_result(settings, {"path": path, "version": version})


@doc.command("edit")
@click.argument("path")
def edit(path: str) -> None:
    """Edit PATH in $EDITOR.

    What others write meanwhile is merged.
    """
    from .editor import edit_text

    settings = current()

    async def read(workspace: Workspace) -> tuple[str, str]:
        return await workspace.read_document(path)

    # The workspace is closed while the editor runs, so that other programs may be its engine.
    text, base = in_workspace(settings, read)

    def write_back(raw: bytes) -> None:
        edited = decode_text(raw, "The edited file")

        async def apply(workspace: Workspace) -> None:
            await workspace.write_document(path, edited, base=base)

        in_workspace(settings, apply)

    changed = edit_text(path, text.encode("utf-8"), write_back)
    if not changed:
        narrate(settings, "Nothing was changed.")
    print_result(settings, {"path": path, "changed": changed})


@doc.command("export")
@click.argument("path")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "yjs"]),
    default="text",
    show_default=True,
    help="UTF-8 text, or a Yjs v1 update that any Yjs program reads.",
)
@click.option("-o", "--output", metavar="FILE", default="-", help="Where to write; default: stdout.")
def export(path: str, form: str, output: str) -> None:
    """Write PATH out in the clear, for other programs."""
    settings = current()

    async def read(workspace: Workspace) -> bytes:
        return await workspace.export_document(path, form)

    data = in_workspace(settings, read)
    if output != "-":
        _write_private(Path(output), data)
        print_result(settings, {"path": path, "format": form, "file": output, "size": len(data)})
    elif settings.json:
        content = (
            {"text": data.decode("utf-8")} if form == "text" else {"base64": base64.b64encode(data).decode()}
        )
        print_result(settings, {"path": path, "format": form, **content})
    else:
        print_bytes(data)


def _write_private(file: Path, data: bytes) -> None:
    # Not readable by others even for a moment; one that is replaced keeps its rights.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(data)


for command in (history, name, at, diff, blame, restore, compact, forget):
    doc.add_command(command)
