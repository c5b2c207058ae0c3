"""``pgc``: the group of all commands, the way to the TUI, and where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from ..errors import UsageError
from . import starting
from .chat import chat
from .checking import check
from .contacts import contact, invitation
from .demo import demo
from .devices import device
from .doctor import doctor
from .documents import doc
from .failures import INTERRUPTED, report
from .home import init, key, list_entries, move, remove, status
from .live import online, sync, watch
from .nodes import lan, node
from .output import print_result
from .pairing import pair
from .recovering import recover
from .session import Terminated
from .settings import Group, Settings, current, refuse
from .sharing import join, members, share
from .unsharing import leave, role, unshare

FACES: Final = "peergos_collab.faces"


class Root(Group):
    """Ends the process with the exit codes that CLI scripts rely on."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """As click's, but with our own words and exit codes for what goes wrong."""
        arguments = list(sys.argv[1:] if args is None else args)
        if args is None and standalone_mode:  # it is this process's own start, and nothing was there before
            starting.begin()
        settings = Settings()
        try:
            # Not click's own main: that one turns a closed stdout into exit code 1.
            self._main_shell_completion(extra, prog_name or "pgc", complete_var)
            with self.make_context(prog_name or "pgc", list(arguments), obj=settings, **extra) as context:
                code = self.invoke(context)
            code = code if isinstance(code, int) else 0
            _flush()
        except click.exceptions.Exit as end:
            code = end.exit_code
        except BrokenPipeError:
            _silence_stdout()
            code = 0
        except Terminated as end:
            code = 0 if end.expected else INTERRUPTED
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  every error ends here, as an exit code
            # What stands behind a word that was not understood was not parsed, --json perhaps.
            settings.json = settings.json or _asks_for_json(arguments)
            code = report(error, settings)
        if standalone_mode:
            sys.exit(code)
        return code


def _asks_for_json(arguments: Sequence[str]) -> bool:
    before_data = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in before_data


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _silence_stdout() -> None:
    """Whoever read us is gone; without this, Python complains at exit that it cannot flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


@click.group(
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, help="Print the version.")
def main(version: bool) -> int | None:
    """Documents and chats that are yours: encrypted end to end, merged without a server's help.

    Without a command, opens the text interface.
    """
    context = click.get_current_context()
    if version:
        from .. import __version__

        print_result(current(), {"version": __version__}, [f"pgc {__version__}"])
        context.exit(0)
    if context.invoked_subcommand is not None:
        return None
    return _open_tui(current())


def _open_tui(settings: Settings) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        refuse(
            "The text interface needs a terminal; nothing was done.",
            "'pgc --help' lists the commands that work without one, 'pgc demo' shows a tour.",
        )
    if settings.secret_file() == "-":
        refuse("The passphrase cannot come from stdin here: that is the terminal; nothing was done.")
    passphrase = settings.passphrase()
    from importlib.metadata import entry_points

    for face in entry_points(group=FACES, name="tui"):
        show = face.load()
        starting.over()
        code = show(settings.home_directory(), passphrase)
        return int(code or 0)
    raise UsageError("The text interface is not installed.", hint="'pgc --help' lists the commands.")


for command in (
    *(init, recover, status, list_entries, move, remove, doc, chat, share, join),
    *(members, unshare, role, leave, contact, invitation, device),
    *(node, lan, pair, sync, online, watch, key, check, doctor, demo),
):
    main.add_command(command)
