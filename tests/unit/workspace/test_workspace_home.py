"""A home's keys: passphrase, recovery code, and what is on disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from peergos_collab.cli import main
from peergos_collab.errors import Conflict, Damaged, NotFound, PassphraseNeeded, UsageError, WrongPassphrase
from peergos_collab.storage import HomeLock
from peergos_collab.workspace.home import LOCK, MASTER, create_home, open_keys, recover_home, remember_nodes
from support.homes import world

pytestmark = pytest.mark.usefixtures("quick_passphrases")

NODE = f"pgc://{'z' + '2' * 44}@127.0.0.1:1"


def test_the_recovery_code_sets_a_new_passphrase(tmp_path: Path) -> None:
    """The code sets a new passphrase; the old one no longer opens, the code still does."""
    made = create_home(tmp_path, name="Ana", passphrase="old words")
    assert made.recovery_code not in repr(made)
    before = open_keys(tmp_path, "old words").credentials.account_id
    recover_home(tmp_path, made.recovery_code, "new words")
    with pytest.raises(WrongPassphrase):
        open_keys(tmp_path, "old words")
    recover_home(tmp_path, made.recovery_code.lower(), None)

    assert before == open_keys(tmp_path, None).credentials.account_id


def test_codes_that_do_not_open(tmp_path: Path) -> None:
    """Another home's code, a mistyped one and a missing home each say so; nothing changes."""
    create_home(tmp_path / "a", name="Ana", passphrase=None)
    other = create_home(tmp_path / "b", name="Bo", passphrase=None)
    with pytest.raises(WrongPassphrase):
        recover_home(tmp_path / "a", other.recovery_code, None)
    with pytest.raises(UsageError):
        recover_home(tmp_path / "a", other.recovery_code[:-1], None)
    with pytest.raises(NotFound):
        recover_home(tmp_path / "c", other.recovery_code, None)
    with HomeLock(tmp_path / "b" / LOCK), pytest.raises(Conflict):
        recover_home(tmp_path / "b", other.recovery_code, None)

    assert open_keys(tmp_path / "a", None).credentials.name == "Ana"


def test_a_home_is_made_once(tmp_path: Path) -> None:
    """A second account in the same place is refused, and the first stays."""
    create_home(tmp_path, name="Ana", passphrase=None)
    with pytest.raises(Conflict):
        create_home(tmp_path, name="Bo", passphrase=None)

    assert open_keys(tmp_path, None).credentials.name == "Ana"


@pytest.mark.parametrize("name", ["", " ", "Ana\u202eneB", "Ana\nBen", " Ana", "A" * 65, "\ud800"])
def test_a_name_is_one_that_others_can_be_shown(name: str, tmp_path: Path) -> None:
    """Neither the person's nor the device's hides or turns text around; nothing is made."""
    for names in ({"name": name}, {"name": "Ana", "device_name": name or " "}):
        with pytest.raises(UsageError, match="cannot be a name"):
            create_home(tmp_path, passphrase=None, **names)

    assert list(tmp_path.iterdir()) == []


def test_a_locked_home_needs_its_passphrase(tmp_path: Path) -> None:
    """Without one it says that one is needed; nothing that opens it lies beside it."""
    create_home(tmp_path, name="Ana", passphrase="some words")
    with pytest.raises(PassphraseNeeded):
        open_keys(tmp_path, None)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", "lock", "store.db"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_the_command_takes_the_code_from_a_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """``pgc key recover`` reads both secrets from files and says nothing secret."""
    made = create_home(tmp_path / "home", name="Ana", passphrase="old words")
    (tmp_path / "code").write_text(made.recovery_code + "\n")
    (tmp_path / "new").write_text("new words\n")
    options = ["--recovery-code-file", str(tmp_path / "code"), "--new-passphrase-file", str(tmp_path / "new")]
    arguments = ["--home", str(tmp_path / "home"), "key", "recover", *options]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    printed = "".join(capfd.readouterr())

    assert ended.value.code in (0, None)
    assert made.recovery_code not in printed
    assert open_keys(tmp_path / "home", "new words").credentials.name == "Ana"


def test_a_key_file_that_was_cut(tmp_path: Path) -> None:
    """It is called damaged, with what helps; the code still opens the home."""
    made = create_home(tmp_path, name="Ana", passphrase=None)
    (tmp_path / MASTER).write_bytes(bytes(7))
    with pytest.raises(Damaged, match=r"master\.key is damaged"):
        open_keys(tmp_path, None)
    recover_home(tmp_path, made.recovery_code, None)

    assert open_keys(tmp_path, None).credentials.name == "Ana"


async def test_what_is_learned_while_the_passphrase_changes_stays(tmp_path: Path) -> None:
    """Making the new keys takes a second. What the device keeps beside them in that time is not lost."""
    async with world(tmp_path) as made:
        ana = await made.person("Ana")
        changing = asyncio.create_task(ana.workspace.change_passphrase(None, "new words"))
        await asyncio.sleep(0)
        engine = ana.engine
        engine.keys = remember_nodes(engine.home, engine.keys, (NODE,), "")
        await changing

        assert engine.keys.nodes == (NODE,)
        assert open_keys(engine.home, "new words").nodes == (NODE,)
