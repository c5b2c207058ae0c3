"""``pgc recover``: an account whose devices are lost or stolen comes back on this one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from ..codec.shown import escape_hidden
from ..errors import Conflict
from .output import narrate, print_json, print_result, warn
from .passphrases import WITHOUT_PASSPHRASE, new_passphrase
from .session import run
from .settings import Command, Settings, ask_secret, current, has_terminal, read_secret, refuse

if TYPE_CHECKING:
    from ..workspace.recovering import RecoveredAccount


@click.command(cls=Command)
@click.option("--node", metavar="ADDRESS", required=True, help="A node of the account.")
@click.option("--entry", metavar="ADDRESS", default="", help="Go there through this entry node.")
@click.option("--recovery-code-file", metavar="FILE", help="Read the code from FILE, '-' for stdin.")
@click.option("--name", metavar="NAME", default="", help="What to call this device; default: the machine.")
@click.option("--no-passphrase", is_flag=True, help="Keep the master key in a file only you may read.")
@click.option("--end-links", is_flag=True, help="End the links you made too: the old devices know them.")
def recover(
    node: str, entry: str, recovery_code_file: str | None, name: str, no_passphrase: bool, end_links: bool
) -> None:
    """Take the account back on this device with its recovery code.

    For when all devices are lost or stolen. Every other device is removed, whoever has it: it opens
    nothing that is written from now on. The code is used up; a new one is shown this once. To unlock a
    home whose passphrase is lost there is 'pgc key recover'.
    """
    settings = current()
    from ..workspace import home_exists

    home = settings.home_directory()
    if home_exists(home):
        raise Conflict(
            f"There is a home in {str(home)!r} already; nothing was changed.",
            hint="--home DIR names another place. If only its passphrase is lost: 'pgc key recover'.",
        )
    if recovery_code_file == "-" and settings.secret_file() == "-":
        refuse("Only one of the two secrets can come from stdin; nothing was changed.")
    if recovery_code_file is None and not has_terminal():
        refuse("Without a terminal 'pgc recover' needs --recovery-code-file FILE; nothing was changed.")
    given = recovery_code_file
    code = ask_secret("Recovery code") if given is None else read_secret(given, "recovery code")
    _check(code)
    passphrase = new_passphrase(settings, no_passphrase, "recover")
    back = run(_recover(settings, code, (node, entry), name, passphrase, end_links=end_links))
    if no_passphrase:
        narrate(settings, WITHOUT_PASSPHRASE)
    _warn(back)
    fields = {"event": "recovered", **dataclasses.asdict(back), "home": str(home)}
    print_result(settings, fields, [back.account])


def _check(code: str) -> None:
    """A mistyped code is told before a passphrase is asked for. Raises UsageError."""
    from ..identity.recovery_code import RecoveryCode

    RecoveryCode.parse(code)


async def _recover(
    settings: Settings,
    code: str,
    way: tuple[str, str],
    name: str,
    passphrase: str | None,
    *,
    end_links: bool,
) -> RecoveredAccount:
    """``way``: the node, and the entry node on the way there, or empty."""
    from ..workspace.machine import host_name
    from ..workspace.recovering import recover_account

    async def show(new: str) -> None:
        if settings.json:
            print_json({"event": "code", "recovery_code": new})
            return
        warn(f"New recovery code: {new}\nWrite it down and keep it away from this device.")
        warn("The old one is used up with this. The new one is shown only now.")

    narrate(settings, "Looking for the account ...")
    (node, entry), device_name = way, name or host_name()
    return await recover_account(
        settings.home_directory(),
        code,
        show,
        node=node,
        device_name=device_name,
        passphrase=passphrase,
        entry=entry,
        end_links=end_links,
    )


def _warn(back: RecoveredAccount) -> None:
    for device in back.removed:
        warn(f"{escape_hidden(device)} is no device of this account any more.")
    if not back.whole:
        warn("! Somebody had locked the account's profile; what was changed in it since then is lost.")
    if not back.told:
        warn("Not every node has heard of it, so others may go on with the old keys. 'pgc sync' tells them.")
    if back.waiting:
        warn(f"{back.waiting} objects still wait for new keys; they get them when a writer is there.")
    for path in back.by_link:
        warn(f"! {escape_hidden(path)} opens with a link that the old devices know, until that link ends.")
