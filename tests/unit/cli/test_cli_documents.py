"""``pgc doc``."""

from __future__ import annotations

import base64
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from peergos_collab.errors import NoAccess
from peergos_collab.workspace.api import CompactedAt, Compaction, Forgetting
from support.fake_workspace import FakeHomes, FakeWorkspace

AWKWARD = "a\r\nb\rc\n\n\u2028\x85\x0c\tü七🗺\ufeff\0 end"


def test_new(pgc: Any, workspace: FakeWorkspace) -> None:
    """Makes an empty document."""
    assert pgc("doc", "new", "notes", "--json").document == {"v": 1, "path": "notes"}
    assert workspace.texts == {"notes": ""}


def test_new_says_nothing(pgc: Any) -> None:
    """Without --json success is silent."""
    ran = pgc("doc", "new", "notes")

    assert (ran.code, ran.out, ran.err) == (0, b"", "")


def test_new_from_a_file(pgc: Any, workspace: FakeWorkspace, tmp_path: Path) -> None:
    """The file's text goes in unchanged, whatever line ends it has."""
    (tmp_path / "f").write_bytes(AWKWARD.encode())
    pgc("doc", "new", "notes", "--from", str(tmp_path / "f"))

    assert workspace.texts == {"notes": AWKWARD}


def test_new_from_stdin(pgc: Any, workspace: FakeWorkspace) -> None:
    """``-`` is stdin, byte for byte."""
    pgc("doc", "new", "notes", "--from", "-", stdin=AWKWARD.encode())

    assert workspace.texts == {"notes": AWKWARD}


@pytest.mark.parametrize("raw", [b"\xff", b"ok\xed\xa0\x80", "ü".encode("latin-1"), b"\xc0\x80"])
def test_what_is_not_utf8_is_refused(raw: bytes, pgc: Any, homes: FakeHomes, tmp_path: Path) -> None:
    """Exit 2, a hint to what comes later, and nothing is opened or changed."""
    (tmp_path / "f").write_bytes(raw)
    ran = pgc("doc", "new", "notes", "--from", str(tmp_path / "f"), "--json")

    assert ran.code == 2
    assert "pgc put" in ran.failure["hint"]
    assert homes.opened == []


def test_a_file_that_is_not_there(pgc: Any, homes: FakeHomes) -> None:
    """Exit 3, naming it."""
    ran = pgc("doc", "write", "notes", "/nonexistent/file")

    assert ran.code == 3
    assert "/nonexistent/file" in ran.err
    assert homes.opened == []


def test_an_existing_name(pgc: Any, workspace: FakeWorkspace) -> None:
    """Exit 8."""
    workspace.texts["notes"] = "x"

    assert pgc("doc", "new", "notes").code == 8


@pytest.mark.parametrize("text", ["", "no line end", AWKWARD, "\r\n"])
def test_cat_is_byte_exact(text: str, pgc: Any, workspace: FakeWorkspace) -> None:
    """UTF-8 comes out unchanged: no line end translated or added."""
    workspace.texts["notes"] = text

    assert pgc("doc", "cat", "notes").out == text.encode()


def test_cat_in_json(pgc: Any, workspace: FakeWorkspace) -> None:
    """{text, version}, on one line, although the text holds line separators."""
    workspace.texts["notes"] = AWKWARD

    ran = pgc("doc", "cat", "notes", "--json")

    assert ran.document == {"v": 1, "text": AWKWARD, "version": f"v{len(AWKWARD)}"}
    assert len(ran.out.decode().splitlines()) == 1


def test_cat_of_nothing(pgc: Any) -> None:
    """Exit 3."""
    assert pgc("doc", "cat", "nothing").code == 3


def test_write(pgc: Any, workspace: FakeWorkspace) -> None:
    """stdin replaces the text; the base goes along; JSON tells the version after it."""
    workspace.texts["notes"] = "x"
    ran = pgc("doc", "write", "notes", "-", "--base", "v1", "--json", stdin=AWKWARD.encode())

    assert ran.document == {"v": 1, "path": "notes", "version": f"v{len(AWKWARD)}"}
    assert ("write_document", "notes", AWKWARD, "v1") in workspace.calls


def test_stdin_has_one_use(pgc: Any, homes: FakeHomes) -> None:
    """Text and passphrase cannot both come from it."""
    ran = pgc("doc", "write", "notes", "-", "--passphrase-file", "-", stdin=b"x")

    assert ran.code == 2
    assert homes.opened == []


def test_export_text_and_yjs(pgc: Any, workspace: FakeWorkspace) -> None:
    """Bytes to stdout as they are."""
    workspace.texts["notes"] = AWKWARD

    assert pgc("doc", "export", "notes").out == AWKWARD.encode()
    assert pgc("doc", "export", "notes", "--format", "yjs").out == b"\x00\xff\n\r\n"


def test_export_in_json(pgc: Any, workspace: FakeWorkspace) -> None:
    """Text as text, Yjs as base64."""
    workspace.texts["notes"] = "x"

    assert pgc("doc", "export", "notes", "--json").document["text"] == "x"
    found = pgc("doc", "export", "notes", "--format", "yjs", "--json").document["base64"]
    assert base64.b64decode(found) == b"\x00\xff\n\r\n"


def test_export_to_a_file(pgc: Any, workspace: FakeWorkspace, tmp_path: Path) -> None:
    """-o FILE writes there, for nobody else to read, and JSON says where and how much."""
    workspace.texts["notes"] = AWKWARD
    before = os.umask(0o022)
    try:
        ran = pgc("doc", "export", "notes", "-o", str(tmp_path / "out"), "--json")
    finally:
        os.umask(before)

    assert (tmp_path / "out").read_bytes() == AWKWARD.encode()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o600
    assert ran.document["size"] == len(AWKWARD.encode())


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a Python program the editor; it sees its file's path as ``path``."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()

    def use(code: str) -> None:
        program = tmp_path / "an editor.py"
        program.write_text(f"import os, sys, pathlib\npath = pathlib.Path(sys.argv[-1])\n{code}\n")
        monkeypatch.setenv("EDITOR", f"{sys.executable} '{program}'")

    return use


def left_over(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "run").rglob("*"))


def test_edit(pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path) -> None:
    """What the editor saved is written back with the base that was read; nothing is left."""
    workspace.texts["notes"] = AWKWARD
    editor("path.write_bytes(path.read_bytes() + b'more\\r\\n')")

    assert pgc("doc", "edit", "notes", "--json").document == {"v": 1, "path": "notes", "changed": True}
    write = ("write_document", "notes", AWKWARD + "more\r\n", f"v{len(AWKWARD)}")
    assert write in workspace.calls
    assert left_over(tmp_path) == []


def test_edit_is_private(pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path) -> None:
    """While the editor runs, the file is 0600 in a directory of 0700."""
    workspace.texts["notes"] = "x"
    report = tmp_path / "report"
    editor(
        "modes = [oct(os.stat(p).st_mode & 0o777) for p in (path, path.parent)]\n"
        f"pathlib.Path({str(report)!r}).write_text(' '.join([*modes, path.name]))"
    )
    pgc("doc", "edit", "notes")

    assert report.read_text() == "0o600 0o700 notes.txt"


def test_edit_closes_the_workspace_meanwhile(pgc: Any, workspace: FakeWorkspace, editor: Any) -> None:
    """Other programs may be the engine while somebody thinks."""
    workspace.texts["notes"] = "x"
    editor("path.write_text('y')")
    pgc("doc", "edit", "notes")

    assert workspace.closed == 2


def test_edit_without_a_change(pgc: Any, workspace: FakeWorkspace, editor: Any) -> None:
    """Nothing is written."""
    workspace.texts["notes"] = "x"
    editor("")

    assert pgc("doc", "edit", "notes", "--json").document["changed"] is False
    assert [call for call in workspace.calls if call[0] == "write_document"] == []


@pytest.mark.parametrize("code", ["sys.exit(3)", "path.write_text('y'); sys.exit(1)"])
def test_an_editor_that_fails(
    code: str, pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path
) -> None:
    """Nothing is changed and nothing is left."""
    workspace.texts["notes"] = "x"
    editor(code)

    assert pgc("doc", "edit", "notes").code == 2
    assert workspace.texts["notes"] == "x"
    assert left_over(tmp_path) == []


def test_an_edit_that_cannot_be_saved_is_kept(
    pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody loses what he typed: the file stays, still private, and the hint says where."""
    workspace.texts["notes"] = "x"

    async def refuse(*_: object, **__: object) -> None:
        raise NoAccess("You may only read this.")

    monkeypatch.setattr(workspace, "write_document", refuse)
    editor("path.write_text('an hour of work')")
    ran = pgc("doc", "edit", "notes", "--json")

    [directory, kept] = sorted(left_over(tmp_path))
    assert ran.code == 4
    assert str(kept) in ran.failure["hint"]
    assert kept.read_text() == "an hour of work"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_an_edit_that_is_no_text_is_kept(
    pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path
) -> None:
    """An editor that saves Latin-1 loses nothing either."""
    workspace.texts["notes"] = "x"
    editor("path.write_bytes(b'\\xff')")

    assert pgc("doc", "edit", "notes").code == 2
    assert [path.read_bytes() for path in left_over(tmp_path) if path.is_file()] == [b"\xff"]


def test_no_editor(pgc: Any, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2 with a hint."""
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)
    workspace.texts["notes"] = "x"

    ran = pgc("doc", "edit", "notes", "--json")

    assert ran.code == 2
    assert "EDITOR" in ran.failure["hint"]


def test_an_editor_that_does_not_start(
    pgc: Any, workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2, naming it."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "/nonexistent/editor --wait")
    workspace.texts["notes"] = "x"

    assert "/nonexistent/editor" in pgc("doc", "edit", "notes").err


@pytest.mark.parametrize(
    ("name", "file"),
    [("../../etc/x", "x.txt"), ("-rf", "rf.txt"), (".hidden", "hidden.txt"), ("a b.md", "a_b.md")],
)
def test_names_of_documents_do_not_lead_elsewhere(
    name: str, file: str, pgc: Any, workspace: FakeWorkspace, editor: Any, tmp_path: Path
) -> None:
    """A name chosen by somebody else is no path and no option for the editor."""
    workspace.texts[name] = "x"
    editor("path.write_text(path.name)")
    pgc("doc", "edit", "--", name)

    assert workspace.texts[name] == file
    assert left_over(tmp_path) == []


@pytest.fixture
def compaction(workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> list[Compaction]:
    """What the next ones give."""
    results: list[Compaction] = []

    async def compact(path: str) -> Compaction:
        workspace._called("compact_document", path)
        return results.pop()

    monkeypatch.setattr(workspace, "compact_document", compact, raising=False)
    return results


def test_compact(pgc: Any, compaction: list[Compaction]) -> None:
    """What lies in archives, and what each node says of it."""
    nodes = CompactedAt("pgc://a", 168), CompactedAt("pgc://b", 0), CompactedAt("pgc://c", None, "it is full")
    compaction += [Compaction(2, 4096, 500_000, nodes)] * 2
    shown = pgc("doc", "compact", "notes").out.decode().splitlines()

    assert shown[0] == "4096 older changes lie in 2 archives, of 500000 bytes together."
    assert shown[1] == "pgc://a  drops the changes themselves in 168 h, unless a member objects"
    assert shown[2:] == [
        "pgc://b  dropped the changes themselves, or is at it: the time to object is over",
        "pgc://c  it is full",
    ]
    assert pgc("doc", "compact", "notes", "--json").document == {
        "v": 1,
        "path": "notes",
        "archives": 2,
        "changes": 4096,
        "bytes": 500_000,
        "nodes": [
            {"node": "pgc://a", "hours": 168, "problem": ""},
            {"node": "pgc://b", "hours": 0, "problem": ""},
            {"node": "pgc://c", "hours": None, "problem": "it is full"},
        ],
    }


def test_compact_what_is_short(pgc: Any, compaction: list[Compaction]) -> None:
    """There is nothing to do, and that is said."""
    compaction.append(Compaction(0, 0, 0, (CompactedAt("pgc://a", 0),)))

    assert pgc("doc", "compact", "notes").out == (
        b"There is nothing to compact yet: the newest changes of each device stay as they are.\n"
    )


def test_compact_refused(pgc: Any, workspace: FakeWorkspace, compaction: list[Compaction]) -> None:
    """Exit 4 for who is no admin."""
    workspace.failure = NoAccess("x")

    assert pgc("doc", "compact", "notes").code == 4
    assert compaction == []


@pytest.fixture
def forgotten(workspace: FakeWorkspace, monkeypatch: pytest.MonkeyPatch) -> list[Forgetting]:
    """What was, or is to be."""
    results: list[Forgetting] = []

    async def forget(path: str, before: str) -> Forgetting:
        workspace._called("forget_document", path, before)
        return results[0]

    async def forgetting(path: str) -> list[Forgetting]:
        workspace._called("forgetting", path)
        return results

    monkeypatch.setattr(workspace, "forget_document", forget, raising=False)
    monkeypatch.setattr(workspace, "forgetting", forgetting, raising=False)
    return results


NODES = CompactedAt("pgc://a", 168), CompactedAt("pgc://b", 0), CompactedAt("pgc://c", None, "it is full")
TO_COME = Forgetting("Ana", 0, 40, done=False, counts=True, nodes=NODES, me=True)


def test_forget(pgc: Any, workspace: FakeWorkspace, forgotten: list[Forgetting]) -> None:
    """What will be gone, when, and where."""
    forgotten.append(TO_COME)
    said, *nodes = pgc("doc", "forget", "notes", "--before", "handed in").out.decode().splitlines()

    assert said.startswith("40 changes are to be forgotten, as Ana said, ")
    assert said.endswith(": members' devices do so after the nodes, unless somebody objects.")
    assert nodes == [
        "pgc://a  forgets them in 168 h, unless a member objects",
        "pgc://b  forgot them, or is at it: the time to object is over",
        "pgc://c  it is full",
    ]
    assert workspace.calls[-1] == ("forget_document", "notes", "handed in")


def test_what_was_forgotten(pgc: Any, workspace: FakeWorkspace, forgotten: list[Forgetting]) -> None:
    """Each with how far it is; nothing is changed by looking."""
    nothing = b"Nothing of it was forgotten, as far as this device has heard.\n"
    assert pgc("doc", "forget", "notes", "--status").out == nothing
    forgotten += [TO_COME, replace(TO_COME, done=True), replace(TO_COME, counts=False, nodes=())]
    ends = [
        line.rpartition(": ")[2]
        for line in pgc("doc", "forget", "notes", "--status").out.decode().splitlines()
    ]

    assert ends[0] == "members' devices do so after the nodes, unless somebody objects."
    assert ends[4] == "on this device they are."
    assert ends[8] == "they stay, for somebody objected, or who said so is no admin of today."
    assert pgc("doc", "forget", "notes", "--status", "--json").document["forgotten"][2] == {
        "by": "Ana",
        "time": 0,
        "changes": 40,
        "done": False,
        "counts": False,
        "nodes": [],
        "me": True,
        "unverified": False,
    }
    assert {call[0] for call in workspace.calls} == {"forgetting"}


def test_forget_refused(pgc: Any, workspace: FakeWorkspace, forgotten: list[Forgetting]) -> None:
    """Exit 4 for who is no admin, and 2 for what contradicts itself."""
    workspace.failure = NoAccess("x")

    assert pgc("doc", "forget", "notes").code == 4
    assert pgc("doc", "forget", "notes", "--status", "--before", "x").code == 2
    assert forgotten == []
